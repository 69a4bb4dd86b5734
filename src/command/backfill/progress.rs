//! Waits for the end of a backfill and shows how far it is: one line, drawn again on a terminal.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use millrace_core::backfill::expected_secs;
use millrace_core::record::{BackfillKey, BackfillRow};
use millrace_core::state::BackfillEnding;
use millrace_store::{Store, backfill, dag};

use crate::failure::Failure;
use crate::local::fault;

/// How often the rows are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Waits for the last run of a backfill.
///
/// # Errors
/// When the database does not answer, or the backfill is gone.
pub(super) async fn end(
    store: &Store,
    id: BackfillKey,
    is_quiet: bool,
) -> Result<BackfillRow, Failure> {
    let is_terminal = std::io::stderr().is_terminal();
    let mut shown = String::new();
    loop {
        let row = backfill::get(store, id).await.map_err(fault)?;
        let row = row.ok_or_else(|| Failure::wrong(format!("backfill {id} is gone")))?;
        let text = line(store, &row).await?;
        if !is_quiet && text != shown {
            let mut err = std::io::stderr().lock();
            let _ = if is_terminal {
                write!(err, "\r\x1b[2K{text}").and_then(|()| err.flush())
            } else {
                writeln!(err, "{text}")
            };
            shown = text;
        }
        if !row.is_open {
            if !is_quiet && is_terminal {
                crate::output::say("");
            }
            return Ok(row);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// `backfill 3: 4 of 10 done, 1 failed, 2 run, 4 wait; about 2 min left`
async fn line(store: &Store, row: &BackfillRow) -> Result<String, Failure> {
    let done = row.runs_succeeded + row.runs_failed + row.dates_skipped;
    let mut text = format!("backfill {}: {done} of {} done", row.id, row.dates_total);
    let waits = if row.ending.is_some() { "dropped" } else { "wait" };
    let counts = [
        (row.runs_failed, "failed"),
        (row.dates_skipped, "left alone"),
        (row.runs_active, "run"),
        (row.dates_waiting, waits),
    ];
    for (count, word) in counts {
        if count > 0 {
            let _ = write!(text, ", {count} {word}");
        }
    }
    let dag_id = row.dag_id.as_str();
    let dag = dag::get(store, dag_id).await.map_err(fault)?;
    let (is_paused, is_stale) = dag.map_or((false, true), |dag| (dag.is_paused, dag.is_stale));
    let hold = row.hold(is_paused, is_stale);
    if let Some(hold) = hold.filter(|_| row.is_open && row.runs_active < row.max_active_runs) {
        let _ = write!(text, "; {}", hold.text(row));
        return Ok(text);
    }
    let left = row.runs_active + row.dates_waiting;
    if left > 0 && row.is_open {
        let durations = backfill::durations(store, dag_id).await.map_err(fault)?;
        if let Some(secs) = expected_secs(&durations, left, row.max_active_runs) {
            let _ = write!(text, "; about {} left", span(secs));
        }
    }
    Ok(text)
}

/// A backfill whose runs failed, or that was ended early, is the failure of the command.
pub(super) fn verdict(row: &BackfillRow) -> Result<(), Failure> {
    let id = row.id;
    match (row.ending, row.runs_failed) {
        (Some(BackfillEnding::Completed) | None, 0) => Ok(()),
        (Some(BackfillEnding::Completed) | None, failed) => {
            Err(Failure::wrong(format!("{failed} runs of backfill {id} failed")))
        }
        (Some(ending), _) => {
            let reason = row.reason.as_ref().map(|reason| format!(": {reason}"));
            Err(Failure::wrong(format!("backfill {id} was {ending}{}", reason.unwrap_or_default())))
        }
    }
}

/// Seconds as people say them: `40 s`, `3 min`, `2.5 h`.
pub(super) fn span(secs: f64) -> String {
    match secs {
        few if few < 90.0 => format!("{few:.0} s"),
        some if some < 5400.0 => format!("{:.0} min", some / 60.0),
        many => format!("{:.1} h", many / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let check = |secs: f64, expected: &str| assert_eq!(span(secs), expected);
        check(0.4, "0 s");
        check(89.0, "89 s");
        check(200.0, "3 min");
        check(9000.0, "2.5 h");
    }
}
