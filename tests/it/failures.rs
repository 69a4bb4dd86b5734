//! The truth of failures: what went wrong is said as it was, and nothing is left behind.

use serde_json::json;

use crate::harness::{
    Metadata, Millrace, busybox, containers, docker, free_port, mariadb_port, processes_with,
    sql_at, stack, unique, wait_for,
};

/// A DAG of one container task that may be tried again at once, thrice.
fn container_dag(dag_id: &str, image: &str, keys: &str) -> String {
    format!(
        "dag_id: {dag_id}\ndefault_args: {{retries: 2, retry_delay: 0}}\ntasks:\n  a:\n    \
         operator: docker\n    image: {image}\n{keys}"
    )
}

/// Runs it to its failure: the log of its last try, and how many tries there were.
fn fails(millrace: &Millrace, dag_id: &str, text: &str) -> (String, u32) {
    millrace.add_dag(dag_id, text);
    let run = millrace.trigger(dag_id, json!({}));
    failed(millrace, dag_id, &run)
}

fn failed(millrace: &Millrace, dag_id: &str, run: &str) -> (String, u32) {
    assert_eq!(millrace.wait_for_run(dag_id, run, 60), "failed", "{dag_id}");
    let tis = millrace.task_instances(dag_id, run);
    assert_eq!(tis[0]["state"], "failed", "{tis:?}");
    let tries = tis[0]["try_number"].as_u64().and_then(|tries| u32::try_from(tries).ok());
    let tries = tries.expect("a try number");
    (millrace.task_log(dag_id, run, "a", tries), tries)
}

#[test]
fn the_exit_code_of_a_container_is_shown() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let dag_id = unique("exit");
    let keys = "    retries: 0\n    command: [sh, -c, 'echo the reason >&2; exit 3']\n";
    let (log, tries) = fails(&millrace, &dag_id, &container_dag(&dag_id, busybox(), keys));
    assert!(log.contains("exit code 3") && log.contains("the reason"), "{log}");
    assert_eq!(tries, 1);
    assert_eq!(containers(&dag_id), [""; 0]);
}

#[test]
fn a_container_that_was_killed_says_so() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let dag_id = unique("killed");
    let keys = "    retries: 0\n    command: [sleep, '600']\n";
    millrace.add_dag(&dag_id, &container_dag(&dag_id, busybox(), keys));
    let run = millrace.trigger(&dag_id, json!({}));
    let filter = format!("label=millrace.dag={dag_id}");
    let id = wait_for("the container", 60, || {
        let id = docker(&["ps", "--quiet", "--filter", &filter]);
        if id.is_empty() { Err("none runs".to_owned()) } else { Ok(id) }
    });
    docker(&["kill", &id]);
    let (log, tries) = failed(&millrace, &dag_id, &run);
    assert!(log.contains("137"), "{log}");
    assert_eq!(tries, 1);
}

#[test]
fn a_container_over_its_memory_says_so() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let dag_id = unique("memory");
    let keys = "    retries: 0\n    mem_limit: 16m\n    \
                command: [dd, if=/dev/zero, of=/dev/null, bs=64M, count=4]\n";
    let (log, _) = fails(&millrace, &dag_id, &container_dag(&dag_id, busybox(), keys));
    assert!(log.contains("out of memory") && log.contains("16m"), "{log}");
}

#[test]
fn an_image_that_is_missing_is_not_tried_again() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let dag_id = unique("missing");
    let text = container_dag(&dag_id, "millrace/there-is-no-such-image:1", "    pull: never\n");
    let (log, tries) = fails(&millrace, &dag_id, &text);
    assert!(log.contains("millrace/there-is-no-such-image:1"), "{log}");
    assert_eq!(tries, 1, "no retry mends it: {log}");
}

#[test]
fn a_daemon_that_does_not_answer_fails_the_task_and_nothing_else() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let keys = "    retries: 0\n    docker_url: unix:///there/is/no/docker.sock\n";
    millrace.add_dag("no_daemon", &container_dag("no_daemon", "any", keys));
    millrace
        .add_dag("other", "dag_id: other\ntasks:\n  a: {operator: bash, bash_command: echo 1}\n");
    let stuck = millrace.trigger("no_daemon", json!({}));
    let run = millrace.trigger("other", json!({}));
    assert_eq!(millrace.wait_for_run("other", &run, 30), "success");
    let log = wait_for("a word about the daemon", 60, || {
        let log = millrace.task_log("no_daemon", &stuck, "a", 1);
        if log.contains("docker.sock") || log.contains("Docker daemon") {
            Ok(log)
        } else {
            Err(log)
        }
    });
    assert!(!log.is_empty());
}

#[test]
fn an_sql_error_shows_the_statement() {
    let mut millrace = Millrace::start(Metadata::Sqlite);
    let uri = format!("mysql://root:root@127.0.0.1:{}/mysql", mariadb_port());
    millrace.stop();
    millrace.environment.insert("MILLRACE_CONN_STORE".to_owned(), uri);
    millrace.start_again();
    let text = "dag_id: query\ntasks:\n  a:\n    operator: sql\n    conn_id: store\n    sql: |\n      \
                SELECT 1; -- a ; in a comment\n      SELECT 'a;b';\n      SELEKT '{{ ds }}';\n";
    let (log, _) = fails(&millrace, "query", text);
    assert!(log.contains("statement 3") && log.contains("SELEKT '2"), "{log}");
    assert!(log.contains("SQL syntax"), "{log}");
}

/// A server that is restarted, and one that is killed, while a statement runs.
#[test]
fn a_database_that_goes_away_in_mid_query_is_tried_again() {
    let folder = tempfile::Builder::new().prefix("millrace-it-").tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a plain path").to_owned();
    let port = free_port();
    stack("mariadb.sh", &["start", &path, &port.to_string()]);
    let mut millrace = Millrace::start(Metadata::Sqlite);
    millrace.stop();
    let uri = format!("mysql://root:root@127.0.0.1:{port}/shop");
    millrace.environment.insert("MILLRACE_CONN_SHOP".to_owned(), uri);
    millrace.start_again();
    sql_at(port, "CREATE DATABASE shop; CREATE TABLE shop.t (n INT); CREATE TABLE shop.go (n INT)");
    let text = "dag_id: away\ntasks:\n  a:\n    operator: sql\n    conn_id: shop\n    retries: 9\n    \
                retry_delay: 1\n    sql: |\n      INSERT INTO t VALUES (1);\n      \
                SELECT SLEEP(IF((SELECT COUNT(*) FROM go) = 0, 600, 0));\n";
    millrace.add_dag("away", text);
    for how in ["restart", "kill"] {
        sql_at(port, "DELETE FROM shop.go; DELETE FROM shop.t");
        let run = millrace.trigger("away", json!({}));
        let asleep = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(IF%'";
        wait_for("the query", 60, || {
            if sql_at(port, asleep) == "1" { Ok(()) } else { Err("not yet".to_owned()) }
        });
        sql_at(port, "INSERT INTO shop.go VALUES (1)");
        stack("mariadb.sh", &[how, &path]);
        stack("mariadb.sh", &["start", &path, &port.to_string()]);
        assert_eq!(millrace.wait_for_run("away", &run, 120), "success", "{how}");
        let log = millrace.task_log("away", &run, "a", 1);
        assert!(log.contains("the connection broke") && log.contains("rolled back"), "{log}");
        assert_eq!(sql_at(port, "SELECT COUNT(*) FROM shop.t"), "1", "{how}: once, not twice");
    }
    stack("mariadb.sh", &["stop", &path]);
}

#[test]
fn a_timeout_ends_everything() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let (mark, dag_id) = (unique("timeout"), unique("timeout_container"));
    let text = format!(
        "dag_id: timeout\ntasks:\n  a:\n    operator: bash\n    execution_timeout: 5\n    \
         append_env: true\n    env: {{MARK: {mark}}}\n    \
         bash_command: 'sleep 600 & sleep 600'\n"
    );
    millrace.add_dag("timeout", &text);
    let keys = "    retries: 0\n    execution_timeout: 5\n    command: [sleep, '600']\n";
    millrace.add_dag(&dag_id, &container_dag(&dag_id, busybox(), keys));
    let shell = millrace.trigger("timeout", json!({}));
    let container = millrace.trigger(&dag_id, json!({}));
    for (dag, run) in [("timeout", &shell), (dag_id.as_str(), &container)] {
        let (log, _) = failed(&millrace, dag, run);
        let seconds = millrace.task_instances(dag, run)[0]["duration"].as_f64();
        assert!(seconds.is_some_and(|secs| (5.0..25.0).contains(&secs)), "{dag}: {seconds:?}");
        assert!(log.contains("execution_timeout") || log.contains("timed out"), "{log}");
    }
    assert_eq!(processes_with(&format!("MARK={mark}")), [0u32; 0]);
    assert_eq!(containers(&dag_id), [""; 0]);
}
