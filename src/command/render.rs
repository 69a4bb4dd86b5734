//! `millrace render`: every template of a DAG as it would be for a date.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use millrace_core::dag::Dag;
use serde_json::Value;

use super::render_diff::{self, Given};
use super::render_show;
use super::rendering::{Rendering, Shown, Wanted};
use crate::failure::Failure;
use crate::local;
use crate::offline::Offline;
use crate::output::{Format, Output, print_json};
use crate::settings::{Settings, environment};

/// The most dates of one range.
const DATES_MAX: usize = 1_000;

/// Options of `render`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  millrace render dags/daily_report.yaml --date 2025-08-22
  millrace render dags/daily_report.yaml --date 2025-08-21T21:24:23Z --task extract
  millrace render dags/daily_report.yaml --range 2025-03-25..2025-04-02 --task extract
  millrace render dags/report.yaml --range 2025-08-20..2025-08-22 --diff HEAD~1
  millrace render dags/report.yaml --date 2025-08-22 --var region=kr --xcom 'train={\"accuracy\": 0.9}'
  millrace render dags/sweep.yaml --task train --xcom 'rates=[0.1, 0.2]'      every item of a mapped task
  millrace render dags/sweep.yaml --task train --map-index 3

The exit code is 1 when a template is wrong, 2 when the file, a task or a date is not there.")]
pub(crate) struct Render {
    /// The DAG file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The logical date: a day or a time in the DAG's zone, or an instant [default: now]
    #[arg(long, value_name = "DATE", conflicts_with = "range")]
    date: Option<String>,

    /// All scheduled dates from A to B, both included; without a schedule, each day
    #[arg(long, value_name = "A..B")]
    range: Option<String>,

    /// Show only what differs from the file at a revision of git, or from another file
    #[arg(long, value_name = "REV|FILE")]
    diff: Option<String>,

    /// One DAG of the file
    #[arg(long, value_name = "DAG")]
    dag: Option<String>,

    /// Only this task; repeat it for several
    #[arg(long = "task", short, value_name = "TASK")]
    tasks: Vec<String>,

    /// Only this item of mapped tasks; without it the first 100 are shown
    #[arg(long, value_name = "N")]
    map_index: Option<u32>,

    /// What the run is given, a JSON object
    #[arg(long, short, value_name = "JSON")]
    conf: Option<String>,

    /// One param, NAME=VALUE; VALUE is JSON, or text
    #[arg(long = "param", short = 'p', value_name = "NAME=VALUE")]
    params: Vec<String>,

    /// A variable, NAME=TEXT; else MILLRACE_VAR_NAME, else a placeholder is shown
    #[arg(long = "var", value_name = "NAME=TEXT")]
    variables: Vec<String>,

    /// What a task gives on, TASK=VALUE; VALUE is JSON, or text; else a placeholder is shown
    #[arg(long = "xcom", value_name = "TASK=VALUE")]
    xcoms: Vec<String>,

    #[command(flatten)]
    format: Format,
}

impl Render {
    /// Renders and prints; ends with 1 when a template is wrong.
    pub(crate) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let dags = super::one_dag::read(settings, &self.file, self.dag.as_deref())?;
        let known = self.known()?;
        let conf = super::trigger::conf(self.conf.as_deref(), &self.params)?.unwrap_or_default();
        let source = std::fs::read_to_string(&self.file).unwrap_or_default();
        if let Some(other) = &self.diff {
            let before = crate::revision::dags(settings, &self.file, other, self.dag.as_deref())?;
            let wanted = self.wanted();
            let given = Given { file: &self.file, conf: &conf, known: &known, wanted };
            let dates = |dag: &Dag| {
                let zone = settings.zones()?.zone(&dag.timezone).map_err(local::fault)?;
                self.dates(dag, &zone)
            };
            return render_diff::show(&given, (&before, &dags), &dates, self.format);
        }
        let mut records = Vec::new();
        let (mut is_wrong, mut is_empty) = (false, true);
        for dag in &dags {
            self.check_tasks(dag)?;
            let params = dag.params.merge(&conf).map_err(|problems| {
                let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
                Failure::wrong(lines.join("\n"))
            })?;
            let zone = settings.zones()?.zone(&dag.timezone).map_err(local::fault)?;
            for date in self.dates(dag, &zone)? {
                let rendering = Rendering {
                    dag,
                    file: &self.file,
                    source: &source,
                    date,
                    now: local::now(),
                    conf: &conf,
                    params: &params,
                    known: &known,
                };
                is_empty = false;
                let results = rendering.tasks(self.wanted());
                self.check_items(&results)?;
                let mut items = results.iter().flat_map(|task| &task.items);
                is_wrong |= items.any(|(_, result)| result.is_wrong());
                match self.format.output {
                    Output::Json => records.push(render_show::record(&rendering, &results)),
                    Output::Table => render_show::show(&rendering, &results)?,
                }
            }
        }
        if let (true, Some(range)) = (is_empty, &self.range) {
            return Err(Failure::usage(format!("--range \"{range}\" has no scheduled date")));
        }
        if self.format.output == Output::Json {
            print_json(&Value::Array(records))?;
        }
        if is_wrong { Err(Failure { code: 1, message: String::new() }) } else { Ok(()) }
    }

    fn known(&self) -> Result<Offline, Failure> {
        let mut known = Offline { environment: environment(), ..Offline::default() };
        for text in &self.variables {
            let (name, value) = pair("--var", text)?;
            known.variables.insert(name.to_owned(), value.to_owned());
        }
        for text in &self.xcoms {
            let (task, value) = pair("--xcom", text)?;
            let value =
                serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            known.xcoms.insert(task.to_owned(), value);
        }
        Ok(known)
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted { tasks: &self.tasks, map_index: self.map_index }
    }

    /// An item that is asked for must be there.
    fn check_items(&self, results: &[Shown]) -> Result<(), Failure> {
        let Some(index) = self.map_index else { return Ok(()) };
        if results.is_empty() {
            return Err(Failure::usage("--map-index is for mapped tasks, and there is none here"));
        }
        let beyond = |task: &&Shown| task.count.is_some_and(|count| count <= u64::from(index));
        match results.iter().find(beyond) {
            None => Ok(()),
            Some(Shown { task_id, count, .. }) => Err(Failure::usage(match count.unwrap_or(0) {
                0 => format!("task \"{task_id}\" has no items"),
                count => format!("task \"{task_id}\" has {count} items, 0 to {}", count - 1),
            })),
        }
    }

    fn check_tasks(&self, dag: &Dag) -> Result<(), Failure> {
        match self.tasks.iter().find(|task| dag.task(task).is_none()) {
            None => Ok(()),
            Some(task) => {
                let names: Vec<_> = dag.tasks.iter().map(|task| task.task_id.as_str()).collect();
                Err(Failure::usage(format!(
                    "dag \"{}\" has no task \"{task}\"; it has {}",
                    dag.dag_id,
                    names.join(", ")
                )))
            }
        }
    }

    fn dates(&self, dag: &Dag, zone: &jiff::tz::TimeZone) -> Result<Vec<Timestamp>, Failure> {
        let instant = |text: &str| super::one_dag::instant(text, zone);
        let Some(range) = &self.range else {
            return Ok(vec![self.date.as_deref().map_or_else(|| Ok(local::now()), instant)?]);
        };
        let (from, to) = range.split_once("..").ok_or_else(|| {
            Failure::usage(format!("--range \"{range}\" is not A..B; write 2025-08-20..2025-08-22"))
        })?;
        let (from, to) = (instant(from)?, instant(to)?);
        if to < from {
            return Err(Failure::usage(format!("--range \"{range}\" ends before it begins")));
        }
        let dates: Vec<Timestamp> = if dag.timetable.is_periodic() {
            let runs = dag.timetable.runs_between(from, to);
            runs.map(|run| run.logical_date).take(DATES_MAX + 1).collect()
        } else {
            let first = from.to_zoned(zone.clone());
            let days = std::iter::successors(Some(first), |day| day.tomorrow().ok());
            days.map(|day| day.timestamp()).take_while(|at| *at <= to).take(DATES_MAX + 1).collect()
        };
        if dates.len() > DATES_MAX {
            return Err(Failure::usage(format!(
                "--range \"{range}\" has more than {DATES_MAX} dates; make it shorter"
            )));
        }
        Ok(dates)
    }
}

/// `NAME=VALUE`, split.
fn pair<'a>(option: &str, text: &'a str) -> Result<(&'a str, &'a str), Failure> {
    text.split_once('=')
        .ok_or_else(|| Failure::usage(format!("{option} \"{text}\" has no `=`; write NAME=VALUE")))
}
