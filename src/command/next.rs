//! `millrace next`: when a DAG will run, in its own zone, with daylight-saving changes marked.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use millrace_core::dag::Dag;
use millrace_core::timetable::{Bounds, DstMark};
use serde_json::json;

use crate::failure::Failure;
use crate::output::Format;
use crate::settings::Settings;

/// Options of `next`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  millrace next dags/report.yaml\n  millrace next dags/report.yaml --after 2025-03-25 --count 400"
)]
pub(crate) struct Next {
    /// The DAG file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// One DAG of the file
    #[arg(long, value_name = "DAG")]
    dag: Option<String>,

    /// How many firings
    #[arg(long, short = 'n', default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,

    /// Firings after this instant [default: now]
    #[arg(long, value_name = "DATE")]
    after: Option<String>,

    #[command(flatten)]
    format: Format,
}

impl Next {
    /// Prints the firings.
    pub(crate) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let dags = super::one_dag::read(settings, &self.file, self.dag.as_deref())?;
        let mut records = Vec::new();
        for dag in &dags {
            let zone = settings.zones()?.zone(&dag.timezone).map_err(Failure::usage)?;
            let after = match &self.after {
                Some(text) => super::one_dag::instant(text, &zone)?,
                None => crate::local::now(),
            };
            records.extend(firings(dag, after, self.count as usize, &zone));
        }
        let mut columns = vec!["local", "utc", "note"];
        if dags.len() > 1 {
            columns.insert(0, "dag_id");
        }
        self.format.records(&records, &columns)
    }
}

/// The next firings of a DAG, as records.
pub(crate) fn firings(
    dag: &Dag,
    after: Timestamp,
    count: usize,
    zone: &jiff::tz::TimeZone,
) -> Vec<serde_json::Value> {
    let bounds = Bounds { start: dag.start_date, end: dag.end_date, catchup: true };
    dag.timetable
        .firings(after, &bounds)
        .take(count)
        .map(|firing| {
            let local = firing.at.to_zoned(zone.clone());
            let note = match firing.mark {
                DstMark::Normal => "",
                DstMark::GapShifted => "shifted: the clock skips the planned time on this day",
                DstMark::OverlapSecond => "second of two: the clock shows this time twice",
            };
            json!({
                "dag_id": dag.dag_id,
                "local": local.strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string(),
                "utc": millrace_core::time::rest(firing.at),
                "note": note,
            })
        })
        .collect()
}
