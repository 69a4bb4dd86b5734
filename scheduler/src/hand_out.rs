//! Joins queued task instances and free workers, and carries work to them after the commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_core::engine::{Event, SCHEDULER};
use millrace_core::record::{AttemptKey, TiKey};
use millrace_core::template::Lookups;
use millrace_core::wire::{Assignment, Finished, Kill, ProtocolError, Registered, Renewed, Work};
use tokio::sync::oneshot;

use crate::batch::Batch;
use crate::decide;
use crate::notices;
use crate::prepared::Prepared;
use crate::term::Term;
use crate::waits;

/// A notice that was handed out and not reported is handed out again after so long.
const NOTICE_AGAIN: Duration = Duration::from_mins(2);

/// Who gets an answer with work.
enum Taker {
    Claim(oneshot::Sender<Result<Vec<Work>, ProtocolError>>),
    Finish(oneshot::Sender<Result<Finished, ProtocolError>>, Vec<AttemptKey>),
}

impl Taker {
    fn send(self, work: Vec<Work>) {
        match self {
            Self::Claim(answer) => {
                let _ = answer.send(Ok(work));
            }
            Self::Finish(answer, fenced) => {
                let _ = answer.send(Ok(Finished { fenced, next: work }));
            }
        }
    }
}

impl Term {
    /// Starts an attempt for every queued task instance that somebody can take now.
    pub(crate) fn hand_out(&mut self, batch: &mut Batch) {
        let reporting: Vec<String> = batch.finishes.iter().map(|r| r.worker.clone()).collect();
        // Only as many are looked at as can go now: what waits costs nothing.
        loop {
            let next = self.engine.decisions().next();
            if !next.is_some_and(|ti| self.assign(ti, SCHEDULER.to_owned(), batch)) {
                break;
            }
        }
        let queues: Vec<String> = self.engine.queues().map(|(queue, _)| queue.to_owned()).collect();
        for queue in queues {
            while let Some(worker) = self.taker_for(&queue, &reporting) {
                let next = self.engine.queued_in(&queue).next();
                if !next.is_some_and(|ti| self.assign(ti, worker, batch)) {
                    break;
                }
            }
        }
    }

    /// Starts an attempt; false when the task instance is not queued after all.
    fn assign(&mut self, ti: TiKey, worker: String, batch: &mut Batch) -> bool {
        let event = Event::Assign { ti, worker: worker.clone() };
        let Some(key) = self.step(event, batch).assigned else { return false };
        self.registry.assign(&worker, key);
        batch.assigned.entry(worker).or_default().push(key);
        true
    }

    fn taker_for(&self, queue: &str, reporting: &[String]) -> Option<String> {
        self.registry
            .takers(reporting)
            .into_iter()
            .filter_map(|name| self.registry.get(&name).map(|worker| (name, worker)))
            .filter(|(_, worker)| worker.serves(queue))
            .max_by_key(|(_, worker)| worker.free())
            .map(|(name, _)| name)
    }

    /// Answers everybody who waits, and starts the scheduler's own decisions.
    pub(crate) fn deliver(&mut self, mut batch: Batch) {
        let mut assigned = std::mem::take(&mut batch.assigned);
        for key in assigned.remove(SCHEDULER).unwrap_or_default() {
            self.decide(key);
        }
        for kill in std::mem::take(&mut batch.kills) {
            self.registry.kill(kill);
        }
        self.answer_registers(&mut batch);
        for reply in std::mem::take(&mut batch.finishes) {
            let work = self.work_for(&reply.worker, assigned.remove(&reply.worker));
            self.send(Taker::Finish(reply.answer, reply.fenced), work);
        }
        let waiting: Vec<String> = self
            .registry
            .iter()
            .filter(|(name, worker)| {
                let due = assigned.contains_key(*name) || !worker.kills.is_empty();
                worker.waiting.is_some() && (due || self.notices_due())
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in waiting {
            let work = self.work_for(&name, assigned.remove(&name));
            if work.is_empty() {
                continue;
            }
            if let Some(waiting) = self.registry.get_mut(&name).and_then(|w| w.waiting.take()) {
                self.send(Taker::Claim(waiting.answer), work);
            }
        }
        for (name, answer) in std::mem::take(&mut batch.renewals) {
            let kill = self.take_kills(&name);
            let _ = answer.send(Ok(Renewed { kill }));
        }
    }

    fn answer_registers(&mut self, batch: &mut Batch) {
        for reply in std::mem::take(&mut batch.registers) {
            let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
            let mut resume = Vec::new();
            for key in &reply.request.running {
                if self.registry.holder(*key) == Some(&reply.request.worker) {
                    resume.extend(self.assignment(*key));
                }
            }
            let config = &self.shared.config;
            let _ = reply.answer.send(Ok(Registered {
                renew_ms: millis(config.renew),
                self_fence_ms: millis(config.self_fence),
                resume,
                kill: reply.kill,
            }));
        }
    }

    fn take_kills(&mut self, worker: &str) -> Vec<Kill> {
        self.registry.get_mut(worker).map(|w| std::mem::take(&mut w.kills)).unwrap_or_default()
    }

    /// The work for one answer: kills, attempts, notices.
    fn work_for(&mut self, worker: &str, keys: Option<Vec<AttemptKey>>) -> Vec<Pending> {
        let mut work: Vec<Pending> = self
            .take_kills(worker)
            .into_iter()
            .map(|kill| Pending::Ready(Work::Kill(kill)))
            .collect();
        for key in keys.unwrap_or_default() {
            if let Some(assignment) = self.assignment(key) {
                let index = self.prepared_of(&assignment).and_then(|prepared| {
                    let index = prepared.index(&assignment.task.task_id)?;
                    Some(prepared.wants_previous[index])
                });
                work.push(if index == Some(true) {
                    Pending::WantsPrevious(Box::new(assignment))
                } else {
                    Pending::Ready(Work::Attempt(Box::new(assignment)))
                });
            }
        }
        work.extend(self.due_notices(worker).into_iter().map(Pending::Notice));
        work
    }

    fn notices_due(&self) -> bool {
        self.notices.keys().any(|id| !self.notices_sent.contains_key(id))
    }

    fn due_notices(&mut self, worker: &str) -> Vec<millrace_core::record::NoticeRow> {
        let now = Instant::now();
        self.notices_sent.retain(|_, (_, at)| now.saturating_duration_since(*at) < NOTICE_AGAIN);
        let due: Vec<_> = self
            .notices
            .values()
            .filter(|notice| !self.notices_sent.contains_key(&notice.id))
            .take(64)
            .cloned()
            .collect();
        for notice in &due {
            self.notices_sent.insert(notice.id, (worker.to_owned(), now));
        }
        due
    }

    /// Sends work; what needs a query first is completed beside the loop.
    fn send(&self, taker: Taker, work: Vec<Pending>) {
        if work.iter().all(|item| matches!(item, Pending::Ready(_))) {
            let ready = work.into_iter().filter_map(|item| match item {
                Pending::Ready(work) => Some(work),
                Pending::WantsPrevious(_) | Pending::Notice(_) => None,
            });
            taker.send(ready.collect());
            return;
        }
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let mut complete = Vec::with_capacity(work.len());
            for item in work {
                match item {
                    Pending::Ready(work) => complete.push(work),
                    Pending::WantsPrevious(assignment) => {
                        let with = decide::with_previous(&shared.store, *assignment).await;
                        complete.push(Work::Attempt(Box::new(with)));
                    }
                    Pending::Notice(notice) => {
                        complete.extend(notices::work(&shared, notice).await);
                    }
                }
            }
            taker.send(complete);
        });
    }

    /// The prepared version of an assignment.
    fn prepared_of(&mut self, assignment: &Assignment) -> Option<Arc<Prepared>> {
        let version = self.engine.ti(assignment.key.ti)?.version;
        self.prepared(version)
    }

    /// A version, ready for hand-outs.
    pub(crate) fn prepared(
        &mut self,
        version: millrace_core::record::VersionKey,
    ) -> Option<Arc<Prepared>> {
        if let Some(prepared) = self.versions.get(version) {
            return Some(prepared);
        }
        let (dag, file) = self.engine.version(version)?;
        let prepared = Prepared::new(dag, &self.shared.config.dags_folder, file);
        Some(self.versions.put(version, prepared))
    }

    /// Everything that a worker needs for an attempt.
    pub(crate) fn assignment(&mut self, key: AttemptKey) -> Option<Assignment> {
        let ti = self.engine.ti(key.ti)?.clone();
        let prepared = self.prepared(ti.version)?;
        let index = prepared.index(&ti.task_id)?;
        let run = self.engine.run(ti.run)?.clone();
        Some(Assignment {
            key,
            map_index: ti.map_index,
            max_tries: ti.max_tries,
            task: Arc::clone(&prepared.tasks[index]),
            dag: Arc::clone(&prepared.brief),
            run,
            previous_success: None,
            downstream: prepared.downstream[index].clone(),
            expanded_count: self.engine.expanded_count(key.ti),
            siblings: prepared.siblings[index].clone(),
            lookups: Lookups::default(),
            secrets: Vec::new(),
        })
    }

    /// Makes a decision beside the loop; it comes back as a command.
    fn decide(&mut self, key: AttemptKey) {
        let Some(assignment) = self.assignment(key) else { return };
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let mut result = decide::decide(&shared, assignment).await;
            let needed = waits::prepare(&shared, &mut result).await.map(Box::new);
            let decided = crate::command::Command::Decided(Box::new(result), needed);
            let _ = shared.commands.send(decided).await;
        });
    }
}

/// Work that may need a query before it can go.
enum Pending {
    Ready(Work),
    WantsPrevious(Box<Assignment>),
    Notice(millrace_core::record::NoticeRow),
}
