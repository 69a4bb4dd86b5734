//! What must be impossible: one test a line, named after it.
//!
//! `eleven_catch_up_runs_on_monday_morning` is
//! `schedule::no_eleven_catch_up_runs_on_monday_morning`; what `kill -9` must not leave is also in
//! `crash`; what a secret must not reach is in `secrets`.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::deployment::{deployment, letters};
use crate::harness::{
    Metadata, Millrace, busybox, containers, mariadb_port, processes_with, sql, unique, wait_for,
};

/// One run of a DAG of the test's own, to its end: the run's id and state.
fn run(millrace: &Millrace, dag_id: &str, text: &str) -> (String, String) {
    millrace.add_dag(dag_id, text);
    let run = millrace.trigger(dag_id, json!({}));
    let state = millrace.wait_for_run(dag_id, &run, 60);
    (run, state)
}

#[test]
fn a_green_run_with_a_failed_container() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let dag_id = unique("green");
    let text = format!(
        "dag_id: {dag_id}\ntasks:\n  train: {{operator: docker, image: {}, \
         command: [sh, -c, 'echo fine; exit 3']}}\n",
        busybox()
    );
    let (run, state) = run(&millrace, &dag_id, &text);
    assert_eq!(state, "failed");
    assert_eq!(millrace.states(&dag_id, &run)["train"], "failed");
    let log = millrace.task_log(&dag_id, &run, "train", 1);
    assert!(log.contains("exit code 3"), "{log}");
}

#[test]
fn a_deployment_when_told_to_skip() {
    let millrace = Millrace::start(Metadata::Sqlite);
    millrace.add_dag("deployment", &deployment("none_failed_min_one_success"));
    let conf = json!({ "conf": { "api": "up", "model": "same" } });
    let run = millrace.trigger("deployment", conf);
    assert_eq!(millrace.wait_for_run("deployment", &run, 60), "success");
    assert_eq!(letters(&millrace, &run), "SSSSKS");
    assert_eq!(millrace.task_log("deployment", &run, "deploy", 1), "", "it never ran");
}

#[test]
fn an_empty_template_for_an_undefined_name() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let file = millrace.home.path().join("typo.yaml");
    let text = "dag_id: typo\ntasks:\n  a:\n    operator: bash\n    \
                bash_command: echo [{{ dss }}]\n";
    std::fs::write(&file, text).expect("written");
    let (_, out, err) = millrace.cli(&["validate", file.to_str().expect("a plain path")]);
    let words = format!("{out}{err}");
    assert!(words.contains("typo.yaml:5:28") && words.contains("did you mean \"ds\""), "{words}");

    for (number, (name, expression)) in [
        ("dss", "dss"),
        ("there_is_no_such_variable", "var.value.there_is_no_such_variable"),
        ("nothing", "dag_run.conf.nothing"),
        ("accuracy", "xcom('first').accuracy"),
    ]
    .iter()
    .enumerate()
    {
        let dag_id = format!("undefined_{number}");
        let text = format!(
            "dag_id: {dag_id}\ntasks:\n  first: {{operator: bash, bash_command: 'echo {{}}'}}\n  \
             a:\n    operator: bash\n    needs: [first]\n    \
             bash_command: echo [{{{{ {expression} }}}}]\n"
        );
        let (run, state) = run(&millrace, &dag_id, &text);
        let log = millrace.task_log(&dag_id, &run, "a", 1);
        assert_eq!(state, "failed", "{expression}: {log}");
        assert!(log.contains(name), "{expression} is not named: {log}");
        assert!(!log.contains("[]"), "{expression} became an empty text: {log}");
    }
}

#[test]
fn rows_deleted_without_rows_inserted() {
    let database = unique("rows");
    sql(&format!(
        "CREATE DATABASE {database}; CREATE TABLE {database}.features (base_dt DATE, n INT) \
         ENGINE=InnoDB; INSERT INTO {database}.features VALUES ('2025-08-21', 1), ('2025-08-22', 2)"
    ));
    let mut millrace = Millrace::start(Metadata::MariaDb);
    let uri = format!("mysql://root:root@127.0.0.1:{}/{database}", mariadb_port());
    millrace.stop();
    millrace.environment.insert("MILLRACE_CONN_STORE".to_owned(), uri);
    millrace.start_again();
    let text = "dag_id: atomic\ntasks:\n  a:\n    operator: sql\n    conn_id: store\n    sql: |\n      \
                DELETE FROM features;\n      \
                INSERT INTO features (base_dt, there_is_no_such_column) VALUES ('2025-08-22', 1);\n";
    let (run, state) = run(&millrace, "atomic", text);
    assert_eq!(state, "failed");
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {database}.features")), "2");
    let log = millrace.task_log("atomic", &run, "a", 1);
    assert!(log.contains("there_is_no_such_column") && log.contains("statement 2"), "{log}");
}

#[test]
fn two_copies_of_a_task() {
    let mut millrace = Millrace::start(Metadata::Sqlite);
    let mark = unique("copies");
    let folder = millrace.home.path().to_owned();
    let text = format!(
        "dag_id: copies\ntasks:\n  a:\n    operator: bash\n    append_env: true\n    \
         env: {{MARK: {mark}}}\n    bash_command: |\n      \
         echo $MILLRACE_FENCE >> {0}/started\n      \
         if [ $MILLRACE_FENCE = 1 ]; then exec sleep 600; fi\n",
        folder.display()
    );
    millrace.add_dag("copies", &text);
    let run = millrace.trigger("copies", json!({}));
    let variable = format!("MARK={mark}");
    let first = wait_for("the first copy", 30, || match processes_with(&variable)[..] {
        [pid] => Ok(pid),
        ref found => Err(format!("{found:?}")),
    });
    millrace.kill();
    millrace.start_again();
    let started = folder.join("started");
    wait_for("the second hand-out", 60, || {
        let is_alive = processes_with(&variable).contains(&first);
        let lines = std::fs::read_to_string(&started).unwrap_or_default();
        assert!(!(is_alive && lines.lines().count() > 1), "two copies at once: {lines}");
        if lines.lines().count() == 2 { Ok(()) } else { Err(lines) }
    });
    assert_eq!(millrace.wait_for_run("copies", &run, 60), "success");
    assert_eq!(processes_with(&variable), [0u32; 0]);
}

#[test]
fn a_run_that_hangs_because_a_daemon_holds_a_pipe_and_a_daemon_killed_because_its_task_ended() {
    let mut millrace = Millrace::start(Metadata::Sqlite);
    let mark = unique("daemon");
    let text = format!(
        "dag_id: daemon\ntasks:\n  serve:\n    operator: bash\n    append_env: true\n    \
         env: {{MARK: {mark}}}\n    bash_command: sh -c 'sleep 300 & echo ok'\n"
    );
    let (run, state) = run(&millrace, "daemon", &text);
    assert_eq!(state, "success");
    assert_eq!(millrace.xcom("daemon", &run, "serve"), json!("ok"));
    let seconds = millrace.task_instances("daemon", &run)[0]["duration"].as_f64();
    assert!(seconds.is_some_and(|seconds| seconds < 10.0), "it took {seconds:?} s");
    let variable = format!("MARK={mark}");
    assert_eq!(processes_with(&variable).len(), 1, "the daemon outlives its task");
    millrace.stop();
    millrace.start_again();
    let daemon = processes_with(&variable);
    assert_eq!(daemon.len(), 1, "the daemon outlives Millrace too");
    let pid = i32::try_from(daemon[0]).ok().and_then(rustix::process::Pid::from_raw);
    let signal = rustix::process::Signal::KILL;
    rustix::process::kill_process(pid.expect("a pid"), signal).expect("killed");
}

/// Writes a DAG of 30 tasks line by line, every prefix a good DAG; gives the longest pause between
/// two lines.
fn write_slowly(millrace: &Millrace, dag_id: &str) -> Duration {
    let path = millrace.dags.join(format!("{dag_id}.yaml"));
    let mut file = std::fs::File::create(path).expect("created");
    write!(file, "dag_id: {dag_id}\ntasks:\n").expect("written");
    let mut before = Instant::now();
    let mut longest = Duration::ZERO;
    for number in 0..30 {
        std::thread::sleep(Duration::from_millis(30)); // a slow writer is what is tested
        writeln!(file, "  task_{number}: {{operator: empty}}").expect("written");
        longest = longest.max(before.elapsed());
        before = Instant::now();
    }
    longest
}

#[test]
fn a_half_written_yaml_becoming_a_version() {
    let millrace = Millrace::start(Metadata::Sqlite);
    // On a busy machine the writer itself may stop for so long that its file looks whole.
    let dag_id = (0..10)
        .map(|number| format!("slow_{number}"))
        .find(|dag_id| write_slowly(&millrace, dag_id) < Duration::from_millis(150))
        .expect("a writer that is not held up");
    millrace.wait_for_dag(&dag_id);
    let (_, versions) = millrace.get(&format!("/api/v2/dags/{dag_id}/dagVersions"));
    assert_eq!(versions["total_entries"], 1, "{versions}");
    let (_, tasks) = millrace.get(&format!("/api/v2/dags/{dag_id}/tasks"));
    assert_eq!(tasks["total_entries"], 30, "{tasks}");
    let (_, errors) = millrace.get("/api/v2/importErrors");
    assert_eq!(errors["total_entries"], 0, "{errors}");
}

#[test]
fn an_orphan_container_after_kill_9() {
    let mut millrace = Millrace::start(Metadata::Sqlite);
    let dag_id = unique("orphan");
    let text = format!(
        "dag_id: {dag_id}\ntasks:\n  a: {{operator: docker, image: {}, command: [sleep, '600']}}\n",
        busybox()
    );
    millrace.add_dag(&dag_id, &text);
    let run = millrace.trigger(&dag_id, json!({}));
    wait_for("the container", 60, || match containers(&dag_id).len() {
        1 => Ok(()),
        count => Err(count.to_string()),
    });
    millrace.kill();
    // Nobody wants it any more by the time the server is back.
    let (code, out, err) = millrace.cli(&["mark", &dag_id, &run, "failed"]);
    millrace.start_again();
    assert_eq!(millrace.wait_for_run(&dag_id, &run, 60), "failed", "{code} {out}{err}");
    wait_for("no container", 60, || match containers(&dag_id).len() {
        0 => Ok(()),
        count => Err(count.to_string()),
    });
}

#[test]
fn ds_of_the_wrong_day_in_seoul() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let text = "dag_id: seoul\ntimezone: Asia/Seoul\ntasks:\n  a:\n    operator: bash\n    \
                bash_command: echo {{ ds }} {{ data_interval_start.in_timezone('Asia/Seoul')\
                .to_date_string() }} {{ ds_nodash }}\n";
    millrace.add_dag("seoul", text);
    let run = millrace.trigger("seoul", json!({ "logical_date": "2025-08-21T21:24:23Z" }));
    assert_eq!(millrace.wait_for_run("seoul", &run, 60), "success");
    let day = millrace.xcom("seoul", &run, "a");
    assert_eq!(day, json!("2025-08-21 2025-08-22 20250821"));
    // Half past midnight on the 22nd in Seoul is still the 21st in UTC, and noon is the 22nd in both.
    let run = millrace.trigger("seoul", json!({ "logical_date": "2025-08-22T12:00:00+09:00" }));
    assert_eq!(millrace.wait_for_run("seoul", &run, 60), "success");
    let day = millrace.xcom("seoul", &run, "a");
    assert_eq!(day, json!("2025-08-22 2025-08-22 20250822"));
}
