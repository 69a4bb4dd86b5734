//! What every handler shares: the database, the logs, the doors to the scheduler, the clock.
//!
//! Nothing here is specific to a route.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use millrace_core::timetable::Zones;
use millrace_core::wire::Link;
use millrace_store::Store;
use millrace_store::logs::Logs;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::dags::DagCache;
use crate::login::Brake;

/// The most event streams open at once in one process.
const STREAMS_MAX: usize = 512;

/// Tells the time. Tests give their own.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock, cut to microseconds.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        millrace_core::time::truncate(Timestamp::now())
    }
}

/// What the API is given.
#[derive(Clone)]
pub struct Api {
    /// The database.
    pub store: Store,
    /// The logs of attempts.
    pub logs: Logs,
    /// The scheduler's end of the worker protocol, when it is in this process.
    pub link: Option<Link>,
    /// Wakes the scheduler to read the inbox; without it the scheduler looks by itself.
    pub nudge: Option<Arc<dyn Fn() + Send + Sync>>,
    /// Changes after every commit of the scheduler in this process.
    pub committed: Option<watch::Receiver<u64>>,
    /// Whether the scheduler in this process leads.
    pub leading: Option<watch::Receiver<bool>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The folder with the DAG files, as shown to people.
    pub dags_folder: PathBuf,
    /// The zone of DAGs that name none; must be the scheduler's.
    pub default_timezone: String,
    /// All zones.
    pub zones: Zones,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("dags_folder", &self.dags_folder).finish_non_exhaustive()
    }
}

/// [`Api`] with what it remembers between requests.
pub(crate) struct Shared {
    pub(crate) api: Api,
    /// DAG versions that were read.
    pub(crate) dags: DagCache,
    /// Wrong passwords.
    pub(crate) brake: Brake,
    /// A permit for each open event stream.
    pub(crate) streams: Arc<Semaphore>,
    /// Ends streams when the server stops.
    pub(crate) stop: CancellationToken,
    last_instant: AtomicI64,
}

/// The state of the router.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

impl Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    pub(crate) fn new(api: Api, stop: CancellationToken) -> Self {
        Self(Arc::new(Shared {
            api,
            dags: DagCache::default(),
            brake: Brake::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            stop,
            last_instant: AtomicI64::new(0),
        }))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.api.store
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.api.clock.now()
    }

    /// The time, but never the same twice: names made from it cannot collide in this process.
    pub(crate) fn unique_now(&self) -> Timestamp {
        let now = self.now().as_microsecond();
        let next = |last: i64| Some(now.max(last + 1));
        let last = self.last_instant.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        millrace_core::time::from_micros(last.map_or(now, |last| now.max(last + 1)))
    }

    pub(crate) fn nudge(&self) {
        if let Some(nudge) = &self.api.nudge {
            nudge();
        }
    }
}
