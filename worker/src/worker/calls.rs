//! The calls to the scheduler that are under way, each in a task of its own.

use std::sync::Arc;
use std::time::Duration;

use millrace_core::record::AttemptKey;
use millrace_core::wire::{AttemptResult, Claim, Finish, Link, ProtocolError, Renew};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::events::Event;
use crate::config::WorkerConfig;

/// So many reports may be under way at once; further results wait and go together.
const FINISH_CALLS_MAX: usize = 4;

/// The pause after a failed claim.
const CLAIM_PAUSE: Duration = Duration::from_millis(500);

/// The calls of one worker.
pub(super) struct Calls {
    link: Link,
    settings: Arc<WorkerConfig>,
    events: mpsc::UnboundedSender<Event>,
    claims: Vec<OpenClaim>,
    last_claim: u64,
    finishing: usize,
    renewing: bool,
    registering: bool,
}

struct OpenClaim {
    number: u64,
    promised: u32,
    task: AbortHandle,
}

/// Whether asking again is useless.
pub(super) fn is_lasting(error: &ProtocolError) -> bool {
    matches!(error, ProtocolError::Invalid { .. })
}

impl Calls {
    pub(super) fn new(
        link: Link,
        settings: Arc<WorkerConfig>,
        events: mpsc::UnboundedSender<Event>,
    ) -> Self {
        Self {
            link,
            settings,
            events,
            claims: Vec::new(),
            last_claim: 0,
            finishing: 0,
            renewing: false,
            registering: false,
        }
    }

    /// Keeps one claim open, and one with slots when there are free ones. A claim without slots
    /// is not taken back when a slot becomes free: its answer could be on its way.
    pub(super) fn claim(&mut self, promise: impl FnOnce() -> u32) {
        if self.registering || self.claims.iter().any(|claim| claim.promised > 0) {
            return;
        }
        let promised = promise();
        if promised == 0 && !self.claims.is_empty() {
            return;
        }
        self.last_claim += 1;
        let number = self.last_claim;
        let (link, events) = (self.link.clone(), self.events.clone());
        let request = Claim {
            worker: self.settings.name.clone(),
            incarnation: self.settings.incarnation,
            free_slots: promised,
            wait_ms: u64::try_from(self.settings.claim_wait.as_millis()).unwrap_or(u64::MAX),
        };
        let task = tokio::spawn(async move {
            let answer = link.claim(request).await;
            if answer.is_err() {
                tokio::time::sleep(CLAIM_PAUSE).await;
            }
            // The loop is gone only when the worker is.
            drop(events.send(Event::Claimed { number, answer }));
        });
        self.claims.push(OpenClaim { number, promised, task: task.abort_handle() });
    }

    /// A claim was answered: the slots that it had been promised.
    pub(super) fn claimed(&mut self, number: u64) -> u32 {
        let at = self.claims.iter().position(|claim| claim.number == number);
        at.map_or(0, |at| self.claims.swap_remove(at).promised)
    }

    /// The worker stops: nobody waits for work any more.
    pub(super) fn abort_claims(&mut self) {
        for claim in self.claims.drain(..) {
            claim.task.abort();
        }
    }

    pub(super) fn can_finish(&self) -> bool {
        self.finishing < FINISH_CALLS_MAX && !self.registering
    }

    /// Reports results and done notices, and offers slots.
    pub(super) fn finish(
        &mut self,
        results: Vec<AttemptResult>,
        notices: Vec<(i64, Option<String>)>,
        promised: u32,
    ) {
        self.finishing += 1;
        let (link, events) = (self.link.clone(), self.events.clone());
        let request = Finish {
            worker: self.settings.name.clone(),
            incarnation: self.settings.incarnation,
            results,
            notices,
            free_slots: promised,
        };
        tokio::spawn(async move {
            let answer = link.finish(request.clone()).await;
            if answer.is_err() {
                tokio::time::sleep(CLAIM_PAUSE).await;
            }
            drop(events.send(Event::Finished { request: Box::new(request), answer }));
        });
    }

    pub(super) fn finished(&mut self) {
        self.finishing = self.finishing.saturating_sub(1);
    }

    /// Renews the leases, unless a renewal is under way.
    pub(super) fn renew(&mut self, running: Vec<AttemptKey>) {
        if self.renewing || self.registering {
            return;
        }
        self.renewing = true;
        let (link, events) = (self.link.clone(), self.events.clone());
        let request = Renew {
            worker: self.settings.name.clone(),
            incarnation: self.settings.incarnation,
            running,
        };
        tokio::spawn(async move {
            let sent_at = Instant::now();
            let answer = link.renew(request).await;
            drop(events.send(Event::Renewed { sent_at, answer }));
        });
    }

    pub(super) fn renewed(&mut self) {
        self.renewing = false;
    }

    /// Registers again, after the scheduler forgot the worker.
    pub(super) fn register(&mut self, running: Vec<AttemptKey>) {
        if self.registering {
            return;
        }
        self.registering = true;
        let (link, events) = (self.link.clone(), self.events.clone());
        let request = super::register(&self.settings, running);
        tokio::spawn(async move {
            let sent_at = Instant::now();
            let answer = link.register(request).await;
            if answer.is_err() {
                tokio::time::sleep(CLAIM_PAUSE).await;
            }
            drop(events.send(Event::Registered { sent_at, answer }));
        });
    }

    pub(super) fn registered(&mut self) {
        self.registering = false;
    }
}
