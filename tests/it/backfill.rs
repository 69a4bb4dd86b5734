//! Backfills with the real binary: `kill -9` in the middle, beside a running schedule, on both
//! databases; and the command line.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Metadata, Millrace, now, wait_for};

/// How many dates the backfill has: every two seconds of a minute in the past.
const DATES: usize = 30;

fn runs_of(millrace: &Millrace, dag_id: &str, run_type: &str) -> Vec<Value> {
    let mut runs = Vec::new();
    loop {
        let path = format!(
            "/api/v2/dags/{dag_id}/dagRuns?run_type={run_type}&limit=100&offset={}",
            runs.len()
        );
        let (_, page) = millrace.get(&path);
        let page = page["dag_runs"].as_array().cloned().unwrap_or_default();
        if page.is_empty() {
            return runs;
        }
        runs.extend(page);
    }
}

fn wait_for_progress(millrace: &Millrace, id: i64, what: &str, done: impl Fn(&Value) -> bool) {
    wait_for(&format!("backfill {id}: {what}"), 120, || {
        let (_, row) = millrace.get(&format!("/api/v1/backfills/{id}"));
        if done(&row) { Ok(()) } else { Err(row.to_string()) }
    });
}

/// Dead in the middle, twice, while the schedule makes runs of the same DAG: at the end every date
/// has one run that succeeded.
fn survives_beside_a_schedule(metadata: Metadata) {
    let mut millrace = Millrace::start(metadata);
    let text = "dag_id: fill\nschedule: {every: 2s}\nstart_date: 2025-01-01T00:00:00Z\n\
        is_paused_upon_creation: false\nmax_active_runs: 2\ntasks:\n  a:\n    operator: bash\n    \
        bash_command: 'echo {{ ts }}'\n  b: {operator: empty, needs: [a]}\n";
    millrace.add_dag("fill", text);
    let range = ["--from", "2025-01-01T00:00:00Z", "--to", "2025-01-01T00:00:58Z"];
    let mut create = vec!["backfill", "create", "fill", "--max-active-runs", "3"];
    create.extend(range);
    let made = millrace.cli_json(&create);
    assert_eq!((&made["id"], &made["dates"]), (&json!(1), &json!(DATES)));
    for least in [4, 12] {
        wait_for_progress(&millrace, 1, "some are done", |row| {
            row["runs_succeeded"].as_u64().is_some_and(|done| done >= least)
        });
        millrace.kill();
        millrace.start_again();
    }
    wait_for_progress(&millrace, 1, "its end", |row| row["is_open"] == false);
    let (_, row) = millrace.get("/api/v1/backfills/1");
    assert_eq!((&row["state"], &row["runs_succeeded"]), (&json!("completed"), &json!(DATES)));
    let runs = runs_of(&millrace, "fill", "backfill");
    let dates: BTreeSet<String> = runs.iter().map(|run| run["logical_date"].to_string()).collect();
    assert_eq!((runs.len(), dates.len()), (DATES, DATES), "{metadata:?}: lost or doubled");
    assert!(runs.iter().all(|run| run["state"] == "success"), "{runs:?}");
    wait_for("the schedule goes on", 60, || {
        let scheduled = runs_of(&millrace, "fill", "scheduled");
        if scheduled.len() >= 2 { Ok(()) } else { Err(format!("{scheduled:?}")) }
    });
    assert!(!millrace.log().contains("a commit failed"), "{}", millrace.log());
    // Again, and there is nothing to do.
    let mut plan = vec!["backfill", "plan", "fill"];
    plan.extend(range);
    let plan = millrace.cli_json(&plan);
    assert_eq!((&plan["counts"]["skip"], &plan["counts"]["create"]), (&json!(DATES), &json!(0)));
    assert_eq!(plan["expected_secs"], 0.0);
}

#[test]
fn a_backfill_survives_beside_a_schedule_on_sqlite() {
    survives_beside_a_schedule(Metadata::Sqlite);
}

#[test]
fn a_backfill_survives_beside_a_schedule_on_mariadb() {
    survives_beside_a_schedule(Metadata::MariaDb);
}

/// A person runs a tick before the schedule comes to it: the schedule steps over it and goes on.
#[test]
fn a_run_ahead_of_the_schedule_stops_nothing() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let text = "dag_id: ticks\nschedule: '* * * * * */2'\nstart_date: 2025-01-01\n\
        is_paused_upon_creation: false\ntasks:\n  a: {operator: empty}\n";
    millrace.add_dag("ticks", text);
    let soon = (now().as_second() / 2 + 3) * 2;
    let ahead = jiff::Timestamp::from_second(soon).expect("an instant").to_string();
    let run = millrace.trigger("ticks", json!({ "logical_date": ahead }));
    assert_eq!(millrace.wait_for_run("ticks", &run, 30), "success");
    wait_for("the tick after it", 60, || {
        let later = |run: &&Value| run["logical_date"].as_str() > Some(ahead.as_str());
        let runs = runs_of(&millrace, "ticks", "scheduled");
        if runs.iter().any(|run| later(&run)) { Ok(()) } else { Err(format!("{runs:?}")) }
    });
    let runs = runs_of(&millrace, "ticks", "scheduled");
    assert!(runs.iter().all(|run| run["logical_date"] != json!(ahead)), "{runs:?}");
    assert!(!millrace.log().contains("a commit failed"), "{}", millrace.log());
}

/// What a person does at the keyboard, with the exit codes.
#[test]
fn backfills_on_the_command_line() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let text = "dag_id: days\nschedule: '0 3 * * *'\nstart_date: 2030-01-01\n\
        is_paused_upon_creation: false\ntasks:\n  a:\n    operator: bash\n    \
        bash_command: '[ {{ ds }} != 2025-01-02 ]'\n";
    millrace.add_dag("days", text);
    let check = |arguments: &[&str], code: i32, text: &str| {
        let (found, out, err) = millrace.cli(arguments);
        assert_eq!(found, code, "{arguments:?}: {out}{err}");
        assert!(format!("{out}{err}").contains(text), "{arguments:?} lacks {text:?}: {out}{err}");
    };
    let of = |words: &[&'static str]| {
        let mut all = vec!["backfill"];
        all.extend(words);
        all
    };
    let range = ["days", "--from", "2025-01-01", "--to", "2025-01-03"];
    let plan = of(&[&["plan"], &range[..]].concat());
    check(&plan, 0, "3 dates: 3 to create, 0 to run again, 0 left alone; no past run tells");
    check(&of(&["plan", "days", "--from", "2031-01-01", "--to", "2031-01-03"]), 1, "future");
    check(&of(&["plan", "dayz", "--from", "2025-01-01", "--to", "2025-01-03"]), 1, "dayz");
    check(&of(&["plan", "days", "--from", "soon", "--to", "2025-01-03"]), 2, "is no date");
    // The second day fails: so does the command.
    let create = of(&[&["create", "--wait", "--backwards"], &range[..]].concat());
    check(&create, 1, "1 runs of backfill 1 failed");
    check(&of(&["list", "days"]), 0, "completed");
    let shown = millrace.cli_json(&of(&["show", "days"]));
    let states: Vec<&str> = shown["dates"]
        .as_array()
        .expect("dates")
        .iter()
        .filter_map(|date| date["state"].as_str())
        .collect();
    assert_eq!(states, ["success", "failed", "success"]);
    // Only the failed one again, and it fails again.
    let again = of(&[&["create", "--wait", "--reprocess", "failed"], &range[..]].concat());
    check(&again, 1, "2 left alone");
    // Paused at once: pause and resume, then cancel.
    millrace.cli(&["pause", "days"]);
    let missing = ["days", "--from", "2025-02-01", "--to", "2025-02-10"];
    let create = of(&[&["create"], &missing[..]].concat());
    check(&create, 0, "is paused: the backfill waits until somebody says: millrace unpause days");
    check(&of(&["show", "days"]), 0, "dag \"days\" is paused");
    check(&create, 1, "dag \"days\" has a backfill already: number 3 is running");
    check(&of(&["pause", "days"]), 0, "backfill 3 of days is paused");
    check(&of(&["show", "days"]), 0, "backfill 3 is paused");
    check(&of(&["resume", "days"]), 0, "backfill 3 of days goes on");
    check(&of(&["cancel", "days"]), 0, "backfill 3 of days is cancelled");
    check(&of(&["cancel", "days", "--id", "3"]), 1, "backfill 3 has ended already");
    check(&of(&["show", "days", "--id", "9"]), 1, "dag \"days\" has no backfill number 9");
    millrace.cli(&["unpause", "days"]);
    let stop = ["create", "--wait", "--stop-after-failures", "1", "--max-active-runs", "1"];
    let redo = of(&[&stop[..], &["--reprocess", "completed"], &range[..]].concat());
    check(&redo, 1, "backfill 4 was stopped: 1 of its runs failed (stop_after_failures is 1)");
}
