//! Tables: which dates a range has, what becomes of each, how long it takes.

use jiff::tz::TimeZone;
use serde_json::json;

use super::*;
use crate::dagfile::{self, Known, SourceFile};
use crate::ids::RunId;
use crate::state::{ReprocessBehavior, RunState};
use crate::timetable::{DataInterval, PlannedRun, Zones};
use jiff::Timestamp;

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn dag(keys: &str) -> crate::dag::Dag {
    let zones = Zones::bundled();
    let text =
        format!("dag_id: d\n{keys}\ntasks: {{a: {{operator: bash, bash_command: 'true'}}}}\n");
    let file =
        SourceFile { name: "d.yaml".to_owned(), text, files: std::collections::BTreeMap::new() };
    let mut documents = dagfile::read(&file, &Known::new(&zones));
    let document = documents.remove(0);
    document.dag.unwrap_or_else(|| panic!("{:?}", document.diagnostics))
}

fn wanted(from: &str, to: &str) -> Wanted<'static> {
    Wanted {
        from_date: at(from),
        to_date: at(to),
        run_backwards: false,
        reprocess_behavior: ReprocessBehavior::None,
        max_active_runs: 10,
        conf: None,
    }
}

#[test]
fn a_range_has_the_ticks_of_the_timetable() {
    let check = |keys: &str, from: &str, to: &str, expected: &[&str]| {
        let found = dates(&dag(keys), &wanted(from, to), at("2025-06-01T00:00:00Z"));
        let show = |run: &PlannedRun| {
            let DataInterval { start, end } = run.data_interval;
            assert_eq!((run.logical_date, run.run_after), (start, end));
            if start == end { start.to_string() } else { format!("{start}..{end}") }
        };
        let found: Vec<String> = found.expect("a plan").iter().map(show).collect();
        assert_eq!(found, expected, "{keys}");
    };
    let daily = "schedule: '@daily'";
    check(
        daily,
        "2025-01-01T00:00:00Z",
        "2025-01-03T00:00:00Z",
        &["2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z", "2025-01-03T00:00:00Z"],
    );
    // The end of the range is now: what has not ended is left out.
    check(daily, "2025-05-31T00:00:00Z", "2025-07-01T00:00:00Z", &["2025-05-31T00:00:00Z"]);
    check(
        "schedule: '@daily'\ndata_intervals: true",
        "2025-05-30T00:00:00Z",
        "2025-06-01T00:00:00Z",
        &["2025-05-30T00:00:00Z..2025-05-31T00:00:00Z"],
    );
    check(
        "schedule: '0 0 * * *'\ntimezone: Asia/Seoul",
        "2025-01-01T00:00:00Z",
        "2025-01-02T16:00:00Z",
        &["2025-01-01T15:00:00Z", "2025-01-02T15:00:00Z"],
    );
    // Before the clocks go forward at 2:00 on March 9th, and after: the hour that is not there is
    // moved, and no day is lost or doubled.
    check(
        "schedule: '30 2 * * *'\ntimezone: America/New_York",
        "2025-03-08T00:00:00Z",
        "2025-03-10T12:00:00Z",
        &["2025-03-08T07:30:00Z", "2025-03-09T07:30:00Z", "2025-03-10T06:30:00Z"],
    );
    check(
        "schedule: '0 * * * *'\ntimezone: Europe/Berlin",
        "2025-03-29T23:00:00Z",
        "2025-03-30T02:00:00Z",
        &[
            "2025-03-29T23:00:00Z",
            "2025-03-30T00:00:00Z",
            "2025-03-30T01:00:00Z",
            "2025-03-30T02:00:00Z",
        ],
    );
    // An interval keeps the grid of the DAG's own runs.
    check(
        "schedule: {every: 6h}\nstart_date: 2025-01-01T01:00:00Z",
        "2025-01-02T00:00:00Z",
        "2025-01-02T13:00:00Z",
        &["2025-01-02T01:00:00Z", "2025-01-02T07:00:00Z", "2025-01-02T13:00:00Z"],
    );
    // Before the DAG's start nothing is forbidden.
    check(
        "schedule: '@daily'\nstart_date: 2025-04-01",
        "2025-01-01T00:00:00Z",
        "2025-01-01T12:00:00Z",
        &["2025-01-01T00:00:00Z"],
    );
}

#[test]
fn both_directions_have_the_same_dates() {
    let dag = dag("schedule: '30 1 * * *'\ntimezone: America/New_York");
    let forward = wanted("2025-10-25T00:00:00Z", "2025-11-10T00:00:00Z");
    let backward = Wanted { run_backwards: true, ..forward };
    let now = at("2025-12-01T00:00:00Z");
    let mut ahead = dates(&dag, &forward, now).expect("a plan");
    assert_eq!(ahead.len(), 16);
    ahead.reverse();
    assert_eq!(ahead, dates(&dag, &backward, now).expect("a plan"));
}

#[test]
fn what_cannot_be_is_refused_with_its_field() {
    let check = |keys: &str, change: fn(&mut Wanted<'_>), field: &str, text: &str| {
        let mut wanted = wanted("2025-01-01T00:00:00Z", "2025-01-03T00:00:00Z");
        change(&mut wanted);
        match dates(&dag(keys), &wanted, at("2025-06-01T00:00:00Z")) {
            Err(PlanError::Invalid(problems)) => {
                assert_eq!(problems[0].0, field);
                assert!(problems[0].1.contains(text), "{problems:?}");
            }
            other => panic!("{keys}: {other:?}"),
        }
    };
    let daily = "schedule: '@daily'";
    check("schedule: null", |_| (), "dag_id", "non-periodic");
    check("schedule: '@once'", |_| (), "dag_id", "non-periodic");
    check("schedule: '@continuous'", |_| (), "dag_id", "non-periodic");
    check(daily, |w| w.from_date = at("2025-02-01T00:00:00Z"), "from_date", "must not be after");
    check(
        daily,
        |w| (w.from_date, w.to_date) = (at("2025-07-01T00:00:00Z"), at("2025-08-01T00:00:00Z")),
        "from_date",
        "future",
    );
}

#[test]
fn limits_and_the_past_are_checked() {
    let now = at("2025-06-01T00:00:00Z");
    let check = |keys: &str, wanted: Wanted<'_>, expected: Option<&str>| {
        let found = dates(&dag(keys), &wanted, now);
        match (found, expected) {
            (Ok(_), None) => {}
            (Err(PlanError::Invalid(problems)), Some(text)) => {
                let found = format!("{}: {}", problems[0].0, problems[0].1);
                assert!(found.contains(text), "{found}");
            }
            (Err(PlanError::NotAllowed(found)), Some(text)) => assert!(found.contains(text)),
            (found, _) => panic!("{keys}: {found:?}"),
        }
    };
    let few = wanted("2025-01-01T00:00:00Z", "2025-01-03T00:00:00Z");
    let many = wanted("2020-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
    check("schedule: '@hourly'", many, Some("to_date: the range has more than 10000 dates; end"));
    check("schedule: '@daily'", many, None);
    let noon = wanted("2025-01-01T01:00:00Z", "2025-01-01T02:00:00Z");
    check("schedule: '@daily'", noon, Some("from_date: no run of dag \"d\""));
    let zero = Wanted { max_active_runs: 0, ..few };
    check("schedule: '@daily'", zero, Some("max_active_runs: max_active_runs must be"));
    let past = "schedule: '@daily'\ndefault_args: {depends_on_past: true}";
    check(past, few, Some("reprocess_behavior: a DAG with depends_on_past"));
    let failed = Wanted { reprocess_behavior: ReprocessBehavior::Failed, ..few };
    check(past, failed, None);
    let back = Wanted { run_backwards: true, ..failed };
    check(past, back, Some("run_backwards: a DAG with depends_on_past"));
    let types = "schedule: '@daily'\nallowed_run_types: [scheduled, manual]";
    check(types, few, Some("does not allow backfill runs"));
    let types = "schedule: '@daily'\nallowed_run_types: backfill";
    check(types, few, None);
    let params = "schedule: '@daily'\nparams: {n: {type: integer, default: 1}}";
    let conf = json!({"n": "x"});
    let wrong = Wanted { conf: conf.as_object(), ..few };
    check(params, wrong, Some("dag_run_conf.n: "));
}

#[test]
fn every_behaviour_knows_every_state() {
    use ReprocessBehavior::{Completed, Failed, None as Missing};
    let check = |state: Option<RunState>, expected: [Fate; 3]| {
        let found = [Missing, Failed, Completed].map(|behavior| fate(state, behavior));
        assert_eq!(found, expected, "{state:?}");
    };
    let (create, rerun) = (Fate::Create, Fate::Rerun);
    let (there, flying) = (Fate::Skip(ALREADY_EXISTS), Fate::Skip(IN_FLIGHT));
    check(None, [create, create, create]);
    check(Some(RunState::Queued), [flying, flying, flying]);
    check(Some(RunState::Running), [flying, flying, flying]);
    check(Some(RunState::Failed), [there, rerun, rerun]);
    check(Some(RunState::Success), [there, there, rerun]);
}

#[test]
fn a_plan_counts_and_expects() {
    let range = Wanted {
        reprocess_behavior: ReprocessBehavior::Failed,
        max_active_runs: 2,
        ..wanted("2025-01-01T00:00:00Z", "2025-01-05T00:00:00Z")
    };
    let days = dates(&dag("schedule: '@daily'"), &range, at("2025-06-01T00:00:00Z"));
    let run = |day: &str, state| (at(day), (RunId::new(day).expect("an id"), state));
    let existing = [
        run("2025-01-02T00:00:00Z", RunState::Failed),
        run("2025-01-03T00:00:00Z", RunState::Success),
        run("2025-01-04T00:00:00Z", RunState::Running),
    ];
    let plan = plan(days.expect("dates"), &existing.into(), &range, &[30.0, 10.0, 20.0, 1000.0]);
    let fates: Vec<&str> = plan.dates.iter().map(|date| date.fate.as_str()).collect();
    assert_eq!(fates, ["create", "rerun", "skip", "skip", "create"]);
    let expected = Counts {
        total: 5,
        missing: 2,
        failed: 1,
        succeeded: 1,
        in_flight: 1,
        create: 2,
        rerun: 1,
        skip: 2,
    };
    assert_eq!(plan.counts, expected);
    assert_eq!((plan.median_secs, plan.expected_secs), (Some(25.0), Some(50.0)));
    assert_eq!(expected_secs(&[], 3, 1), None);
    assert_eq!(expected_secs(&[4.0], 0, 1), Some(0.0));
    let utc = TimeZone::UTC.to_datetime(plan.dates[0].run.logical_date);
    assert_eq!(utc.date().to_string(), "2025-01-01");
}

#[test]
fn a_hold_is_told_in_words() {
    let row = |change: fn(&mut BackfillRow)| {
        let mut row = sample();
        change(&mut row);
        row
    };
    let check = |row: BackfillRow, paused: bool, stale: bool, expected: &str| {
        let hold = row.hold(paused, stale);
        let text = hold.map_or("goes on".to_owned(), |hold| hold.text(&row));
        assert_eq!(text, expected);
    };
    check(row(|_| ()), false, false, "goes on");
    check(row(|row| row.runs_active = 10), false, false, "backfill 3 runs 10 of 10 at once");
    check(row(|row| row.is_paused = true), true, false, "backfill 3 is paused");
    check(row(|_| ()), true, false, "dag \"d\" is paused");
    check(row(|_| ()), false, true, "the file of dag \"d\" is gone");
    let cancelled = crate::state::BackfillEnding::Cancelled;
    let ended = BackfillRow { ending: Some(cancelled), ..sample() };
    check(ended, false, false, "backfill 3 is cancelled");
}

fn sample() -> BackfillRow {
    BackfillRow {
        id: 3,
        dag_id: "d".parse().expect("an id"),
        from_date: at("2025-01-01T00:00:00Z"),
        to_date: at("2025-02-01T00:00:00Z"),
        run_backwards: false,
        reprocess_behavior: ReprocessBehavior::None,
        max_active_runs: 10,
        stop_after_failures: 0,
        run_on_latest_version: true,
        conf: None,
        version: 1,
        is_paused: false,
        is_open: true,
        ending: None,
        reason: None,
        dates_total: 32,
        dates_waiting: 32,
        runs_active: 0,
        runs_succeeded: 0,
        runs_failed: 0,
        dates_skipped: 0,
        triggering_user: None,
        created_at: at("2025-02-01T00:00:00Z"),
        updated_at: at("2025-02-01T00:00:00Z"),
        completed_at: None,
    }
}
