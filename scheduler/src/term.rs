//! One term of leadership: the engine, the workers, and the loop that joins them.
//!
//! Every turn takes the commands that have arrived, steps the engine for each, hands queued task
//! instances to workers, writes all of it in one transaction, and only then answers anybody. A turn
//! whose commit failed ends the term; the next one begins with `restore`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use millrace_core::engine::{Engine, Event, LengthWanted, PastWanted};
use millrace_core::record::{Change, NoticeRow};
use millrace_core::wire::{
    AttemptResult, Claim, Finish, Finished, ProtocolError, Register, Registered, Renew, Renewed,
};
use millrace_store::Store;
use millrace_store::apply::ApplyError;
use millrace_store::leader::Epoch;
use millrace_store::worker::{self, WorkerRow};
use millrace_store::xcom;
use tokio::sync::{mpsc, watch};

use crate::batch::{Batch, COMMANDS_MAX, FinishReply, RegisterReply, lost};
use crate::clock::Clock;
use crate::command::{Answerer, Command, FolderUpdate};
use crate::config::SchedulerConfig;
use crate::current::{Current, Place};
use crate::dates::Dates;
use crate::prepared::Versions;
use crate::registry::Registry;
use crate::waits;

/// Why a term ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The scheduler is to stop.
    Stopped,
    /// Another leader has a newer epoch.
    Deposed,
    /// The database did not take a commit, or its answer was lost; begin again from what it holds.
    Restart(String),
}

/// What a term shares with the rest of the process.
pub(crate) struct Shared {
    /// The settings.
    pub config: SchedulerConfig,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The database.
    pub store: Store,
    /// What is running.
    pub current: Arc<Current>,
    /// The template engine of the scheduler's own decisions.
    pub renderer: millrace_core::template::Renderer,
    /// A door to the own loop, for decisions that come back.
    pub commands: mpsc::Sender<Command>,
    /// Grows with every commit; who waits for changes watches it.
    pub committed: watch::Sender<u64>,
}

/// One term.
pub(crate) struct Term {
    pub(crate) shared: Arc<Shared>,
    pub(crate) epoch: Epoch,
    pub(crate) engine: Engine,
    pub(crate) registry: Registry,
    pub(crate) versions: Versions,
    pub(crate) notices: BTreeMap<i64, NoticeRow>,
    pub(crate) notices_sent: BTreeMap<i64, (String, Instant)>,
    pub(crate) inbox_due: bool,
    pub(crate) wake_at: Option<jiff::Timestamp>,
    pub(crate) dates: Dates,
}

impl Term {
    /// Runs until the scheduler stops, is deposed, or must begin again.
    pub(crate) async fn run(
        mut self,
        commands: &mut mpsc::Receiver<Command>,
        stop: &tokio_util::sync::CancellationToken,
    ) -> End {
        let mut lease = tokio::time::interval(self.shared.config.renew);
        let mut inbox = tokio::time::interval(self.shared.config.inbox_period);
        inbox.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut batch = Batch::default();
            // First of all: nothing may happen between the look and what follows from it.
            self.look_up_dates(&mut batch).await;
            let has_work = !batch.changes.is_empty() || !batch.dates_wanted.is_empty();
            let sleep = self.until_wake();
            tokio::select! {
                biased;
                () = stop.cancelled() => return End::Stopped,
                command = commands.recv() => {
                    let Some(command) = command else { return End::Stopped };
                    self.take(command, &mut batch);
                    for _ in 1..COMMANDS_MAX {
                        let Ok(command) = commands.try_recv() else { break };
                        self.take(command, &mut batch);
                    }
                }
                _ = lease.tick() => {
                    self.expire_workers(&mut batch);
                    if let Err(end) = self.renew_lease().await {
                        return end;
                    }
                }
                _ = inbox.tick() => self.inbox_due = true,
                () = std::future::ready(()), if has_work => {}
                () = sleep => {}
            }
            if let Err(end) = self.turn(batch).await {
                return end;
            }
        }
    }

    /// The rest of a turn: orders, time, hand-outs, commit, answers.
    pub(crate) async fn turn(&mut self, mut batch: Batch) -> Result<(), End> {
        if self.inbox_due {
            self.inbox_due = false;
            if let Err(error) = self.take_orders(&mut batch).await {
                tracing::warn!(%error, "the inbox cannot be read; it is tried again");
            }
        }
        let now = self.shared.clock.now();
        if self.wake_at.is_none_or(|at| at <= now) {
            self.step(Event::Tick, &mut batch);
        }
        self.hand_out(&mut batch);
        if !batch.changes.is_empty() {
            self.commit(&mut batch).await.inspect_err(|end| {
                tracing::warn!(?end, "a commit failed; the term ends");
            })?;
        }
        self.release(batch);
        self.registry.release_waiting(Instant::now());
        Ok(())
    }

    /// Steps the engine, and keeps what follows for the commit.
    pub(crate) fn step(&mut self, event: Event, batch: &mut Batch) -> crate::batch::Stepped {
        let effects = self.engine.step(event, self.shared.clock.now());
        self.wake_at = effects.wake_at;
        batch.take(effects)
    }

    fn take(&mut self, command: Command, batch: &mut Batch) {
        match command {
            Command::Register(request, answer) => self.register(request, answer, batch),
            Command::Claim(claim, answer) => self.claim(&claim, answer),
            Command::Renew(renew, answer) => self.renew(&renew, answer, batch),
            Command::Finish(finish, answer) => self.finish(finish, answer, batch),
            Command::Decided(result, needed) => {
                if let Some(needed) = needed {
                    self.step(*needed, batch);
                }
                self.finished(*result, batch);
            }
            Command::Seen { wanted, seen } => {
                self.step(Event::RunSeen { wanted, seen }, batch);
            }
            Command::Folder(update) => self.folder(update, batch),
            Command::Inbox => self.inbox_due = true,
            Command::Past { run, found } => {
                let (previous, states) = found.unzip();
                let states = states.unwrap_or_default();
                self.step(Event::PastLoaded { run, previous, states }, batch);
            }
            Command::Length { wanted, length } => {
                self.step(Event::LengthLoaded { wanted, length }, batch);
            }
        }
    }

    fn register(&mut self, request: Register, answer: Answerer<Registered>, batch: &mut Batch) {
        self.remember_worker(&request);
        let (gone, kill) = self.registry.register(&request, Instant::now());
        for key in gone {
            let reason = format!("worker {} restarted without it", request.worker);
            self.step(lost(key, reason), batch);
        }
        batch.registers.push(RegisterReply { request, kill, answer });
    }

    fn claim(&mut self, claim: &Claim, answer: Answerer<Vec<millrace_core::wire::Work>>) {
        self.registry.wait(claim, answer, Instant::now());
    }

    fn renew(&mut self, renew: &Renew, answer: Answerer<Renewed>, batch: &mut Batch) {
        match self.registry.heard(&renew.worker, renew.incarnation, Instant::now()) {
            Ok(_) => batch.renewals.push((renew.worker.clone(), answer)),
            Err(error) => {
                let _ = answer.send(Err(error));
            }
        }
    }

    fn finish(&mut self, finish: Finish, answer: Answerer<Finished>, batch: &mut Batch) {
        let heard = self.registry.heard(&finish.worker, finish.incarnation, Instant::now());
        if let Err(error) = heard {
            let _ = answer.send(Err(error));
            return;
        }
        let mut fenced = Vec::new();
        for result in finish.results {
            let key = result.key;
            if self.finished(result, batch) {
                fenced.push(key);
            }
        }
        for (id, problem) in finish.notices {
            if let Some(problem) = problem {
                tracing::warn!(notice = id, problem, "a notice could not be sent");
            }
            if self.notices.remove(&id).is_some() {
                self.notices_sent.remove(&id);
                batch.changes.push(Change::NoticeDone(id));
            }
        }
        batch.finishes.push(FinishReply { worker: finish.worker, fenced, answer });
    }

    /// Steps the engine with a result; true when it came too late.
    fn finished(&mut self, result: AttemptResult, batch: &mut Batch) -> bool {
        let key = result.key;
        let fenced = self.step(Event::Finished(Box::new(result)), batch).fenced;
        self.registry.ended(key);
        fenced
    }

    fn folder(&mut self, update: FolderUpdate, batch: &mut Batch) {
        for loaded in update.loaded {
            self.step(Event::DagLoaded(Box::new(loaded)), batch);
        }
        if let Some(present) = update.present {
            let gone: Vec<_> = self
                .engine
                .dags()
                .filter(|row| !row.is_stale && !present.contains(&row.dag_id))
                .map(|row| row.dag_id.clone())
                .collect();
            for dag_id in gone {
                self.step(Event::DagGone(dag_id), batch);
            }
        }
    }

    fn expire_workers(&mut self, batch: &mut Batch) {
        for (worker, keys) in self.registry.expire(self.shared.config.lease, Instant::now()) {
            tracing::warn!(worker, attempts = keys.len(), "worker lost: it stopped renewing");
            for key in keys {
                self.step(lost(key, format!("worker {worker} stopped renewing its lease")), batch);
            }
        }
    }

    async fn renew_lease(&self) -> Result<(), End> {
        match self.shared.store.renew(self.epoch).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(End::Deposed),
            Err(error) => {
                // Nothing is lost by going on: every commit checks the epoch.
                tracing::warn!(%error, "the lease could not be renewed; it is tried again");
                Ok(())
            }
        }
    }

    async fn commit(&mut self, batch: &mut Batch) -> Result<(), End> {
        let changes = std::mem::take(&mut batch.changes);
        match self.shared.store.apply(self.epoch, &changes).await {
            Ok(_) => {
                self.shared.committed.send_modify(|count| *count += 1);
                Ok(())
            }
            Err(error) => {
                let reason = error.to_string();
                let refusal = ProtocolError::Unavailable { reason: reason.clone() };
                std::mem::take(batch).refuse(&refusal);
                if matches!(error, ApplyError::Fenced { .. }) {
                    Err(End::Deposed)
                } else {
                    Err(End::Restart(reason))
                }
            }
        }
    }

    /// After the commit: the registry and the running set follow, answers go out.
    fn release(&mut self, mut batch: Batch) {
        for key in &batch.ended {
            self.registry.ended(*key);
            self.shared.current.end(*key);
        }
        for keys in batch.assigned.values() {
            for key in keys {
                if let Some(ti) = self.engine.ti(key.ti) {
                    let place = Place { run: ti.run, log_epoch: ti.record_epoch() };
                    self.shared.current.begin(*key, place);
                }
            }
        }
        for notice in &batch.notices {
            self.notices.insert(notice.id, notice.clone());
        }
        for wanted in &batch.past_wanted {
            self.look_back(wanted.clone());
        }
        for wanted in &batch.runs_wanted {
            waits::look_up(&self.shared, wanted.clone());
        }
        self.dates.add(std::mem::take(&mut batch.dates_wanted));
        for wanted in &batch.lengths_wanted {
            self.measure(wanted.clone());
        }
        self.deliver(batch);
    }

    /// Looks up the run before one, beside the loop; what looks back waits for it.
    fn look_back(&self, wanted: PastWanted) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let PastWanted { run, dag_id, before, scheduled_only } = wanted;
            loop {
                let found = shared.store.past_states(dag_id.as_str(), before, scheduled_only).await;
                match found {
                    Ok(found) => {
                        let _ = shared.commands.send(Command::Past { run, found }).await;
                        return;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the previous run cannot be read; it is tried again");
                        tokio::time::sleep(shared.config.inbox_period).await;
                    }
                }
            }
        });
    }

    /// Looks up how much there is to map over, beside the loop; what is mapped waits for it.
    fn measure(&self, wanted: LengthWanted) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            loop {
                let LengthWanted { run, task_id, key, .. } = &wanted;
                match xcom::length(&shared.store, *run, task_id.as_str(), key).await {
                    Ok(length) => {
                        let _ = shared.commands.send(Command::Length { wanted, length }).await;
                        return;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "what is mapped over cannot be read; it is tried again");
                        tokio::time::sleep(shared.config.inbox_period).await;
                    }
                }
            }
        });
    }

    /// Remembers a worker for people who look.
    fn remember_worker(&self, request: &Register) {
        let row = WorkerRow {
            name: request.worker.clone(),
            incarnation: request.incarnation,
            hostname: request.hostname.clone(),
            queues: request.queues.clone(),
            slots: request.slots,
            running: u32::try_from(request.running.len()).unwrap_or(u32::MAX),
            registered_at: self.shared.clock.now(),
            last_seen_at: self.shared.clock.now(),
        };
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            if let Err(error) = worker::put(&shared.store, &row).await {
                tracing::warn!(%error, "a worker's row could not be written");
            }
        });
    }

    /// Sleeps until the engine's next timer or the next claim to be answered without work.
    fn until_wake(&self) -> impl Future<Output = ()> + use<> {
        let now = self.shared.clock.now();
        let timer = self.wake_at.map(|at| {
            let nanos = at.duration_since(now).as_nanos().clamp(0, i128::from(u64::MAX));
            Instant::now() + std::time::Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
        });
        let all = [timer, self.registry.next_deadline(), self.dates.due_at()];
        let next = all.into_iter().flatten().min();
        async move {
            match next {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        }
    }
}
