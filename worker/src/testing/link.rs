//! A scheduler that follows a script: it hands out what it was given and remembers what it heard.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use millrace_core::connection::Connection;
use millrace_core::record::AttemptKey;
use millrace_core::template::Lookups;
use millrace_core::wire::{
    Answer, AppendLog, Assignment, AttemptResult, Claim, Finish, Finished, Found, Kill,
    LogAppended, LookUp, ProtocolError, Register, Registered, Renew, Renewed, Work, WorkerProtocol,
};
use tokio::sync::Notify;

use super::until;

/// See the module.
#[derive(Default)]
pub(crate) struct FakeLink {
    script: Mutex<Script>,
    changed: Notify,
}

/// What the scheduler holds and has heard.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) work: VecDeque<Work>,
    pub(crate) results: Vec<AttemptResult>,
    pub(crate) notices: Vec<(i64, Option<String>)>,
    pub(crate) logs: HashMap<AttemptKey, String>,
    pub(crate) pieces: Vec<(Instant, AttemptKey, usize)>,
    pub(crate) closed: Vec<AttemptKey>,
    pub(crate) registered: Vec<Register>,
    pub(crate) renewed: Vec<Renew>,
    pub(crate) claims: Vec<Claim>,
    pub(crate) connections: IndexMap<String, Connection>,
    pub(crate) lookups: Lookups,
    pub(crate) resume: Vec<Assignment>,
    pub(crate) kill: Vec<Kill>,
    /// Nothing is answered while it is set.
    pub(crate) is_down: bool,
    pub(crate) self_fence_ms: u64,
    /// How many attempts each kind of answer handed out.
    pub(crate) given_by_finish: usize,
    pub(crate) finish_calls: usize,
}

impl FakeLink {
    pub(crate) fn new() -> Arc<Self> {
        let link = Self::default();
        link.lock().self_fence_ms = 60_000;
        Arc::new(link)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no test panics with the lock")
    }

    pub(crate) fn give(&self, assignment: Assignment) {
        self.give_work(Work::Attempt(Box::new(assignment)));
    }

    pub(crate) fn give_work(&self, work: Work) {
        self.lock().work.push_back(work);
        self.changed.notify_waiters();
    }

    pub(crate) async fn result(&self, key: AttemptKey) -> AttemptResult {
        until("a result", || self.lock().results.iter().find(|r| r.key == key).cloned()).await
    }

    /// The text of a log, without stamps.
    pub(crate) fn log(&self, key: AttemptKey) -> String {
        let script = self.lock();
        let log = script.logs.get(&key).map_or("", String::as_str);
        let mut text = String::new();
        for line in log.lines() {
            text.push_str(millrace_core::log_line::parse(line).text);
            text.push('\n');
        }
        text
    }

    pub(crate) async fn log_has(&self, key: AttemptKey, text: &str) {
        until(text, || self.log(key).contains(text).then_some(())).await;
    }

    fn up(&self) -> Result<(), ProtocolError> {
        if self.lock().is_down {
            return Err(ProtocolError::Unavailable { reason: "by script".to_owned() });
        }
        Ok(())
    }

    fn next(&self, free_slots: u32) -> Vec<Work> {
        let mut script = self.lock();
        let mut given = Vec::new();
        let mut free = free_slots;
        while let Some(work) = script.work.front() {
            if matches!(work, Work::Attempt(_)) {
                if free == 0 {
                    break;
                }
                free -= 1;
            }
            given.extend(script.work.pop_front());
        }
        given
    }
}

impl WorkerProtocol for FakeLink {
    fn register(&self, request: Register) -> Answer<'_, Registered> {
        Box::pin(async move {
            self.up()?;
            let mut script = self.lock();
            let resume = std::mem::take(&mut script.resume)
                .into_iter()
                .filter(|wanted| request.running.contains(&wanted.key))
                .collect();
            script.registered.push(request);
            let self_fence_ms = script.self_fence_ms;
            Ok(Registered { renew_ms: 50, self_fence_ms, resume, kill: Vec::new() })
        })
    }

    fn claim(&self, request: Claim) -> Answer<'_, Vec<Work>> {
        Box::pin(async move {
            self.lock().claims.push(request.clone());
            let deadline = tokio::time::Instant::now() + Duration::from_millis(request.wait_ms);
            loop {
                self.up()?;
                let changed = self.changed.notified();
                let work = self.next(request.free_slots);
                if !work.is_empty() {
                    return Ok(work);
                }
                if tokio::time::timeout_at(deadline, changed).await.is_err() {
                    return Ok(Vec::new());
                }
            }
        })
    }

    fn renew(&self, request: Renew) -> Answer<'_, Renewed> {
        Box::pin(async move {
            self.up()?;
            let mut script = self.lock();
            script.renewed.push(request);
            Ok(Renewed { kill: std::mem::take(&mut script.kill) })
        })
    }

    fn finish(&self, request: Finish) -> Answer<'_, Finished> {
        Box::pin(async move {
            self.up()?;
            let next = self.next(request.free_slots);
            let mut script = self.lock();
            script.finish_calls += 1;
            script.given_by_finish += next.len();
            script.results.extend(request.results);
            script.notices.extend(request.notices);
            Ok(Finished { fenced: Vec::new(), next })
        })
    }

    fn look_up(&self, request: LookUp) -> Answer<'_, Found> {
        Box::pin(async move {
            let script = self.lock();
            let connections = request
                .connections
                .iter()
                .filter_map(|id| Some((id.clone(), script.connections.get(id)?.clone())))
                .collect();
            Ok(Found { lookups: script.lookups.clone(), connections, secrets: Vec::new() })
        })
    }

    fn append_log(&self, request: AppendLog) -> Answer<'_, LogAppended> {
        Box::pin(async move {
            self.up()?;
            let mut script = self.lock();
            script.pieces.push((Instant::now(), request.key, request.text.len()));
            let log = script.logs.entry(request.key).or_default();
            if log.len() as u64 == request.offset {
                log.push_str(&request.text);
            }
            let next_offset = log.len() as u64;
            if request.last {
                script.closed.push(request.key);
            }
            Ok(LogAppended { next_offset })
        })
    }
}
