//! The rows of a backfill and of its dates, and what keeps its next date from starting.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ids::DagId;
use crate::record::{RunKey, VersionKey};
use crate::state::{BackfillDateState, BackfillEnding, ReprocessBehavior};

/// The number of a backfill, chosen by the leader; never reused.
pub type BackfillKey = i64;

/// A backfill: a row of `backfill`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackfillRow {
    /// Its number.
    pub id: BackfillKey,
    /// The DAG.
    pub dag_id: DagId,
    /// The first logical date that may be in it.
    pub from_date: Timestamp,
    /// The last logical date that may be in it.
    pub to_date: Timestamp,
    /// Whether the newest date comes first.
    pub run_backwards: bool,
    /// What it does with dates that have a run.
    pub reprocess_behavior: ReprocessBehavior,
    /// The most of its runs that may be unfinished at once; the DAG's own limit does not count.
    pub max_active_runs: u32,
    /// It stops after so many failed runs; 0 never.
    pub stop_after_failures: u32,
    /// Whether runs that exist move to its version when they run again.
    pub run_on_latest_version: bool,
    /// What its runs are given.
    pub conf: Option<Map<String, Value>>,
    /// The version that its new runs have: the newest when it was created.
    pub version: VersionKey,
    /// Whether it starts nothing new for now.
    pub is_paused: bool,
    /// Whether it holds its DAG's lane: until its end, and until its last run has ended.
    pub is_open: bool,
    /// How it ended; absent while it goes on.
    pub ending: Option<BackfillEnding>,
    /// Why it ended so, in words.
    pub reason: Option<String>,
    /// How many dates it has.
    pub dates_total: u32,
    /// Dates whose turn has not come.
    pub dates_waiting: u32,
    /// Its unfinished runs.
    pub runs_active: u32,
    /// Its runs that ended well.
    pub runs_succeeded: u32,
    /// Its runs that ended badly.
    pub runs_failed: u32,
    /// Dates that got no run.
    pub dates_skipped: u32,
    /// Who created it.
    pub triggering_user: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
}

/// One date of a backfill: a row of `backfill_dag_run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackfillDateRow {
    /// The backfill.
    pub backfill: BackfillKey,
    /// Its place in the backfill's order, from 1 (Airflow: `sort_ordinal`).
    pub sort_ordinal: u32,
    /// The logical date.
    pub logical_date: Timestamp,
    /// The start of its data interval.
    pub data_interval_start: Timestamp,
    /// The end of its data interval.
    pub data_interval_end: Timestamp,
    /// No task starts before it.
    pub run_after: Timestamp,
    /// What became of it.
    pub state: BackfillDateState,
    /// Its run, once it has one.
    pub run: Option<RunKey>,
    /// Why it got no run (Airflow: `exception_reason`).
    pub exception_reason: Option<String>,
}

/// What keeps the next date of a backfill from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It has ended.
    Ended,
    /// It is paused.
    Paused,
    /// Its DAG is paused.
    DagPaused,
    /// Its DAG's file is gone.
    DagGone,
    /// As many of its runs are unfinished as may be.
    Full,
}

impl Hold {
    /// A word for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ended => "backfill_ended",
            Self::Paused => "backfill_paused",
            Self::DagPaused => "dag_paused",
            Self::DagGone => "dag_gone",
            Self::Full => "backfill_max_active_runs",
        }
    }

    /// A sentence for people.
    pub fn text(self, row: &BackfillRow) -> String {
        let (id, dag_id) = (row.id, &row.dag_id);
        match self {
            Self::Ended => {
                format!("backfill {id} is {}", row.ending.map_or("ended", BackfillEnding::as_str))
            }
            Self::Paused => format!("backfill {id} is paused"),
            Self::DagPaused => format!("dag \"{dag_id}\" is paused"),
            Self::DagGone => format!("the file of dag \"{dag_id}\" is gone"),
            Self::Full => {
                format!("backfill {id} runs {} of {} at once", row.runs_active, row.max_active_runs)
            }
        }
    }
}

impl BackfillRow {
    /// What keeps the next date from starting, given its DAG; nothing when it may start.
    pub fn hold(&self, dag_is_paused: bool, dag_is_stale: bool) -> Option<Hold> {
        if self.ending.is_some() {
            Some(Hold::Ended)
        } else if self.is_paused {
            Some(Hold::Paused)
        } else if dag_is_paused {
            Some(Hold::DagPaused)
        } else if dag_is_stale {
            Some(Hold::DagGone)
        } else if self.runs_active >= self.max_active_runs {
            Some(Hold::Full)
        } else {
            None
        }
    }

    /// Its state in one word: how it ended, or `paused` or `running`.
    pub fn state(&self) -> &'static str {
        match self.ending {
            Some(ending) => ending.as_str(),
            None if self.is_paused => "paused",
            None => "running",
        }
    }

    /// The counter of a state.
    pub fn count(&mut self, state: BackfillDateState) -> &mut u32 {
        match state {
            BackfillDateState::Waiting => &mut self.dates_waiting,
            BackfillDateState::Active => &mut self.runs_active,
            BackfillDateState::Success => &mut self.runs_succeeded,
            BackfillDateState::Failed => &mut self.runs_failed,
            BackfillDateState::Skipped => &mut self.dates_skipped,
        }
    }

    /// Counts a date that goes from one state to another.
    pub fn moved(&mut self, from: BackfillDateState, to: BackfillDateState) {
        let before = self.count(from);
        *before = before.saturating_sub(1);
        *self.count(to) += 1;
    }
}
