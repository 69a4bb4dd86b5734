//! Assets on both databases: what is written is read, and no read costs more for a long history.

use jiff::Timestamp;
use millrace_core::ids::TaskId;
use millrace_core::record::{
    AssetEventRow, AssetQueueRow, AssetReference, AssetRole, AssetRow, AssetRunRow, AssetSource,
    Change, EventRow,
};
use millrace_core::state::RunType;
use serde_json::{Map, json};

use crate::asset::{AssetFilter, AssetOrder};
use crate::asset_event::{AssetEventFilter, AssetEventOrder};
use crate::db::{Sql, StoreError};
use crate::page::Direction::{Ascending, Descending};
use crate::testing::{Fixture, at, both, dag, run, ti, version};
use crate::*;

const ALL: Paging = Paging { limit: 100, offset: 0 };

fn row(id: i64, name: &str, uri: &str) -> AssetRow {
    AssetRow {
        id,
        name: name.to_owned(),
        uri: uri.to_owned(),
        group: "asset".to_owned(),
        extra: json!({"owner": "ml"}).as_object().cloned().unwrap_or_default(),
        created_at: at(1),
        updated_at: at(2),
    }
}

fn happened(id: i64, asset: i64) -> AssetEventRow {
    let source = AssetSource {
        dag_id: "etl".parse().unwrap(),
        run_id: "scheduled__1".parse().unwrap(),
        task_id: "extract".parse().unwrap(),
        map_index: -1,
    };
    let source = Some(source).filter(|_| id % 2 == 1);
    AssetEventRow { id, asset, at: at(id), extra: Map::new(), source }
}

fn uses(asset: i64, role: AssetRole, task_id: Option<&str>) -> AssetReference {
    AssetReference { asset, role, task_id: task_id.map(|text| text.parse().unwrap()) }
}

fn refers(dag_id: &str, references: Vec<AssetReference>, at: Timestamp) -> Change {
    Change::AssetReferences { dag_id: dag_id.parse().unwrap(), references, at }
}

fn place(dag_id: &str, asset: i64, after_event: i64, last_event: Option<i64>) -> Change {
    Change::AssetQueue(AssetQueueRow {
        dag_id: dag_id.parse().unwrap(),
        asset,
        after_event,
        last_event,
        queued_at: last_event.map(at),
    })
}

fn consumes(run: i64, asset: i64, after_event: i64, last_event: i64) -> Change {
    let dag_id = "etl".parse().unwrap();
    Change::AssetRun(AssetRunRow { run, dag_id, asset, after_event, last_event })
}

fn started(id: i64) -> Change {
    let mut row = run(id);
    row.run_type = RunType::AssetTriggered;
    Change::RunCreated(Box::new(row), vec![ti(id * 10, id, "extract")])
}

/// Assets 1 `model` (at `s3://m`) and 2 `rows`; `etl` waits for both and writes 1, `other` reads 2.
async fn fill(store: &Store) -> Epoch {
    let epoch = store.acquire("host:/home").await.unwrap().expect("leads");
    let changes = vec![
        Change::Version(version(1)),
        Change::Dag(dag("etl")),
        Change::Dag(dag("other")),
        Change::Asset(row(1, "model", "s3://m")),
        Change::Asset(row(2, "rows", "rows")),
        Change::Asset(row(3, "forgotten", "forgotten")),
        refers(
            "etl",
            vec![
                uses(1, AssetRole::Schedule, None),
                uses(2, AssetRole::Schedule, None),
                uses(1, AssetRole::Outlet, Some("extract")),
            ],
            at(1),
        ),
        refers("other", vec![uses(2, AssetRole::Inlet, Some("extract"))], at(1)),
        place("etl", 1, 0, None),
        place("etl", 2, 0, None),
    ];
    store.apply(epoch, &changes).await.unwrap();
    epoch
}

/// What lists, events and queues say; also part of the test that every statement runs.
pub(crate) async fn assets(Fixture { store, .. }: Fixture) {
    let epoch = fill(&store).await;
    let check = async |filter: AssetFilter, order, way, expected: &[&str]| {
        let page = asset::list(&store, &filter, order, way, ALL).await.unwrap();
        let names: Vec<_> = page.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, expected, "{filter:?}");
        assert_eq!(page.total, expected.len() as u64);
    };
    let any = AssetFilter::default;
    check(any(), AssetOrder::Id, Ascending, &["model", "rows", "forgotten"]).await;
    check(any(), AssetOrder::Name, Descending, &["rows", "model", "forgotten"]).await;
    check(any(), AssetOrder::Uri, Ascending, &["forgotten", "rows", "model"]).await;
    check(any(), AssetOrder::CreatedAt, Ascending, &["model", "rows", "forgotten"]).await;
    let active = AssetFilter { is_active: true, ..any() };
    check(active, AssetOrder::UpdatedAt, Ascending, &["model", "rows"]).await;
    let second = Paging { limit: 1, offset: 1 };
    let active = AssetFilter { is_active: true, ..any() };
    let page = asset::list(&store, &active, AssetOrder::Name, Ascending, second).await.unwrap();
    assert_eq!((page.rows[0].name.as_str(), page.total), ("rows", 2), "uses are not counted");
    let named = AssetFilter { name_pattern: Some("MOD".to_owned()), ..any() };
    check(named, AssetOrder::Id, Ascending, &["model"]).await;
    let at_s3 = AssetFilter { uri_pattern: Some("s3:%".to_owned()), ..any() };
    check(at_s3, AssetOrder::Id, Ascending, &["model"]).await;
    let of_other = AssetFilter { dag_ids: vec!["other".to_owned()], ..any() };
    check(of_other, AssetOrder::Id, Ascending, &["rows"]).await;
    let named = async |text: &str| asset::named(&store, text).await.unwrap().map(|row| row.id);
    assert_eq!(
        (named("model").await, named("s3://m").await, named("x").await),
        (Some(1), Some(1), None)
    );
    assert_eq!(asset::by_keys(&store, &[1]).await.unwrap()[&1], row(1, "model", "s3://m"));

    // The uses of a DAG follow its versions; those that stay keep when they began.
    let kept = vec![uses(1, AssetRole::Schedule, None)];
    store.apply(epoch, &[refers("etl", kept, at(5))]).await.unwrap();
    let found = asset::uses(&store, &[1, 2]).await.unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|one| format!("{} {} {}", one.asset, one.dag_id, one.role.as_str()))
        .collect();
    assert_eq!(told, ["1 etl schedule", "2 other inlet"]);
    assert_eq!((found[0].created_at, found[0].updated_at), (at(1), at(5)));
    assert_eq!(found[1].task_id.as_ref().map(TaskId::as_str), Some("extract"));

    consumption(&store, epoch).await;
    event_list(&store).await;
    let all = at(1_000);
    let pruned = asset_event::prune(&store, all, 0, 100).await.unwrap();
    assert_eq!(pruned.next, Some(6), "the last event that was looked at");
}

/// Two runs of `etl`: the first consumed events 1 to 3 of asset 1 and 2 of asset 2, the second
/// event 5 of asset 1; event 6 waits.
async fn consumption(store: &Store, epoch: Epoch) {
    let events = [(1, 1), (2, 2), (3, 1), (4, 3), (5, 1), (6, 1)];
    let events = events.map(|(id, asset)| Change::AssetEvent(Box::new(happened(id, asset))));
    let mut changes = events.to_vec();
    changes.extend([
        started(1),
        started(2),
        consumes(1, 1, 0, 3),
        consumes(1, 2, 0, 2),
        consumes(2, 1, 3, 5),
        place("etl", 1, 5, Some(6)),
        place("etl", 2, 2, None),
    ]);
    store.apply(epoch, &changes).await.unwrap();
    let snapshot = store.restore().await.unwrap();
    assert_eq!((snapshot.assets.len(), snapshot.last_asset_event), (3, 6));
    assert_eq!(snapshot.asset_queues[0].last_event, Some(6));
    let consumed = async |run| {
        let page = asset_event::consumed(store, run).await.unwrap();
        assert_eq!(page.total, page.rows.len() as u64);
        page.rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(consumed(1).await, [1, 2, 3]);
    assert_eq!(consumed(2).await, [5]);
    let of = asset_queue::consumers(store, &[1, 2, 3, 4, 5, 6]).await.unwrap();
    let told: Vec<_> = of
        .iter()
        .flat_map(|(event, runs)| runs.iter().map(move |run| (event, run)))
        .map(|(event, run)| format!("{event} {} {}", run.run_id, run.is_triggering))
        .collect();
    let expected = [
        "1 scheduled__1 false",
        "2 scheduled__1 false",
        "3 scheduled__1 true",
        "5 scheduled__2 true",
    ];
    assert_eq!(told, expected);
    let waiting =
        async |dag_id, asset| asset_queue::waiting(store, dag_id, asset).await.unwrap().len();
    assert_eq!(waiting(None, None).await, 1);
    assert_eq!(waiting(Some("etl"), Some(1)).await, 1);
    assert_eq!(waiting(Some("etl"), Some(2)).await, 0);
    assert_eq!(asset_event::last_of(store, &[1, 2]).await.unwrap()[&1].id, 6);
    store.apply(epoch, &[Change::RunDeleted(1)]).await.unwrap();
    assert_eq!(asset_queue::consumers(store, &[1, 2, 3]).await.unwrap().len(), 0);
    assert_eq!(consumed(1).await, [0_i64; 0]);
}

async fn event_list(store: &Store) {
    let check = async |filter: AssetEventFilter, order, way, expected: &[i64]| {
        let page = asset_event::list(store, &filter, order, way, ALL).await.unwrap();
        let ids: Vec<_> = page.rows.iter().map(|row| row.id).collect();
        assert_eq!(ids, expected, "{filter:?}");
        assert_eq!(page.total, expected.len() as u64);
    };
    let any = AssetEventFilter::default;
    let by = AssetEventOrder::Id;
    check(any(), by, Descending, &[6, 5, 4, 3, 2, 1]).await;
    check(AssetEventFilter { asset: Some(1), ..any() }, by, Ascending, &[1, 3, 5, 6]).await;
    let of_dag = Some("etl".to_owned());
    check(AssetEventFilter { source_dag_id: of_dag, ..any() }, by, Ascending, &[1, 3, 5]).await;
    let of_run = Some("other".to_owned());
    check(AssetEventFilter { source_run_id: of_run, ..any() }, by, Ascending, &[]).await;
    let of_task = Some("extract".to_owned());
    let order = AssetEventOrder::SourceTaskId;
    check(AssetEventFilter { source_task_id: of_task, ..any() }, order, Ascending, &[1, 3, 5])
        .await;
    let within = AssetEventFilter { from: Some(at(2)), to: Some(at(3)), ..any() };
    check(within, by, Ascending, &[2, 3]).await;
    let named = AssetEventFilter { name_pattern: Some("row".to_owned()), ..any() };
    check(named, AssetEventOrder::SourceDagId, Ascending, &[2]).await;
    let mapped = AssetEventFilter { source_map_index: Some(3), ..any() };
    check(mapped, AssetEventOrder::SourceRunId, Ascending, &[]).await;
    assert_eq!(asset_event::get(store, 3).await.unwrap(), Some(happened(3, 1)));
    let newest = asset_event::newest(store, 1, 2).await.unwrap();
    assert_eq!(newest.iter().map(|row| row.id).collect::<Vec<_>>(), [5, 6]);
}

#[tokio::test]
async fn an_event_its_run_and_its_queue_are_one_transaction() {
    both(|Fixture { store, .. }| async move {
        let epoch = fill(&store).await;
        // A row of the batch is wrong: none of it is there.
        let changes = [
            Change::AssetEvent(Box::new(happened(1, 1))),
            started(1),
            consumes(1, 1, 0, 1),
            place("etl", 1, 1, None),
            Change::AssetEvent(Box::new(happened(1, 1))),
        ];
        store.apply(epoch, &changes).await.expect_err("the same number twice");
        let snapshot = store.restore().await.unwrap();
        assert_eq!((snapshot.last_asset_event, snapshot.runs.len()), (0, 0));
        assert_eq!(snapshot.asset_queues[0].after_event, 0);
        store.apply(epoch, &changes[..4]).await.unwrap();
        assert_eq!(store.restore().await.unwrap().asset_queues[0].after_event, 1);
    })
    .await;
}

/// The tables that a plan reads whole.
async fn read_whole(store: &Store, sql: Sql<'_>) -> Result<Vec<String>, StoreError> {
    let mut whole = Vec::new();
    for row in store.db.rows(sql.explained(store.dialect())).await? {
        let mut reader = row.reader();
        for _ in 0..2 {
            reader.opt_text()?;
        }
        let (third, fourth) = (reader.opt_text()?, reader.opt_text()?.unwrap_or_default());
        match store.dialect() {
            Dialect::Sqlite if fourth.starts_with("SCAN ") => whole.push(fourth),
            // `table` and `type`; "index" reads a whole index.
            Dialect::MariaDb if matches!(fourth.as_str(), "ALL" | "index") => {
                whole.extend(third.map(|table| format!("{fourth} {table}")));
            }
            _ => {}
        }
    }
    Ok(whole)
}

#[tokio::test]
async fn reads_follow_an_index_through_a_long_history() {
    both(|Fixture { store, .. }| async move {
        let epoch = fill(&store).await;
        let mut changes = Vec::new();
        for id in 1..=1500 {
            changes.push(Change::AssetEvent(Box::new(happened(id, 1 + id % 3))));
            if id % 3 == 0 {
                changes.push(started(id));
                changes.push(consumes(id, 1, id - 3, id));
            }
        }
        store.apply(epoch, &changes).await.unwrap();
        if store.dialect() == Dialect::MariaDb {
            for table in ["asset_event", "asset_run", "dag_run"] {
                store.db.rows(Sql::new(format!("ANALYZE TABLE {table}"))).await.unwrap();
            }
        }
        let check = async |what: &str, sql: Sql<'_>| {
            let whole = read_whole(&store, sql).await.unwrap();
            let long =
                |line: &String| line.contains(" e") || line.contains(" c") || line.contains(" r");
            let whole: Vec<_> = whole.into_iter().filter(long).collect();
            assert_eq!(whole, Vec::<String>::new(), "{what} on {:?}", store.dialect());
        };
        let page = Paging { limit: 50, offset: 0 };
        let of_asset = AssetEventFilter { asset: Some(1), ..AssetEventFilter::default() };
        let of_run = AssetEventFilter {
            source_dag_id: Some("etl".to_owned()),
            source_run_id: Some("scheduled__7".to_owned()),
            ..AssetEventFilter::default()
        };
        let sql = asset_event::page_sql(&of_asset, AssetEventOrder::Id, Descending, page);
        check("the events of an asset", sql).await;
        let sql = asset_event::page_sql(&of_run, AssetEventOrder::Id, Descending, page);
        check("the events of a run", sql).await;
        check("what a run consumed", asset_event::consumed_sql(300)).await;
        check("who consumed an event", asset_queue::consumers_sql(&[1, 700, 1500])).await;
        check("the newest events", asset_event::last_of_sql(&[1, 2, 3])).await;
    })
    .await;
}

/// The history is for people: an asset event is also in the event log, by whoever reported it.
#[tokio::test]
async fn numbers_of_events_are_not_given_again() {
    both(|Fixture { store, .. }| async move {
        let epoch = fill(&store).await;
        let told = EventRow {
            at: at(1),
            dag_id: None,
            run: None,
            ti: None,
            kind: "asset_event".to_owned(),
            from: None,
            to: None,
            try_number: None,
            epoch: None,
            actor: Some("ann".to_owned()),
            detail: Some(json!({"asset": "model", "asset_event": 7})),
        };
        let changes = [Change::AssetEvent(Box::new(happened(7, 1))), Change::Event(told)];
        store.apply(epoch, &changes).await.unwrap();
        assert_eq!(store.restore().await.unwrap().last_asset_event, 7);
    })
    .await;
}

/// Old events go in batches, and never what somebody still needs.
#[tokio::test]
async fn old_events_go_and_needed_ones_stay() {
    both(|Fixture { store, .. }| async move {
        let epoch = fill(&store).await;
        let mut changes: Vec<Change> =
            (1..=20).map(|id| Change::AssetEvent(Box::new(happened(id, 1 + id % 2)))).collect();
        // The run is unfinished and has consumed 5, 7 of asset 2; 9, 11 wait for another.
        changes.extend([started(1), consumes(1, 2, 3, 7), place("etl", 2, 7, Some(11))]);
        store.apply(epoch, &changes).await.unwrap();
        let left = async || {
            let of = AssetEventFilter::default();
            let order = AssetEventOrder::Id;
            let page = asset_event::list(&store, &of, order, Ascending, ALL).await.unwrap();
            page.rows.iter().map(|row| row.id).collect::<Vec<_>>()
        };
        let prune = async |before: i64, after: i64| {
            let done = asset_event::prune(&store, at(before), after, 8).await.unwrap();
            (done.deleted, done.next)
        };
        assert_eq!(prune(13, 0).await, (6, Some(8)), "5 and 7 are in use");
        assert_eq!(prune(13, 8).await, (2, None), "9 and 11 wait, 13 is not old");
        assert_eq!(left().await, [5, 7, 9, 11, 13, 14, 15, 16, 17, 18, 19, 20]);
        assert_eq!(prune(1_000, 0).await, (4, Some(16)));
        assert_eq!(prune(1_000, 16).await, (2, Some(20)), "19 and 20 are the newest");
        assert_eq!(prune(1_000, 20).await, (0, None));
        assert_eq!(left().await, [5, 7, 9, 11, 19, 20]);
        assert_eq!(store.restore().await.unwrap().last_asset_event, 20);
    })
    .await;
}
