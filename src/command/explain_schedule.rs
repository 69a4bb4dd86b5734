//! `millrace explain --schedule`: why there is, or is not, a run for a date.

use std::path::Path;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use millrace_core::dag::Dag;
use millrace_core::dagfile::read_version;
use millrace_core::engine::{DateQuestion, KnownDag, Reason, explain_date};
use millrace_core::ids::{DagId, RunId};
use millrace_core::record::{DagRow, RunRow};
use millrace_core::state::RunState;
use millrace_store::dag_run::{RunFilter, RunOrder};
use millrace_store::page::{Direction, Page, Paging};
use millrace_store::{Store, dag_run, dag_version};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::local::{self, fault};
use crate::output::{Format, Output, print, print_json};
use crate::settings::Settings;

/// The most runs of one day that are shown.
const RUNS_MAX: u32 = 100;

/// Explains a date of a DAG, or of the DAGs of a file.
pub(crate) async fn explain(
    settings: &Settings,
    name: &str,
    date: &str,
    format: Format,
) -> Result<(), Failure> {
    let path = Path::new(name);
    let is_named_so = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    if path.is_file() || is_named_so {
        let mut found = Vec::new();
        for dag in super::one_dag::read(settings, path, None)? {
            let zone = settings.zones()?.zone(&dag.timezone).map_err(local::fault)?;
            let (from, to) = stretch(date, &zone)?;
            let now = local::now();
            let question = DateQuestion { dag: &dag, zone: &zone, from, to, now, known: None };
            let reasons = explain_date(&question);
            match format.output {
                Output::Table => show(&dag, date, &reasons, format)?,
                Output::Json => found.push(answer(&dag, date, &reasons)),
            }
        }
        return match (format.output, found.as_slice()) {
            (Output::Table, _) => Ok(()),
            // Several DAGs of one file are one document too.
            (Output::Json, [one]) => print_json(one),
            (Output::Json, _) => print_json(&Value::Array(found)),
        };
    }
    let dag_id = DagId::new(name).map_err(|error| {
        Failure::usage(format!("there is no file \"{name}\", and as a DAG's name: {error}"))
    })?;
    let store = local::open(settings).await?;
    let row = super::one_run::dag_of(&store, &dag_id).await?;
    let dag = newest(settings, &store, &row).await?;
    let zone = settings.zones()?.zone(&dag.timezone).map_err(local::fault)?;
    let (from, to) = stretch(date, &zone)?;
    let known = KnownDag {
        row: &row,
        active_runs: active(&store, &dag_id).await?,
        runs: runs(&store, &dag_id, from, to).await?,
    };
    let now = local::now();
    let question = DateQuestion { dag: &dag, zone: &zone, from, to, now, known: Some(known) };
    show(&dag, date, &explain_date(&question), format)
}

/// A day is all of it, in the DAG's zone; anything more exact is that instant.
fn stretch(date: &str, zone: &TimeZone) -> Result<(Timestamp, Timestamp), Failure> {
    let from = super::one_dag::instant(date, zone)?;
    let Ok(day) = date.trim().parse::<jiff::civil::Date>() else { return Ok((from, from)) };
    let is_day = date.trim().len() == day.to_string().len();
    let next = day.tomorrow().and_then(|day| day.to_zoned(zone.clone()));
    match next {
        Ok(next) if is_day => {
            let to = next.timestamp().checked_sub(SignedDuration::from_micros(1));
            Ok((from, to.unwrap_or(from)))
        }
        _ => Ok((from, from)),
    }
}

fn answer(dag: &Dag, date: &str, reasons: &[Reason]) -> Value {
    json!({ "dag_id": dag.dag_id, "date": date, "reasons": reasons })
}

fn show(dag: &Dag, date: &str, reasons: &[Reason], format: Format) -> Result<(), Failure> {
    if format.output == Output::Json {
        return format.record(&answer(dag, date, reasons));
    }
    print(&format!("{} on {date}", dag.dag_id))?;
    for reason in reasons {
        print(&format!("  - {}", reason.text))?;
    }
    Ok(())
}

async fn newest(
    settings: &Settings,
    store: &Store,
    row: &DagRow,
) -> Result<std::sync::Arc<Dag>, Failure> {
    let zones = settings.zones()?;
    let found = dag_version::by_key(store, row.version).await.map_err(fault)?;
    let version = found.ok_or_else(|| {
        Failure::wrong(format!("dag \"{}\" has no version that could be read", row.dag_id))
    })?;
    read_version(&version, &settings.known(&zones)).map_err(Failure::wrong)
}

async fn active(store: &Store, dag_id: &DagId) -> Result<u32, Failure> {
    let filter = RunFilter {
        dag_ids: vec![dag_id.to_string()],
        states: vec![RunState::Queued, RunState::Running],
        ..RunFilter::default()
    };
    let page = list(store, &filter, 1).await?;
    Ok(u32::try_from(page.total).unwrap_or(u32::MAX))
}

async fn runs(
    store: &Store,
    dag_id: &DagId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(Timestamp, RunId, RunState)>, Failure> {
    let filter = RunFilter {
        dag_ids: vec![dag_id.to_string()],
        logical_date_from: Some(from),
        logical_date_to: Some(to),
        ..RunFilter::default()
    };
    let page = list(store, &filter, RUNS_MAX).await?;
    let named = |run: RunRow| Some((run.logical_date?, run.run_id, run.state));
    Ok(page.rows.into_iter().filter_map(named).collect())
}

async fn list(store: &Store, filter: &RunFilter, limit: u32) -> Result<Page<RunRow>, Failure> {
    let paging = Paging { limit, offset: 0 };
    dag_run::list(store, filter, RunOrder::LogicalDate, Direction::Ascending, paging)
        .await
        .map_err(fault)
}
