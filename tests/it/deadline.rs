//! Deadlines and callbacks end to end: a run that is late is told of once, whatever is killed, and
//! goes on; what a callback sees of its run and of the one before.

use serde_json::json;

use crate::harness::{Metadata, Millrace, unique, wait_for};

fn a_late_run_is_told_of_once(metadata: Metadata) {
    let mut millrace = Millrace::start(metadata);
    let dag_id = unique("late");
    let home = millrace.home.path().to_owned();
    let (gate, said) = (home.join("gate"), home.join("said"));
    let tell = |text: &str| {
        format!("[{{command: {{bash_command: 'echo {text} >> {}'}}}}]", said.display())
    };
    let text = format!(
        "dag_id: {dag_id}\nschedule: null\ndeadline:\n  name: soon\n  reference: dagrun_queued_at\n  \
         interval: 1s\n  callback: {}\non_success_callback: {}\ntasks:\n  wait:\n    operator: \
         sensor\n    file: {}\n    poke_interval: 0.3\n",
        tell("$MILLRACE_OCCASION {{ deadline.name }} {{ dag_run.state.value }}"),
        tell("$MILLRACE_OCCASION {{ reason }} {{ ti.state.value }}"),
        gate.display()
    );
    millrace.add_dag(&dag_id, &text);
    let run = millrace.trigger(&dag_id, json!({}));
    let lines = || std::fs::read_to_string(&said).unwrap_or_default();
    wait_for("the notice", 60, || if lines().is_empty() { Err(lines()) } else { Ok(()) });
    let (code, out, err) = millrace.cli(&["explain", &dag_id, &run]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("it missed the deadline \"soon\" of "), "{out}");
    millrace.kill();
    millrace.start_again();
    std::fs::write(&gate, "").expect("written");
    assert_eq!(millrace.wait_for_run(&dag_id, &run, 60), "success", "{metadata:?}");
    wait_for("the second notice", 60, || {
        if lines().lines().count() == 2 { Ok(()) } else { Err(lines()) }
    });
    assert_eq!(lines(), "deadline soon running\nsuccess success success\n", "{metadata:?}");
    let (_, out, _) = millrace.cli(&["explain", &dag_id, &run]);
    assert!(out.contains("it missed the deadline"), "also after its end: {out}");
    let (_, log) =
        millrace.get(&format!("/api/v2/eventLogs?dag_id={dag_id}&event=deadline_missed"));
    assert_eq!(log["total_entries"], 1, "{log}");
}

#[test]
fn late_runs_on_sqlite() {
    a_late_run_is_told_of_once(Metadata::Sqlite);
}

#[test]
fn late_runs_on_mariadb() {
    a_late_run_is_told_of_once(Metadata::MariaDb);
}

/// A callback sees what a task's templates see, the run before included.
fn a_callback_sees_its_run(metadata: Metadata) {
    let millrace = Millrace::start(metadata);
    let dag_id = unique("told");
    let said = millrace.home.path().join("said");
    let text = format!(
        "dag_id: {dag_id}\nschedule: null\nis_paused_upon_creation: false\non_success_callback:\n  \
             - command:\n      bash_command: 'echo {{{{ reason }}}} {{{{ prev_start_date_success is none }}}} \
             {{{{ dag_run.state.value }}}} >> {}'\ntasks:\n  first: {{operator: bash, bash_command: echo 1}}\n",
        said.display()
    );
    millrace.add_dag(&dag_id, &text);
    let lines = |count: usize| {
        wait_for(&format!("{count} notices"), 60, || {
            let text = std::fs::read_to_string(&said).unwrap_or_default();
            if text.lines().count() == count { Ok(text) } else { Err(text) }
        })
    };
    let date = |day: u32| json!({ "logical_date": format!("2025-01-0{day}T00:00:00Z") });
    let run = millrace.trigger(&dag_id, date(1));
    assert_eq!(millrace.wait_for_run(&dag_id, &run, 60), "success", "{metadata:?}");
    assert_eq!(lines(1), "success True success\n");
    let run = millrace.trigger(&dag_id, date(2));
    assert_eq!(millrace.wait_for_run(&dag_id, &run, 60), "success");
    assert_eq!(lines(2).lines().last(), Some("success False success"));
}

/// The run has moved to a version without the task that ended last: the notice is sent all the same.
fn a_notice_survives_its_task(metadata: Metadata) {
    let millrace = Millrace::start(metadata);
    let dag_id = unique("moved");
    let home = millrace.home.path().to_owned();
    let (gate, said) = (home.join("gate"), home.join("said"));
    let text = |tasks: &str| {
        format!(
            "dag_id: {dag_id}\nschedule: null\ndeadline:\n  reference: dagrun_queued_at\n  interval: \
             8s\n  callback: {{command: {{bash_command: 'echo {{{{ ti.task_id }}}} >> {}'}}}}\ntasks:\n  \
             hold: {{operator: sensor, file: {}, poke_interval: 0.3}}\n{tasks}",
            said.display(),
            gate.display()
        )
    };
    millrace.add_dag(&dag_id, &text("  gone: {operator: bash, bash_command: echo 1}\n"));
    let run = millrace.trigger(&dag_id, json!({}));
    wait_for("the quick task", 60, || {
        let states = millrace.states(&dag_id, &run);
        if states["gone"] == "success" { Ok(()) } else { Err(format!("{states:?}")) }
    });
    millrace.add_dag(&dag_id, &text(""));
    wait_for("the newer version", 60, || {
        let (status, task) = millrace.get(&format!("/api/v2/dags/{dag_id}/tasks/gone"));
        if status == 404 { Ok(()) } else { Err(format!("{task}")) }
    });
    let body = json!({
        "dry_run": false, "dag_run_id": run, "task_ids": ["hold"], "only_failed": false,
        "run_on_latest_version": true,
    });
    let path = format!("/api/v2/dags/{dag_id}/clearTaskInstances");
    let (status, cleared) = millrace.post(&path, body);
    assert_eq!(status, 200, "{cleared}");
    wait_for("the notice", 60, || {
        let text = std::fs::read_to_string(&said).unwrap_or_default();
        if text == "hold\n" { Ok(()) } else { Err(text) }
    });
}

#[test]
fn notices_survive_on_sqlite() {
    a_notice_survives_its_task(Metadata::Sqlite);
}

#[test]
fn callbacks_on_sqlite() {
    a_callback_sees_its_run(Metadata::Sqlite);
}

#[test]
fn callbacks_on_mariadb() {
    a_callback_sees_its_run(Metadata::MariaDb);
}
