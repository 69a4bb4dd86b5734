//! From a range of dates to runs: the ticks of the timetable, and what becomes of each.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{ALREADY_EXISTS, DATES_MAX, IN_FLIGHT, MAX_ACTIVE_RUNS_MAX};
use crate::dag::Dag;
use crate::ids::RunId;
use crate::state::{ReprocessBehavior, RunState, RunType};
use crate::timetable::{Bounds, PlannedRun, Timetable};

/// What of a backfill decides which runs it has.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The first logical date.
    pub from_date: Timestamp,
    /// The last logical date.
    pub to_date: Timestamp,
    /// Whether the newest comes first.
    pub run_backwards: bool,
    /// What is done with dates that have a run.
    pub reprocess_behavior: ReprocessBehavior,
    /// The most runs at once.
    pub max_active_runs: u32,
    /// What the runs are given.
    pub conf: Option<&'a Map<String, Value>>,
}

/// Why there can be no such backfill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// The DAG does not allow it (`allowed_run_types`).
    NotAllowed(String),
    /// What was asked for is wrong: pairs of field and text.
    Invalid(Vec<(String, String)>),
}

/// What becomes of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It gets a run.
    Create,
    /// Its run is cleared and runs again.
    Rerun,
    /// Nothing, and why.
    Skip(&'static str),
}

impl Fate {
    /// A word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Rerun => "rerun",
            Self::Skip(_) => "skip",
        }
    }
}

/// What becomes of a date with a run in this state (Airflow: `_get_dag_run_no_create_reason`).
pub const fn fate(existing: Option<RunState>, behavior: ReprocessBehavior) -> Fate {
    match (existing, behavior) {
        (None, _) => Fate::Create,
        (Some(RunState::Queued | RunState::Running), _) => Fate::Skip(IN_FLIGHT),
        (Some(RunState::Failed), ReprocessBehavior::Failed | ReprocessBehavior::Completed)
        | (Some(RunState::Success), ReprocessBehavior::Completed) => Fate::Rerun,
        (Some(RunState::Success | RunState::Failed), _) => Fate::Skip(ALREADY_EXISTS),
    }
}

/// The dates of a backfill in its order: every tick of the DAG's timetable in the range whose data
/// interval has ended.
///
/// # Errors
/// [`PlanError`]: a DAG without a repeating schedule, a range that is empty, in the future or too
/// long ([`DATES_MAX`]), a direction or behaviour that `depends_on_past` forbids, a wrong conf.
pub fn dates(dag: &Dag, wanted: &Wanted<'_>, now: Timestamp) -> Result<Vec<PlannedRun>, PlanError> {
    if !dag.allows(RunType::Backfill) {
        return Err(PlanError::NotAllowed(format!(
            "Dag with dag_id: '{}' does not allow backfill runs",
            dag.dag_id
        )));
    }
    check(dag, wanted, now)?;
    let ended = |run: &PlannedRun| run.data_interval.end < now;
    let from = aligned(dag, wanted.from_date);
    let runs = dag.timetable.runs_between(from, wanted.to_date).take_while(ended);
    let mut found: Vec<PlannedRun> = runs.take(DATES_MAX + 1).collect();
    if found.len() > DATES_MAX {
        let last = found[DATES_MAX - 1].logical_date;
        let text = format!(
            "the range has more than {DATES_MAX} dates; end it at {} and do the rest afterwards",
            crate::time::rest(last)
        );
        return invalid("to_date", text);
    }
    if found.is_empty() {
        let text = format!(
            "no run of dag \"{}\" has its logical date from {} to {} and has ended its data \
             interval",
            dag.dag_id,
            crate::time::rest(wanted.from_date),
            crate::time::rest(wanted.to_date)
        );
        return invalid("from_date", text);
    }
    if wanted.run_backwards {
        found.reverse();
    }
    Ok(found)
}

fn invalid<T>(field: &str, text: impl Into<String>) -> Result<T, PlanError> {
    Err(PlanError::Invalid(vec![(field.to_owned(), text.into())]))
}

fn check(dag: &Dag, wanted: &Wanted<'_>, now: Timestamp) -> Result<(), PlanError> {
    let dag_id = &dag.dag_id;
    if !dag.timetable.is_periodic() {
        let text = format!("{dag_id} has a non-periodic schedule that does not support backfills");
        return invalid("dag_id", text);
    }
    if wanted.from_date > wanted.to_date {
        return invalid("from_date", "from_date must not be after to_date");
    }
    if wanted.from_date >= now {
        return invalid("from_date", "Backfill cannot be executed for future dates.");
    }
    if !(1..=MAX_ACTIVE_RUNS_MAX).contains(&wanted.max_active_runs) {
        let text = format!("max_active_runs must be from 1 to {MAX_ACTIVE_RUNS_MAX}");
        return invalid("max_active_runs", text);
    }
    let looks_back = dag.tasks.iter().any(|t| t.depends_on_past || t.wait_for_downstream);
    if looks_back && wanted.run_backwards {
        let text = "a DAG with depends_on_past cannot be backfilled in reverse; leave out \
            run_backwards";
        return invalid("run_backwards", text);
    }
    if looks_back && wanted.reprocess_behavior == ReprocessBehavior::None {
        let text = "a DAG with depends_on_past needs reprocess_behavior \"failed\" or \
            \"completed\", since a failed run in the range would hold up all after it";
        return invalid("reprocess_behavior", text);
    }
    let conf = wanted.conf.cloned().unwrap_or_default();
    let merged = dag.params.merge(&conf).map_err(|problems| {
        let of = |problem: crate::params::Problem| {
            // Airflow's name of the field is another than a run's.
            let path = problem.path.replacen("conf", "dag_run_conf", 1);
            (path, problem.message)
        };
        PlanError::Invalid(problems.into_iter().map(of).collect())
    });
    merged.map(|_| ())
}

/// Where a range begins: an interval counts from the DAG's own start, so that its backfills meet
/// its runs.
fn aligned(dag: &Dag, from: Timestamp) -> Timestamp {
    let Timetable::Every { .. } = dag.timetable else { return from };
    let Some(start) = dag.start_date.filter(|start| *start <= from) else { return from };
    let bounds = Bounds { start: Some(start), end: None, catchup: true };
    let before = from.checked_sub(SignedDuration::from_micros(1)).unwrap_or(from);
    dag.timetable.firings(before, &bounds).next().map_or(from, |firing| firing.at)
}

/// One date of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedDate {
    /// When, and about what.
    pub run: PlannedRun,
    /// The run that it has, with its state.
    pub existing: Option<(RunId, RunState)>,
    /// What would become of it now.
    pub fate: Fate,
}

/// How many dates are how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All dates.
    pub total: u32,
    /// Those without a run.
    pub missing: u32,
    /// Those whose run failed.
    pub failed: u32,
    /// Those whose run succeeded.
    pub succeeded: u32,
    /// Those whose run is unfinished.
    pub in_flight: u32,
    /// Those that would get a run.
    pub create: u32,
    /// Those whose run would run again.
    pub rerun: u32,
    /// Those left alone.
    pub skip: u32,
}

/// What a backfill would do.
#[derive(Debug, Clone, PartialEq)]
pub struct BackfillPlan {
    /// Its dates, in its order.
    pub dates: Vec<PlannedDate>,
    /// Them, counted.
    pub counts: Counts,
    /// The median of past runs, in seconds; absent when none succeeded yet.
    pub median_secs: Option<f64>,
    /// How long it would take, in seconds.
    pub expected_secs: Option<f64>,
}

/// What a backfill would do to its dates; `existing` are the runs of those dates, `durations` the
/// seconds that past runs took.
pub fn plan(
    dates: Vec<PlannedRun>,
    existing: &BTreeMap<Timestamp, (RunId, RunState)>,
    wanted: &Wanted<'_>,
    durations: &[f64],
) -> BackfillPlan {
    let mut counts = Counts::default();
    let dates: Vec<PlannedDate> = dates
        .into_iter()
        .map(|run| {
            let existing = existing.get(&run.logical_date).cloned();
            let state = existing.as_ref().map(|(_, state)| *state);
            let fate = fate(state, wanted.reprocess_behavior);
            counts.total += 1;
            *match state {
                None => &mut counts.missing,
                Some(RunState::Failed) => &mut counts.failed,
                Some(RunState::Success) => &mut counts.succeeded,
                Some(RunState::Queued | RunState::Running) => &mut counts.in_flight,
            } += 1;
            *match fate {
                Fate::Create => &mut counts.create,
                Fate::Rerun => &mut counts.rerun,
                Fate::Skip(_) => &mut counts.skip,
            } += 1;
            PlannedDate { run, existing, fate }
        })
        .collect();
    let expected = expected_secs(durations, counts.create + counts.rerun, wanted.max_active_runs);
    BackfillPlan { dates, counts, median_secs: median(durations), expected_secs: expected }
}

/// How long so many runs take, in seconds, when so many go at once: the median of past runs for
/// each round. Absent when no run has succeeded yet.
pub fn expected_secs(durations: &[f64], runs: u32, at_once: u32) -> Option<f64> {
    Some(median(durations)? * f64::from(runs.div_ceil(at_once.max(1))))
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}
