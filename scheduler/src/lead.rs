//! Leadership: becomes the leader, serves terms, steps down.
//!
//! Exactly one process plans. Whoever holds the lease row's epoch leads; every commit checks it.
//! Between two terms nothing is kept in memory: each begins with what the database holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_core::dag::Dag;
use millrace_core::engine::{Engine, EngineConfig, SCHEDULER};
use millrace_core::record::{AttemptKey, Snapshot, VersionKey};
use millrace_core::state::TaskState;
use millrace_core::template::Renderer;
use millrace_store::StoreError;
use millrace_store::leader::{Epoch, Leader};
use millrace_store::logs::Logs;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::batch::{Batch, lost};
use crate::clock::Clock;
use crate::command::Command;
use crate::config::SchedulerConfig;
use crate::current::{Current, Place};
use crate::folder;
use crate::link::SchedulerLink;
use crate::prepared::Versions;
use crate::registry::Registry;
use crate::term::{End, Shared, Term};

/// Commands that may wait for the loop; beyond it callers wait to be let in.
const COMMANDS_WAITING_MAX: usize = 4_096;

/// How long to wait before trying again after the database failed.
const AGAIN: Duration = Duration::from_millis(500);

/// A running scheduler.
pub struct Scheduler {
    link: SchedulerLink,
    committed: watch::Receiver<u64>,
    leading: watch::Receiver<bool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Scheduler {
    /// Starts a scheduler; it becomes the leader when nobody else is.
    pub fn start(
        config: SchedulerConfig,
        store: millrace_store::Store,
        logs: Logs,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (commands, inbound) = mpsc::channel(COMMANDS_WAITING_MAX);
        let (committed_sender, committed) = watch::channel(0);
        let (leading_sender, leading) = watch::channel(false);
        let stop = CancellationToken::new();
        let current = Arc::new(Current::new(store.clone(), logs, config.environment.clone()));
        let shared = Arc::new(Shared {
            config,
            clock,
            store,
            current: Arc::clone(&current),
            renderer: Renderer::default(),
            commands: commands.clone(),
            committed: committed_sender,
        });
        let task = tokio::spawn(lead(shared, inbound, leading_sender, stop.clone()));
        Self { link: SchedulerLink { commands, current }, committed, leading, stop, task }
    }

    /// The end of the worker protocol that workers and routes call.
    pub fn link(&self) -> millrace_core::wire::Link {
        Arc::new(self.link.clone())
    }

    /// Wakes the loop to look at the inbox. It carries nothing and may be lost.
    pub fn nudge(&self) -> impl Fn() + Send + Sync + 'static + use<> {
        let commands = self.link.commands.clone();
        move || {
            let _ = commands.try_send(Command::Inbox);
        }
    }

    /// Grows with every commit.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.committed.clone()
    }

    /// Whether this process leads and has read the DAG folder.
    pub fn leading(&self) -> watch::Receiver<bool> {
        self.leading.clone()
    }

    /// Stops and releases the lease. Attempts that run are not touched.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the scheduler ended badly");
        }
    }
}

async fn lead(
    shared: Arc<Shared>,
    mut commands: mpsc::Receiver<Command>,
    leading: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let folder = folder::start(&shared, leading.clone(), stop.clone());
    crate::upkeep::start(&shared, leading.subscribe(), stop.clone());
    while !stop.is_cancelled() {
        let Some(epoch) = acquire(&shared, &stop).await else { break };
        tracing::info!(epoch = epoch.0, "this scheduler leads");
        let end = match begin(&shared, epoch).await {
            Ok(term) => {
                folder.term_begins();
                term.run(&mut commands, &stop).await
            }
            Err(end) => end,
        };
        shared.current.clear();
        match end {
            End::Stopped => {
                if let Err(error) = shared.store.release(epoch).await {
                    tracing::warn!(%error, "the lease could not be released; it runs out by itself");
                }
            }
            End::Deposed => {
                leading.send_replace(false);
                tracing::warn!("another scheduler leads; this one stands by");
            }
            End::Restart(reason) => {
                tracing::warn!(reason, "the term begins again from the database");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
    leading.send_replace(false);
}

/// Waits until the lease is free and takes it. It is free when its holder released it, when it was
/// this home's own, or when its row did not change for a whole lease while we watched.
async fn acquire(shared: &Shared, stop: &CancellationToken) -> Option<Epoch> {
    let mut seen: Option<(Leader, Instant)> = None;
    loop {
        match try_acquire(shared, &mut seen).await {
            Ok(Some(epoch)) => return Some(epoch),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the lease cannot be read; it is tried again"),
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

async fn try_acquire(
    shared: &Shared,
    seen: &mut Option<(Leader, Instant)>,
) -> Result<Option<Epoch>, StoreError> {
    let store = &shared.store;
    if let Some(epoch) = store.acquire(&shared.config.holder).await? {
        return Ok(Some(epoch));
    }
    let Some(now) = store.leader().await? else { return Ok(None) };
    match seen {
        Some((before, since)) if *before == now => {
            if since.elapsed() > shared.config.lease {
                return store.take_over(&now, &shared.config.holder).await;
            }
        }
        _ => *seen = Some((now, Instant::now())),
    }
    Ok(None)
}

/// Makes a term from the database.
async fn begin(shared: &Arc<Shared>, epoch: Epoch) -> Result<Term, End> {
    let restart = |error: StoreError| End::Restart(error.to_string());
    let snapshot = shared.store.restore().await.map_err(restart)?;
    let notices = millrace_store::notice::pending(&shared.store).await.map_err(restart)?;
    let dags = parse(shared, &snapshot);
    let now = shared.clock.now();
    let mut registry = Registry::default();
    let mut decisions = Vec::new();
    for ti in &snapshot.tis {
        if !matches!(ti.state, TaskState::Running | TaskState::Restarting) {
            continue;
        }
        let key = AttemptKey { ti: ti.id, try_number: ti.try_number, epoch: ti.epoch };
        shared.current.begin(key, Place { run: ti.run, log_epoch: ti.record_epoch() });
        match ti.worker.as_deref() {
            Some(SCHEDULER) | None => decisions.push(key),
            Some(worker) => registry.restore(worker, key, Instant::now()),
        }
    }
    let config =
        EngineConfig { max_map_length: shared.config.max_map_length, ..EngineConfig::default() };
    let (engine, effects) = Engine::restore(config, snapshot, dags, now);
    let mut term = Term {
        shared: Arc::clone(shared),
        epoch,
        engine,
        registry,
        versions: Versions::default(),
        notices: notices.into_iter().map(|notice| (notice.id, notice)).collect(),
        notices_sent: std::collections::BTreeMap::new(),
        inbox_due: true,
        wake_at: effects.wake_at,
        dates: crate::dates::Dates::default(),
    };
    let mut batch = Batch::default();
    batch.take(effects);
    for key in decisions {
        // Decisions have no side effect: one that was under way is simply made again.
        term.step(lost(key, "the scheduler restarted during this decision"), &mut batch);
    }
    term.turn(batch).await?;
    Ok(term)
}

/// The DAGs of a snapshot's versions. One that cannot be read any more is left out: its runs stand
/// still and say so, the others go on.
fn parse(shared: &Shared, snapshot: &Snapshot) -> HashMap<VersionKey, Arc<Dag>> {
    let mut dags = HashMap::new();
    for version in &snapshot.versions {
        match crate::versions::dag_of(version, &shared.config) {
            Ok(dag) => {
                dags.insert(version.id, dag);
            }
            Err(reason) => tracing::error!(
                dag_id = %version.dag_id,
                version = version.version_number,
                reason,
                "a stored DAG version cannot be read; its runs stand still"
            ),
        }
    }
    dags
}
