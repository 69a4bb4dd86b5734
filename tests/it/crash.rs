//! `kill -9` of the whole of Millrace at bad moments. After the next start every run ends as it
//! must, without help, and nothing is left: no container and no process of ours.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::harness::{
    Metadata, Millrace, busybox, containers, created, mariadb_port, now, processes_with, sql,
    unique, wait_for,
};

/// Waits until a task instance is in a state.
fn wait_for_state(millrace: &Millrace, dag_id: &str, run: &str, task: &str, state: &str) {
    wait_for(&format!("{task} in state {state}"), 60, || {
        let states = millrace.states(dag_id, run);
        if states.get(task).is_some_and(|found| found == state) {
            Ok(())
        } else {
            Err(format!("{states:?}"))
        }
    });
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn wait_for_lines(path: &Path, count: usize) {
    wait_for(&format!("{count} lines in {}", path.display()), 60, || {
        let found = lines(path);
        if found.len() >= count { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

fn try_number(millrace: &Millrace, dag_id: &str, run: &str, task: &str) -> u64 {
    let tis = millrace.task_instances(dag_id, run);
    let ti = tis.iter().find(|ti| ti["task_id"] == task).expect("the task instance");
    ti["try_number"].as_u64().expect("a number")
}

/// The container goes on without us, and the next start takes it over.
fn while_a_container_runs(metadata: Metadata) {
    let mut millrace = Millrace::start(metadata);
    let since = now().as_second();
    let dag_id = unique("adopted");
    let shared = millrace.home.path().join("shared");
    std::fs::create_dir(&shared).expect("a folder");
    let text = format!(
        "dag_id: {dag_id}\ntasks:\n  a:\n    operator: docker\n    image: {}\n    \
         volumes: ['{}:/shared']\n    command:\n      - sh\n      - -c\n      - |\n        \
         echo begin; echo $MILLRACE_FENCE >> /shared/started\n        \
         while [ ! -e /shared/go ]; do sleep 0.1; done\n        \
         echo end of $MILLRACE_TRY_NUMBER\n",
        busybox(),
        shared.display()
    );
    millrace.add_dag(&dag_id, &text);
    let run = millrace.trigger(&dag_id, json!({}));
    wait_for_lines(&shared.join("started"), 1);
    millrace.kill();
    let running = containers(&dag_id);
    assert_eq!(running.len(), 1, "a scheduler's death never touches a running container");
    millrace.start_again();
    assert_eq!(containers(&dag_id), running, "{metadata:?}: it was not taken over");
    std::fs::write(shared.join("go"), "").expect("written");
    assert_eq!(millrace.wait_for_run(&dag_id, &run, 60), "success");
    assert_eq!(created(&dag_id, since), running, "one container, and never another one");
    assert_eq!(lines(&shared.join("started")).len(), 1);
    assert_eq!(millrace.xcom(&dag_id, &run, "a"), json!("end of 1"));
    let log = millrace.task_log(&dag_id, &run, "a", 1);
    // No line is lost; those of the last moment before the crash may come twice.
    assert!((1..=2).contains(&log.matches("begin").count()), "{log}");
    assert_eq!(log.matches("end of 1").count(), 1, "{log}");
    assert_eq!(containers(&dag_id), [""; 0]);
}

/// The container ends while nobody looks: its exit code is still the truth.
fn while_a_container_ends(metadata: Metadata) {
    let mut millrace = Millrace::start(metadata);
    let dag_id = unique("ended");
    let shared = millrace.home.path().join("shared");
    std::fs::create_dir(&shared).expect("a folder");
    let text = format!(
        "dag_id: {dag_id}\ntasks:\n  a:\n    operator: docker\n    image: {}\n    \
         volumes: ['{}:/shared']\n    command:\n      - sh\n      - -c\n      - |\n        \
         echo >> /shared/started; while [ ! -e /shared/go ]; do sleep 0.1; done\n        \
         echo >> /shared/ended; exit 3\n",
        busybox(),
        shared.display()
    );
    millrace.add_dag(&dag_id, &text);
    let run = millrace.trigger(&dag_id, json!({}));
    wait_for_lines(&shared.join("started"), 1);
    millrace.kill();
    std::fs::write(shared.join("go"), "").expect("written");
    wait_for_lines(&shared.join("ended"), 1);
    millrace.start_again();
    assert_eq!(millrace.wait_for_run(&dag_id, &run, 60), "failed");
    let log = millrace.task_log(&dag_id, &run, "a", 1);
    assert!(log.contains("exit code 3"), "{log}");
    assert_eq!(lines(&shared.join("started")).len(), 1, "it ran again");
    assert_eq!(containers(&dag_id), [""; 0]);
}

/// A shell task is ended with everything it started and runs again, for nothing: `retries` is 0.
fn while_a_command_runs_and_another_one_is_queued(metadata: Metadata) {
    let mut millrace = Millrace::start(metadata);
    millrace.stop();
    millrace.environment.insert("MILLRACE_SLOTS".to_owned(), "1".to_owned());
    millrace.start_again();
    let mark = unique("crash");
    let home = millrace.home.path().to_owned();
    let text = format!(
        "dag_id: commands\ndefault_args:\n  retries: 0\n  append_env: true\n  \
         env: {{MARK: {mark}}}\ntasks:\n  first:\n    operator: bash\n    \
         priority_weight: 10\n    bash_command: |\n      \
         echo $MILLRACE_TRY_NUMBER.$MILLRACE_FENCE >> {0}/first\n      \
         [ -e {0}/go ] || {{ sleep 600 & sleep 600; }}\n  \
         second: {{operator: bash, bash_command: 'echo $MILLRACE_FENCE >> {0}/second'}}\n",
        home.display()
    );
    millrace.add_dag("commands", &text);
    let run = millrace.trigger("commands", json!({}));
    wait_for_lines(&home.join("first"), 1);
    let variable = format!("MARK={mark}");
    let former: BTreeSet<u32> = processes_with(&variable).into_iter().collect();
    assert!(!former.is_empty());
    let states = millrace.states("commands", &run);
    assert!(["queued", "scheduled"].contains(&states["second"].as_str()), "{states:?}");
    millrace.kill();
    std::fs::write(home.join("go"), "").expect("written");
    millrace.start_again();
    assert_eq!(millrace.wait_for_run("commands", &run, 60), "success", "{metadata:?}");
    let left: BTreeSet<u32> = processes_with(&variable).into_iter().collect();
    assert_eq!(left, BTreeSet::new(), "the first ones were {former:?}");
    let first = lines(&home.join("first"));
    assert_eq!(first.len(), 2, "{first:?}");
    assert!(first[0] == "1.1" && first[1].starts_with("1."), "the same try: {first:?}");
    assert_eq!(lines(&home.join("second")).len(), 1, "what was queued ran once");
    assert_eq!(try_number(&millrace, "commands", &run, "first"), 1, "retries are untouched");
}

/// A task that started a service and waits for it: afterwards there is one service, the new one.
fn while_a_deployment_waits(metadata: Metadata) {
    let mut millrace = Millrace::start(metadata);
    let (mark, home) = (unique("service"), millrace.home.path().to_owned());
    let text = format!(
        "dag_id: deploying\ntasks:\n  deploy:\n    operator: bash\n    append_env: true\n    \
         env: {{MARK: {mark}}}\n    bash_command: |\n      \
         nohup sleep 300 >/dev/null 2>&1 &\n      echo $! >> {0}/services\n      \
         while [ ! -e {0}/go ]; do sleep 0.1; done\n",
        home.display()
    );
    millrace.add_dag("deploying", &text);
    let run = millrace.trigger("deploying", json!({}));
    wait_for_lines(&home.join("services"), 1);
    millrace.kill();
    std::fs::write(home.join("go"), "").expect("written");
    millrace.start_again();
    assert_eq!(millrace.wait_for_run("deploying", &run, 60), "success");
    let services = lines(&home.join("services"));
    let alive = processes_with(&format!("MARK={mark}"));
    let newest: u32 = services.last().and_then(|pid| pid.parse().ok()).expect("a pid");
    assert_eq!(alive, [newest], "{metadata:?}: of {services:?} only the newest is to be there");
    let pid = i32::try_from(newest).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
}

/// Between two tries: the delay is kept, and the tries are counted on.
fn between_two_tries(metadata: Metadata) {
    let mut millrace = Millrace::start(metadata);
    let started = millrace.home.path().join("tries");
    let text = format!(
        "dag_id: flaky\ntasks:\n  a:\n    operator: bash\n    retries: 1\n    retry_delay: 6s\n    \
         bash_command: |\n      date +%s.%N >> {}\n      [ {{{{ ti.try_number }}}} = 2 ]\n",
        started.display()
    );
    millrace.add_dag("flaky", &text);
    let run = millrace.trigger("flaky", json!({}));
    wait_for_state(&millrace, "flaky", &run, "a", "up_for_retry");
    millrace.kill();
    millrace.start_again();
    assert_eq!(millrace.states("flaky", &run)["a"], "up_for_retry");
    assert_eq!(millrace.wait_for_run("flaky", &run, 60), "success");
    let times: Vec<f64> = lines(&started).iter().filter_map(|line| line.parse().ok()).collect();
    assert!(times.len() == 2 && times[1] - times[0] >= 6.0, "{metadata:?}: {times:?}");
    assert_eq!(try_number(&millrace, "flaky", &run, "a"), 2);
}

/// No task that had succeeded runs again; the others go on.
fn in_a_chain(metadata: Metadata) {
    let mut millrace = Millrace::start(metadata);
    let ran = millrace.home.path().join("ran");
    let task = |number: u32| {
        let needs = number.checked_sub(1).map(|before| format!(", needs: [task_{before}]"));
        let needs = needs.unwrap_or_default();
        let command = format!("echo task_{number} >> {}; sleep 0.2", ran.display());
        format!("  task_{number}: {{operator: bash{needs}, bash_command: '{command}'}}\n")
    };
    let text = format!("dag_id: chain\ntasks:\n{}", (0..12).map(task).collect::<String>());
    millrace.add_dag("chain", &text);
    let run = millrace.trigger("chain", json!({}));
    for round in 1..=3 {
        wait_for_lines(&ran, round * 3);
        let states = millrace.states("chain", &run);
        millrace.kill();
        let before = lines(&ran);
        millrace.start_again();
        wait_for_lines(&ran, before.len() + 1);
        let after = lines(&ran);
        for (task, _) in states.iter().filter(|(_, state)| *state == "success") {
            let count = |all: &[String]| all.iter().filter(|line| *line == task).count();
            assert_eq!(count(&before), count(&after), "{task} had succeeded and ran again");
        }
    }
    assert_eq!(millrace.wait_for_run("chain", &run, 60), "success");
    let distinct: BTreeSet<String> = lines(&ran).into_iter().collect();
    assert_eq!(distinct.len(), 12);
    assert!(lines(&ran).len() <= 15, "at most one more a crash: {:?}", lines(&ran));
}

/// Between the DELETE and the INSERT: whoever looks sees the old rows or the new ones.
fn in_a_transaction(metadata: Metadata) {
    let mut millrace = Millrace::start(metadata);
    let database = unique("crash");
    sql(&format!(
        "CREATE DATABASE {database}; CREATE TABLE {database}.features (day INT, version INT) \
         ENGINE=InnoDB; INSERT INTO {database}.features VALUES (22, 1), (22, 1), (22, 1)"
    ));
    let uri = format!("mysql://root:root@127.0.0.1:{}/{database}", mariadb_port());
    millrace.stop();
    millrace.environment.insert("MILLRACE_CONN_STORE".to_owned(), uri);
    millrace.start_again();
    let text = "dag_id: extraction\ntasks:\n  a:\n    operator: sql\n    conn_id: store\n    \
                sql: |\n      DELETE FROM features WHERE day = 22;\n      SELECT SLEEP(4);\n      \
                INSERT INTO features VALUES (22, 2), (22, 2);\n";
    millrace.add_dag("extraction", text);
    let run = millrace.trigger("extraction", json!({}));
    let look = format!("SELECT GROUP_CONCAT(version) FROM {database}.features");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                seen.insert(sql(&look));
            }
            seen
        });
        wait_for("the pause in the transaction", 60, || {
            let query = format!(
                "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{database}' \
                 AND info LIKE 'SELECT SLEEP%'"
            );
            if sql(&query) == "1" { Ok(()) } else { Err(millrace.log()) }
        });
        millrace.kill();
        millrace.start_again();
        let state = millrace.wait_for_run("extraction", &run, 60);
        done.store(true, Ordering::Relaxed);
        let seen = watcher.join().expect("a watcher");
        let both = BTreeSet::from(["1,1,1".to_owned(), "2,2".to_owned()]);
        assert!(seen.is_subset(&both), "{metadata:?}: half a change was seen: {seen:?}");
        assert_eq!(state, "success");
    });
    assert_eq!(sql(&look), "2,2");
    assert_eq!(try_number(&millrace, "extraction", &run, "a"), 1);
}

/// The same crash on both databases.
macro_rules! on_both {
    ($($name:ident: $check:ident;)+) => {$(
        mod $name {
            use super::Metadata;

            #[test]
            fn on_sqlite() {
                super::$check(Metadata::Sqlite);
            }

            #[test]
            fn on_mariadb() {
                super::$check(Metadata::MariaDb);
            }
        }
    )+};
}

on_both! {
    a_running_container_is_taken_over: while_a_container_runs;
    a_container_that_ended_meanwhile_is_believed: while_a_container_ends;
    running_and_queued_commands_run_again: while_a_command_runs_and_another_one_is_queued;
    a_waiting_deployment_leaves_one_service: while_a_deployment_waits;
    the_delay_between_tries_is_kept: between_two_tries;
    what_succeeded_does_not_run_again: in_a_chain;
    a_transaction_is_whole_or_not_there: in_a_transaction;
}
