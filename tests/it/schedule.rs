//! Schedules on a running server: the course's first DAG, and what is made up for after a stop.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::{Value, json};

use crate::harness::{Metadata, Millrace, copy_folder, now, root, wait_for};

const BOTH: [Metadata; 2] = [Metadata::Sqlite, Metadata::MariaDb];

fn with_examples(metadata: Metadata) -> Millrace {
    let home = tempfile::Builder::new().prefix("millrace-home-").tempdir().expect("a folder");
    let dags = home.path().join("dags");
    copy_folder(&root().join("dags"), &dags);
    let millrace = Millrace::start_in(metadata, home, dags, BTreeMap::new());
    millrace.wait_for_dag("simple_dag");
    millrace
}

/// Today, some days ago, in UTC.
fn days_ago(days: i64) -> Date {
    let today = now().to_zoned(TimeZone::UTC).date();
    today.checked_sub(Span::new().days(days)).expect("a date")
}

/// The runs of a DAG, the oldest logical date first.
fn runs(millrace: &Millrace, dag_id: &str) -> Vec<Value> {
    let path = format!("/api/v2/dags/{dag_id}/dagRuns?limit=100&order_by=logical_date");
    millrace.get(&path).1["dag_runs"].as_array().cloned().unwrap_or_default()
}

fn logical_days(runs: &[Value]) -> Vec<&str> {
    runs.iter().filter_map(|run| run["logical_date"].as_str()?.get(..10)).collect()
}

/// Waits until a DAG has so many runs, all of them ended, and gives them.
fn ended_runs(millrace: &Millrace, dag_id: &str, count: usize) -> Vec<Value> {
    wait_for(&format!("{count} ended runs of {dag_id}"), 60, || {
        let found = runs(millrace, dag_id);
        let ended = found.iter().filter(|run| run["end_date"].is_string()).count();
        if ended >= count { Ok(found) } else { Err(format!("{found:?}")) }
    })
}

fn unpause(millrace: &Millrace, dag_id: &str) {
    let path = format!("/api/v2/dags/{dag_id}");
    assert_eq!(millrace.patch(&path, json!({ "is_paused": false })).0, 200);
}

/// Another DAG's run, planned and ended after the schedules were looked at again.
fn another_round(millrace: &Millrace) {
    millrace.add_dag("other", "dag_id: other\ntasks:\n  a: {operator: empty}\n");
    let run = millrace.trigger("other", json!({}));
    assert_eq!(millrace.wait_for_run("other", &run, 30), "success");
}

#[test]
fn the_first_dag_shows_what_its_template_became() {
    let millrace = with_examples(Metadata::Sqlite);
    let run = millrace.trigger("simple_dag", json!({ "logical_date": "2025-08-21T06:00:00Z" }));
    assert_eq!(millrace.wait_for_run("simple_dag", &run, 60), "success");
    let path = format!("/api/v1/dags/simple_dag/runs/{run}/tasks/print_with_loop/rendered");
    let (_, body) = millrace.get(&path);
    let mut expected = "\n".to_owned();
    let mut printed = Vec::new();
    for (number, day) in ["21", "22", "23", "24", "25"].iter().enumerate() {
        let second = format!("macros.ds_add(ds, {number}) = 2025-08-{day}");
        expected.push_str("\n  echo \"ds = 2025-08-21\"\n");
        expected.push_str("  echo \"");
        expected.push_str(&second);
        expected.push_str("\"\n");
        printed.extend(["ds = 2025-08-21".to_owned(), second]);
    }
    assert_eq!(body["fields"]["bash_command"], expected, "{body}");
    let log = millrace.task_log("simple_dag", &run, "print_with_loop", 1);
    for line in &printed {
        assert!(log.contains(line.as_str()), "{line}: {log}");
    }
    for (task, retries) in [("sleep", 3), ("print_date", 1), ("print_with_loop", 1)] {
        let tis = millrace.task_instances("simple_dag", &run);
        let ti = tis.iter().find(|ti| ti["task_id"] == task).expect("the task");
        assert_eq!(ti["max_tries"], retries, "{ti}");
        assert_eq!(ti["try_number"], 1, "{ti}");
    }
    let tis = millrace.task_instances("simple_dag", &run);
    let time = |task: &str, key: &str| -> Timestamp {
        let ti = tis.iter().find(|ti| ti["task_id"] == task).expect("the task");
        ti[key].as_str().and_then(|text| text.parse().ok()).expect("an instant")
    };
    for follower in ["sleep", "print_with_loop"] {
        assert!(time("print_date", "end_date") <= time(follower, "start_date"), "{tis:?}");
    }
}

#[test]
fn three_in_the_afternoon_in_seoul_is_six_utc() {
    for metadata in BOTH {
        let millrace = with_examples(metadata);
        let last_tick = || {
            let hours = now() - Span::new().hours(6);
            let day = hours.to_zoned(TimeZone::UTC).date();
            format!("{day}T06:00:00+00:00")
        };
        let before = last_tick();
        unpause(&millrace, "simple_dag");
        let found = ended_runs(&millrace, "simple_dag", 1);
        let after = last_tick();
        another_round(&millrace);
        assert_eq!(runs(&millrace, "simple_dag").len(), 1, "catchup is false: one run, not more");
        let run = &found[0];
        let id = run["dag_run_id"].as_str().unwrap_or_default();
        let expected = [format!("scheduled__{before}"), format!("scheduled__{after}")];
        assert!(expected.iter().any(|one| one == id), "{id} is not {expected:?}");
        assert_eq!(run["run_type"], "scheduled");
        assert_eq!(run["state"], "success", "{run}");
        assert_eq!(run["data_interval_start"], run["data_interval_end"]);
        assert_eq!(run["data_interval_start"], run["logical_date"]);
        assert_eq!(run["run_after"], run["logical_date"]);
    }
}

/// A DAG of one instant task.
fn daily(dag_id: &str, schedule: &str, start: Date, end: Option<Date>, catchup: bool) -> String {
    let end = end.map_or_else(String::new, |end| format!("end_date: {end}\n"));
    format!(
        "dag_id: {dag_id}\nschedule: \"{schedule}\"\nstart_date: {start}\n{end}\
         catchup: {catchup}\nmax_active_runs: 1\ntasks:\n  a: {{operator: empty}}\n"
    )
}

#[test]
fn catchup_makes_every_missed_run_oldest_first() {
    for metadata in BOTH {
        let millrace = Millrace::start(metadata);
        let text = daily("every_day", "@daily", days_ago(10), Some(days_ago(1)), true);
        millrace.add_dag("every_day", &text);
        unpause(&millrace, "every_day");
        let found = ended_runs(&millrace, "every_day", 10);
        let first = found[0]["logical_date"].as_str().unwrap_or_default();
        let expected: Vec<String> = (0..10)
            .map(|day| {
                let first: Date = first[..10].parse().expect("a date");
                first.checked_add(Span::new().days(day)).expect("a date").to_string()
            })
            .collect();
        assert_eq!(logical_days(&found), expected, "{metadata:?}");
        let starts: Vec<Timestamp> =
            found.iter().filter_map(|run| run["start_date"].as_str()?.parse().ok()).collect();
        assert_eq!(starts.len(), 10);
        assert!(starts.is_sorted(), "not one after the other: {starts:?}");
    }
}

/// The last run was eleven days ago, the server was off, and it is Monday morning.
fn after_eleven_days(metadata: Metadata, catchup: bool, expected: usize) {
    let mut millrace = Millrace::start(metadata);
    let last = days_ago(11);
    let once_a_year = format!("0 0 {} {} *", last.day(), last.month());
    let start = days_ago(12);
    millrace.add_dag("monday", &daily("monday", &once_a_year, start, None, false));
    unpause(&millrace, "monday");
    let found = ended_runs(&millrace, "monday", 1);
    assert_eq!(logical_days(&found), [last.to_string()]);
    millrace.stop();
    let end = catchup.then(|| days_ago(1));
    let text = daily("monday", "0 0 * * *", start, end, catchup);
    std::fs::write(millrace.dags.join("monday.yaml"), text).expect("written");
    millrace.start_again();
    let found = ended_runs(&millrace, "monday", 1 + expected);
    another_round(&millrace);
    assert_eq!(runs(&millrace, "monday").len(), 1 + expected, "{:?}", logical_days(&found));
    if !catchup {
        let newest = logical_days(&found)[1].to_owned();
        assert!(newest >= days_ago(1).to_string(), "{newest} is not the newest tick");
    }
}

#[test]
fn no_eleven_catch_up_runs_on_monday_morning() {
    for metadata in BOTH {
        after_eleven_days(metadata, false, 1);
    }
}

#[test]
fn with_catchup_the_ten_missed_days_are_made_up_for() {
    after_eleven_days(Metadata::Sqlite, true, 10);
}
