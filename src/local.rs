//! Starts the roles inside this process and joins them: store, scheduler, worker, API.
//!
//! The only place where the shells meet. `standalone` and `run` use all of it, `scheduler`,
//! `worker` and `api` their part.

use std::path::Path;
use std::sync::Arc;

use millrace_scheduler::{Scheduler, SchedulerConfig, SystemClock};
use millrace_store::Store;
use millrace_store::logs::Logs;
use millrace_store::preflight::{self, Severity};
use millrace_worker::{Worker, WorkerConfig};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::settings::{Settings, Slots};

/// Opens the database, brings it to this version, and checks its server's settings.
///
/// # Errors
/// What is wrong and how to mend it; a setting that could lose acknowledged work is an error.
pub(crate) async fn open(settings: &Settings) -> Result<Store, Failure> {
    let home = settings.home();
    crate::settings::private_folder(&home).map_err(|error| {
        Failure::usage(format!("the home folder {} cannot be made: {error}", home.display()))
    })?;
    let store = Store::open(&settings.database()).await.map_err(Failure::usage)?;
    store.migrate(now()).await.map_err(Failure::usage)?;
    store.load_secrets(&home).await.map_err(Failure::usage)?;
    Ok(store)
}

/// Says in words what is wrong with the database's settings, and refuses what loses data.
pub(crate) async fn check(store: &Store) -> Result<(), Failure> {
    let mut refused = Vec::new();
    for finding in preflight::check(store, now()).await.map_err(Failure::usage)? {
        match finding.severity {
            Severity::Error => refused.push(finding.to_string()),
            Severity::Warning => tracing::warn!("{finding}"),
            Severity::Note => tracing::info!("{finding}"),
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(Failure::usage(refused.join("\n"))) }
}

/// The scheduler of this process.
pub(crate) fn scheduler(settings: &Settings, store: &Store) -> Scheduler {
    let mut config = SchedulerConfig::new(settings.dags(), settings.holder());
    config.default_timezone.clone_from(&settings.timezone);
    config.environment = crate::settings::environment();
    Scheduler::start(config, store.clone(), Logs::new(settings.logs()), Arc::new(SystemClock))
}

/// A worker of this process.
pub(crate) fn worker(
    link: millrace_core::wire::Link,
    name: String,
    home: &Path,
    slots: &Slots,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let mut config = WorkerConfig::new(name, home.join("worker"));
    config.slots = slots.slots;
    config.queues.clone_from(&slots.queues);
    tokio::spawn(async move {
        if let Err(error) = Worker::run(link, config, stop).await {
            tracing::error!(%error, "the worker ended");
        }
    })
}

/// Waits for the first of Ctrl-C and SIGTERM.
pub(crate) async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            tracing::warn!(%error, "SIGTERM is not handled");
            let _ = tokio::signal::ctrl_c().await;
            return;
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// The machine's clock.
#[expect(clippy::disallowed_methods, reason = "the command line is a shell: it reads the clock")]
pub(crate) fn now() -> jiff::Timestamp {
    millrace_core::time::truncate(jiff::Timestamp::now())
}
