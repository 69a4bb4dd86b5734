//! Reading the log of one attempt, off the threads that serve requests.

use millrace_core::record::{AttemptKey, AttemptRow, RunKey};
use millrace_store::logs::{LogError, LogPiece, Logs};

use crate::app::App;
use crate::problem::Problem;

/// The log of an attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttemptLog {
    pub(crate) key: AttemptKey,
    run: RunKey,
    /// Whether the attempt ended long enough ago that nothing more of its log will come.
    ended_at: Option<jiff::Timestamp>,
}

/// How long after an attempt's end its log may still grow: the worker sends the rest on its own.
const REST_SECS: i64 = 60;

impl AttemptLog {
    pub(crate) fn of(attempt: &AttemptRow) -> Self {
        Self { key: attempt.key, run: attempt.run, ended_at: attempt.end_date }
    }

    /// Reads at most `bytes_max` bytes from a byte on. The log of a worker that died never gets
    /// its end mark; some time after the attempt's end it counts as complete.
    pub(crate) async fn read(
        self,
        app: &App,
        from: u64,
        bytes_max: usize,
    ) -> Result<LogPiece, Problem> {
        let read = move |logs: Logs| logs.read(self.run, self.key, from, bytes_max);
        let mut piece = blocking(app, read).await?;
        if !piece.complete
            && let Some(end) = self.ended_at
            && app.now().duration_since(end).as_secs() >= REST_SECS
        {
            piece.complete = self.size(app).await? <= piece.next;
        }
        Ok(piece)
    }

    /// Its size in bytes.
    pub(crate) async fn size(self, app: &App) -> Result<u64, Problem> {
        blocking(app, move |logs: Logs| logs.size(self.run, self.key)).await
    }
}

/// Runs a blocking use of the logs.
pub(crate) async fn blocking<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(Logs) -> Result<T, LogError> + Send + 'static,
) -> Result<T, Problem> {
    let logs = app.api.logs.clone();
    match tokio::task::spawn_blocking(move || work(logs)).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(Problem::internal(&error)),
        Err(error) => Err(Problem::internal(&error)),
    }
}
