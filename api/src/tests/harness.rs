//! A router on a fresh database, and a scheduler for it: the real engine, whose attempts the test
//! ends itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use jiff::Timestamp;
use millrace_core::backfill::{Fate, fate};
use millrace_core::dagfile::{self, Known, SourceFile};
use millrace_core::engine::{DagLoaded, DatesWanted, Engine, EngineConfig, Event};
use millrace_core::log_line;
use millrace_core::record::{AttemptKey, Change, TiRow};
use millrace_core::timetable::Zones;
use millrace_core::wire::{AttemptResult, Outcome};
use millrace_store::api_token::{self, NewToken, TokenKind};
use millrace_store::logs::Logs;
use millrace_store::{Epoch, Secrets, Store, backfill, inbox};
use serde_json::{Value, json};
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::app::{Api, Clock};

/// The DAG of most tests: a branch, a join, a task that fails, params.
pub(crate) const DEMO: &str = "
dag_id: spec_demo
description: demo dag
schedule: '0 3 * * *'
start_date: 2024-01-01
is_paused_upon_creation: false
tags: [demo, mlops]
params:
  x: 1
  grid:
    type: object
    default: {depth: [4, 6]}
    additionalProperties: {type: array, items: {type: integer}}
default_args: {owner: ml, retries: 1, retry_delay: 2s}
tasks:
  start: {operator: empty}
  branch: {operator: bash, needs: [start], bash_command: 'echo branch'}
  train: {operator: bash, needs: [branch], bash_command: 'echo train {{ ds }}'}
  skip_me: {operator: bash, needs: [branch], bash_command: 'echo skip'}
  join: {operator: bash, needs: [train, skip_me], bash_command: 'echo join', trigger_rule: none_failed_min_one_success}
  flaky: {operator: bash, needs: [join], bash_command: 'exit 1'}
";

/// A DAG that writes an asset, and one that it starts.
pub(crate) const ASSETS: &str = "
dag_id: spec_asset_producer
is_paused_upon_creation: false
tasks:
  produce: {operator: bash, bash_command: 'echo produce', outlets: ['s3://bucket/model']}
---
dag_id: spec_asset_consumer
schedule: {assets: ['s3://bucket/model']}
is_paused_upon_creation: false
tasks:
  consume: {operator: bash, bash_command: 'echo consume', inlets: ['s3://bucket/model']}
";

/// A time that stands still unless it is moved.
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn forward(&self, secs: i64) {
        self.0.fetch_add(secs * 1_000_000, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        millrace_core::time::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// The scheduler of a test.
pub(crate) struct Leader {
    store: Store,
    logs: Logs,
    epoch: Epoch,
    engine: Engine,
    clock: Arc<TestClock>,
    committed: watch::Sender<u64>,
}

impl Leader {
    async fn step(&mut self, event: Event) -> (Option<AttemptKey>, Option<Value>) {
        let effects = self.engine.step(event, self.clock.now());
        let answer = effects.answer.map(|answer| match answer {
            Ok(value) => json!({"ok": value}),
            Err(refusal) => json!({"error": refusal}),
        });
        self.apply(&effects.changes).await;
        for wanted in effects.dates_wanted {
            self.look_up(wanted).await;
        }
        (effects.assigned, answer)
    }

    /// Answers which runs some dates have, as the scheduler does.
    async fn look_up(&mut self, wanted: DatesWanted) {
        let (dag_id, runs) = (wanted.dag_id.as_str(), &wanted.run_ids);
        let found = backfill::existing(&self.store, dag_id, &wanted.dates, runs).await;
        let found = found.expect("the runs are read");
        for run in &found {
            let again = fate(Some(run.state), wanted.reprocess_behavior) == Fate::Rerun;
            if !again || wanted.backfill.is_none() {
                continue;
            }
            let loaded = self.store.load_run(dag_id, run.run_id.as_str()).await.expect("reads");
            let (run, tis, version) = loaded.expect("it is there");
            let (dag, _) = self.engine.version(version.id).expect("the version is in memory");
            let dag = Arc::clone(dag);
            Box::pin(self.step(Event::RunLoaded { run: Box::new(run), tis, dag })).await;
        }
        let event = Event::DatesLoaded { wanted, found, unreadable: Vec::new() };
        Box::pin(self.step(event)).await;
    }

    async fn apply(&mut self, changes: &[Change]) {
        if !changes.is_empty() {
            self.store.apply(self.epoch, changes).await.expect("the changes are written");
            self.committed.send_modify(|count| *count += 1);
        }
    }

    /// Reads a DAG file.
    pub(crate) async fn load(&mut self, text: &str) {
        let zones = Zones::bundled();
        let file = SourceFile {
            name: "spec.yaml".to_owned(),
            text: text.to_owned(),
            files: BTreeMap::new(),
        };
        for document in dagfile::read(&file, &Known::new(&zones)) {
            let dag = document.dag.unwrap_or_else(|| panic!("{:?}", document.diagnostics));
            let loaded = DagLoaded {
                dag: Arc::new(dag),
                content_hash: document.content_hash,
                file: "spec.yaml".to_owned(),
                source: document.text.into(),
                files: Arc::default(),
                paused_by_default: true,
            };
            self.step(Event::DagLoaded(Box::new(loaded))).await;
        }
    }

    async fn take_orders(&mut self) {
        for entry in inbox::pending(&self.store).await.expect("the inbox is read") {
            let order = entry.order.expect("a readable order");
            self.bring_run(&order).await;
            let mut effects = self.engine.step(Event::Order(Box::new(order)), self.clock.now());
            let wanted = std::mem::take(&mut effects.dates_wanted);
            let answer = match effects.answer {
                Some(Err(refusal)) => json!({"error": refusal}),
                Some(Ok(value)) => json!({"ok": value}),
                None => json!({"ok": null}),
            };
            let mut changes = effects.changes;
            changes.push(Change::InboxDone { id: entry.id, answer });
            self.apply(&changes).await;
            for wanted in wanted {
                self.look_up(wanted).await;
            }
        }
    }

    /// An ended run is not in the engine's memory.
    async fn bring_run(&mut self, order: &millrace_core::engine::Order) {
        let Some((dag_id, run_ids)) = order.runs() else { return };
        for run_id in run_ids {
            if self.engine.find_run(dag_id, run_id).is_some() {
                continue;
            }
            let found = self.store.load_run(dag_id.as_str(), run_id.as_str()).await.expect("reads");
            let Some((run, tis, version)) = found else { continue };
            let (dag, _) = self.engine.version(version.id).expect("the version is in memory");
            let dag = Arc::clone(dag);
            self.step(Event::RunLoaded { run: Box::new(run), tis, dag }).await;
        }
    }

    /// Hands out and ends everything that can run, until nothing more can.
    pub(crate) async fn work(&mut self, outcome: impl Fn(&TiRow) -> Outcome) {
        loop {
            let queued: Vec<_> = self.engine.queued().map(|queued| queued.ti).collect();
            let decided: Vec<_> = self.engine.decisions().collect();
            let Some(&ti) = queued.iter().chain(&decided).next() else { return };
            let row = self.engine.ti(ti).expect("it is there").clone();
            let worker = "worker-1".to_owned();
            let (assigned, _) = self.step(Event::Assign { ti, worker }).await;
            let key = assigned.expect("it is handed out");
            self.clock.forward(1);
            let mut result = AttemptResult::new(key, outcome(&row));
            result.rendered =
                Some(json!({"bash_command": format!("echo {}", row.task_id), "env": {}}));
            if result.outcome == Outcome::Success {
                result.xcoms.insert("return_value".to_owned(), json!({"rows": 7}));
            }
            self.write_log(row.run, key, &format!("{} says hello", row.task_id), true);
            self.step(Event::Finished(Box::new(result))).await;
        }
    }

    /// Ends the decision of the first task, then hands out `branch` and leaves it running.
    pub(crate) async fn start_branch(&mut self, run_id: &str) -> (i64, AttemptKey) {
        let dag_id = "spec_demo".parse().expect("a name");
        let run_id = run_id.parse().expect("a name");
        let queued = |engine: &Engine, name: &str| {
            let run = engine.find_run(&dag_id, &run_id).expect("the run is in memory");
            let mut queued = engine.queued().map(|queued| queued.ti).chain(engine.decisions());
            let is_wanted = |row: &TiRow| row.run == run && row.task_id == name;
            queued.find(|&ti| engine.ti(ti).is_some_and(is_wanted))
        };
        if let Some(ti) = queued(&self.engine, "start") {
            let (assigned, _) =
                self.step(Event::Assign { ti, worker: "scheduler".to_owned() }).await;
            let result = AttemptResult::new(assigned.expect("it is handed out"), Outcome::Success);
            self.step(Event::Finished(Box::new(result))).await;
        }
        let ti = queued(&self.engine, "branch").expect("it is queued");
        let run = self.engine.ti(ti).expect("it is there").run;
        let worker = "worker-1".to_owned();
        let (assigned, _) = self.step(Event::Assign { ti, worker }).await;
        (run, assigned.expect("it is handed out"))
    }

    pub(crate) async fn lose(&mut self, key: AttemptKey) {
        self.step(Event::Lost { key, reason: "its worker is gone".to_owned() }).await;
    }

    pub(crate) async fn tick(&mut self) {
        self.step(Event::Tick).await;
    }

    pub(crate) fn write_log(&self, run: i64, key: AttemptKey, text: &str, last: bool) {
        let mut line = String::new();
        log_line::write(&mut line, self.clock.now(), log_line::Source::Out, text);
        let at = self.logs.size(run, key).expect("a size");
        self.logs.append(run, key, at, &line, last).expect("the log is written");
    }
}

/// A server for tests.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) store: Store,
    pub(crate) leader: Arc<Mutex<Leader>>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) admin: String,
    pub(crate) stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }
}

impl Server {
    /// With a scheduler that takes orders, and the DAG [`DEMO`].
    pub(crate) async fn start() -> Self {
        let server = Self::leaderless().await;
        let leader = Arc::clone(&server.leader);
        let stop = server.stop.clone();
        server.leader.lock().await.load(DEMO).await;
        tokio::spawn(async move {
            while !stop.is_cancelled() {
                leader.lock().await.take_orders().await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        server
    }

    /// Nobody takes orders.
    pub(crate) async fn leaderless() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}/millrace.db", folder.path().display());
        let store = Store::open(&url).await.expect("opens");
        let clock = Arc::new(TestClock(AtomicI64::new(1_795_168_800_000_000)));
        store.migrate(clock.now()).await.expect("migrates");
        let key = Secrets::generate().expect("a key");
        store.set_secrets(Secrets::from_text(&key, "a test").expect("a key"));
        let epoch = store.acquire("test").await.expect("asks").expect("leads");
        let (committed, committed_seen) = watch::channel(0);
        let logs = Logs::new(folder.path().join("logs"));
        let leader = Leader {
            store: store.clone(),
            logs: logs.clone(),
            epoch,
            engine: Engine::new(EngineConfig::default()),
            clock: Arc::clone(&clock),
            committed,
        };
        let stop = CancellationToken::new();
        let woken = Arc::new(Notify::new());
        let api = Api {
            store: store.clone(),
            logs,
            link: None,
            nudge: Some(Arc::new(move || woken.notify_one())),
            committed: Some(committed_seen),
            leading: None,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            dags_folder: folder.path().join("dags"),
            default_timezone: "UTC".to_owned(),
            zones: Zones::bundled(),
        };
        let router = crate::router(api, stop.clone());
        let leader = Arc::new(Mutex::new(leader));
        let mut server =
            Self { router, store, leader, clock, admin: String::new(), stop, _folder: folder };
        server.admin = server.token("admin").await;
        server
    }

    /// A token of a role.
    pub(crate) async fn token(&self, role: &str) -> String {
        let kind = if role == "worker" { TokenKind::Worker } else { TokenKind::Api };
        let new = NewToken { kind, name: role, role, user_name: None, expires_at: None };
        let now = self.clock.now();
        let (_, text) = api_token::create(&self.store, &new, now).await.expect("a token");
        text.reveal().to_owned()
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("answers");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 64 << 20).await.expect("a body");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// Sends a request with a token, an empty one for none, and a JSON body, `null` for none.
    pub(crate) async fn call_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        };
        self.send(request.body(body).expect("a request")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call_as(&self.admin, Method::GET, path, &Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call_as(&self.admin, Method::POST, path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call_as(&self.admin, Method::PATCH, path, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call_as(&self.admin, Method::DELETE, path, &Value::Null).await
    }

    /// A run of the DAG [`DEMO`] that went through: `skip_me` skipped, `flaky` failed twice.
    pub(crate) async fn finished_run(&self, run_id: &str) {
        self.finished_run_of(run_id, "2025-03-01T00:00:00Z").await;
    }

    /// The same, of a logical date.
    pub(crate) async fn finished_run_of(&self, run_id: &str, date: &str) {
        let body = json!({"logical_date": date, "dag_run_id": run_id});
        self.post("/api/v2/dags/spec_demo/dagRuns", &body).await.expect(200);
        let outcome = |row: &TiRow| match row.task_id.as_str() {
            "flaky" => Outcome::Failed,
            "skip_me" => Outcome::Skipped,
            _ => Outcome::Success,
        };
        for _ in 0..3 {
            let mut leader = self.leader.lock().await;
            leader.work(outcome).await;
            self.clock.forward(10);
            leader.tick().await;
        }
        let run = self.get(&format!("/api/v2/dags/spec_demo/dagRuns/{run_id}")).await.expect(200);
        assert_eq!(run["state"], "failed", "{run}");
    }
}

/// Asks again and again until the answer is good.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(ask: impl Fn() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "it did not come about");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
