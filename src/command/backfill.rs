//! `millrace backfill`: runs for a range of dates, planned before they are ordered.

mod progress;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use millrace_core::backfill::{
    BackfillPlan, Fate, MAX_ACTIVE_RUNS, MAX_ACTIVE_RUNS_MAX, PlanError, PlannedDate, Wanted,
    dates, plan,
};
use millrace_core::dagfile::read_version;
use millrace_core::engine::{BackfillOrder, NewBackfill, Order};
use millrace_core::ids::DagId;
use millrace_core::record::{BackfillKey, BackfillRow, DagRow};
use millrace_core::state::ReprocessBehavior;
use millrace_store::page::{Direction, LIMIT_MAX, Paging};
use millrace_store::{Store, backfill, dag_version};
use serde_json::{Value, json};

use super::one_run::dag_of;
use super::runs::time;
use super::wait::actor;
use crate::failure::Failure;
use crate::local::{self, fault};
use crate::orders::{self, Sent};
use crate::output::{Format, Output, print, print_json, say, table};
use crate::settings::Settings;

/// What is done with dates that have a run, as an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReprocessWord {
    /// Leave them; only missing dates get a run
    None,
    /// Run failed ones again
    Failed,
    /// Run all again that have ended
    Completed,
}

/// Which dates, and how.
#[derive(Debug, Args)]
pub(crate) struct Range {
    /// The DAG
    #[arg(value_name = "DAG")]
    dag_id: DagId,
    /// The first logical date, in the DAG's zone
    #[arg(long, value_name = "DATE")]
    from: String,
    /// The last logical date; a day counts whole
    #[arg(long, value_name = "DATE")]
    to: String,
    /// What to do with dates that have a run
    #[arg(long, value_enum, default_value_t = ReprocessWord::None)]
    reprocess: ReprocessWord,
    /// How many runs at once
    #[arg(long, value_name = "N", default_value_t = MAX_ACTIVE_RUNS, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_ACTIVE_RUNS_MAX)))]
    max_active_runs: u32,
    /// The newest date first
    #[arg(long)]
    backwards: bool,
    /// What the runs are given, a JSON object
    #[arg(long, short, value_name = "JSON")]
    conf: Option<String>,
}

/// One backfill of a DAG.
#[derive(Debug, Args)]
pub(crate) struct OneBackfill {
    /// The DAG
    #[arg(value_name = "DAG")]
    dag_id: DagId,
    /// Its number [default: the newest]
    #[arg(long, value_name = "N")]
    id: Option<BackfillKey>,
}

/// What to do with backfills.
#[derive(Debug, Subcommand)]
pub(crate) enum Backfill {
    /// Show what a backfill would do, and how long it would take
    #[command(
        after_help = "Example:\n  millrace backfill plan train --from 2025-01-01 --to 2025-01-31 --reprocess failed"
    )]
    Plan {
        #[command(flatten)]
        range: Range,
        #[command(flatten)]
        format: Format,
    },
    /// Start a backfill
    #[command(
        after_help = "Examples:\n  millrace backfill create train --from 2025-01-01 --to 2025-01-31 --wait\n  millrace backfill create train --from 2025-01-01 --to 2025-12-31 --backwards --max-active-runs 4 --stop-after-failures 3"
    )]
    Create {
        #[command(flatten)]
        range: Range,
        /// Stop after so many failed runs; 0 is never
        #[arg(long, value_name = "N", default_value_t = 0)]
        stop_after_failures: u32,
        /// Let runs that exist keep their version of the DAG when they run again
        #[arg(long)]
        keep_versions: bool,
        /// Wait for the end; the exit code is 1 when a run failed or it was ended early
        #[arg(long, short)]
        wait: bool,
        #[command(flatten)]
        format: Format,
    },
    /// List backfills, newest first
    List {
        /// Of this DAG [default: all]
        #[arg(value_name = "DAG")]
        dag_id: Option<DagId>,
        #[command(flatten)]
        format: Format,
    },
    /// Show how far a backfill is, and its dates
    Show {
        #[command(flatten)]
        which: OneBackfill,
        #[command(flatten)]
        format: Format,
    },
    /// Start no further run for now; what runs goes on
    Pause {
        #[command(flatten)]
        which: OneBackfill,
    },
    /// Go on
    Resume {
        #[command(flatten)]
        which: OneBackfill,
    },
    /// End a backfill: dates whose turn has not come are dropped, what runs goes on
    Cancel {
        #[command(flatten)]
        which: OneBackfill,
        /// Also fail the runs that go on
        #[arg(long)]
        stop_running: bool,
    },
}

impl Backfill {
    /// Does it.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = local::open(settings).await?;
        match self {
            Self::Plan { range, format } => {
                let (row, new) = range.read(settings, &store, 0, true).await?;
                let plan = planned(settings, &store, &row, &new).await?;
                show_plan(&row, &new, &plan, format)
            }
            Self::Create { range, stop_after_failures, keep_versions, wait, format } => {
                let (row, new) =
                    range.read(settings, &store, stop_after_failures, !keep_versions).await?;
                let plan = planned(settings, &store, &row, &new).await?;
                create(&store, &row, new, &plan, wait, format).await
            }
            Self::List { dag_id, format } => list(&store, dag_id, format).await,
            Self::Show { which, format } => show(&store, &which.find(&store).await?, format).await,
            Self::Pause { which } => set_paused(&store, &which, true).await,
            Self::Resume { which } => set_paused(&store, &which, false).await,
            Self::Cancel { which, stop_running } => {
                let id = which.find(&store).await?.id;
                let order = BackfillOrder::Cancel { id, stop_running, actor: actor() };
                orders::send_now(&store, &Order::Backfill(order)).await?;
                print(&format!("backfill {id} of {} is cancelled", which.dag_id))
            }
        }
    }
}

impl Range {
    async fn read(
        self,
        settings: &Settings,
        store: &Store,
        stop_after_failures: u32,
        run_on_latest_version: bool,
    ) -> Result<(DagRow, NewBackfill), Failure> {
        let row = dag_of(store, &self.dag_id).await?;
        let zone = settings.zones()?.zone(&row.about.timezone).map_err(Failure::usage)?;
        let new = NewBackfill {
            dag_id: self.dag_id,
            from_date: super::one_dag::instant(&self.from, &zone)?,
            to_date: last_instant(&self.to, &zone)?,
            run_backwards: self.backwards,
            reprocess_behavior: match self.reprocess {
                ReprocessWord::None => ReprocessBehavior::None,
                ReprocessWord::Failed => ReprocessBehavior::Failed,
                ReprocessWord::Completed => ReprocessBehavior::Completed,
            },
            max_active_runs: self.max_active_runs,
            stop_after_failures,
            run_on_latest_version,
            conf: super::trigger::conf(self.conf.as_deref(), &[])?,
            actor: actor(),
        };
        Ok((row, new))
    }
}

/// An instant, where a day is its last moment.
fn last_instant(text: &str, zone: &TimeZone) -> Result<Timestamp, Failure> {
    let end = |day: jiff::civil::Date| {
        let next = day.tomorrow().ok()?.at(0, 0, 0, 0);
        let end = zone.to_timestamp(next).ok()?;
        end.checked_sub(jiff::SignedDuration::from_micros(1)).ok()
    };
    match text.trim().parse::<jiff::civil::Date>().ok().filter(|_| text.trim().len() == 10) {
        Some(day) => end(day).ok_or_else(|| Failure::usage(format!("\"{text}\" is no date"))),
        None => super::one_dag::instant(text, zone),
    }
}

/// What a backfill would do now, by the rules of the scheduler.
async fn planned(
    settings: &Settings,
    store: &Store,
    row: &DagRow,
    new: &NewBackfill,
) -> Result<BackfillPlan, Failure> {
    let version = dag_version::by_key(store, row.version).await.map_err(fault)?;
    let version = version.ok_or_else(|| Failure::defect("the DAG has no version"))?;
    let zones = settings.zones()?;
    let dag = read_version(&version, &settings.known(&zones)).map_err(Failure::wrong)?;
    let wanted = Wanted {
        from_date: new.from_date,
        to_date: new.to_date,
        run_backwards: new.run_backwards,
        reprocess_behavior: new.reprocess_behavior,
        max_active_runs: new.max_active_runs,
        conf: new.conf.as_ref(),
    };
    let runs = dates(&dag, &wanted, local::now()).map_err(|error| match error {
        PlanError::NotAllowed(what) => Failure::wrong(what),
        PlanError::Invalid(problems) => {
            let of = |(field, text): &(String, String)| format!("{field}: {text}");
            Failure::wrong(problems.iter().map(of).collect::<Vec<_>>().join("\n"))
        }
    })?;
    let days: Vec<Timestamp> = runs.iter().map(|run| run.logical_date).collect();
    let dag_id = row.dag_id.as_str();
    let existing = backfill::states(store, dag_id, &days).await.map_err(fault)?;
    let durations = backfill::durations(store, dag_id).await.map_err(fault)?;
    Ok(plan(runs, &existing, &wanted, &durations))
}

/// `31 dates: 28 to create, 2 to run again, 1 left alone; about 4 min`
fn summary(plan: &BackfillPlan) -> String {
    let counts = plan.counts;
    let time = plan.expected_secs.map_or_else(
        || "no past run tells how long it takes".to_owned(),
        |secs| format!("about {}", progress::span(secs)),
    );
    format!(
        "{} dates: {} to create, {} to run again, {} left alone; {time}",
        counts.total, counts.create, counts.rerun, counts.skip
    )
}

fn show_plan(
    row: &DagRow,
    new: &NewBackfill,
    plan: &BackfillPlan,
    format: Format,
) -> Result<(), Failure> {
    let reason = |date: &PlannedDate| match date.fate {
        Fate::Skip(reason) => Some(reason),
        Fate::Create | Fate::Rerun => None,
    };
    if format.output == Output::Json {
        let date = |date: &PlannedDate| {
            json!({
                "logical_date": time(Some(date.run.logical_date)),
                "data_interval_start": time(Some(date.run.data_interval.start)),
                "data_interval_end": time(Some(date.run.data_interval.end)),
                "run_id": date.existing.as_ref().map(|(run_id, _)| run_id),
                "state": date.existing.as_ref().map(|(_, state)| state),
                "action": date.fate.as_str(),
                "reason": reason(date),
            })
        };
        let counts = plan.counts;
        return print_json(&json!({
            "dag_id": row.dag_id,
            "reprocess_behavior": new.reprocess_behavior,
            "max_active_runs": new.max_active_runs,
            "counts": {
                "total": counts.total, "missing": counts.missing, "failed": counts.failed,
                "succeeded": counts.succeeded, "in_flight": counts.in_flight,
                "create": counts.create, "rerun": counts.rerun, "skip": counts.skip,
            },
            "median_secs": plan.median_secs,
            "expected_secs": plan.expected_secs,
            "dates": plan.dates.iter().map(date).collect::<Vec<_>>(),
        }));
    }
    let line = |date: &PlannedDate| {
        let state = date.existing.as_ref().map_or("", |(_, state)| state.as_str());
        let date_text = time(Some(date.run.logical_date)).unwrap_or_default();
        let why = reason(date).unwrap_or_default();
        vec![date_text, state.to_owned(), date.fate.as_str().to_owned(), why.to_owned()]
    };
    let rows: Vec<Vec<String>> = plan.dates.iter().map(line).collect();
    print(&table(&["logical_date", "state", "action", "reason"], &rows))?;
    say(&summary(plan));
    Ok(())
}

async fn create(
    store: &Store,
    dag: &DagRow,
    new: NewBackfill,
    plan: &BackfillPlan,
    wait: bool,
    format: Format,
) -> Result<(), Failure> {
    let is_quiet = format.output == Output::Json;
    if !is_quiet {
        say(&summary(plan));
    }
    let answer = match orders::send(store, &Order::Backfill(BackfillOrder::Create(new))).await? {
        Sent::Done(answer) => answer,
        Sent::Waiting if wait => return Err(orders::no_scheduler()),
        Sent::Waiting => {
            return print("accepted; no scheduler runs now, the backfill starts with the next one");
        }
    };
    let id = answer["id"]
        .as_i64()
        .ok_or_else(|| Failure::defect(format!("the answer names no backfill: {answer}")))?;
    if dag.is_paused {
        say(&format!(
            "dag \"{0}\" is paused: the backfill waits until somebody says: millrace unpause {0}",
            dag.dag_id
        ));
    }
    if !wait {
        return format.record(&json!({ "id": id, "dag_id": dag.dag_id, "dates": answer["dates"] }));
    }
    let row = progress::end(store, id, is_quiet).await?;
    format.record(&record(&row))?;
    progress::verdict(&row)
}

impl OneBackfill {
    /// The backfill that is meant.
    async fn find(&self, store: &Store) -> Result<BackfillRow, Failure> {
        let dag_id = &self.dag_id;
        dag_of(store, dag_id).await?;
        let found = if let Some(id) = self.id {
            backfill::get(store, id).await.map_err(fault)?
        } else {
            let (one, way) = (Paging { limit: 1, offset: 0 }, Direction::Descending);
            let page = backfill::list(store, Some(dag_id.as_str()), way, one).await;
            page.map_err(fault)?.rows.pop()
        };
        found.filter(|row| row.dag_id == *dag_id).ok_or_else(|| {
            let which = self.id.map_or_else(String::new, |id| format!(" number {id}"));
            Failure::wrong(format!("dag \"{dag_id}\" has no backfill{which}"))
        })
    }
}

async fn set_paused(store: &Store, which: &OneBackfill, is_paused: bool) -> Result<(), Failure> {
    let id = which.find(store).await?.id;
    let order = BackfillOrder::Pause { id, is_paused, actor: actor() };
    orders::send_now(store, &Order::Backfill(order)).await?;
    let word = if is_paused { "is paused" } else { "goes on" };
    print(&format!("backfill {id} of {} {word}", which.dag_id))
}

async fn list(store: &Store, dag_id: Option<DagId>, format: Format) -> Result<(), Failure> {
    if let Some(dag_id) = &dag_id {
        dag_of(store, dag_id).await?;
    }
    let dag_id = dag_id.as_ref().map(DagId::as_str);
    let paging = Paging { limit: 100, offset: 0 };
    let page = backfill::list(store, dag_id, Direction::Descending, paging).await.map_err(fault)?;
    let records: Vec<Value> = page.rows.iter().map(record).collect();
    let columns = [
        "id",
        "dag_id",
        "state",
        "from_date",
        "to_date",
        "succeeded",
        "failed",
        "active",
        "waiting",
        "skipped",
    ];
    format.records(&records, &columns)
}

/// A backfill as commands print it.
fn record(row: &BackfillRow) -> Value {
    json!({
        "id": row.id,
        "dag_id": row.dag_id,
        "state": row.state(),
        "reason": row.reason,
        "from_date": time(Some(row.from_date)),
        "to_date": time(Some(row.to_date)),
        "reprocess_behavior": row.reprocess_behavior,
        "run_backwards": row.run_backwards,
        "max_active_runs": row.max_active_runs,
        "stop_after_failures": row.stop_after_failures,
        "conf": row.conf,
        "total": row.dates_total,
        "succeeded": row.runs_succeeded,
        "failed": row.runs_failed,
        "active": row.runs_active,
        "waiting": row.dates_waiting,
        "skipped": row.dates_skipped,
        "triggering_user": row.triggering_user,
        "created_at": time(Some(row.created_at)),
        "completed_at": time(row.completed_at),
    })
}

async fn show(store: &Store, row: &BackfillRow, format: Format) -> Result<(), Failure> {
    let dag = millrace_store::dag::get(store, row.dag_id.as_str()).await.map_err(fault)?;
    let (is_paused, is_stale) = dag.map_or((false, true), |dag| (dag.is_paused, dag.is_stale));
    let mut dates = Vec::new();
    loop {
        let first = u32::try_from(dates.len()).unwrap_or(u32::MAX).saturating_add(1);
        let page = backfill::dates(store, row.id, first, LIMIT_MAX).await.map_err(fault)?;
        let is_last = page.len() < LIMIT_MAX as usize;
        dates.extend(page);
        if is_last {
            break;
        }
    }
    let of = |date: &backfill::DateOf| {
        json!({
            "logical_date": time(Some(date.row.logical_date)),
            "state": date.row.state,
            "run_id": date.run.as_ref().map(|(run_id, _)| run_id),
            "run_state": date.run.as_ref().map(|(_, state)| state),
            "reason": date.row.exception_reason,
        })
    };
    let dates: Vec<Value> = dates.iter().map(of).collect();
    let mut record = record(row);
    record["hold"] = json!(row.hold(is_paused, is_stale).map(|hold| hold.text(row)));
    if format.output == Output::Json {
        record["dates"] = Value::Array(dates);
        return format.record(&record);
    }
    format.record(&record)?;
    print("")?;
    format.records(&dates, &["logical_date", "state", "run_id", "reason"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_at_the_end_counts_whole() {
        let zone = TimeZone::get("Asia/Seoul").unwrap_or(TimeZone::UTC);
        let check = |text: &str, expected: &str| {
            let at = last_instant(text, &zone).expect("a date");
            assert_eq!(at.to_zoned(zone.clone()).strftime("%FT%T").to_string(), expected);
        };
        check("2025-01-31", "2025-01-31T23:59:59");
        check("2025-01-31T06:00", "2025-01-31T06:00:00");
        assert!(last_instant("soon", &zone).is_err());
    }
}
