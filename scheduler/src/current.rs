//! What is running now, readable without the loop: which attempts exist, and whose they are.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{PoisonError, RwLock};

use millrace_core::record::{AttemptKey, RunKey};
use millrace_core::wire::{AppendLog, LogAppended, ProtocolError};
use millrace_store::Store;
use millrace_store::logs::Logs;

/// Ended attempts whose last log pieces are still taken.
const RECENT_MAX: usize = 50_000;

/// Notices under way at once whose attempts may ask for values.
const NOTICED_MAX: usize = 10_000;

/// One attempt's place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Its dag run.
    pub run: RunKey,
    /// The hand-out whose log it writes to: all pokes of a sensor's try write to one.
    pub log_epoch: u32,
}

#[derive(Debug, Default)]
struct Attempts {
    running: HashMap<AttemptKey, Place>,
    ended: HashMap<AttemptKey, Place>,
    ended_order: VecDeque<AttemptKey>,
    /// Attempts that a notice under way speaks of.
    noticed: HashMap<AttemptKey, Place>,
}

/// Shared between the loop, which writes, and the protocol's lookups and logs, which read.
pub(crate) struct Current {
    /// The database.
    pub store: Store,
    /// The log files.
    pub logs: Logs,
    /// The process's own connections and variables.
    pub environment: BTreeMap<String, String>,
    attempts: RwLock<Attempts>,
}

impl Current {
    /// Nothing runs yet.
    pub(crate) fn new(store: Store, logs: Logs, environment: BTreeMap<String, String>) -> Self {
        Self { store, logs, environment, attempts: RwLock::default() }
    }

    /// Whether the attempt may ask for values: it is the current one of its task instance, or a
    /// notice about it is under way.
    pub(crate) fn may_ask(&self, key: AttemptKey) -> bool {
        let attempts = self.read();
        attempts.running.contains_key(&key) || attempts.noticed.contains_key(&key)
    }

    /// Notes that a notice about an attempt is handed out.
    pub(crate) fn notice(&self, key: AttemptKey, place: Place) {
        let mut attempts = self.write();
        // A bound, not a policy: a forgotten notice is handed out again.
        if attempts.noticed.len() >= NOTICED_MAX {
            attempts.noticed.clear();
        }
        attempts.noticed.insert(key, place);
    }

    /// The place of an attempt that runs or ended lately.
    pub(crate) fn place(&self, key: AttemptKey) -> Option<Place> {
        let attempts = self.read();
        let found = attempts.running.get(&key).or_else(|| attempts.ended.get(&key));
        found.or_else(|| attempts.noticed.get(&key)).copied()
    }

    /// Notes that an attempt began.
    pub(crate) fn begin(&self, key: AttemptKey, place: Place) {
        self.write().running.insert(key, place);
    }

    /// Notes that an attempt ended.
    pub(crate) fn end(&self, key: AttemptKey) {
        let mut attempts = self.write();
        if let Some(place) = attempts.running.remove(&key) {
            attempts.ended.insert(key, place);
            attempts.ended_order.push_back(key);
            if attempts.ended_order.len() > RECENT_MAX
                && let Some(oldest) = attempts.ended_order.pop_front()
            {
                attempts.ended.remove(&oldest);
            }
        }
    }

    /// Forgets everything that runs; a new term begins.
    pub(crate) fn clear(&self) {
        self.write().running.clear();
    }

    /// Writes a piece of a log.
    pub(crate) async fn append_log(
        &self,
        place: Place,
        request: AppendLog,
    ) -> Result<LogAppended, ProtocolError> {
        let logs = self.logs.clone();
        let AppendLog { key, offset, text, last } = request;
        let (run, key) = (place.run, AttemptKey { epoch: place.log_epoch, ..key });
        let next_offset =
            tokio::task::spawn_blocking(move || logs.append(run, key, offset, &text, last))
                .await
                .map_err(|error| ProtocolError::Unavailable { reason: error.to_string() })?
                .map_err(|error| ProtocolError::Unavailable { reason: error.to_string() })?;
        Ok(LogAppended { next_offset })
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Attempts> {
        self.attempts.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Attempts> {
        self.attempts.write().unwrap_or_else(PoisonError::into_inner)
    }
}
