//! The worker's loop: one task that owns all state, and calls to the scheduler beside it.
//!
//! Every call runs in a task of its own and comes back as an [`Event`]; the loop never waits for
//! anything but the next event. There is always one claim open (orders to kill come by it too),
//! results go out as they come, and their answers carry the next work: nothing is polled.

mod calls;
mod events;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::record::AttemptKey;
use millrace_core::wire::{AttemptResult, Link, Register, Registered};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::attempt::Surroundings;
use crate::config::WorkerConfig;
use crate::folder::Folders;
use crate::slots::Slots;
use crate::stop::{StopReason, StopSender};
use calls::Calls;
use events::Event;

/// Why a worker could not start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its folder cannot be used.
    #[error("the worker's folder \"{}\" cannot be used: {source}", path.display())]
    Home {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another worker has the folder.
    #[error(
        "another worker runs in \"{}\"; stop it, or give this one a folder of its own",
        path.display()
    )]
    HomeInUse {
        /// The folder.
        path: PathBuf,
    },
    /// The scheduler does not want it.
    #[error("the scheduler refused the worker: {0}")]
    Refused(String),
}

/// A worker. See [`Worker::run`].
#[derive(Debug)]
pub struct Worker;

impl Worker {
    /// Registers, runs attempts until `shutdown`, drains and returns.
    ///
    /// First whatever an earlier incarnation left on this machine is ended or, if it is a
    /// container that the scheduler still wants, taken over.
    ///
    /// # Errors
    /// The folder cannot be used, or the scheduler refuses the registration for good.
    pub async fn run(
        link: Link,
        config: WorkerConfig,
        shutdown: CancellationToken,
    ) -> Result<(), WorkerError> {
        let settings = Arc::new(config);
        let _lock = lock_home(&settings)?;
        let adoptable = crate::recover::former(&settings).await;
        let running: Vec<AttemptKey> = adoptable.keys().copied().collect();
        let Some((registered, at)) =
            first_registration(&link, &settings, running, &shutdown).await?
        else {
            return Ok(());
        };
        let (sender, events) = mpsc::unbounded_channel();
        let mut state = State {
            surroundings: Surroundings {
                link: link.clone(),
                settings: Arc::clone(&settings),
                folders: Folders::open(&settings.home),
            },
            calls: Calls::new(link, Arc::clone(&settings), sender.clone()),
            sender,
            slots: Slots::new(settings.slots),
            running: HashMap::new(),
            reporting: Vec::new(),
            results: Vec::new(),
            notices: Vec::new(),
            leases: Leases::new(&registered, at),
            adoptable,
            draining: false,
        };
        state.take_registration(registered);
        state.drop_unwanted().await;
        state.work(events, shutdown).await;
        Ok(())
    }
}

/// Everything that the loop knows.
struct State {
    surroundings: Surroundings,
    calls: Calls,
    sender: mpsc::UnboundedSender<Event>,
    slots: Slots,
    running: HashMap<AttemptKey, Arc<StopSender>>,
    /// Attempts whose result is on its way.
    reporting: Vec<AttemptKey>,
    /// Results to send.
    results: Vec<AttemptResult>,
    /// Notices to report.
    notices: Vec<(i64, Option<String>)>,
    leases: Leases,
    /// Containers of an earlier incarnation that may be taken over.
    adoptable: crate::recover::Adoptable,
    draining: bool,
}

/// When the leases were last renewed, and when they are renewed next.
#[derive(Debug)]
struct Leases {
    every: Duration,
    fence_after: Duration,
    renewed_at: Instant,
    next: Instant,
}

impl Leases {
    fn new(registered: &Registered, at: Instant) -> Self {
        let every = Duration::from_millis(registered.renew_ms.max(10));
        let fence_after = Duration::from_millis(registered.self_fence_ms.max(20));
        Self { every, fence_after, renewed_at: at, next: at + every }
    }
}

impl State {
    /// Runs until everything is done after a shutdown.
    async fn work(
        &mut self,
        mut events: mpsc::UnboundedReceiver<Event>,
        shutdown: CancellationToken,
    ) {
        let mut kill_at: Option<Instant> = None;
        let mut leave_at: Option<Instant> = None;
        loop {
            self.send();
            if self.draining && self.is_idle() {
                return;
            }
            let fence = self.leases.renewed_at + self.leases.fence_after;
            tokio::select! {
                biased;
                Some(event) = events.recv() => self.take(event),
                () = shutdown.cancelled(), if !self.draining => {
                    self.draining = true;
                    self.calls.abort_claims();
                    let until = Instant::now() + self.surroundings.settings.drain;
                    kill_at = Some(until);
                    tracing::info!(running = self.running.len(), "worker stops claiming");
                }
                () = sleep_until(kill_at) => {
                    kill_at = None;
                    leave_at = Some(Instant::now() + self.surroundings.settings.kill_grace + LEAVE);
                    self.stop_all(&StopReason::ShuttingDown);
                }
                () = sleep_until(leave_at) => {
                    tracing::warn!(
                        running = self.running.len(),
                        unreported = self.results.len() + self.reporting.len(),
                        "worker leaves before everything was reported"
                    );
                    return;
                }
                () = tokio::time::sleep_until(fence), if !self.running.is_empty() => {
                    tracing::error!(
                        running = self.running.len(),
                        "no renewal succeeded; killing all attempts before others get them"
                    );
                    self.stop_all(&StopReason::LeaseLost);
                    self.leases.renewed_at = Instant::now();
                }
                () = tokio::time::sleep_until(self.leases.next) => {
                    self.leases.next = Instant::now() + self.leases.every;
                    self.calls.renew(self.held());
                }
            }
        }
    }

    /// Makes every call that is due.
    fn send(&mut self) {
        if self.calls.can_finish() && !(self.results.is_empty() && self.notices.is_empty()) {
            let results = std::mem::take(&mut self.results);
            let notices = std::mem::take(&mut self.notices);
            self.reporting.extend(results.iter().map(|result| result.key));
            let promised = if self.draining { 0 } else { self.slots.promise() };
            self.calls.finish(results, notices, promised);
        }
        if !self.draining {
            let slots = &mut self.slots;
            self.calls.claim(|| slots.promise());
        }
    }

    /// What the worker answers for: running, or ended and not yet accepted.
    fn held(&self) -> Vec<AttemptKey> {
        let ended = self.results.iter().map(|result| &result.key).chain(&self.reporting);
        self.running.keys().chain(ended).copied().collect()
    }

    fn is_idle(&self) -> bool {
        self.running.is_empty()
            && self.reporting.is_empty()
            && self.results.is_empty()
            && self.notices.is_empty()
    }

    fn stop_all(&self, reason: &StopReason) {
        for stop in self.running.values() {
            stop.stop(reason.clone());
        }
    }
}

/// How much longer than the grace a stopping worker waits for its last results to be accepted.
const LEAVE: Duration = Duration::from_secs(10);

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Two workers in one folder would kill each other's attempts.
fn lock_home(settings: &WorkerConfig) -> Result<File, WorkerError> {
    let path = settings.home.join("worker");
    let opened = std::fs::create_dir_all(&path).and_then(|()| File::create(path.join("lock")));
    let file = opened.map_err(|source| WorkerError::Home { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(WorkerError::HomeInUse { path }),
        Err(std::fs::TryLockError::Error(source)) => Err(WorkerError::Home { path, source }),
    }
}

/// Registers, waiting for a scheduler as long as it takes; none when told to shut down.
async fn first_registration(
    link: &Link,
    settings: &WorkerConfig,
    running: Vec<AttemptKey>,
    shutdown: &CancellationToken,
) -> Result<Option<(Registered, Instant)>, WorkerError> {
    let mut pause = Duration::from_millis(100);
    loop {
        let at = Instant::now();
        let answer = tokio::select! {
            answer = link.register(register(settings, running.clone())) => answer,
            () = shutdown.cancelled() => return Ok(None),
        };
        match answer {
            Ok(registered) => return Ok(Some((registered, at))),
            Err(error) if calls::is_lasting(&error) => {
                return Err(WorkerError::Refused(error.to_string()));
            }
            Err(error) => tracing::warn!(%error, "not registered yet"),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return Ok(None),
        }
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

fn register(settings: &WorkerConfig, running: Vec<AttemptKey>) -> Register {
    Register {
        worker: settings.name.clone(),
        incarnation: settings.incarnation,
        hostname: settings.hostname.clone(),
        queues: settings.queues.clone(),
        slots: settings.slots,
        running,
    }
}
