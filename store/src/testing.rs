//! Databases for tests: fresh SQLite files, and one private MariaDB server a test process.
//!
//! Owns starting and stopping of servers, and sample rows. A missing server is a failure that says
//! what to install, never a skipped test.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use millrace_core::record::{
    AttemptKey, AttemptRow, DagAbout, DagRow, EventRow, RunRow, TiRow, VersionRow,
};
use millrace_core::state::{RunState, RunType, TaskState, TriggeredBy};
use millrace_core::time::from_micros;
use sqlx::Connection as _;

use crate::store::Store;

tokio::task_local! {
    /// The names of the statements that ran within [`statements`].
    static SEEN: RefCell<BTreeSet<String>>;
}

/// Notes that a statement runs.
pub(crate) fn saw(name: &str) {
    // Outside of a scope nobody wants to know.
    let _ = SEEN.try_with(|seen| seen.borrow_mut().insert(name.to_owned()));
}

/// The names of the statements that `work` runs.
pub(crate) async fn statements(work: impl Future<Output = ()>) -> BTreeSet<String> {
    let work = async {
        work.await;
        SEEN.with(RefCell::take)
    };
    SEEN.scope(RefCell::default(), work).await
}

/// An empty, migrated database of its own.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) url: String,
    pub(crate) folder: PathBuf,
}

/// Runs a test on a fresh database of each kind.
pub(crate) async fn both<F: Future<Output = ()>>(test: impl Fn(Fixture) -> F) {
    eprintln!("on SQLite");
    // Kept here: a closure that takes a fixture apart drops the rest before its future runs.
    let (_kept, fixture) = sqlite().await;
    test(fixture).await;
    eprintln!("on MariaDB");
    let (_kept, fixture) = mariadb().await;
    test(fixture).await;
}

/// A fresh SQLite database.
pub(crate) async fn sqlite() -> (tempfile::TempDir, Fixture) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fixture(format!("sqlite:{}/millrace.db", folder.path().display()), folder).await
}

/// A fresh database on the test process's MariaDB server.
pub(crate) async fn mariadb() -> (tempfile::TempDir, Fixture) {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(|| Server::start(None));
    let folder = tempfile::tempdir().expect("a temporary folder");
    fixture(server.database().await, folder).await
}

async fn fixture(url: String, kept: tempfile::TempDir) -> (tempfile::TempDir, Fixture) {
    let store = Store::open(&url).await.expect("opens");
    store.migrate(at(0)).await.expect("migrates");
    let folder = kept.path().to_path_buf();
    (kept, Fixture { store, url, folder })
}

/// A private MariaDB server. It dies with this process, however that ends.
pub(crate) struct Server {
    folder: PathBuf,
    port: u16,
    watchdog: Child,
}

/// Waits for the end of its input, which is this process's end; then kills the server.
const WATCHDOG: &str = r#"folder=$1; remove=$2; shift 2
"$@" >"$folder/server.log" 2>&1 &
echo $! >"$folder/server.pid"
read _
kill -9 "$(cat "$folder/server.pid")"
wait
[ "$remove" = yes ] && rm -rf "$folder""#;

#[expect(clippy::disallowed_methods, reason = "tests start servers")]
fn command(program: &str) -> Command {
    Command::new(program)
}

impl Server {
    /// Starts a server on a folder: a new one, or that of a server which was killed.
    pub(crate) fn start(folder: Option<&Path>) -> Self {
        let remove = if folder.is_some() { "no" } else { "yes" };
        let folder = folder.map_or_else(
            || tempfile::tempdir().expect("a temporary folder").keep(),
            Path::to_path_buf,
        );
        let data = folder.join("data");
        if !data.exists() {
            install(&data);
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("has an address").port();
        drop(listener);
        let watchdog = command("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&folder)
            .args([remove, "mariadbd", "--no-defaults", "--user=root", "--bind-address=127.0.0.1"])
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}/server.sock", folder.display()))
            .arg(format!("--port={port}"))
            .args(["--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=64M"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let server = Self { folder, port, watchdog };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&self) {
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_mins(1), "mariadbd did not start:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn url(&self, name: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{name}", self.port)
    }

    /// Makes an empty database; its URL.
    pub(crate) async fn database(&self) -> String {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", LAST.fetch_add(1, Ordering::Relaxed));
        let mut connection =
            sqlx::MySqlConnection::connect(&self.url("mysql")).await.expect("connects");
        let text = format!("CREATE DATABASE {name}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut connection).await.expect("creates");
        self.url(&name)
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        drop(self.watchdog.stdin.take());
        self.watchdog.wait().expect("the watchdog ends");
    }
}

fn install(data: &Path) {
    let done = command("mariadb-install-db")
        .args(["--no-defaults", "--user=root", "--auth-root-authentication-method=normal"])
        .arg(format!("--datadir={}", data.display()))
        .output();
    let done = done.unwrap_or_else(|error| {
        panic!("mariadb-install-db: {error}; run: apt-get install mariadb-server")
    });
    let _ = std::io::stderr().write_all(&done.stderr);
    assert!(done.status.success(), "mariadb-install-db failed");
}

/// The instant so many seconds after the samples' beginning, 2026-01-01.
pub(crate) fn at(secs: i64) -> Timestamp {
    from_micros((1_767_225_600 + secs) * 1_000_000)
}

/// A DAG of a name.
pub(crate) fn dag(dag_id: &str) -> DagRow {
    DagRow {
        dag_id: dag_id.parse().unwrap(),
        is_paused: false,
        is_stale: false,
        file: format!("{dag_id}.yaml"),
        version: 1,
        last_interval_start: Some(at(1)),
        last_interval_end: Some(at(2)),
        next_run_after: None,
        next_logical_date: Some(at(3)),
        parsed_at: at(4),
        consecutive_failures: 2,
        about: DagAbout {
            display_name: format!("The {dag_id}"),
            description: Some("daily".to_owned()),
            schedule_text: Some("0 15 * * *".to_owned()),
            timezone: "Asia/Seoul".to_owned(),
            owners: vec!["ml".to_owned(), "ops".to_owned()],
            tags: vec!["z".to_owned(), "mlops".to_owned()],
            max_active_runs: 1,
            max_active_tasks: 16,
            max_consecutive_failed_dag_runs: 0,
            catchup: true,
            allowed_run_types: Some(vec![RunType::Manual, RunType::Backfill]),
            has_task_concurrency_limits: true,
        },
    }
}

/// A version of the DAG `etl`.
pub(crate) fn version(id: i64) -> VersionRow {
    VersionRow {
        id,
        dag_id: "etl".parse().unwrap(),
        version_number: u32::try_from(id).unwrap(),
        content_hash: format!("{id:064}"),
        file: "etl.yaml".to_owned(),
        source: "dag_id: etl # ünï".into(),
        files: [("a.sql".to_owned(), "SELECT '한글 🦀'".to_owned())]
            .into_iter()
            .collect::<std::collections::BTreeMap<_, _>>()
            .into(),
        created_at: at(0),
    }
}

/// A running scheduled run of the DAG `etl`, on the day of its number.
pub(crate) fn run(id: i64) -> RunRow {
    RunRow {
        id,
        dag_id: "etl".parse().unwrap(),
        run_id: format!("scheduled__{id}").parse().unwrap(),
        run_type: RunType::Scheduled,
        state: RunState::Running,
        version: 1,
        logical_date: Some(at(86_400 * id)),
        data_interval_start: Some(at(86_400 * id)),
        data_interval_end: Some(at(86_400 * (id + 1))),
        run_after: at(86_400 * (id + 1)),
        queued_at: at(86_400 * (id + 1)),
        start_date: Some(at(86_400 * (id + 1) + 1)),
        end_date: None,
        conf: serde_json::from_str(r#"{"z": 1, "a": "x"}"#).unwrap(),
        params: serde_json::from_str(r#"{"z": 1, "a": [true, null, 0.5]}"#).unwrap(),
        note: None,
        triggered_by: TriggeredBy::Timetable,
        triggering_user: None,
        clear_number: 0,
        reason: None,
        deadlines: Vec::new(),
    }
}

/// A queued task instance.
pub(crate) fn ti(id: i64, run: i64, task_id: &str) -> TiRow {
    TiRow {
        id,
        run,
        task_id: task_id.parse().unwrap(),
        map_index: -1,
        rendered_map_index: None,
        state: TaskState::Queued,
        try_number: 0,
        max_tries: 1,
        epoch: 0,
        infra_tries: 0,
        version: 1,
        pool: "default_pool".to_owned(),
        pool_slots: 1,
        queue: "default".to_owned(),
        priority_weight: 1,
        operator: "bash".to_owned(),
        scheduled_at: Some(at(1)),
        queued_at: Some(at(2)),
        start_date: None,
        end_date: None,
        retry_at: None,
        worker: None,
        exit_code: None,
        reason: None,
        note: None,
        skip_memory: None,
        wait: None,
    }
}

/// The same task instance in another state, with its next attempt when it runs.
pub(crate) fn to(row: &TiRow, state: TaskState) -> TiRow {
    let mut row = row.clone();
    row.state = state;
    if state == TaskState::Running {
        row.try_number += 1;
        row.epoch += 1;
        row.start_date = Some(at(10));
        row.worker = Some("worker-1".to_owned());
    }
    row
}

/// The current attempt at a task instance.
pub(crate) fn attempt(row: &TiRow) -> AttemptRow {
    AttemptRow {
        key: AttemptKey { ti: row.id, try_number: row.try_number, epoch: row.epoch },
        run: row.run,
        version: row.version,
        worker: "worker-1".to_owned(),
        outcome: row.state.is_terminal().then_some(row.state),
        start_date: at(10),
        end_date: row.end_date,
        exit_code: row.exit_code,
        reason: None,
        rendered: Some(serde_json::json!({"bash_command": "echo 1"})),
    }
}

/// The event of a change of state.
pub(crate) fn event(row: &TiRow, from: TaskState) -> EventRow {
    EventRow {
        at: at(11),
        dag_id: Some("etl".parse().unwrap()),
        run: Some(row.run),
        ti: Some(row.id),
        kind: "ti_state".to_owned(),
        from: Some(from.to_string()),
        to: Some(row.state.to_string()),
        try_number: Some(row.try_number),
        epoch: Some(row.epoch),
        actor: None,
        detail: None,
    }
}
