//! A worker's settings.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};

/// The settings of a worker. [`WorkerConfig::new`] fills in what is usual.
#[derive(Clone)]
pub struct WorkerConfig {
    /// A name that outlives restarts, unique in the installation.
    pub name: String,
    /// A number that no earlier start of this worker had.
    pub incarnation: u64,
    /// The machine's name, for people.
    pub hostname: String,
    /// Which queues it serves.
    pub queues: Vec<String>,
    /// How many attempts it runs at once.
    pub slots: u32,
    /// Its folder: attempts, caches of Python environments. One worker a folder.
    pub home: PathBuf,
    /// The installation's name on container daemons that are shared with others.
    pub cluster: String,
    /// From the request to end (TERM) to the order (KILL).
    pub kill_grace: Duration,
    /// How long a stopping worker waits for its attempts before it kills them.
    pub drain: Duration,
    /// How long a claim waits for work.
    pub claim_wait: Duration,
    /// The longest log of one attempt in bytes; beyond it only the last lines are kept.
    pub log_bytes_max: u64,
    /// Where `python`, `uv` and other programs of the worker's own are looked for.
    pub path: OsString,
    /// The file mode mask of tasks; the worker's own when absent.
    pub umask: Option<u32>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

impl WorkerConfig {
    /// Usual settings: the queue `default`, as many slots as the machine has processors but at
    /// least four, 5 s of grace, 30 s of drain.
    pub fn new(name: impl Into<String>, home: impl Into<PathBuf>) -> Self {
        let clock = Arc::new(SystemClock);
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let home = home.into();
        Self {
            name: name.into(),
            incarnation: u64::try_from(clock.now().as_microsecond()).unwrap_or_default(),
            hostname: hostname(),
            queues: vec!["default".to_owned()],
            slots: u32::try_from(processors).unwrap_or(u32::MAX).max(4),
            cluster: cluster_of(&home),
            home,
            kill_grace: Duration::from_secs(5),
            drain: Duration::from_secs(30),
            claim_wait: Duration::from_secs(30),
            log_bytes_max: 256 << 20,
            path: std::env::var_os("PATH").unwrap_or_default(),
            umask: None,
            clock,
        }
    }

    /// What marks the processes and containers of one attempt, on the whole machine.
    pub(crate) fn marker(&self, key: millrace_core::record::AttemptKey) -> String {
        format!("{}/{key}", self.cluster)
    }
}

impl std::fmt::Debug for WorkerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerConfig")
            .field("name", &self.name)
            .field("incarnation", &self.incarnation)
            .field("queues", &self.queues)
            .field("slots", &self.slots)
            .field("home", &self.home)
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

/// The machine's name as the kernel knows it.
fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

/// A number that differs between homes, so that two installations on one machine do not
/// take each other's containers for their own.
fn cluster_of(home: &std::path::Path) -> String {
    use sha2::Digest as _;
    let path = std::path::absolute(home).unwrap_or_else(|_| home.to_owned());
    let digest = sha2::Sha256::digest(path.as_os_str().as_encoded_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]).to_string()
}
