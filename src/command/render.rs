//! `millrace render`: every template of a DAG as it would be for a date.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use millrace_core::dag::Dag;
use serde_json::{Map, Value, json};

use super::render_diff::{self, Given};
use super::rendering::{Rendering, TaskResult};
use crate::failure::Failure;
use crate::local;
use crate::offline::Offline;
use crate::output::{Format, Output, print, print_json};
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
  millrace render dags/report.yaml --date 2025-08-22 --var region=kr --xcom 'train={\"accuracy\": 0.9}'")]
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
            let given = Given { file: &self.file, conf: &conf, known: &known, tasks: &self.tasks };
            let dates = |dag: &Dag| {
                let zone = settings.zones()?.zone(&dag.timezone).map_err(local::fault)?;
                self.dates(dag, &zone)
            };
            return render_diff::show(&given, (&before, &dags), &dates, self.format);
        }
        let mut records = Vec::new();
        let mut is_wrong = false;
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
                let results = rendering.tasks(&self.tasks);
                is_wrong |= results.iter().any(|(_, result)| result.is_wrong());
                match self.format.output {
                    Output::Json => records.push(record(&rendering, &results)),
                    Output::Table => show(&rendering, &results)?,
                }
            }
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
        let (from, to) = range
            .split_once("..")
            .ok_or_else(|| Failure::usage(format!("--range \"{range}\" is not A..B")))?;
        let (from, to) = (instant(from)?, instant(to)?);
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

fn record(rendering: &Rendering<'_>, results: &[(String, TaskResult)]) -> Value {
    let mut tasks = Map::new();
    for (task_id, result) in results {
        let value = match result {
            TaskResult::Rendered { shown, placeholders } => {
                json!({ "rendered": shown, "placeholders": placeholders })
            }
            TaskResult::NeedsXCom { placeholders, error } => {
                json!({ "unknown": error, "placeholders": placeholders })
            }
            TaskResult::Wrong(error) => json!({ "error": error }),
        };
        tasks.insert(task_id.clone(), value);
    }
    let run = rendering.run_row();
    json!({
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "logical_date": super::runs::time(run.logical_date),
        "data_interval_start": super::runs::time(run.data_interval_start),
        "data_interval_end": super::runs::time(run.data_interval_end),
        "tasks": tasks,
    })
}

fn show(rendering: &Rendering<'_>, results: &[(String, TaskResult)]) -> Result<(), Failure> {
    let run = rendering.run_row();
    let time = |at| super::runs::time(at).unwrap_or_default();
    print(&format!(
        "dag {}  run {}\nlogical date {}  data interval {} to {}",
        run.dag_id,
        run.run_id,
        time(run.logical_date),
        time(run.data_interval_start),
        time(run.data_interval_end),
    ))?;
    let mut unknown = BTreeSet::new();
    for (task_id, result) in results {
        print(&format!("\n{task_id}"))?;
        match result {
            TaskResult::Rendered { shown, placeholders } => {
                print(indented(shown).trim_end_matches('\n'))?;
                unknown.extend(placeholders.iter().cloned());
            }
            TaskResult::NeedsXCom { placeholders, error } => {
                print(&format!("  known only in a run ({}): {error}", placeholders.join(", ")))?;
            }
            TaskResult::Wrong(error) => print(&format!("  error: {error}"))?,
        }
    }
    if !unknown.is_empty() {
        let names: Vec<_> = unknown.into_iter().collect();
        print(&format!(
            "\nplaceholders: {}; give them by --var, --xcom or the environment",
            names.join(", ")
        ))?;
    }
    print("")
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

/// Fields as YAML shows them: long texts as blocks.
fn indented(fields: &Map<String, Value>) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        match value {
            Value::String(block) if block.contains('\n') => {
                push(&mut text, format_args!("  {name}: |"));
                for line in block.lines() {
                    push(&mut text, format_args!("    {line}"));
                }
            }
            Value::String(line) => push(&mut text, format_args!("  {name}: {line}")),
            Value::Object(map) if !map.is_empty() => {
                push(&mut text, format_args!("  {name}:"));
                for line in indented(map).lines() {
                    push(&mut text, format_args!("  {line}"));
                }
            }
            other => push(&mut text, format_args!("  {name}: {other}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_blocks() {
        let Value::Object(fields) = json!({"a": "x\ny", "b": 1, "env": {"K": "v\nw"}}) else {
            panic!("an object")
        };
        let expected = "  a: |\n    x\n    y\n  b: 1\n  env:\n    K: |\n      v\n      w\n";
        assert_eq!(indented(&fields), expected);
    }
}
