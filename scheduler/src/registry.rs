//! Which workers there are, what each runs, and who waits for work.
//!
//! Plain data over the monotonic clock: liveness is "how long have I, the watcher, seen no renewal",
//! never a comparison of two machines' clocks. It decides nothing about task instances; the loop
//! turns what it returns into events.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use millrace_core::record::AttemptKey;
use millrace_core::wire::{Claim, Kill, ProtocolError, Register, Work};
use tokio::sync::oneshot;

/// A claim that waits for work.
#[derive(Debug)]
pub(crate) struct WaitingClaim {
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<Vec<Work>, ProtocolError>>,
    /// When it is answered without work.
    pub until: Instant,
}

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Its current start.
    pub incarnation: u64,
    /// The queues it serves.
    pub queues: Vec<String>,
    /// How many attempts it runs at once.
    pub slots: u32,
    /// What it runs, as far as it was told.
    pub assigned: BTreeSet<AttemptKey>,
    /// When it was last heard of.
    pub heard: Instant,
    /// Its open claim.
    pub waiting: Option<WaitingClaim>,
    /// Orders to kill that it has not been given.
    pub kills: Vec<Kill>,
    /// Whether it is only known from the database: it has not registered with this leader.
    pub restored: bool,
}

impl Worker {
    /// How many more attempts it can take.
    pub(crate) fn free(&self) -> u32 {
        let assigned = u32::try_from(self.assigned.len()).unwrap_or(u32::MAX);
        self.slots.saturating_sub(assigned)
    }

    /// Whether it serves a queue.
    pub(crate) fn serves(&self, queue: &str) -> bool {
        self.queues.iter().any(|own| own == queue)
    }
}

/// All workers by name.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    workers: BTreeMap<String, Worker>,
    holders: HashMap<AttemptKey, String>,
}

impl Registry {
    /// Notes that an attempt was running when this leader began.
    pub(crate) fn restore(&mut self, name: &str, key: AttemptKey, now: Instant) {
        let worker = self.workers.entry(name.to_owned()).or_insert_with(|| Worker {
            incarnation: 0,
            queues: Vec::new(),
            slots: 0,
            assigned: BTreeSet::new(),
            heard: now,
            waiting: None,
            kills: Vec::new(),
            restored: true,
        });
        worker.assigned.insert(key);
        self.holders.insert(key, name.to_owned());
    }

    /// Takes a worker in. Returns the attempts that it had and no longer runs, and those that it
    /// runs and should not.
    pub(crate) fn register(
        &mut self,
        request: &Register,
        now: Instant,
    ) -> (Vec<AttemptKey>, Vec<AttemptKey>) {
        let before = self.workers.remove(&request.worker);
        let had = before.map(|worker| worker.assigned).unwrap_or_default();
        let lost = had.iter().filter(|key| !request.running.contains(key)).copied().collect();
        let (kept, unknown): (Vec<_>, Vec<_>) =
            request.running.iter().copied().partition(|key| had.contains(key));
        for key in &had {
            self.holders.remove(key);
        }
        for key in &kept {
            self.holders.insert(*key, request.worker.clone());
        }
        self.workers.insert(
            request.worker.clone(),
            Worker {
                incarnation: request.incarnation,
                queues: request.queues.clone(),
                slots: request.slots,
                assigned: kept.into_iter().collect(),
                heard: now,
                waiting: None,
                kills: Vec::new(),
                restored: false,
            },
        );
        (lost, unknown)
    }

    /// The worker of a request, if it is the incarnation that registered; hearing it counts.
    pub(crate) fn heard(
        &mut self,
        name: &str,
        incarnation: u64,
        now: Instant,
    ) -> Result<&mut Worker, ProtocolError> {
        match self.workers.get_mut(name) {
            Some(worker) if !worker.restored && worker.incarnation == incarnation => {
                worker.heard = now;
                Ok(worker)
            }
            _ => Err(ProtocolError::NotRegistered { worker: name.to_owned() }),
        }
    }

    /// Keeps a claim open; an older one of the same worker is answered without work.
    pub(crate) fn wait(
        &mut self,
        claim: &Claim,
        answer: oneshot::Sender<Result<Vec<Work>, ProtocolError>>,
        now: Instant,
    ) {
        match self.heard(&claim.worker, claim.incarnation, now) {
            Ok(worker) => {
                let until = now + Duration::from_millis(claim.wait_ms.min(60_000));
                if let Some(older) = worker.waiting.replace(WaitingClaim { answer, until }) {
                    let _ = older.answer.send(Ok(Vec::new()));
                }
            }
            Err(error) => {
                let _ = answer.send(Err(error));
            }
        }
    }

    /// Notes that an attempt was handed to a worker.
    pub(crate) fn assign(&mut self, name: &str, key: AttemptKey) {
        if let Some(worker) = self.workers.get_mut(name) {
            worker.assigned.insert(key);
            self.holders.insert(key, name.to_owned());
        }
    }

    /// Notes that an attempt ended.
    pub(crate) fn ended(&mut self, key: AttemptKey) {
        if let Some(name) = self.holders.remove(&key)
            && let Some(worker) = self.workers.get_mut(&name)
        {
            worker.assigned.remove(&key);
        }
    }

    /// Puts an order to kill where its worker will find it.
    pub(crate) fn kill(&mut self, kill: Kill) {
        if let Some(name) = self.holders.get(&kill.key)
            && let Some(worker) = self.workers.get_mut(name)
        {
            worker.kills.push(kill);
        }
    }

    /// The worker that runs an attempt.
    pub(crate) fn holder(&self, key: AttemptKey) -> Option<&str> {
        self.holders.get(&key).map(String::as_str)
    }

    /// The workers that could take something now: those with a free slot and somebody to answer.
    pub(crate) fn takers(&self, answerable: &[String]) -> Vec<String> {
        self.workers
            .iter()
            .filter(|(name, worker)| {
                worker.free() > 0 && (worker.waiting.is_some() || answerable.contains(name))
            })
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// A worker by name.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Worker> {
        self.workers.get_mut(name)
    }

    /// A worker by name.
    pub(crate) fn get(&self, name: &str) -> Option<&Worker> {
        self.workers.get(name)
    }

    /// Every worker's name and state.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Worker)> {
        self.workers.iter()
    }

    /// Removes the workers that were not heard of for `ttl`, and returns what each ran.
    pub(crate) fn expire(&mut self, ttl: Duration, now: Instant) -> Vec<(String, Vec<AttemptKey>)> {
        let dead: Vec<String> = self
            .workers
            .iter()
            .filter(|(_, worker)| now.saturating_duration_since(worker.heard) > ttl)
            .map(|(name, _)| name.clone())
            .collect();
        dead.into_iter()
            .filter_map(|name| {
                let worker = self.workers.remove(&name)?;
                let keys: Vec<_> = worker.assigned.into_iter().collect();
                for key in &keys {
                    self.holders.remove(key);
                }
                Some((name, keys))
            })
            .collect()
    }

    /// When the next open claim must be answered without work.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.workers.values().filter_map(|worker| worker.waiting.as_ref()).map(|w| w.until).min()
    }

    /// Answers the open claims that have waited long enough.
    pub(crate) fn release_waiting(&mut self, now: Instant) {
        for worker in self.workers.values_mut() {
            if worker.waiting.as_ref().is_some_and(|waiting| waiting.until <= now)
                && let Some(waiting) = worker.waiting.take()
            {
                let _ = waiting.answer.send(Ok(Vec::new()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(ti: i64) -> AttemptKey {
        AttemptKey { ti, try_number: 1, epoch: 1 }
    }

    fn register(incarnation: u64, running: Vec<AttemptKey>) -> Register {
        Register {
            worker: "w".into(),
            incarnation,
            hostname: "h".into(),
            queues: vec!["default".into()],
            slots: 2,
            running,
        }
    }

    #[test]
    fn a_worker_that_comes_back_keeps_what_it_still_runs() {
        let now = Instant::now();
        let mut registry = Registry::default();
        registry.restore("w", key(1), now);
        registry.restore("w", key(2), now);
        let (lost, unknown) = registry.register(&register(7, vec![key(2), key(3)]), now);
        assert_eq!((lost, unknown), (vec![key(1)], vec![key(3)]));
        assert_eq!(registry.get("w").map(Worker::free), Some(1));
        assert!(registry.heard("w", 6, now).is_err(), "an older incarnation is refused");
        assert_eq!(registry.holder(key(2)), Some("w"));
    }

    #[test]
    fn a_silent_worker_expires_on_the_watchers_clock() {
        let now = Instant::now();
        let mut registry = Registry::default();
        registry.register(&register(1, vec![]), now);
        registry.assign("w", key(1));
        let ttl = Duration::from_secs(30);
        assert!(registry.expire(ttl, now + Duration::from_secs(29)).is_empty());
        let dead = registry.expire(ttl, now + Duration::from_secs(31));
        assert_eq!(dead, vec![("w".to_owned(), vec![key(1)])]);
        assert_eq!(registry.holder(key(1)), None);
    }
}
