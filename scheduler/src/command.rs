//! What reaches the scheduler's loop, and how it answers after the commit.

use std::collections::{BTreeMap, BTreeSet};

use millrace_core::engine::{DagLoaded, Event, LengthWanted, RunWanted};
use millrace_core::ids::{DagId, TaskId};
use millrace_core::mapping::Length;
use millrace_core::record::RunKey;
use millrace_core::state::TaskState;
use millrace_core::wait::Seen;
use millrace_core::wire::{
    AttemptResult, Claim, Finish, Finished, ProtocolError, Register, Registered, Renew, Renewed,
    Work,
};
use tokio::sync::oneshot;

/// Where an answer goes; a caller that went away is nobody's problem.
pub(crate) type Answerer<T> = oneshot::Sender<Result<T, ProtocolError>>;

/// A run, and the states of its task instances.
pub(crate) type PastRun = (RunKey, BTreeMap<(TaskId, i32), TaskState>);

/// One request to the loop.
#[derive(Debug)]
pub(crate) enum Command {
    /// See [`millrace_core::wire::WorkerProtocol::register`].
    Register(Register, Answerer<Registered>),
    /// See [`millrace_core::wire::WorkerProtocol::claim`].
    Claim(Claim, Answerer<Vec<Work>>),
    /// See [`millrace_core::wire::WorkerProtocol::renew`].
    Renew(Renew, Answerer<Renewed>),
    /// See [`millrace_core::wire::WorkerProtocol::finish`].
    Finish(Finish, Answerer<Finished>),
    /// A decision made in the scheduler, and the run that it needs in memory.
    Decided(Box<AttemptResult>, Option<Box<Event>>),
    /// The state of a run that somebody waits for.
    Seen {
        /// Which run.
        wanted: RunWanted,
        /// It, if there is one.
        seen: Option<Seen>,
    },
    /// DAGs that changed on disk.
    Folder(FolderUpdate),
    /// There may be orders in the inbox.
    Inbox,
    /// The run before one that looks back.
    Past {
        /// The run that looks back.
        run: RunKey,
        /// The run before it, with its states.
        found: Option<PastRun>,
    },
    /// How much a task gave to be mapped over.
    Length {
        /// What was asked.
        wanted: LengthWanted,
        /// The answer.
        length: Length,
    },
}

/// What a look at the DAG folder found.
#[derive(Debug, Default)]
pub(crate) struct FolderUpdate {
    /// DAGs read anew.
    pub loaded: Vec<DagLoaded>,
    /// Every DAG that some file has, so that the others are known to be gone; only with the first
    /// update and when a file went.
    pub present: Option<BTreeSet<DagId>>,
}
