//! `millrace mark`: states set by hand.

use clap::{Args, ValueEnum};
use millrace_core::engine::{Mark, Order};
use millrace_core::state::{RunState, TaskState};
use serde_json::json;

use super::one_run::OneRun;
use super::selected::{Across, Selected, names};
use super::wait::actor;
use crate::failure::Failure;
use crate::local;
use crate::orders;
use crate::output::{Format, Output, print};
use crate::settings::Settings;

/// The states that can be set by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Marked {
    /// It counts as done
    Success,
    /// It counts as failed; what runs is stopped
    Failed,
    /// It counts as skipped (tasks only)
    Skipped,
}

/// Options of `mark`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  millrace mark daily_report latest success --task extract\n  millrace mark daily_report latest success --task extract --past\n  millrace mark daily_report latest failed      stops the whole run"
)]
pub(crate) struct MarkState {
    #[command(flatten)]
    run: OneRun,

    /// The state
    #[arg(value_enum)]
    state: Marked,

    #[command(flatten)]
    selected: Selected,

    #[command(flatten)]
    across: Across,

    #[command(flatten)]
    format: Format,
}

impl MarkState {
    /// Orders it.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = local::open(settings).await?;
        let run = self.run.find(&store).await?;
        let dag_id = run.dag_id.clone();
        let runs = self.across.runs(&store, run).await?;
        let Some((run_id, more_runs)) = names(&runs) else { return Ok(()) };
        let order = if self.selected.is_all() {
            if !more_runs.is_empty() {
                return Err(Failure::usage(
                    "whole dag runs are marked one by one; name tasks with --task",
                ));
            }
            let state = match self.state {
                Marked::Success => RunState::Success,
                Marked::Failed => RunState::Failed,
                Marked::Skipped => {
                    return Err(Failure::usage(
                        "a whole dag run cannot be skipped; name its tasks with --task",
                    ));
                }
            };
            Order::MarkRun { dag_id, run_id: run_id.clone(), state, actor: actor() }
        } else {
            let state = match self.state {
                Marked::Success => TaskState::Success,
                Marked::Failed => TaskState::Failed,
                Marked::Skipped => TaskState::Skipped,
            };
            let selection = self.selected.selection();
            let (run_id, actor) = (run_id.clone(), actor());
            Order::Mark(Mark { dag_id, run_id, more_runs, selection, state, actor })
        };
        let answer = orders::send_now(&store, &order).await?;
        if self.format.output == Output::Json {
            return self.format.record(&json!({ "marked": answer }));
        }
        if matches!(order, Order::MarkRun { .. }) {
            return print(&format!("dag run {run_id} is marked"));
        }
        match answer.as_array().map_or(&[][..], Vec::as_slice) {
            [] => print("nothing to mark: it is in that state already"),
            records if runs.len() == 1 => self.format.records(records, &["task_id", "state"]),
            records => self.format.records(records, &["run_id", "task_id", "state"]),
        }
    }
}
