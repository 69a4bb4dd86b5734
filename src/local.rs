//! Starts the roles inside this process and joins them: store, scheduler, worker, API.
//!
//! The only place where the shells meet. `standalone` and `run` use all of it, `scheduler`,
//! `worker` and `api` their part.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use millrace_api::Api;
use millrace_scheduler::{Scheduler, SchedulerConfig, SystemClock};
use millrace_store::Store;
use millrace_store::api_token::{self, NewToken, TokenKind};
use millrace_store::logs::Logs;
use millrace_store::preflight::{self, Severity};
use millrace_worker::{Worker, WorkerConfig};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::settings::{Settings, Slots};

/// Opens the database for a command. An empty one is set up; an older one is left as it is, since
/// servers of the older version may run on it.
///
/// # Errors
/// What is wrong and how to mend it.
pub(crate) async fn open(settings: &Settings) -> Result<Store, Failure> {
    let store = connect(settings).await?;
    match store.schema_version().await.map_err(fault)? {
        (0, _) => {
            store.migrate(now()).await.map_err(fault)?;
        }
        (found, known) if found < known => {
            return Err(Failure::usage(format!(
                "the database has schema version {found}, this program needs {known}; stop older servers, then run: millrace db migrate"
            )));
        }
        (found, known) if found > known => {
            return Err(Failure::usage(format!(
                "the database has schema version {found}, this program knows {known}; use a newer millrace"
            )));
        }
        _ => {}
    }
    store.load_secrets(&settings.home()).map_err(fault)?;
    Ok(store)
}

/// Opens the database for a server: brings it to this version and checks its server's settings.
///
/// # Errors
/// What is wrong and how to mend it; a setting that could lose acknowledged work is an error.
pub(crate) async fn open_to_serve(settings: &Settings) -> Result<Store, Failure> {
    let store = connect(settings).await?;
    store.migrate(now()).await.map_err(fault)?;
    store.load_secrets(&settings.home()).map_err(fault)?;
    check(&store).await?;
    Ok(store)
}

/// Connects, and no more.
pub(crate) async fn connect(settings: &Settings) -> Result<Store, Failure> {
    let home = settings.home();
    crate::settings::private_folder(&home).map_err(|error| {
        Failure::usage(format!("the home folder {} cannot be made: {error}", home.display()))
    })?;
    Store::open(&settings.database()).await.map_err(fault)
}

/// Says in words what is wrong with the database's settings, and refuses what loses data.
async fn check(store: &Store) -> Result<(), Failure> {
    let mut refused = Vec::new();
    for finding in preflight::check(store, now()).await.map_err(fault)? {
        match finding.severity {
            Severity::Error => refused.push(finding.to_string()),
            Severity::Warning => tracing::warn!("{finding}"),
            Severity::Note => tracing::info!("{finding}"),
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(Failure::usage(refused.join("\n"))) }
}

/// How the scheduler of this process runs.
pub(crate) fn scheduler_config(settings: &Settings) -> Result<SchedulerConfig, Failure> {
    let mut config = SchedulerConfig::new(settings.dags(), settings.holder());
    config.default_timezone.clone_from(&settings.timezone);
    config.zones = settings.zones()?;
    config.max_map_length = settings.max_map_length;
    let days = settings.asset_event_days;
    config.asset_event_keep = (days > 0).then(|| Duration::from_hours(24 * days));
    config.environment = crate::settings::environment();
    Ok(config)
}

/// The scheduler of this process.
pub(crate) fn scheduler(config: SchedulerConfig, settings: &Settings, store: &Store) -> Scheduler {
    Scheduler::start(config, store.clone(), Logs::new(settings.logs()), Arc::new(SystemClock))
}

/// The settings of a worker whose folder is in the home folder.
pub(crate) fn worker_config(name: String, home: &Path, slots: &Slots) -> WorkerConfig {
    let mut config = WorkerConfig::new(name, home.join("worker"));
    config.slots = slots.slots;
    config.queues.clone_from(&slots.queues);
    config
}

/// A worker of this process.
pub(crate) fn worker(
    link: millrace_core::wire::Link,
    config: WorkerConfig,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = Worker::run(link, config, stop).await {
            tracing::error!(%error, "the worker ended");
        }
    })
}

/// The API of this process; its scheduler when there is one here.
pub(crate) fn api(
    settings: &Settings,
    store: &Store,
    scheduler: Option<&Scheduler>,
) -> Result<Api, Failure> {
    Ok(Api {
        store: store.clone(),
        logs: Logs::new(settings.logs()),
        link: scheduler.map(Scheduler::link),
        nudge: scheduler.map(|scheduler| Arc::new(scheduler.nudge()) as _),
        committed: scheduler.map(Scheduler::committed),
        leading: scheduler.map(Scheduler::leading),
        clock: Arc::new(millrace_api::SystemClock),
        dags_folder: settings.dags(),
        default_timezone: settings.timezone.clone(),
        zones: settings.zones()?,
    })
}

/// Takes the home folder for a process that leads; it is free again when the file is dropped.
///
/// # Errors
/// Another process has it; the message says which.
pub(crate) fn lock_home(home: &Path) -> Result<File, Failure> {
    use rustix::fs::{FlockOperation, flock};
    let path = home.join("lock");
    let failed = |error: std::io::Error| {
        Failure::usage(format!("the lock {} cannot be taken: {error}", path.display()))
    };
    crate::settings::private_folder(home).map_err(failed)?;
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if error != rustix::io::Errno::WOULDBLOCK {
            return Err(failed(error.into()));
        }
        let mut holder = String::new();
        let _ = file.read_to_string(&mut holder);
        return Err(Failure::usage(format!(
            "the home folder {} is in use by process {}; stop that one, or choose another home with --home or MILLRACE_HOME",
            home.display(),
            holder.trim()
        )));
    }
    let own = format!("{}\n", std::process::id());
    file.set_len(0).and_then(|()| file.write_all(own.as_bytes())).map_err(failed)?;
    Ok(file)
}

/// The token that the start prints. It is kept in the home folder, readable by its owner alone, so
/// that the address stays good after a restart; a revoked one is made anew.
pub(crate) async fn login_token(store: &Store, home: &Path) -> Result<String, Failure> {
    let path = home.join("login.token");
    if let Ok(text) = std::fs::read_to_string(&path) {
        let token = text.trim().to_owned();
        if api_token::verify(store, &token, now()).await.map_err(fault)?.is_some() {
            return Ok(token);
        }
    }
    let new = NewToken {
        kind: TokenKind::Api,
        name: "standalone",
        role: "admin",
        user_name: None,
        expires_at: None,
    };
    let (_, token) = api_token::create(store, &new, now()).await.map_err(fault)?;
    write_private(&path, token.reveal()).map_err(|error| {
        Failure::usage(format!("the file {} cannot be written: {error}", path.display()))
    })?;
    Ok(token.reveal().to_owned())
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let _ = std::fs::remove_file(path);
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// What a failing database or setting is for the command: its surroundings. The causes follow.
pub(crate) fn fault(error: impl std::error::Error) -> Failure {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    Failure::usage(text)
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
