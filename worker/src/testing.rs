//! For tests: a scripted scheduler, assignments, and a worker around them.

pub(crate) mod authority;
pub(crate) mod link;
pub(crate) mod mail;
pub(crate) mod mariadb;
pub(crate) mod postgres;
mod private_server;
pub(crate) mod server;

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use millrace_core::dag::{Callbacks, Task};
use millrace_core::ids::{DagId, RunId, TaskId};
use millrace_core::operator::Place;
use millrace_core::record::{AttemptKey, RunRow};
use millrace_core::state::{RunState, RunType, TriggerRule, TriggeredBy, WeightRule};
use millrace_core::wire::{Assignment, AttemptResult, DagBrief, SecretText};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{Worker, WorkerConfig, WorkerError};
pub(crate) use link::FakeLink;

/// The longest that a test waits for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn key(ti: i64) -> AttemptKey {
    AttemptKey { ti, try_number: 1, epoch: 1 }
}

/// A task of an operator with the given config.
pub(crate) fn task(operator: &str, config: &Value) -> Task {
    Task {
        task_id: TaskId::new("the_task").expect("an id"),
        task_display_name: None,
        doc_md: None,
        owner: "ml".to_owned(),
        operator: operator.to_owned(),
        config: config.as_object().expect("a map").clone(),
        place: Place::Worker,
        trigger_rule: TriggerRule::AllSuccess,
        retries: 0,
        retry_delay_secs: 1.0,
        retry_exponential_backoff: 0.0,
        max_retry_delay_secs: None,
        no_retry_exit_codes: Vec::new(),
        retry_policy: Vec::new(),
        start_date: None,
        end_date: None,
        wait_for_past_depends_before_skipping: false,
        multiple_outputs: false,
        run_as_user: None,
        on_failure_fail_dagrun: false,
        execution_timeout_secs: None,
        depends_on_past: false,
        wait_for_downstream: false,
        pools: IndexMap::from([("default_pool".to_owned(), 1)]),
        priority_weight: 1,
        weight_rule: WeightRule::Downstream,
        effective_priority: 1,
        queue: "default".to_owned(),
        resources: IndexMap::new(),
        max_active_tis_per_dag: None,
        env: IndexMap::new(),
        append_env: false,
        env_file: None,
        max_active_tis_per_dagrun: None,
        mapping: None,
        map_index_template: None,
        do_xcom_push: true,
        when: None,
        inlets: Vec::new(),
        outlets: Vec::new(),
        callbacks: Callbacks::default(),
        is_setup: false,
        is_teardown: false,
        files: IndexMap::new(),
    }
}

pub(crate) fn run_row() -> RunRow {
    let at = "2025-08-21T06:00:00Z".parse().expect("an instant");
    RunRow {
        id: 1,
        dag_id: DagId::new("the_dag").expect("an id"),
        run_id: RunId::new("scheduled__2025-08-21T06:00:00+00:00").expect("an id"),
        run_type: RunType::Scheduled,
        state: RunState::Running,
        version: 1,
        logical_date: Some(at),
        data_interval_start: Some(at),
        data_interval_end: Some(at),
        run_after: at,
        queued_at: at,
        start_date: Some(at),
        end_date: None,
        conf: None,
        params: serde_json::Map::new(),
        note: None,
        triggered_by: TriggeredBy::Timetable,
        triggering_user: None,
        clear_number: 0,
        reason: None,
        deadlines: Vec::new(),
    }
}

/// An assignment of a task.
pub(crate) fn assignment(ti: i64, task: Task) -> Assignment {
    Assignment {
        key: key(ti),
        map_index: -1,
        expanded_count: None,
        siblings: Vec::new(),
        max_tries: 0,
        task: Arc::new(task),
        dag: Arc::new(DagBrief {
            dag_id: DagId::new("the_dag").expect("an id"),
            display_name: "the_dag".to_owned(),
            owner: "ml".to_owned(),
            tags: Vec::new(),
            description: None,
            schedule_text: None,
            timezone: "UTC".to_owned(),
            macros: IndexMap::new(),
            task_ids: Vec::new(),
            render_template_as_native_obj: false,
            folder: "/tmp".to_owned(),
        }),
        run: run_row(),
        previous_success: None,
        downstream: Vec::new(),
        lookups: millrace_core::template::Lookups::default(),
        secrets: Vec::new(),
    }
}

/// An assignment of a bash command.
pub(crate) fn bash(ti: i64, command: &str) -> Assignment {
    assignment(ti, task("bash", &json!({ "bash_command": command })))
}

/// The same assignment with its task changed.
pub(crate) fn with_task(mut assignment: Assignment, change: impl FnOnce(&mut Task)) -> Assignment {
    let mut task = Task::clone(&assignment.task);
    change(&mut task);
    assignment.task = Arc::new(task);
    assignment
}

/// The same assignment with secrets.
pub(crate) fn with_secrets(mut assignment: Assignment, secrets: &[&str]) -> Assignment {
    assignment.secrets = secrets.iter().map(|text| SecretText((*text).to_owned())).collect();
    assignment
}

/// A worker that runs against a scripted scheduler, in a folder of its own.
pub(crate) struct TestWorker {
    pub(crate) link: Arc<FakeLink>,
    pub(crate) home: tempfile::TempDir,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), WorkerError>>,
}

impl TestWorker {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub(crate) fn start_with(change: impl FnOnce(&mut WorkerConfig)) -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), FakeLink::new(), change)
    }

    pub(crate) fn start_in(
        home: tempfile::TempDir,
        link: Arc<FakeLink>,
        change: impl FnOnce(&mut WorkerConfig),
    ) -> Self {
        let mut config = WorkerConfig::new("w1", home.path());
        config.kill_grace = Duration::from_secs(2);
        config.drain = Duration::ZERO;
        config.claim_wait = Duration::from_secs(5);
        change(&mut config);
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(Worker::run(link.clone(), config, shutdown.clone()));
        Self { link, home, shutdown, running }
    }

    /// Runs one assignment to its result.
    pub(crate) async fn run(&self, assignment: Assignment) -> AttemptResult {
        let key = assignment.key;
        self.link.give(assignment);
        self.link.result(key).await
    }

    /// Ends the worker as a shutdown does.
    pub(crate) async fn stop(self) -> tempfile::TempDir {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.running).await;
        ended.expect("the worker ends").expect("it does not panic").expect("it was started");
        self.home
    }

    /// Ends the worker's loop as a crash does: nothing is cleaned up.
    pub(crate) async fn crash(self) -> tempfile::TempDir {
        self.running.abort();
        drop(self.running.await);
        self.home
    }
}

/// Waits until `condition` gives something.
pub(crate) async fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(found) = condition() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what} did not happen in {PATIENCE:?}"))
}
