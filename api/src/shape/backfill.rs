//! Backfills in Airflow's shapes and in our own.

use millrace_core::backfill::{BackfillPlan, Counts, Fate, PlannedDate};
use millrace_core::record::{BackfillRow, DagRow};
use millrace_core::state::RunState;
use millrace_store::backfill::DateOf;
use serde::Serialize;
use serde_json::{Map, Value};

use super::At;

/// Airflow: `BackfillResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct BackfillShape {
    id: i64,
    dag_id: String,
    from_date: At,
    to_date: At,
    dag_run_conf: Map<String, Value>,
    is_paused: bool,
    reprocess_behavior: &'static str,
    max_active_runs: u32,
    created_at: At,
    completed_at: Option<At>,
    updated_at: At,
    dag_display_name: String,
}

impl BackfillShape {
    pub(crate) fn of(row: &BackfillRow, dag_display_name: &str) -> Self {
        Self {
            id: row.id,
            dag_id: row.dag_id.to_string(),
            from_date: At(row.from_date),
            to_date: At(row.to_date),
            dag_run_conf: row.conf.clone().unwrap_or_default(),
            is_paused: row.is_paused,
            reprocess_behavior: row.reprocess_behavior.as_str(),
            max_active_runs: row.max_active_runs,
            created_at: At(row.created_at),
            completed_at: At::maybe(row.completed_at),
            updated_at: At(row.updated_at),
            dag_display_name: dag_display_name.to_owned(),
        }
    }
}

/// Airflow: `DryRunBackfillResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct DryRunDate {
    logical_date: At,
    partition_key: Option<String>,
    partition_date: Option<At>,
}

impl DryRunDate {
    pub(crate) fn of(date: &PlannedDate) -> Self {
        let logical_date = At(date.run.logical_date);
        Self { logical_date, partition_key: None, partition_date: None }
    }
}

/// What a backfill would do.
#[derive(Debug, Serialize)]
pub(crate) struct PlanShape {
    dag_id: String,
    is_paused: bool,
    counts: CountsShape,
    median_secs: Option<f64>,
    expected_secs: Option<f64>,
    /// The first of them.
    dates: Vec<PlanDate>,
}

#[derive(Debug, Serialize)]
struct CountsShape {
    total: u32,
    missing: u32,
    failed: u32,
    succeeded: u32,
    in_flight: u32,
    create: u32,
    rerun: u32,
    skip: u32,
}

#[derive(Debug, Serialize)]
struct PlanDate {
    logical_date: At,
    data_interval_start: At,
    data_interval_end: At,
    run_id: Option<String>,
    state: Option<&'static str>,
    action: &'static str,
    reason: Option<&'static str>,
}

impl PlanShape {
    /// A plan with its first `most` dates.
    pub(crate) fn of(dag: &DagRow, plan: &BackfillPlan, most: usize) -> Self {
        let Counts { total, missing, failed, succeeded, in_flight, create, rerun, skip } =
            plan.counts;
        let date = |date: &PlannedDate| PlanDate {
            logical_date: At(date.run.logical_date),
            data_interval_start: At(date.run.data_interval.start),
            data_interval_end: At(date.run.data_interval.end),
            run_id: date.existing.as_ref().map(|(run_id, _)| run_id.to_string()),
            state: date.existing.as_ref().map(|(_, state)| state.as_str()),
            action: date.fate.as_str(),
            reason: match date.fate {
                Fate::Skip(reason) => Some(reason),
                Fate::Create | Fate::Rerun => None,
            },
        };
        Self {
            dag_id: dag.dag_id.to_string(),
            is_paused: dag.is_paused,
            counts: CountsShape {
                total,
                missing,
                failed,
                succeeded,
                in_flight,
                create,
                rerun,
                skip,
            },
            median_secs: plan.median_secs,
            expected_secs: plan.expected_secs,
            dates: plan.dates.iter().take(most).map(date).collect(),
        }
    }
}

/// How far a backfill is.
#[derive(Debug, Serialize)]
pub(crate) struct ProgressShape {
    #[serde(flatten)]
    backfill: BackfillShape,
    state: &'static str,
    reason: Option<String>,
    run_backwards: bool,
    stop_after_failures: u32,
    run_on_latest_version: bool,
    triggering_user: Option<String>,
    is_open: bool,
    dates_total: u32,
    dates_waiting: u32,
    runs_active: u32,
    runs_succeeded: u32,
    runs_failed: u32,
    dates_skipped: u32,
    /// Why its next date does not start now.
    hold: Option<HoldShape>,
    /// How long the rest takes, in seconds.
    expected_secs: Option<f64>,
}

#[derive(Debug, Serialize)]
struct HoldShape {
    code: &'static str,
    text: String,
}

impl ProgressShape {
    pub(crate) fn of(row: &BackfillRow, dag: Option<&DagRow>, durations: &[f64]) -> Self {
        let name = dag.map_or(row.dag_id.as_str(), |dag| &dag.about.display_name);
        let hold =
            row.hold(dag.is_some_and(|dag| dag.is_paused), dag.is_none_or(|dag| dag.is_stale));
        let left = if row.ending.is_some() { 0 } else { row.dates_waiting } + row.runs_active;
        let expected_secs =
            millrace_core::backfill::expected_secs(durations, left, row.max_active_runs);
        Self {
            backfill: BackfillShape::of(row, name),
            state: row.state(),
            reason: row.reason.clone(),
            run_backwards: row.run_backwards,
            stop_after_failures: row.stop_after_failures,
            run_on_latest_version: row.run_on_latest_version,
            triggering_user: row.triggering_user.clone(),
            is_open: row.is_open,
            dates_total: row.dates_total,
            dates_waiting: row.dates_waiting,
            runs_active: row.runs_active,
            runs_succeeded: row.runs_succeeded,
            runs_failed: row.runs_failed,
            dates_skipped: row.dates_skipped,
            hold: hold.map(|hold| HoldShape { code: hold.code(), text: hold.text(row) }),
            expected_secs,
        }
    }
}

/// One date of a backfill.
#[derive(Debug, Serialize)]
pub(crate) struct DateShape {
    sort_ordinal: u32,
    logical_date: At,
    state: &'static str,
    exception_reason: Option<String>,
    dag_run_id: Option<String>,
    dag_run_state: Option<&'static str>,
}

impl DateShape {
    pub(crate) fn of(date: DateOf) -> Self {
        let (run_id, state) = date.run.unzip();
        Self {
            sort_ordinal: date.row.sort_ordinal,
            logical_date: At(date.row.logical_date),
            state: date.row.state.as_str(),
            exception_reason: date.row.exception_reason,
            dag_run_id: run_id.map(|run_id| run_id.to_string()),
            dag_run_state: state.map(RunState::as_str),
        }
    }
}
