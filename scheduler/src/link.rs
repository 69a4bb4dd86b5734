//! The scheduler's end of the worker protocol.
//!
//! Requests that change state go through the loop; lookups and log pieces do not, so that a loud
//! task cannot delay a hand-over.

use std::sync::Arc;

use millrace_core::record::AttemptKey;
use millrace_core::wire::{
    Answer, AppendLog, Claim, Finish, Finished, Found, LogAppended, LookUp, ProtocolError,
    Register, Registered, Renew, Renewed, Work, WorkerProtocol,
};
use tokio::sync::{mpsc, oneshot};

use crate::command::{Answerer, Command};
use crate::current::Current;
use crate::lookups;

/// What workers call.
#[derive(Clone)]
pub(crate) struct SchedulerLink {
    /// The loop's door.
    pub commands: mpsc::Sender<Command>,
    /// What is running now, and where its data is.
    pub current: Arc<Current>,
}

impl SchedulerLink {
    async fn ask<T>(&self, make: impl FnOnce(Answerer<T>) -> Command) -> Result<T, ProtocolError> {
        let (answer, answered) = oneshot::channel();
        let gone = || ProtocolError::Unavailable { reason: "the scheduler is stopping".to_owned() };
        self.commands.send(make(answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    fn owned(&self, key: AttemptKey) -> Result<(), ProtocolError> {
        if self.current.may_ask(key) { Ok(()) } else { Err(ProtocolError::Fenced { attempt: key }) }
    }
}

impl WorkerProtocol for SchedulerLink {
    fn register(&self, request: Register) -> Answer<'_, Registered> {
        Box::pin(self.ask(|answer| Command::Register(request, answer)))
    }

    fn claim(&self, request: Claim) -> Answer<'_, Vec<Work>> {
        Box::pin(self.ask(|answer| Command::Claim(request, answer)))
    }

    fn renew(&self, request: Renew) -> Answer<'_, Renewed> {
        Box::pin(self.ask(|answer| Command::Renew(request, answer)))
    }

    fn finish(&self, request: Finish) -> Answer<'_, Finished> {
        Box::pin(self.ask(|answer| Command::Finish(request, answer)))
    }

    fn look_up(&self, request: LookUp) -> Answer<'_, Found> {
        Box::pin(async move {
            self.owned(request.key)?;
            lookups::find(&self.current, &request).await
        })
    }

    fn append_log(&self, request: AppendLog) -> Answer<'_, LogAppended> {
        Box::pin(async move {
            let place = self
                .current
                .place(request.key)
                .ok_or(ProtocolError::Fenced { attempt: request.key })?;
            self.current.append_log(place, request).await
        })
    }
}
