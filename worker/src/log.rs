//! The log of one attempt on its way to the scheduler: lines are masked, stamped, gathered for a
//! moment and sent in order; who writes faster than that waits.
//!
//! Memory is bounded by [`PENDING_BYTES_MAX`], the log by `log_bytes_max`: beyond it lines are
//! counted, and the last ones are added at the end.

mod pump;
mod ship;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millrace_core::log_line::{self, Source};
use millrace_core::record::AttemptKey;
use millrace_core::redact::Redactor;
use millrace_core::wire::Link;
use tokio::sync::{Notify, watch};

pub(crate) use pump::LinePump;

use crate::clock::Clock;

/// What may wait to be sent; then writers wait.
const PENDING_BYTES_MAX: usize = 1 << 20;

/// What is kept of the end of a log that became too long.
const TAIL_BYTES_MAX: usize = 64 << 10;

/// How long an attempt's end waits for the rest of its log to arrive; then it is sent afterwards.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// The log of a running attempt; clones write to the same log.
#[derive(Clone)]
pub(crate) struct AttemptLog {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// There is something to send.
    wake: Notify,
    /// There is room again.
    room: Notify,
    /// Everything has been sent, or never will be.
    done: watch::Sender<bool>,
}

struct State {
    secrets: BTreeSet<String>,
    redactor: Arc<Redactor>,
    pending: String,
    /// Bytes taken so far, against the limit.
    taken: u64,
    bytes_max: u64,
    left_out_lines: usize,
    left_out_bytes: usize,
    /// The last lines of a log that became too long, in the pieces in which they came.
    tail: VecDeque<String>,
    tail_bytes: usize,
    closed: bool,
    /// A later attempt of the same try goes on with it.
    goes_on: bool,
    /// The scheduler does not want it any more.
    refused: bool,
    /// Where the next piece begins.
    offset: u64,
}

impl AttemptLog {
    /// Opens the log of an attempt at an offset (0 but for adopted attempts) and starts sending.
    pub(crate) fn open(
        link: Link,
        key: AttemptKey,
        offset: u64,
        clock: Arc<dyn Clock>,
        bytes_max: u64,
    ) -> Self {
        let shared = Arc::new(Shared {
            clock,
            state: Mutex::new(State {
                secrets: BTreeSet::new(),
                redactor: Arc::default(),
                pending: String::new(),
                taken: offset,
                bytes_max,
                left_out_lines: 0,
                left_out_bytes: 0,
                tail: VecDeque::new(),
                tail_bytes: 0,
                closed: false,
                goes_on: false,
                refused: false,
                offset,
            }),
            wake: Notify::new(),
            room: Notify::new(),
            done: watch::Sender::new(false),
        });
        tokio::spawn(ship::run(link, key, Arc::clone(&shared)));
        Self { shared }
    }

    /// Masks these secrets too from now on, also in streams that begin later.
    pub(crate) fn add_secrets(&self, secrets: impl IntoIterator<Item = String>) {
        let mut state = self.shared.lock();
        let known = state.secrets.len();
        state.secrets.extend(secrets);
        if state.secrets.len() > known {
            state.redactor = Arc::new(Redactor::new(&state.secrets));
        }
    }

    /// What masks this log.
    pub(crate) fn redactor(&self) -> Arc<Redactor> {
        Arc::clone(&self.shared.lock().redactor)
    }

    /// Says what Millrace does for the task.
    pub(crate) fn info(&self, text: impl AsRef<str>) {
        self.say(Source::Info, text.as_ref());
    }

    /// Says something odd that does not stop the task.
    pub(crate) fn warn(&self, text: impl AsRef<str>) {
        self.say(Source::Warn, text.as_ref());
    }

    /// Says why the task fails.
    pub(crate) fn error(&self, text: impl AsRef<str>) {
        self.say(Source::Error, text.as_ref());
    }

    fn say(&self, source: Source, text: &str) {
        let prefix = self.prefix(source);
        let mut state = self.shared.lock();
        let mut lines = String::new();
        for line in state.redactor.redact(text).lines() {
            lines.extend([prefix.as_str(), line, "\n"]);
        }
        state.take(lines);
        drop(state);
        self.shared.wake.notify_one();
    }

    /// What stands before every line that is seen now.
    fn prefix(&self, source: Source) -> String {
        log_line::prefix(self.shared.clock.now(), source)
    }

    /// Takes whole lines that a pump has masked, cut and stamped, and waits while too much is
    /// pending.
    async fn write(&self, lines: String) {
        if lines.is_empty() {
            return;
        }
        loop {
            let room = self.shared.room.notified();
            {
                let mut state = self.shared.lock();
                if state.pending.len() < PENDING_BYTES_MAX || state.refused {
                    state.take(lines);
                    break;
                }
            }
            room.await;
        }
        self.shared.wake.notify_one();
    }

    /// Ends the log and waits a while until it has arrived; a slow scheduler gets the rest later.
    /// With `goes_on` a later attempt of the same try writes on.
    pub(crate) async fn close(&self, goes_on: bool) {
        {
            let mut state = self.shared.lock();
            state.closed = true;
            state.goes_on = goes_on;
            state.add_tail();
        }
        self.shared.wake.notify_one();
        let mut done = self.shared.done.subscribe();
        drop(tokio::time::timeout(CLOSE_WAIT, done.wait_for(|done| *done)).await);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, lines: String) {
        if self.closed || self.refused {
            return;
        }
        if self.tail.is_empty() && self.taken + lines.len() as u64 <= self.bytes_max {
            self.taken += lines.len() as u64;
            self.pending.push_str(&lines);
        } else {
            self.leave_out(lines);
        }
    }

    fn leave_out(&mut self, lines: String) {
        self.tail_bytes += lines.len();
        self.tail.push_back(lines);
        while self.tail.front().is_some_and(|first| self.tail_bytes - first.len() > TAIL_BYTES_MAX)
            && let Some(first) = self.tail.pop_front()
        {
            self.tail_bytes -= first.len();
            self.left_out_lines += first.lines().count();
            self.left_out_bytes += first.len();
        }
    }

    /// At the end of a log that became too long: what is missing, and its last lines.
    fn add_tail(&mut self) {
        if self.left_out_lines > 0 {
            let stamp = self.tail.front().and_then(|line| line.split(' ').next());
            let note = format!(
                "{} warn {} lines ({} bytes) are left out here: a log has at most {} bytes\n",
                stamp.unwrap_or_default(),
                self.left_out_lines,
                self.left_out_bytes,
                self.bytes_max
            );
            self.pending.push_str(&note);
        }
        self.pending.extend(self.tail.drain(..));
    }
}
