//! `millrace clear`: task instances run again; their tries and logs are kept.

use std::io::{IsTerminal, Write as _};

use clap::Args;
use jiff::tz::TimeZone;
use millrace_core::engine::{Clear, Order, Refusal, Selection, plan_clear};
use millrace_core::ids::{DagId, TaskId};
use millrace_core::record::{RunRow, TiRow};
use millrace_store::{Store, task_instance};
use serde_json::{Value, json};

use super::one_dag::instant;
use super::one_run::{OneRun, dag_of};
use super::selected::{Across, Planned, Selected, dag_for, names, runs_between};
use super::wait::actor;
use crate::failure::Failure;
use crate::local::{self, fault};
use crate::orders;
use crate::output::{Format, Output, print};
use crate::settings::Settings;

/// Options of `clear`.
#[derive(Debug, Args)]
#[command(
    after_help = "On a terminal the plan is shown first, and a question asked. Setups and teardowns run again\nwith the tasks that need them.\n\nExamples:\n  millrace clear daily_report latest --only-failed\n  millrace clear daily_report latest --task extract --downstream --dry-run\n  millrace clear daily_report latest --task extract --downstream --latest-version\n  millrace clear daily_report --from 2025-03-01 --to 2025-03-31 --task load --yes"
)]
pub(crate) struct ClearTasks {
    /// The DAG
    #[arg(value_name = "DAG")]
    dag_id: DagId,

    /// The dag run's id; `latest` is the newest one
    #[arg(value_name = "RUN", required_unless_present_any = ["from", "to"], conflicts_with_all = ["from", "to"])]
    run: Option<String>,

    /// Every dag run from this logical date, instead of one run
    #[arg(long, value_name = "DATE", conflicts_with_all = ["past", "future"])]
    from: Option<String>,

    /// Every dag run to this logical date, instead of one run
    #[arg(long, value_name = "DATE", conflicts_with_all = ["past", "future"])]
    to: Option<String>,

    #[command(flatten)]
    across: Across,

    #[command(flatten)]
    selected: Selected,

    /// Only what failed, or was not run since something upstream failed
    #[arg(long)]
    only_failed: bool,

    /// Only what runs now; it is stopped and starts again
    #[arg(long, conflicts_with = "only_failed")]
    only_running: bool,

    /// Run them with the newest version of the DAG; else the run keeps its own
    #[arg(long)]
    latest_version: bool,

    /// Change nothing; say what would run and what is reused
    #[arg(long, short = 'n')]
    dry_run: bool,

    /// Do not ask on a terminal
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    format: Format,
}

impl ClearTasks {
    /// Orders it, or says what it would do.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = local::open(settings).await?;
        let runs = self.runs(settings, &store).await?;
        let Some((run_id, more_runs)) = names(&runs) else { return Ok(()) };
        let mut clear = Clear {
            dag_id: self.dag_id.clone(),
            run_id,
            more_runs,
            selection: Selection {
                only_failed: self.only_failed,
                only_running: self.only_running,
                ..self.selected.selection()
            },
            prevent_running_task: false,
            note: None,
            reset_dag_run: true,
            run_on_latest_version: self.latest_version,
            actor: actor(),
        };
        let asks = !self.yes && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if self.dry_run || asks {
            let plans = self.plan(settings, &store, runs, &clear).await?;
            self.show(&plans)?;
            if self.dry_run {
                return Ok(());
            }
            let touched: Vec<RunRow> =
                plans.into_iter().filter(|plan| !plan.is_empty()).map(|plan| plan.run).collect();
            let Some((run_id, more_runs)) = names(&touched) else {
                return print("nothing to clear");
            };
            if !agreed()? {
                return print("nothing was changed");
            }
            (clear.run_id, clear.more_runs) = (run_id, more_runs);
        }
        let answer = orders::send_now(&store, &Order::Clear(clear)).await?;
        self.report(&answer)
    }

    async fn runs(&self, settings: &Settings, store: &Store) -> Result<Vec<RunRow>, Failure> {
        if let Some(run) = &self.run {
            let one = OneRun { dag_id: self.dag_id.clone(), run: run.clone() };
            return self.across.runs(store, one.find(store).await?).await;
        }
        let row = dag_of(store, &self.dag_id).await?;
        let zone = settings.zones()?.zone(&row.about.timezone).unwrap_or(TimeZone::UTC);
        let date = |text: &Option<String>| text.as_deref().map(|t| instant(t, &zone)).transpose();
        runs_between(store, &self.dag_id, (date(&self.from)?, date(&self.to)?)).await
    }

    fn report(&self, answer: &Value) -> Result<(), Failure> {
        let records = answer.as_array().map_or(&[][..], Vec::as_slice);
        if self.format.output == Output::Json {
            return self.format.record(&json!({ "cleared": answer }));
        }
        let mut runs: Vec<&str> = records.iter().filter_map(|ti| ti["run_id"].as_str()).collect();
        runs.dedup();
        match runs[..] {
            [] => return print("nothing to clear"),
            [run] => print(&format!("{} task instances of {run} run again", records.len()))?,
            _ => {
                let text =
                    format!("{} task instances of {} runs run again", records.len(), runs.len());
                print(&text)?;
            }
        }
        let one_run = ["task_id", "state", "try_number"];
        let several = ["run_id", "task_id", "state", "try_number"];
        self.format.records(records, if runs.len() == 1 { &one_run } else { &several })
    }

    /// What would become of each run. A task that only some of them have is no mistake when there
    /// are several.
    async fn plan(
        &self,
        settings: &Settings,
        store: &Store,
        runs: Vec<RunRow>,
        clear: &Clear,
    ) -> Result<Vec<Planned>, Failure> {
        let (mut plans, mut missing, several) = (Vec::new(), None, runs.len() > 1);
        for run in runs {
            let dag = dag_for(settings, store, &run, self.latest_version).await?;
            let tis = task_instance::of_run(store, run.id).await.map_err(fault)?;
            let changes = match plan_clear(&dag, &tis, clear) {
                Ok(changes) => changes.into_iter().collect(),
                Err(refusal @ Refusal::NotFound { .. }) if several => {
                    missing = Some(refusal);
                    continue;
                }
                Err(refusal) => return Err(Failure::wrong(refusal)),
            };
            let is_new =
                |id: &TaskId| self.latest_version && !tis.iter().any(|ti| ti.task_id == *id);
            let new_tasks =
                dag.tasks.iter().map(|task| task.task_id.clone()).filter(is_new).collect();
            plans.push(Planned { run, tis, changes, new_tasks });
        }
        match missing {
            Some(refusal) if plans.is_empty() => Err(Failure::wrong(refusal)),
            _ => Ok(plans),
        }
    }

    fn show(&self, plans: &[Planned]) -> Result<(), Failure> {
        let records: Vec<Value> = plans.iter().flat_map(records_of).collect();
        let one_run = ["task_id", "state", "try_number", "action"];
        let several = ["run_id", "task_id", "state", "try_number", "action"];
        self.format.records(&records, if plans.len() == 1 { &one_run } else { &several })?;
        if self.format.output == Output::Table {
            let again: usize = plans.iter().map(|plan| plan.changes.len()).sum();
            let all: usize = plans.iter().map(|plan| plan.tis.len()).sum();
            let end = if self.dry_run { "; nothing was changed" } else { "" };
            print(&format!("{again} would run again, {} are reused{end}", all - again))?;
        }
        Ok(())
    }
}

fn records_of(plan: &Planned) -> Vec<Value> {
    let run_id = &plan.run.run_id;
    let known = plan.tis.iter().map(|ti| {
        json!({
            "run_id": run_id,
            "task_id": ti.task_id,
            "map_index": ti.map_index,
            "state": ti.state,
            "try_number": ti.try_number,
            "action": action(ti, plan.changes.contains(&ti.id)),
        })
    });
    let new = plan.new_tasks.iter().map(|task_id| {
        json!({
            "run_id": run_id,
            "task_id": task_id,
            "action": "runs, new in the newest version",
        })
    });
    known.chain(new).collect()
}

/// What becomes of a task instance: only what ended well has something to reuse.
fn action(ti: &TiRow, is_cleared: bool) -> &'static str {
    match (is_cleared, ti.state.is_terminal()) {
        (true, _) => "runs again",
        (false, true) => "reused",
        (false, false) => "goes on",
    }
}

/// Asks on the terminal.
fn agreed() -> Result<bool, Failure> {
    let mut terminal = std::io::stderr();
    let asked = write!(terminal, "run these again? [y/N] ").and_then(|()| terminal.flush());
    asked.map_err(|error| Failure::defect(format!("stderr: {error}")))?;
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| Failure::usage(format!("standard input cannot be read: {error}")))?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}
