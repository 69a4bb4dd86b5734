//! The states of task instances and dag runs, in Airflow's words.
//!
//! Only names and questions about them. Which state may follow which is decided by the transition
//! tables in `engine::transition`; nothing else sets a state.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word used in the database, the API and the files.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The value of a word, if it is one.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// The state of a task instance (Airflow: `TaskInstanceState`). Airflow's missing state, `null`
    /// in the API, is [`TaskState::NoStatus`].
    TaskState {
        /// Not looked at yet: some upstream is unfinished.
        NoStatus = "no_status",
        /// Its trigger rule holds; it waits for a pool slot or a limit.
        Scheduled = "scheduled",
        /// All limits hold; it waits for a worker.
        Queued = "queued",
        /// A worker has it.
        Running = "running",
        /// Finished well.
        Success = "success",
        /// Cleared while running; becomes `no_status` when the attempt has ended.
        Restarting = "restarting",
        /// Finished badly, no retry left.
        Failed = "failed",
        /// Failed; waits for its retry delay.
        UpForRetry = "up_for_retry",
        /// A sensor between two pokes.
        UpForReschedule = "up_for_reschedule",
        /// Not run, since an upstream failed.
        UpstreamFailed = "upstream_failed",
        /// Not run, by decision.
        Skipped = "skipped",
        /// Waits for an event without holding a slot.
        Deferred = "deferred",
        /// Waits for a person.
        AwaitingInput = "awaiting_input",
        /// Its task is no longer in the DAG.
        Removed = "removed",
    }
}

impl TaskState {
    /// Whether nothing will change it but a clear or a mark.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Success | Self::Failed | Self::Skipped | Self::UpstreamFailed | Self::Removed
        )
    }

    /// Whether it holds its pool slots (Airflow: queued and running count as occupied).
    pub const fn holds_slots(self) -> bool {
        matches!(self, Self::Queued | Self::Running | Self::Restarting)
    }
}

words! {
    /// The state of a dag run (Airflow: `DagRunState`).
    RunState {
        /// Created; waits for `max_active_runs`.
        Queued = "queued",
        /// Its tasks are being scheduled.
        Running = "running",
        /// Every leaf succeeded or was skipped.
        Success = "success",
        /// A leaf failed, or the run timed out.
        Failed = "failed",
    }
}

impl RunState {
    /// Whether the run has ended.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Failed)
    }
}

words! {
    /// What made a dag run (Airflow: `DagRunType`); the prefix of generated run ids.
    RunType {
        /// A person, a script or the API.
        Manual = "manual",
        /// The timetable.
        Scheduled = "scheduled",
        /// A backfill.
        Backfill = "backfill",
        /// An asset event.
        AssetTriggered = "asset_triggered",
        /// A `trigger_dag` task.
        OperatorTriggered = "operator_triggered",
        /// A person or a script asked for an asset (Airflow: materialize).
        AssetMaterialization = "asset_materialization",
    }
}

words! {
    /// Through which door a dag run came (Airflow: `DagRunTriggeredByType`).
    TriggeredBy {
        /// The command line.
        Cli = "cli",
        /// A task.
        Operator = "operator",
        /// The REST API.
        RestApi = "rest_api",
        /// The dashboard.
        Ui = "ui",
        /// A test.
        Test = "test",
        /// The schedule.
        Timetable = "timetable",
        /// An asset event.
        Asset = "asset",
        /// A backfill.
        Backfill = "backfill",
    }
}

words! {
    /// When a task may run, given its upstreams (Airflow: trigger rules, all thirteen).
    TriggerRule {
        /// Every upstream succeeded.
        AllSuccess = "all_success",
        /// Every upstream failed.
        AllFailed = "all_failed",
        /// Every upstream is done.
        AllDone = "all_done",
        /// Every upstream is done, none skipped, one succeeded.
        AllDoneMinOneSuccess = "all_done_min_one_success",
        /// Every upstream is done and a setup succeeded; the rule of teardowns.
        AllDoneSetupSuccess = "all_done_setup_success",
        /// One upstream succeeded; does not wait for the others.
        OneSuccess = "one_success",
        /// One upstream failed; does not wait for the others.
        OneFailed = "one_failed",
        /// One upstream succeeded or failed; does not wait for the others.
        OneDone = "one_done",
        /// No upstream failed.
        NoneFailed = "none_failed",
        /// No upstream failed and one succeeded.
        NoneFailedMinOneSuccess = "none_failed_min_one_success",
        /// Every upstream is done and none was skipped.
        NoneSkipped = "none_skipped",
        /// Every upstream was skipped.
        AllSkipped = "all_skipped",
        /// At once, whatever the upstreams do.
        Always = "always",
    }
}

words! {
    /// How a task's effective priority is computed (Airflow: `weight_rule`).
    WeightRule {
        /// Own weight plus that of all descendants.
        Downstream = "downstream",
        /// Own weight plus that of all ancestors.
        Upstream = "upstream",
        /// Own weight.
        Absolute = "absolute",
    }
}

words! {
    /// What a backfill does with dates that have a run already (Airflow: `ReprocessBehavior`).
    ReprocessBehavior {
        /// Nothing: only missing dates get a run.
        None = "none",
        /// Missing dates get a run, and failed runs run again.
        Failed = "failed",
        /// Missing dates get a run, and every run that has ended runs again.
        Completed = "completed",
    }
}

words! {
    /// How a backfill ended.
    BackfillEnding {
        /// Every date had its turn.
        Completed = "completed",
        /// A person ended it; dates that had not had their turn were dropped.
        Cancelled = "cancelled",
        /// `stop_after_failures` ended it; dates that had not had their turn were dropped.
        Stopped = "stopped",
    }
}

words! {
    /// What became of one date of a backfill.
    BackfillDateState {
        /// Its turn has not come; for good when the backfill has ended.
        Waiting = "waiting",
        /// Its run is unfinished.
        Active = "active",
        /// Its run ended well.
        Success = "success",
        /// Its run ended badly.
        Failed = "failed",
        /// It got no run of this backfill; the row says why.
        Skipped = "skipped",
    }
}
