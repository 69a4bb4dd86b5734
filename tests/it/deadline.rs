//! Deadlines end to end: a run that is late is told of once, whatever is killed, and goes on.

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
