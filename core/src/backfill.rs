//! Backfills: which runs a range of dates needs, what becomes of those that exist, and how far one is.
//!
//! Owns the rules that the plan shown to people, the engine and `explain` share. Must not know the
//! engine's memory: what exists is given.

mod plan;
mod row;
#[cfg(test)]
mod tests;

pub use plan::{
    BackfillPlan, Counts, Fate, PlanError, PlannedDate, Wanted, dates, expected_secs, fate, plan,
};
pub use row::{BackfillDateRow, BackfillKey, BackfillRow, Hold};

/// The most dates of one backfill; longer ranges are done in parts.
pub const DATES_MAX: usize = 10_000;

/// The runs of a backfill that may be unfinished at once when nothing is said (Airflow: 10).
pub const MAX_ACTIVE_RUNS: u32 = 10;

/// The most that may be asked for as `max_active_runs` of a backfill.
pub const MAX_ACTIVE_RUNS_MAX: u32 = 1000;

/// Why a date got no run: somebody else's run of it is unfinished (Airflow: `in flight`).
pub const IN_FLIGHT: &str = "in flight";

/// Why a date got no run: it has one that the behaviour leaves alone (Airflow: `already exists`).
pub const ALREADY_EXISTS: &str = "already exists";

/// Why a date got no run: its run cannot be read or run again (Airflow: `unknown`).
pub const UNKNOWN: &str = "unknown";

/// Why a date has no run any more.
pub const DELETED: &str = "deleted";
