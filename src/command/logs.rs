//! `millrace logs`: prints the log of an attempt, and follows it while it grows.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use millrace_core::record::{AttemptKey, RunRow, TiRow};
use millrace_core::state::TaskState;
use millrace_store::logs::Logs;
use millrace_store::{Store, task_attempt, task_instance};

use super::one_run::OneRun;
use crate::failure::Failure;
use crate::local::{self, fault};
use crate::output::say;
use crate::settings::Settings;

/// How much is read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// How often a followed log is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Options of `logs`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  millrace logs hello_millrace latest greet\n  millrace logs daily_report latest extract --follow\n  millrace logs daily_report latest extract --try 1"
)]
pub(crate) struct LogsOf {
    #[command(flatten)]
    run: OneRun,

    /// The task
    #[arg(value_name = "TASK")]
    task: String,

    /// The try [default: the last]
    #[arg(long = "try", value_name = "N")]
    try_number: Option<u32>,

    /// The item of a mapped task
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true, hide_default_value = true)]
    map_index: i32,

    /// Wait for the task to start, and print its log until it ends
    #[arg(long, short)]
    follow: bool,
}

impl LogsOf {
    /// Prints it.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = local::open(settings).await?;
        let logs = Logs::new(settings.logs());
        let (run, ti) = self.run.find_ti(&store, &self.task, self.map_index).await?;
        let Some(key) = self.attempt(&store, &run, ti).await? else { return Ok(()) };
        let mut from = 0;
        loop {
            let piece = logs.read(run.id, key, from, PIECE_BYTES).map_err(fault)?;
            let advanced = piece.next > from;
            from = piece.next;
            if !write_out(&piece.text)? || piece.complete || (!self.follow && !advanced) {
                return Ok(());
            }
            if !advanced {
                if has_ended(&store, key).await? {
                    return write_out(
                        &logs.read(run.id, key, from, PIECE_BYTES).map_err(fault)?.text,
                    )
                    .map(|_| ());
                }
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// The attempt whose log is meant; `None` when there is none and it was said so.
    async fn attempt(
        &self,
        store: &Store,
        run: &RunRow,
        mut ti: TiRow,
    ) -> Result<Option<AttemptKey>, Failure> {
        let mut told = false;
        loop {
            let wanted = self.try_number.unwrap_or(ti.try_number);
            let attempt = task_attempt::of_try(store, ti.id, wanted).await.map_err(fault)?;
            // A task that was cleared still has its old tries; the one to follow is to come.
            let waits =
                matches!(ti.state, TaskState::NoStatus | TaskState::Scheduled | TaskState::Queued);
            let is_old = self.follow && self.try_number.is_none() && waits;
            if let Some(attempt) = attempt.filter(|_| !is_old) {
                return Ok(Some(attempt.key));
            }
            if let Some(asked) = self.try_number
                && asked <= ti.try_number
            {
                let text = format!("task \"{}\" had {} tries", ti.task_id, ti.try_number);
                return Err(Failure::wrong(text));
            }
            if ti.state.is_terminal() || run.state.is_terminal() || !self.follow {
                let why = ti.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
                say(&format!("task \"{}\" is {}, it has no log{why}", ti.task_id, ti.state));
                return Ok(None);
            }
            if !told {
                say(&format!("task \"{}\" is {}; waiting for it", ti.task_id, ti.state));
                told = true;
            }
            tokio::time::sleep(LOOK).await;
            let now = task_instance::by_key(store, ti.id).await.map_err(fault)?;
            let Some(now) = now else { return Err(Failure::wrong("the dag run was deleted")) };
            ti = now.row;
        }
    }
}

/// Whether the attempt has ended, for a log whose end will never come: its worker died.
async fn has_ended(store: &Store, key: AttemptKey) -> Result<bool, Failure> {
    let attempts = task_attempt::of_ti(store, key.ti).await.map_err(fault)?;
    Ok(attempts.iter().find(|attempt| attempt.key == key).is_none_or(|a| a.outcome.is_some()))
}

/// Writes to stdout; false when nobody reads any more.
fn write_out(text: &str) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::defect(format!("stdout: {error}"))),
    }
}
