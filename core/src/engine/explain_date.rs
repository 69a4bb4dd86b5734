//! Why there is, or is not, a run of the schedule for a date.
//!
//! Asks the timetable by which the engine itself plans, so it cannot disagree.

use std::cmp::Ordering;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Reason;
use crate::dag::Dag;
use crate::ids::RunId;
use crate::record::DagRow;
use crate::state::RunState;
use crate::time::rest;
use crate::timetable::{Bounds, DataInterval, DstMark, PlannedRun, Timetable};

/// The most planned runs of one day that are looked at.
const RUNS_MAX: usize = 24;

/// How far around a date a change of the clock is looked for.
const DST_REACH: SignedDuration = SignedDuration::from_hours(4);

/// A question about a date.
#[derive(Debug)]
pub struct DateQuestion<'a> {
    /// The DAG.
    pub dag: &'a Dag,
    /// The DAG's zone.
    pub zone: &'a TimeZone,
    /// The first instant that is meant.
    pub from: Timestamp,
    /// The last: the same, or the end of the day.
    pub to: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// What the installation knows; none for a file that is only read.
    pub known: Option<KnownDag<'a>>,
}

/// What an installation knows of a DAG.
#[derive(Debug)]
pub struct KnownDag<'a> {
    /// Its row.
    pub row: &'a DagRow,
    /// Its unfinished runs.
    pub active_runs: u32,
    /// Its runs with a logical date in question.
    pub runs: Vec<(Timestamp, RunId, RunState)>,
}

/// Why the schedule has or has not made runs for a date: what is asked for comes first, one reason
/// or more for each planned run of it.
pub fn explain_date(question: &DateQuestion<'_>) -> Vec<Reason> {
    let dag = question.dag;
    let plain = match dag.timetable {
        Timetable::Never => Some((
            "no_schedule",
            "the DAG has no schedule: runs are started by hand, by the API or by other DAGs",
        )),
        Timetable::Continuous => Some((
            "continuous",
            "`@continuous` starts a run whenever the last one has ended, for no date in particular",
        )),
        Timetable::Once => Some((
            "once",
            "`@once` makes one run: at the start date, or when the DAG was first seen",
        )),
        _ => None,
    };
    let mut reasons = existing(question);
    if let Some((code, text)) = plain {
        reasons.push(Reason::new(code, text, json!({})));
        return reasons;
    }
    let made: Vec<Timestamp> =
        question.known.iter().flat_map(|known| &known.runs).map(|(date, ..)| *date).collect();
    let planned: Vec<PlannedRun> =
        dag.timetable.runs_between(question.from, question.to).take(RUNS_MAX).collect();
    if planned.is_empty() {
        reasons.push(not_a_date(question));
    }
    for run in &planned {
        reasons.extend(clock_change(question, run));
        if !made.contains(&run.logical_date) {
            reasons.extend(missing(question, run));
        }
    }
    reasons
}

/// The runs that there are.
fn existing(question: &DateQuestion<'_>) -> Vec<Reason> {
    let runs = question.known.iter().flat_map(|known| &known.runs);
    runs.map(|(date, run_id, state)| {
        let text = format!("there is a run for {}: {run_id} is {state}", rest(*date));
        let operands = json!({ "run_id": run_id, "state": state, "logical_date": rest(*date) });
        Reason::new("run_exists", text, operands)
    })
    .collect()
}

/// The schedule has no such date; which are the nearest.
fn not_a_date(question: &DateQuestion<'_>) -> Reason {
    let timetable = &question.dag.timetable;
    let free = Bounds { start: None, end: None, catchup: true };
    let before = timetable.previous(question.from).map(|firing| firing.at);
    let after = timetable.firings(question.to, &free).next().map(|firing| firing.at);
    let shown = |at: Option<Timestamp>| at.map_or("none".to_owned(), |at| local(question, at));
    let text = format!(
        "the schedule {} does not fire then: before it at {}, after it at {}",
        question.dag.schedule_text.as_deref().unwrap_or_default(),
        shown(before),
        shown(after)
    );
    Reason::new("not_a_date", text, json!({ "before": before.map(rest), "after": after.map(rest) }))
}

/// What daylight saving did to a run's date.
fn clock_change(question: &DateQuestion<'_>, run: &PlannedRun) -> Option<Reason> {
    let free = Bounds { start: None, end: None, catchup: true };
    let since = run.run_after.checked_sub(DST_REACH).unwrap_or(run.run_after);
    let firing = question
        .dag
        .timetable
        .firings(since, &free)
        .take_while(|firing| firing.at <= run.run_after)
        .find(|firing| firing.at == run.run_after)?;
    let (code, what) = match firing.mark {
        DstMark::Normal => return None,
        DstMark::GapShifted => (
            "dst_gap",
            "the clock skips the planned time on that day, so that it fires later by the length of the gap",
        ),
        DstMark::OverlapSecond => (
            "dst_overlap",
            "the clock shows the planned time twice on that day; it fires once, at the second",
        ),
    };
    let text = format!("{}: {what}", local(question, run.run_after));
    Some(Reason::new(code, text, json!({ "at": rest(run.run_after) })))
}

/// Why a planned run is not there.
fn missing(question: &DateQuestion<'_>, run: &PlannedRun) -> Vec<Reason> {
    let dag = question.dag;
    let (date, at) = (run.logical_date, run.run_after);
    let operands = json!({ "logical_date": rest(date), "run_after": rest(at) });
    let one = |code, text: String| vec![Reason::new(code, text, operands.clone())];
    if let Some(start) = dag.start_date.filter(|start| date < *start) {
        let text = format!(
            "{} is before the start date {}",
            local(question, date),
            local(question, start)
        );
        return one("before_start_date", text);
    }
    if let Some(end) = dag.end_date.filter(|end| date > *end) {
        let text =
            format!("{} is after the end date {}", local(question, date), local(question, end));
        return one("after_end_date", text);
    }
    let mut reasons = Vec::new();
    if at > question.now {
        let text = format!("it is due at {}, which is not yet", local(question, at));
        reasons.extend(one("not_yet", text));
    }
    match &question.known {
        Some(known) => reasons.extend(held_back(question, known, run)),
        None if reasons.is_empty() => reasons.extend(offline(question, run)),
        None => {}
    }
    reasons
}

/// What keeps an installation from making a run.
fn held_back(question: &DateQuestion<'_>, known: &KnownDag<'_>, run: &PlannedRun) -> Vec<Reason> {
    let (dag, row) = (question.dag, known.row);
    let mut reasons = Vec::new();
    let mut add = |code, text: String| reasons.push(Reason::new(code, text, json!({})));
    if row.is_stale {
        add("stale", format!("the file {} is gone: no new runs are made", row.file));
    }
    if row.is_paused {
        add("dag_paused", format!("dag \"{}\" is paused: no new runs are made", dag.dag_id));
    }
    let cursor = match (row.last_interval_start, row.last_interval_end) {
        (Some(start), Some(end)) => Some(DataInterval { start, end }),
        _ => None,
    };
    if let Some(last) = cursor.filter(|last| last.start >= run.logical_date) {
        let why = if dag.catchup {
            "; its run was deleted, or its date was taken by a run of another kind"
        } else {
            "; with `catchup: false` missed dates stay missed (a backfill makes up for them)"
        };
        add("passed", format!("the schedule has gone on to {}{why}", local(question, last.start)));
        return reasons;
    }
    let bounds = Bounds { start: dag.start_date, end: dag.end_date, catchup: dag.catchup };
    let next = dag.timetable.next_run(cursor, &bounds, question.now);
    match next {
        Some(next) if next.logical_date > run.logical_date => add(
            "catchup",
            format!(
                "with `catchup: false` only the newest missed date is made, which is {}",
                local(question, next.logical_date)
            ),
        ),
        Some(next) if next.logical_date < run.logical_date => add(
            "in_line",
            format!("runs are made in order; the next is {}", local(question, next.logical_date)),
        ),
        _ => {}
    }
    if run.run_after <= question.now && known.active_runs >= dag.max_active_runs {
        add(
            "max_active_runs",
            format!(
                "max_active_runs {}/{}: the next run is made when one has ended",
                known.active_runs, dag.max_active_runs
            ),
        );
    }
    reasons
}

/// What a scheduler that sees the file for the first time would do.
fn offline(question: &DateQuestion<'_>, run: &PlannedRun) -> Option<Reason> {
    let dag = question.dag;
    let bounds = Bounds { start: dag.start_date, end: dag.end_date, catchup: dag.catchup };
    let next = dag.timetable.next_run(None, &bounds, question.now)?;
    let first = local(question, next.logical_date);
    let (code, text) = match next.logical_date.cmp(&run.logical_date) {
        Ordering::Equal => (
            "first",
            "it is the first run that a scheduler makes which sees the file now, unless the DAG starts paused".to_owned(),
        ),
        Ordering::Greater => (
            "catchup",
            format!("with `catchup: false` a scheduler that sees the file now makes no run before {first}"),
        ),
        Ordering::Less => (
            "in_line",
            format!("with `catchup: true` a scheduler that sees the file now makes it, after those from {first} on"),
        ),
    };
    Some(Reason::new(code, text, json!({ "next": rest(next.logical_date) })))
}

fn local(question: &DateQuestion<'_>, at: Timestamp) -> String {
    at.to_zoned(question.zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::dagfile::{Known, SourceFile, read};
    use crate::record::DagAbout;
    use crate::timetable::Zones;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    fn dag(keys: &str) -> Dag {
        let zones = Zones::bundled();
        let text = format!("dag_id: d\n{keys}\ntasks: {{a: {{operator: empty}}}}\n");
        let file = SourceFile { name: "f".into(), text, files: BTreeMap::new() };
        read(&file, &Known::new(&zones)).remove(0).dag.expect("it loads")
    }

    fn row(dag: &Dag, cursor: Option<&str>, is_paused: bool) -> DagRow {
        DagRow {
            dag_id: dag.dag_id.clone(),
            is_paused,
            is_stale: false,
            file: "d.yaml".to_owned(),
            version: 1,
            last_interval_start: cursor.map(at),
            last_interval_end: cursor.map(at),
            next_run_after: None,
            next_logical_date: None,
            parsed_at: at("2025-01-01T00:00:00Z"),
            consecutive_failures: 0,
            about: DagAbout::of(dag),
        }
    }

    /// The codes of the answer about a stretch of time.
    fn codes(keys: &str, cursor: Option<&str>, is_paused: bool, from: &str, to: &str) -> String {
        let dag = dag(keys);
        let zone = Zones::bundled().zone(&dag.timezone).expect("a zone");
        let row = row(&dag, cursor, is_paused);
        let run =
            crate::engine::run_id_for(crate::state::RunType::Scheduled, at("2025-06-02T09:00:00Z"));
        let question = DateQuestion {
            dag: &dag,
            zone: &zone,
            from: at(from),
            to: at(to),
            now: at("2025-06-10T12:00:00Z"),
            known: cursor.map(|_| KnownDag {
                row: &row,
                active_runs: 1,
                runs: [(at("2025-06-02T09:00:00Z"), run.clone(), RunState::Success)]
                    .into_iter()
                    .filter(|(date, ..)| at(from) <= *date && *date <= at(to))
                    .collect(),
            }),
        };
        let reasons = explain_date(&question);
        reasons.iter().map(|reason| reason.code).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_reason_has_its_code() {
        const DAILY: &str = "schedule: '0 9 * * *'\nstart_date: 2025-06-01";
        const CATCHUP: &str = "schedule: '0 9 * * *'\nstart_date: 2025-06-01\ncatchup: true\nmax_active_runs: 1\nend_date: 2025-06-20";
        let check = |keys: &str, cursor: Option<&str>, date: &str, expected: &str| {
            assert_eq!(
                codes(keys, cursor, false, date, date),
                expected,
                "{keys} {cursor:?} {date}"
            );
        };
        check("schedule: null", None, "2025-06-02T09:00:00Z", "no_schedule");
        check(DAILY, None, "2025-06-02T10:00:00Z", "not_a_date");
        check(DAILY, None, "2025-05-02T09:00:00Z", "before_start_date");
        check(DAILY, None, "2025-06-02T09:00:00Z", "catchup");
        check(DAILY, None, "2025-06-10T09:00:00Z", "first");
        check(DAILY, None, "2025-07-01T09:00:00Z", "not_yet");
        check(CATCHUP, None, "2025-06-02T09:00:00Z", "in_line");
        check(CATCHUP, None, "2025-07-01T09:00:00Z", "after_end_date");
        let june_3 = Some("2025-06-03T09:00:00Z");
        check(DAILY, june_3, "2025-06-02T09:00:00Z", "run_exists");
        check(DAILY, june_3, "2025-06-01T09:00:00Z", "passed");
        check(DAILY, june_3, "2025-06-05T09:00:00Z", "catchup");
        check(CATCHUP, june_3, "2025-06-05T09:00:00Z", "in_line max_active_runs");
        check(CATCHUP, june_3, "2025-06-04T09:00:00Z", "max_active_runs");
        let paused = codes(DAILY, june_3, true, "2025-06-10T09:00:00Z", "2025-06-10T09:00:00Z");
        assert_eq!(paused, "dag_paused");
        // A whole day, on which the clock of Berlin skips half past two.
        let berlin = "schedule: '30 2 * * *'\ntimezone: Europe/Berlin\nstart_date: 2025-01-01";
        let day = codes(berlin, None, false, "2025-03-29T23:00:00Z", "2025-03-30T21:59:59Z");
        assert_eq!(day, "dst_gap catchup");
    }
}
