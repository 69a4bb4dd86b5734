//! What happens to a worker, and what it does then.

use std::sync::Arc;

use millrace_core::record::AttemptKey;
use millrace_core::wire::{
    Assignment, AttemptResult, Finish, Finished, Kill, NoticeWork, ProtocolError, Registered,
    Renewed, Work,
};
use tokio::time::Instant;

use super::{Leases, State};
use crate::stop::{StopReason, StopSender};
use crate::{attempt, notice, recover};

/// Something that happened.
#[derive(Debug)]
pub(super) enum Event {
    /// An attempt has ended.
    Ended(Box<AttemptResult>),
    /// A notice was sent, or could not be.
    NoticeDone(i64, Option<String>),
    /// A claim was answered.
    Claimed {
        /// Which.
        number: u64,
        /// The answer.
        answer: Result<Vec<Work>, ProtocolError>,
    },
    /// A report was answered.
    Finished {
        /// The report.
        request: Box<Finish>,
        /// The answer.
        answer: Result<Finished, ProtocolError>,
    },
    /// A renewal was answered.
    Renewed {
        /// When it was sent: the lease counts from there.
        sent_at: Instant,
        /// The answer.
        answer: Result<Renewed, ProtocolError>,
    },
    /// A registration was answered.
    Registered {
        /// When it was sent.
        sent_at: Instant,
        /// The answer.
        answer: Result<Registered, ProtocolError>,
    },
}

impl State {
    pub(super) fn take(&mut self, event: Event) {
        match event {
            Event::Ended(result) => {
                if self.running.remove(&result.key).is_some() {
                    self.slots.free();
                }
                self.results.push(*result);
            }
            Event::NoticeDone(number, problem) => self.notices.push((number, problem)),
            Event::Claimed { number, answer } => {
                let promised = self.calls.claimed(number);
                self.slots.answered(promised);
                match answer {
                    Ok(work) => self.start(work),
                    Err(error) => self.failed("claim", &error),
                }
            }
            Event::Finished { request, answer } => self.take_finished(*request, answer),
            Event::Renewed { sent_at, answer } => {
                self.calls.renewed();
                match answer {
                    Ok(renewed) => {
                        self.leases.renewed_at = sent_at;
                        renewed.kill.into_iter().for_each(|kill| self.kill(kill));
                    }
                    Err(error) => self.failed("renew", &error),
                }
            }
            Event::Registered { sent_at, answer } => {
                self.calls.registered();
                match answer {
                    Ok(registered) => {
                        self.leases = Leases::new(&registered, sent_at);
                        self.take_registration(registered);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "not registered");
                        self.calls.register(self.held());
                    }
                }
            }
        }
    }

    fn take_finished(&mut self, request: Finish, answer: Result<Finished, ProtocolError>) {
        self.calls.finished();
        self.slots.answered(request.free_slots);
        self.reporting.retain(|key| !request.results.iter().any(|result| result.key == *key));
        match answer {
            Ok(finished) => {
                for key in &finished.fenced {
                    tracing::info!(attempt = %key, "result came too late");
                }
                self.start(finished.next);
            }
            Err(error) if super::calls::is_lasting(&error) => {
                tracing::error!(%error, results = request.results.len(), "results refused");
            }
            Err(error) => {
                self.results.extend(request.results);
                self.notices.extend(request.notices);
                self.failed("finish", &error);
            }
        }
    }

    fn failed(&mut self, call: &str, error: &ProtocolError) {
        if matches!(error, ProtocolError::NotRegistered { .. }) {
            self.calls.register(self.held());
        } else {
            tracing::warn!(call, %error, "call failed");
        }
    }

    fn start(&mut self, work: Vec<Work>) {
        for one in work {
            match one {
                Work::Attempt(assignment) => self.start_attempt(*assignment),
                Work::Notice(notice) => self.start_notice(*notice),
                Work::Kill(kill) => self.kill(kill),
            }
        }
    }

    fn start_attempt(&mut self, assignment: Assignment) {
        let key = assignment.key;
        if self.running.contains_key(&key) || self.reporting.contains(&key) {
            tracing::warn!(attempt = %key, "handed out twice");
            return;
        }
        let stop = Arc::new(StopSender::new());
        self.running.insert(key, Arc::clone(&stop));
        self.slots.take();
        let (surroundings, events) = (self.surroundings.clone(), self.sender.clone());
        tokio::spawn(async move {
            let result = attempt::run(surroundings, assignment, stop, None).await;
            drop(events.send(Event::Ended(Box::new(result))));
        });
    }

    fn start_notice(&mut self, work: NoticeWork) {
        let (surroundings, events) = (self.surroundings.clone(), self.sender.clone());
        tokio::spawn(async move {
            let number = work.notice.id;
            let problem = notice::send(surroundings, work).await.err();
            drop(events.send(Event::NoticeDone(number, problem)));
        });
    }

    fn kill(&mut self, kill: Kill) {
        if let Some(stop) = self.running.get(&kill.key) {
            stop.stop(StopReason::Ordered(kill.reason));
        }
    }

    /// Goes on with what the scheduler still wants, ends what it does not.
    pub(super) fn take_registration(&mut self, registered: Registered) {
        for key in registered.kill {
            let reason = "the scheduler has given this attempt up".to_owned();
            self.kill(Kill { key, reason });
        }
        for assignment in registered.resume {
            self.resume(assignment);
        }
    }

    fn resume(&mut self, assignment: Assignment) {
        let key = assignment.key;
        if self.running.contains_key(&key) || self.reporting.contains(&key) {
            return;
        }
        let Some(found) = self.adoptable.remove(&key) else {
            self.results.push(recover::gone(key));
            return;
        };
        let stop = Arc::new(StopSender::new());
        self.running.insert(key, Arc::clone(&stop));
        self.slots.take();
        let (surroundings, events) = (self.surroundings.clone(), self.sender.clone());
        tokio::spawn(async move {
            let result = attempt::run(surroundings, assignment, stop, Some(found)).await;
            drop(events.send(Event::Ended(Box::new(result))));
        });
    }

    /// Ends what an earlier incarnation left and nobody wants.
    pub(super) async fn drop_unwanted(&mut self) {
        let wanted: Vec<AttemptKey> = self.running.keys().copied().collect();
        let unwanted = std::mem::take(&mut self.adoptable);
        recover::drop_unwanted(&self.surroundings.settings, unwanted, &wanted).await;
    }
}
