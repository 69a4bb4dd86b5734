//! Every statement on both databases, and what the reads promise.

use std::collections::BTreeSet;

use jiff::Timestamp;
use millrace_core::connection::Connection;
use millrace_core::engine::{Order, Trigger};
use millrace_core::record::{Change, NoticeRow, XComRow};
use millrace_core::state::{RunState, RunType, TaskState, TriggeredBy};
use millrace_core::wait::{Seen, WhichRun};
use serde_json::json;

use crate::api_token::{self, NewToken, TokenKind};
use crate::backfill::tests::backfills;
use crate::dag::{DagFilter, DagOrder};
use crate::dag_run::{RunFilter, RunOrder};
use crate::event::EventFilter;
use crate::import_error::ImportError;
use crate::page::Direction::{self, Ascending, Descending};
use crate::task_instance::{TiFilter, TiOrder};
use crate::testing::{Fixture, at, attempt, dag, event, run, statements, ti, to, version};
use crate::variable::Variable;
use crate::worker::WorkerRow;
use crate::xcom::XComFilter;
use crate::*;

const ALL: Paging = Paging { limit: 100, offset: 0 };

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn trigger(run_id: Option<&str>) -> Order {
    Order::Trigger(Trigger {
        dag_id: "etl".parse().unwrap(),
        run_id: run_id.map(|run_id| run_id.parse().unwrap()),
        run_type: RunType::Manual,
        logical_date: None,
        data_interval: None,
        run_after: None,
        conf: None,
        note: None,
        triggered_by: TriggeredBy::Cli,
        actor: None,
    })
}

/// Three DAGs; runs 1 to 3 of `etl`, the third failed, each with `extract` and `load`; run 3 has
/// an attempt, an XCom, an event and a notice.
async fn fill(store: &Store) -> Epoch {
    let epoch = store.acquire("host:/home").await.unwrap().expect("leads");
    let mut paused = dag("paused");
    (paused.is_paused, paused.about.tags) = (true, strings(&["z"]));
    let mut changes = vec![
        Change::Version(version(1)),
        Change::Dag(dag("etl")),
        Change::Dag(paused),
        Change::Dag(dag("other")),
    ];
    for id in 1..=3 {
        let mut run = run(id);
        run.state = if id == 3 { RunState::Failed } else { RunState::Running };
        let tis = vec![ti(id * 10, id, "extract"), ti(id * 10 + 1, id, "load")];
        changes.push(Change::RunCreated(Box::new(run), tis));
    }
    let running = to(&ti(30, 3, "extract"), TaskState::Running);
    changes.extend([
        Change::Ti {
            from: TaskState::Queued,
            from_try: 0,
            from_epoch: 0,
            row: Box::new(running.clone()),
        },
        Change::Attempt(Box::new(attempt(&running))),
        Change::XCom(XComRow {
            ti: 30,
            run: 3,
            task_id: "extract".parse().unwrap(),
            map_index: -1,
            key: "rows".to_owned(),
            value: json!([1, "한"]),
            created_at: at(3),
        }),
        Change::Event(event(&running, TaskState::Queued)),
        Change::Notice(NoticeRow {
            id: 5,
            run: 3,
            ti: Some(30),
            occasion: "failure".to_owned(),
            cause: Some("timed_out".to_owned()),
            position: 0,
            try_number: 1,
            reason: Some("exit 1".to_owned()),
            created_at: at(9),
        }),
    ]);
    store.apply(epoch, &changes).await.unwrap();
    epoch
}

async fn dags(Fixture { store, .. }: Fixture) {
    let epoch = fill(&store).await;
    let check = async |filter: DagFilter, order: DagOrder, way: Direction, expected: &[&str]| {
        let page = dag::list(&store, &filter, order, way, ALL).await.unwrap();
        let names: Vec<_> = page.rows.iter().map(|row| row.dag_id.as_str()).collect();
        assert_eq!(names, expected, "{filter:?}");
        assert_eq!(page.total, expected.len() as u64);
    };
    let any = DagFilter::default;
    check(any(), DagOrder::DagId, Ascending, &["etl", "other", "paused"]).await;
    check(any(), DagOrder::DisplayName, Descending, &["paused", "other", "etl"]).await;
    check(any(), DagOrder::NextRunAfter, Ascending, &["etl", "other", "paused"]).await;
    check(any(), DagOrder::LastRunAfter, Descending, &["etl", "other", "paused"]).await;
    check(any(), DagOrder::LastRunState, Descending, &["etl", "other", "paused"]).await;
    let by = DagOrder::DagId;
    check(DagFilter { is_paused: Some(true), ..any() }, by, Ascending, &["paused"]).await;
    check(DagFilter { is_stale: Some(true), ..any() }, by, Ascending, &[]).await;
    let tags = strings(&["mlops", "z"]);
    check(DagFilter { tags: tags.clone(), ..any() }, by, Ascending, &["etl", "other", "paused"])
        .await;
    check(DagFilter { tags, all_tags: true, ..any() }, by, Ascending, &["etl", "other"]).await;
    check(DagFilter { owners: strings(&["nobody"]), ..any() }, by, Ascending, &[]).await;
    check(DagFilter { pattern: Some("THE OT%".to_owned()), ..any() }, by, Ascending, &["other"])
        .await;
    check(DagFilter { pattern: Some("ther".to_owned()), ..any() }, by, Ascending, &["other"]).await;
    check(DagFilter { pattern: Some("%e%l".to_owned()), ..any() }, by, Ascending, &["etl"]).await;
    let failed = Some(RunState::Failed);
    check(DagFilter { last_run_state: failed, ..any() }, by, Ascending, &["etl"]).await;
    let ids = strings(&["etl", "x' OR 1=1 --"]);
    check(DagFilter { dag_ids: ids, ..any() }, by, Ascending, &["etl"]).await;
    assert_eq!(dag::get(&store, "etl").await.unwrap(), Some(dag("etl")));
    assert_eq!(dag::get(&store, "ETL").await.unwrap(), None, "names are exact");
    assert_eq!(dag::get(&store, "etl ").await.unwrap(), None, "names are exact");
    let mut newer = dag("etl");
    (newer.about.tags, newer.about.owners) = (strings(&["new"]), vec![]);
    store.apply(epoch, &[Change::Dag(newer.clone())]).await.unwrap();
    assert_eq!(dag::get(&store, "etl").await.unwrap(), Some(newer));
    assert_eq!(dag::tags(&store).await.unwrap(), ["mlops", "new", "z"]);
    assert_eq!(dag_version::list(&store, "etl").await.unwrap(), [version(1)]);
    assert_eq!(dag_version::get(&store, "etl", 1).await.unwrap(), Some(version(1)));
    assert_eq!(dag_version::by_key(&store, 2).await.unwrap(), None);
}

async fn runs(Fixture { store, .. }: Fixture) {
    use RunOrder::*;
    fill(&store).await;
    let check = async |filter: RunFilter, order: RunOrder, way: Direction, expected: &[i64]| {
        let page = dag_run::list(&store, &filter, order, way, ALL).await.unwrap();
        let ids: Vec<_> = page.rows.iter().map(|row| row.id).collect();
        assert_eq!(ids, expected, "{filter:?} by {order:?}");
        assert_eq!(page.total, expected.len() as u64);
    };
    let any = RunFilter::default;
    for order in [Id, RunAfter, LogicalDate, StartDate, EndDate, DagId, RunId] {
        check(any(), order, Descending, &[3, 2, 1]).await;
    }
    check(any(), State, Ascending, &[3, 1, 2]).await;
    check(RunFilter { states: vec![RunState::Failed], ..any() }, Id, Ascending, &[3]).await;
    check(RunFilter { run_types: vec![RunType::Manual], ..any() }, Id, Ascending, &[]).await;
    check(RunFilter { run_id_pattern: Some("__2".to_owned()), ..any() }, Id, Ascending, &[2]).await;
    check(RunFilter { run_id_pattern: Some("%_2".to_owned()), ..any() }, Id, Ascending, &[2]).await;
    let day = |day: i64| Some(at(86_400 * day));
    check(RunFilter { logical_date_from: day(2), ..any() }, Id, Ascending, &[2, 3]).await;
    check(RunFilter { logical_date_to: day(2), ..any() }, Id, Ascending, &[1, 2]).await;
    check(RunFilter { run_after_from: day(3), run_after_to: day(3), ..any() }, Id, Ascending, &[2])
        .await;
    check(
        RunFilter { start_date_from: day(3), start_date_to: day(4), ..any() },
        Id,
        Ascending,
        &[2],
    )
    .await;
    check(RunFilter { end_date_from: day(0), end_date_to: day(9), ..any() }, Id, Ascending, &[])
        .await;
    check(RunFilter { dag_ids: strings(&["other"]), ..any() }, Id, Ascending, &[]).await;
    let user = Some("me".to_owned());
    let filter =
        RunFilter { triggering_user_pattern: user, dag_id_pattern: Some("e".into()), ..any() };
    check(filter, Id, Ascending, &[]).await;
    let paging = Paging { limit: 1, offset: 1 };
    let page = dag_run::list(&store, &any(), Id, Ascending, paging).await.unwrap();
    assert_eq!((page.rows[0].id, page.rows.len(), page.total), (2, 1, 3));
    let ids = ["etl", "other", "none"].map(|id| id.parse().unwrap());
    let recent = dag_run::recent(&store, &ids, 2).await.unwrap();
    assert_eq!(recent.len(), 1);
    assert_eq!(recent[&ids[0]].iter().map(|run| run.id).collect::<Vec<_>>(), [3, 2]);
    let counts = dag_run::count_by_state(&store, Some("etl"), Some(at(0))).await.unwrap();
    assert_eq!(counts, [(RunState::Running, 2), (RunState::Failed, 1)].into());
    assert_eq!(dag_run::get(&store, "etl", "scheduled__1").await.unwrap(), Some(run(1)));
    assert_eq!(dag_run::by_key(&store, 1).await.unwrap(), Some(run(1)));
    let grid = grid::newest(&store, "etl", day(3), 5).await.unwrap();
    assert_eq!(grid.iter().map(|run| run.id).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(grid[0].cells.iter().map(|cell| cell.ti).collect::<Vec<_>>(), [20, 21]);
}

async fn task_instances(Fixture { store, .. }: Fixture) {
    use TiOrder::*;
    fill(&store).await;
    let check = async |filter: TiFilter, order: TiOrder, expected: &[i64]| {
        let page = task_instance::list(&store, &filter, order, Ascending, ALL).await.unwrap();
        let ids: Vec<_> = page.rows.iter().map(|found| found.row.id).collect();
        assert_eq!(ids, expected, "{filter:?} by {order:?}");
        assert_eq!(page.total, expected.len() as u64);
    };
    let any = TiFilter::default;
    for order in [Id, MapIndex, LogicalDate, RunAfter, EndDate] {
        check(any(), order, &[10, 11, 20, 21, 30, 31]).await;
    }
    for (order, first) in [(TaskId, 10), (State, 10), (StartDate, 10)] {
        let page = task_instance::list(&store, &any(), order, Ascending, ALL).await.unwrap();
        assert_eq!((page.rows[0].row.id, page.total), (first, 6), "{order:?}");
    }
    check(TiFilter { runs: vec![2], ..any() }, Id, &[20, 21]).await;
    check(TiFilter { states: vec![TaskState::Running], ..any() }, Id, &[30]).await;
    let task_ids = strings(&["load"]);
    check(TiFilter { task_ids, run_ids: strings(&["scheduled__1"]), ..any() }, Id, &[11]).await;
    let wide = TiFilter {
        dag_ids: strings(&["etl"]),
        task_id_pattern: Some("oa".to_owned()),
        pools: strings(&["default_pool"]),
        queues: strings(&["default"]),
        operators: strings(&["bash"]),
        map_index: Some(-1),
        run_after_from: Some(at(0)),
        run_after_to: Some(Timestamp::MAX),
        logical_date_from: Some(at(0)),
        logical_date_to: Some(Timestamp::MAX),
        ..any()
    };
    check(wide.clone(), Id, &[11, 21, 31]).await;
    let never = Some(at(0));
    let dated = TiFilter { start_date_from: never, start_date_to: never, ..wide };
    check(TiFilter { end_date_from: never, end_date_to: never, ..dated }, Id, &[]).await;
    let found = task_instance::get(&store, "etl", "scheduled__3", "extract", -1).await.unwrap();
    let found = found.expect("exists");
    assert_eq!(found.row, to(&ti(30, 3, "extract"), TaskState::Running));
    assert_eq!(task_instance::by_key(&store, 30).await.unwrap(), Some(found));
    assert_eq!(task_instance::of_run(&store, 3).await.unwrap().len(), 2);
    let counts = task_instance::count_by_state(&store, None, None).await.unwrap();
    assert_eq!(counts, [(TaskState::Queued, 5), (TaskState::Running, 1)].into());
    let running = to(&ti(30, 3, "extract"), TaskState::Running);
    assert_eq!(task_attempt::of_run(&store, 3).await.unwrap(), [attempt(&running)]);
    assert_eq!(task_attempt::of_ti(&store, 30).await.unwrap(), [attempt(&running)]);
    assert_eq!(task_attempt::of_try(&store, 30, 1).await.unwrap(), Some(attempt(&running)));
    let usage = pool::usage(&store).await.unwrap();
    assert_eq!(usage["default_pool"], [(TaskState::Queued, 5), (TaskState::Running, 1)].into());
    assert_eq!(pool::list(&store).await.unwrap().len(), 1);
    assert_eq!(pool::get(&store, "default_pool").await.unwrap().unwrap().slots, 128);
}

async fn leftovers(Fixture { store, .. }: Fixture) {
    let epoch = fill(&store).await;
    assert_eq!(xcom::pull(&store, 3, "extract", "rows").await.unwrap()[0].value, json!([1, "한"]));
    let element = async |index| xcom::element(&store, 3, "extract", "rows", index).await.unwrap();
    assert_eq!((element(1).await, element(2).await), (Some(json!("한")), None));
    assert_eq!(xcom::of_ti(&store, 30).await.unwrap(), xcom::of_run(&store, 3).await.unwrap());
    let filter = XComFilter {
        task_id: Some("extract".to_owned()),
        map_index: Some(-1),
        key_pattern: Some("r%".to_owned()),
    };
    assert_eq!(xcom::list(&store, 3, &filter, ALL).await.unwrap().total, 1);
    assert_eq!(notice::pending(&store).await.unwrap()[0].id, 5);
    store.apply(epoch, &[Change::NoticeDone(5), Change::XComsCleared(30)]).await.unwrap();
    assert_eq!(notice::pending(&store).await.unwrap(), []);
    assert_eq!(store.restore().await.unwrap().last_notice, 5, "numbers are not given again");
    let filter = EventFilter {
        dag_id: Some("etl".to_owned()),
        run: Some(3),
        run_id: Some("scheduled__3".to_owned()),
        ti: Some(30),
        task_id: Some("extract".to_owned()),
        kinds: strings(&["ti_state"]),
        at_from: Some(at(0)),
        at_to: Some(at(20)),
        actor: None,
    };
    let page = event::list(&store, &filter, Descending, ALL).await.unwrap();
    assert_eq!((page.total, page.rows[0].id), (1, event::last_id(&store).await.unwrap()));
    assert_eq!(page.rows, event::after(&store, 0, 10).await.unwrap());
    assert_eq!(page.rows[0].task_id, Some("extract".parse().unwrap()));
    let filter = EventFilter { actor: Some("me".to_owned()), ..EventFilter::default() };
    assert_eq!(event::list(&store, &filter, Ascending, ALL).await.unwrap().total, 0);
    let (row, tis, of) = store.load_run("etl", "scheduled__3").await.unwrap().unwrap();
    assert_eq!((row.id, tis.len(), of), (3, 2, version(1)));
    assert!(store.load_run("etl", "none").await.unwrap().is_none());
    let (before, states) = store.past_states("etl", at(86_400 * 3), true).await.unwrap().unwrap();
    let expected = ["extract", "load"].map(|task| ((task.parse().unwrap(), -1), TaskState::Queued));
    assert_eq!((before, states), (2, expected.into()));
    assert_eq!(store.past_states("etl", at(86_400), false).await.unwrap(), None);
    assert_eq!(store.previous_success("etl", at(86_400 * 9)).await.unwrap(), None);
    let tasks = tis.iter().map(|ti| (ti.task_id.clone(), ti.state)).collect();
    let expected = Seen { state: row.state, tasks };
    for which in [WhichRun::Id(row.run_id.clone()), WhichRun::Date(row.logical_date.unwrap())] {
        assert_eq!(store.run_seen("etl", &which).await.unwrap().as_ref(), Some(&expected));
        assert_eq!(store.run_seen("other", &which).await.unwrap(), None);
    }
    let deleted = [
        Change::Ti {
            from: TaskState::Queued,
            from_try: 0,
            from_epoch: 0,
            row: Box::new(to(&ti(20, 2, "extract"), TaskState::Running)),
        },
        Change::Note { run: 1, ti: Some(10), note: None },
        Change::Note { run: 1, ti: None, note: Some("x".to_owned()) },
        Change::RunDeleted(3),
        Change::PoolDeleted("default_pool".to_owned()),
        Change::Pool(store.restore().await.unwrap().pools.remove(0)),
        Change::Run { from: RunState::Running, row: Box::new(run(2)) },
    ];
    store.apply(epoch, &deleted).await.unwrap();
    store.apply(epoch, &[Change::PoolDeleted("default_pool".to_owned())]).await.unwrap();
    assert_eq!(xcom::of_run(&store, 3).await.unwrap(), []);
}

async fn inbox_and_leader(Fixture { store, .. }: Fixture) {
    let epoch = store.acquire("host:/home").await.unwrap().expect("leads");
    let add = async |order: &Order, key: Option<&str>| {
        inbox::add(&store, order, key, at(1)).await.unwrap()
    };
    let first = add(&trigger(Some("a")), Some("k1")).await;
    assert_eq!(add(&trigger(Some("a")), Some("k1")).await, first, "the same key");
    assert_eq!(add(&trigger(Some("a")), Some("k2")).await, first, "the same run waits");
    assert_eq!(add(&trigger(Some("a")), None).await, first, "the same run waits");
    let other = add(&trigger(None), None).await;
    assert_ne!(add(&trigger(None), None).await, other, "nothing tells them apart");
    let long = "k".repeat(5000);
    assert_eq!(add(&trigger(None), Some(&long)).await, add(&trigger(None), Some(&long)).await);
    let pending = inbox::pending(&store).await.unwrap();
    assert_eq!(pending.len(), 4);
    assert_eq!((pending[0].id, pending[0].order.clone()), (first, Ok(trigger(Some("a")))));
    let done = Change::InboxDone { id: first, answer: json!({"ok": 1}) };
    store.apply(epoch, &[done]).await.unwrap();
    assert_ne!(add(&trigger(Some("a")), Some("k3")).await, first, "the first one is done");
    assert_eq!(add(&trigger(Some("a")), Some("k1")).await, first, "the answer is kept");
    assert_eq!(inbox::answer(&store, first).await.unwrap(), Some(json!({"ok": 1})));
    assert_eq!(inbox::clean(&store, at(9)).await.unwrap(), 1);
    assert!(store.renew(epoch).await.unwrap());
    store.release(epoch).await.unwrap();
    assert!(store.acquire("other").await.unwrap() > Some(epoch));
}

async fn small_tables(Fixture { store, .. }: Fixture) {
    assert_eq!(setting::get_or_set(&store, "a", "1").await.unwrap(), "1");
    assert_eq!(setting::get_or_set(&store, "a", "2").await.unwrap(), "1");
    setting::set(&store, "a", "3").await.unwrap();
    assert_eq!(setting::get(&store, "a").await.unwrap().as_deref(), Some("3"));
    let mut row = WorkerRow {
        name: "worker-1".to_owned(),
        incarnation: u64::MAX,
        hostname: "host".to_owned(),
        queues: strings(&["default", "gpu"]),
        slots: 4,
        running: 0,
        registered_at: at(1),
        last_seen_at: at(1),
    };
    worker::put(&store, &row).await.unwrap();
    worker::put(&store, &row).await.unwrap();
    worker::seen(&store, "worker-1", 2, at(5)).await.unwrap();
    (row.running, row.last_seen_at) = (2, at(5));
    assert_eq!(worker::list(&store).await.unwrap(), [row]);
    assert!(worker::delete(&store, "worker-1").await.unwrap());
    let error = |file: &str, line| ImportError {
        id: 0,
        file: file.to_owned(),
        line: Some(line),
        column: None,
        message: "task \"load\" depends on \"extrat\"".to_owned(),
        report: "…".to_owned(),
        at: at(1),
    };
    let errors = |file: &str, lines: &[u32]| {
        (file.to_owned(), lines.iter().map(|line| error(file, *line)).collect())
    };
    for found in [
        vec![errors("a.yaml", &[3, 9]), errors("c.yaml", &[2]), errors("good.yaml", &[])],
        vec![errors("b.yaml", &[1])],
        vec![errors("a.yaml", &[4]), errors("c.yaml", &[]), errors("good.yaml", &[])],
    ] {
        import_error::replace(&store, &found.into_iter().collect()).await.unwrap();
    }
    assert_eq!(import_error::list(&store, None, ALL).await.unwrap().total, 2);
    let page = import_error::list(&store, Some("a.y"), ALL).await.unwrap();
    assert_eq!((page.total, page.rows[0].line), (1, Some(4)));
    let found = import_error::get(&store, page.rows[0].id).await.unwrap();
    assert_eq!(found.as_ref(), page.rows.first());
    import_error::keep_only(&store, &strings(&["b.yaml"])).await.unwrap();
    assert_eq!(import_error::list(&store, None, ALL).await.unwrap().total, 1);
    preflight::check(&store, at(0)).await.unwrap();
}

async fn secrets_at_rest(Fixture { store, folder, .. }: Fixture) {
    let variable = Variable {
        name: "token".to_owned(),
        value: "canary-variable 🐤".to_owned(),
        description: None,
    };
    let none = variable::put(&store, &variable, at(1)).await.unwrap_err();
    assert!(matches!(none, StoreError::Secret { .. }), "{none:?}");
    let (old, new) = (Secrets::generate().unwrap(), Secrets::generate().unwrap());
    store.set_secrets(Secrets::from_text(&old, "test").unwrap());
    variable::put(&store, &variable, at(1)).await.unwrap();
    variable::put(&store, &variable, at(2)).await.unwrap();
    let text = r#"{"conn_type": "mysql", "password": "canary-password", "port": 3306,
        "extra": {"api_key": "canary-extra"}}"#;
    let connection = Connection::parse("db", text).unwrap();
    connection::put(&store, &connection, at(1)).await.unwrap();
    assert_eq!(connection::get(&store, "db").await.unwrap(), Some(connection.clone()));
    assert_eq!(variable::value(&store, "token").await.unwrap().as_ref(), Some(&variable.value));
    for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"canary"), "{}", path.display());
    }
    // The shell of another process, with the new key before the old one.
    let other = Store::open(&url_of(&store, &folder)).await.unwrap();
    other.set_secrets(Secrets::from_text(&format!("{new},{old}"), "test").unwrap());
    assert_eq!(other.rotate_secrets().await.unwrap(), 3);
    assert_eq!(other.rotate_secrets().await.unwrap(), 0);
    assert_eq!(other.missing_keys().await.unwrap(), Vec::<String>::new());
    assert_eq!(store.missing_keys().await.unwrap().len(), 1);
    let found = preflight::check(&store, at(0)).await.unwrap();
    assert!(found.iter().any(|finding| finding.what.contains("sealed with key")), "{found:?}");
    let error = connection::get(&store, "db").await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("canary"), "{error:?}");
    let page = connection::list(&other, Some("d"), Ascending, ALL).await.unwrap();
    assert_eq!((page.total, page.rows), (1, connection::all(&other).await.unwrap()));
    let page = variable::list(&other, None, Ascending, ALL).await.unwrap();
    assert_eq!((page.total, page.rows), (1, variable::all(&other).await.unwrap()));
    // A row copied to another name does not open.
    let copy = "INSERT INTO variable SELECT 'copy', value, description, updated_at FROM variable";
    other.db.exec(crate::db::Sql::new(copy)).await.unwrap();
    let error = variable::get(&other, "copy").await.unwrap_err();
    assert!(matches!(error, StoreError::Secret { .. }), "{error:?}");
    environment_first(&other).await;
    assert!(variable::delete(&other, "token", None, at(0)).await.unwrap());
    assert!(connection::delete(&other, "db", None, at(0)).await.unwrap());
}

fn url_of(store: &Store, folder: &std::path::Path) -> String {
    match store.dialect() {
        Dialect::Sqlite => format!("sqlite:{}/millrace.db", folder.display()),
        Dialect::MariaDb => store.location().to_owned(),
    }
}

async fn environment_first(store: &Store) {
    let environment = [
        ("MILLRACE_VAR_TOKEN", "from env"),
        ("AIRFLOW_CONN_DB", "postgres://u:p@h:5/s"),
        ("AIRFLOW_CONN_BAD", "canary"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let found = variable::find(store, &environment, "token").await.unwrap();
    assert_eq!(found.as_deref(), Some("from env"));
    assert_eq!(variable::find(store, &environment, "none").await.unwrap(), None);
    let found = connection::find(store, &environment, "db").await.unwrap().unwrap();
    assert_eq!(found.host.as_deref(), Some("h"));
    assert_eq!(connection::find(store, &environment, "none").await.unwrap(), None);
    let error = connection::find(store, &environment, "bad").await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("canary"), "{error:?}");
}

async fn logins(Fixture { store, .. }: Fixture) {
    let first = user::create_first(&store, "admin", at(1)).await.unwrap().expect("the first");
    assert_eq!(user::create_first(&store, "admin", at(1)).await.unwrap(), None);
    let password = first.reveal().to_owned();
    let found = user::verify(&store, "admin", &password).await.unwrap().expect("right");
    assert_eq!(found.role, "admin");
    assert_eq!(user::verify(&store, "admin", "wrong").await.unwrap(), None);
    assert_eq!(user::verify(&store, "nobody", &password).await.unwrap(), None);
    let new = |user_name, expires_at| NewToken {
        kind: TokenKind::Api,
        name: "ci",
        role: "viewer",
        user_name,
        expires_at,
    };
    let (id, text) = api_token::create(&store, &new(None, Some(at(9))), at(1)).await.unwrap();
    assert_eq!(format!("{text:?}"), "***");
    let verify = async |text: &api_token::TokenText, now| {
        api_token::verify(&store, text.reveal(), now).await.unwrap()
    };
    assert_eq!(verify(&text, at(8)).await.map(|token| token.role), Some("viewer".to_owned()));
    assert_eq!(verify(&text, at(9)).await, None, "it has ended");
    assert_eq!(api_token::verify(&store, "mr_x", at(1)).await.unwrap(), None);
    let tokens = api_token::list(&store, TokenKind::Api).await.unwrap();
    assert_eq!((tokens[0].id, tokens[0].last_used_at), (id, Some(at(8))));
    assert!(api_token::revoke(&store, id).await.unwrap());
    let (_, text) = api_token::create(&store, &new(Some("admin"), None), at(1)).await.unwrap();
    assert_eq!(verify(&text, at(1)).await.map(|token| token.role), Some("admin".to_owned()));
    user::set_role(&store, "admin", "viewer", true).await.unwrap();
    assert_eq!(verify(&text, at(1)).await, None, "its user is disabled");
    assert_eq!(user::verify(&store, "admin", &password).await.unwrap(), None);
    user::set_role(&store, "admin", "viewer", false).await.unwrap();
    assert_eq!(verify(&text, at(1)).await.map(|token| token.role), Some("viewer".to_owned()));
    assert!(user::set_password(&store, "admin", "new").await.unwrap());
    assert_eq!(verify(&text, at(1)).await, None, "a new password ends it");
    assert!(user::verify(&store, "admin", "new").await.unwrap().is_some());
    assert!(!api_token::revoke_text(&store, text.reveal()).await.unwrap());
    assert_eq!(api_token::clean(&store, at(1)).await.unwrap(), 0);
    assert_eq!(user::list(&store).await.unwrap().len(), 1);
    assert!(user::delete(&store, "admin").await.unwrap());
    let twice = user::create(&store, "a", "x", "viewer", at(1)).await;
    assert!(twice.is_ok());
    let twice = user::create(&store, "a", "x", "viewer", at(1)).await.unwrap_err();
    assert!(matches!(twice, StoreError::Duplicate { .. }), "{twice:?}");
}

/// The names of all statements, read from the sources.
fn written() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("tests.rs") {
                let source = std::fs::read_to_string(path).unwrap();
                for part in source.split("\"-- ").skip(1) {
                    let is_name = |c: &char| c.is_ascii_lowercase() || "_:".contains(*c);
                    let name: String = part.chars().take_while(is_name).collect();
                    // Names made of pieces end with `::`; their tests are the others'.
                    if name.contains("::") && !name.ends_with([':', '_']) {
                        names.insert(name);
                    }
                }
            }
        }
    }
    names
}

#[tokio::test]
async fn every_statement_runs_on_both() {
    // Names of errors without a statement, and statements of one dialect, which have own tests.
    let elsewhere = ["apply::write", "apply::commit", "preflight::", "migrate::"];
    for dialect in [Dialect::Sqlite, Dialect::MariaDb] {
        eprintln!("on {dialect:?}");
        let fresh = async || match dialect {
            Dialect::Sqlite => crate::testing::sqlite().await,
            Dialect::MariaDb => crate::testing::mariadb().await,
        };
        let seen = statements(async {
            macro_rules! each {
                ($($area:ident)+) => {$(
                    let (_kept, fixture) = fresh().await;
                    Box::pin($area(fixture)).await;
                )+};
            }
            each!(dags runs task_instances leftovers inbox_and_leader small_tables);
            each!(secrets_at_rest logins backfills);
            let (_kept, fixture) = fresh().await;
            Box::pin(crate::asset_tests::assets(fixture)).await;
        })
        .await;
        let missing: Vec<_> = written()
            .into_iter()
            .filter(|name| !seen.contains(name))
            .filter(|name| !elsewhere.iter().any(|part| name.starts_with(part)))
            .collect();
        assert_eq!(missing, Vec::<String>::new(), "statements that no test runs on {dialect:?}");
    }
}
