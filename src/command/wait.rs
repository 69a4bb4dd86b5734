//! Waits for the end of a dag run and shows its tasks while it goes on.
//!
//! On a terminal the lines are drawn again in place; elsewhere each change is a line of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use jiff::Timestamp;
use millrace_core::ids::{DagId, RunId};
use millrace_core::record::{RunRow, TiRow};
use millrace_core::state::{RunState, TaskState};
use millrace_store::{Store, dag_run, task_instance};
use unicode_width::UnicodeWidthStr;

use crate::failure::Failure;

/// The person at the keyboard, for the record.
pub(crate) fn actor() -> Option<String> {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok()
}

/// A run that is watched.
pub(crate) struct Watched<'a> {
    /// Where it is.
    pub store: &'a Store,
    /// The DAG.
    pub dag_id: DagId,
    /// The run.
    pub run_id: RunId,
    /// Whether to show nothing while it runs.
    pub is_quiet: bool,
}

impl Watched<'_> {
    /// Waits for the end; gives the run and its task instances.
    ///
    /// # Errors
    /// When the run does not exist or the database does not answer.
    pub(crate) async fn end(&self) -> Result<(RunRow, Vec<TiRow>), Failure> {
        let mut screen = Screen::new(self.is_quiet);
        loop {
            let (run, tis) = self.look().await?;
            screen.show(&run, &tis);
            if run.state.is_terminal() {
                screen.finish(&run);
                return Ok((run, tis));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn look(&self) -> Result<(RunRow, Vec<TiRow>), Failure> {
        let run = dag_run::get(self.store, self.dag_id.as_str(), self.run_id.as_str())
            .await
            .map_err(Failure::usage)?
            .ok_or_else(|| {
                Failure::wrong(format!(
                    "dag \"{}\" has no dag run \"{}\"",
                    self.dag_id, self.run_id
                ))
            })?;
        let tis = task_instance::of_run(self.store, run.id).await.map_err(Failure::usage)?;
        Ok((run, tis))
    }
}

/// A run that failed is the failure of the command.
pub(crate) fn verdict(run: &RunRow, tis: &[TiRow]) -> Result<(), Failure> {
    if run.state == RunState::Success {
        return Ok(());
    }
    let failed: Vec<String> = tis
        .iter()
        .filter(|ti| ti.state == TaskState::Failed)
        .map(|ti| match &ti.reason {
            Some(reason) => format!("{}: {reason}", ti.task_id),
            None => ti.task_id.to_string(),
        })
        .collect();
    let why = match (failed.is_empty(), &run.reason) {
        (true, Some(reason)) => reason.clone(),
        _ => failed.join("\n"),
    };
    Err(Failure::wrong(format!("the run failed\n{why}")))
}

/// What was shown last.
struct Screen {
    is_quiet: bool,
    is_terminal: bool,
    lines: usize,
    states: BTreeMap<i64, (TaskState, u32)>,
}

impl Screen {
    fn new(is_quiet: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { is_quiet, is_terminal, lines: 0, states: BTreeMap::new() }
    }

    fn show(&mut self, run: &RunRow, tis: &[TiRow]) {
        if self.is_quiet {
            return;
        }
        if self.is_terminal {
            self.redraw(run, tis);
        } else {
            self.changes(tis);
        }
    }

    /// Draws all lines over the last ones.
    fn redraw(&mut self, run: &RunRow, tis: &[TiRow]) {
        let now = crate::local::now();
        let width = tis.iter().map(|ti| ti.task_id.as_str().width()).max().unwrap_or(0);
        let mut text = String::new();
        if self.lines > 0 {
            let _ = write!(text, "\x1b[{}A", self.lines);
        }
        let _ = writeln!(text, "\x1b[2K{} {}", glyph_of_run(run.state), run.run_id);
        for ti in tis {
            let pad = " ".repeat(width - ti.task_id.as_str().width());
            let _ = writeln!(text, "\x1b[2K  {}{pad}  {}", painted(ti), detail(ti, now));
        }
        self.lines = tis.len() + 1;
        let mut err = std::io::stderr().lock();
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    /// Prints what changed since the last look.
    fn changes(&mut self, tis: &[TiRow]) {
        let now = crate::local::now();
        let mut err = std::io::stderr().lock();
        for ti in tis {
            let seen = (ti.state, ti.try_number);
            if ti.state != TaskState::NoStatus && self.states.insert(ti.id, seen) != Some(seen) {
                let _ = writeln!(err, "{} {}", ti.task_id, detail(ti, now));
            }
        }
    }

    /// Says how the run ended, where the lines do not show it.
    fn finish(&self, run: &RunRow) {
        if self.is_quiet || self.is_terminal {
            return;
        }
        let secs = super::runs::duration(run.start_date, run.end_date).unwrap_or_default();
        crate::output::say(&format!("{} {}  {secs:.1}s", run.run_id, run.state));
    }
}

fn painted(ti: &TiRow) -> String {
    let (glyph, colour) = match ti.state {
        TaskState::Success => ('✓', 32),
        TaskState::Failed => ('✗', 31),
        TaskState::UpstreamFailed => ('⊘', 33),
        TaskState::Skipped => ('↷', 35),
        TaskState::Running => ('●', 36),
        TaskState::UpForRetry => ('↻', 33),
        TaskState::Queued | TaskState::Scheduled => ('◌', 37),
        _ => ('·', 90),
    };
    format!("\x1b[{colour}m{glyph}\x1b[0m {}", ti.task_id)
}

fn glyph_of_run(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "◌",
        RunState::Running => "●",
        RunState::Success => "✓",
        RunState::Failed => "✗",
    }
}

fn detail(ti: &TiRow, now: Timestamp) -> String {
    let mut text = ti.state.as_str().replace('_', " ");
    if ti.try_number > 1 {
        let _ = write!(text, " (try {})", ti.try_number);
    }
    if let Some(start) = ti.start_date {
        let end = ti.end_date.filter(|end| *end >= start).unwrap_or(now);
        let _ = write!(text, "  {:.1}s", end.duration_since(start).as_secs_f64());
    }
    if let (TaskState::Failed | TaskState::UpForRetry | TaskState::Skipped, Some(reason)) =
        (ti.state, &ti.reason)
    {
        let _ = write!(text, "  {}", reason.lines().next().unwrap_or_default());
    }
    text
}
