//! Backfills in both databases: rows come back, one open a DAG, and every read goes by an index.

use millrace_core::record::Change;
use millrace_core::state::RunState;

use super::*;
use crate::db::Dialect;
use crate::testing::{Fixture, at, both, dag, run, version};

/// An open backfill of the DAG `etl`.
pub(crate) fn backfill(id: BackfillKey) -> BackfillRow {
    BackfillRow {
        id,
        dag_id: "etl".parse().unwrap(),
        from_date: at(0),
        to_date: at(86_400 * 9),
        run_backwards: true,
        reprocess_behavior: ReprocessBehavior::Failed,
        max_active_runs: 4,
        stop_after_failures: 2,
        run_on_latest_version: true,
        conf: serde_json::from_str(r#"{"z": "한", "a": 1}"#).unwrap(),
        version: 1,
        is_paused: false,
        is_open: true,
        ending: None,
        reason: None,
        dates_total: 3,
        dates_waiting: 1,
        runs_active: 1,
        runs_succeeded: 0,
        runs_failed: 1,
        dates_skipped: 0,
        triggering_user: Some("ann".to_owned()),
        created_at: at(1),
        updated_at: at(2),
        completed_at: None,
    }
}

fn date(backfill: BackfillKey, sort_ordinal: u32, state: BackfillDateState) -> BackfillDateRow {
    let day = at(86_400 * i64::from(sort_ordinal));
    BackfillDateRow {
        backfill,
        sort_ordinal,
        logical_date: day,
        data_interval_start: day,
        data_interval_end: at(86_400 * i64::from(sort_ordinal + 1)),
        run_after: at(86_400 * i64::from(sort_ordinal + 1)),
        state,
        run: (state != BackfillDateState::Waiting).then(|| i64::from(sort_ordinal)),
        exception_reason: None,
    }
}

pub(crate) async fn backfills(Fixture { store, .. }: Fixture) {
    let epoch = store.acquire("host:/home").await.unwrap().expect("leads");
    let dates_of = |id| {
        vec![
            date(id, 1, BackfillDateState::Failed),
            date(id, 2, BackfillDateState::Active),
            date(id, 3, BackfillDateState::Waiting),
        ]
    };
    let (mut first, mut second) = (run(1), run(2));
    (first.state, first.end_date) = (RunState::Success, Some(at(86_400 * 2 + 61)));
    second.state = RunState::Failed;
    second.run_id = "backfill__2".parse().unwrap();
    let mut newer = version(2);
    newer.content_hash = "x".to_owned();
    let changes = [
        Change::Version(version(1)),
        Change::Version(newer),
        Change::Dag(crate::testing::dag("empty")),
        Change::Dag(millrace_core::record::DagRow { version: 2, ..dag("etl") }),
        Change::RunCreated(Box::new(first.clone()), vec![]),
        Change::RunCreated(Box::new(second.clone()), vec![]),
        Change::BackfillCreated(Box::new(backfill(7)), dates_of(7)),
    ];
    store.apply(epoch, &changes).await.unwrap();
    assert_eq!(get(&store, 7).await.unwrap(), Some(backfill(7)));
    assert_eq!(open_of(&store, "etl").await.unwrap(), Some(backfill(7)));
    let snapshot = store.restore().await.unwrap();
    assert_eq!((snapshot.backfills, snapshot.last_backfill), (vec![backfill(7)], 7));
    assert_eq!(snapshot.backfill_dates, dates_of(7)[1..]);
    assert_eq!(snapshot.versions.len(), 2, "its version is needed, and the newest");
    let newest = [NewestRun {
        dag_id: "etl".parse().unwrap(),
        logical_date: second.logical_date,
        run_after: Some(second.run_after),
    }];
    assert_eq!(snapshot.newest, newest);
    let twice = Change::BackfillCreated(Box::new(backfill(8)), vec![]);
    assert!(
        store.apply(epoch, std::slice::from_ref(&twice)).await.is_err(),
        "one open backfill a DAG"
    );
    let mut closed = backfill(7);
    (closed.is_open, closed.ending) = (false, Some(BackfillEnding::Cancelled));
    (closed.reason, closed.completed_at) = (Some("why".to_owned()), Some(at(9)));
    let mut skipped = date(7, 3, BackfillDateState::Skipped);
    (skipped.run, skipped.exception_reason) = (None, Some("in flight".to_owned()));
    let changes =
        [Change::BackfillDate(skipped.clone()), twice, Change::Backfill(Box::new(closed.clone()))];
    store.apply(epoch, &changes).await.expect("the lane closes and opens in one batch");
    let page = list(&store, Some("etl"), Direction::Descending, Paging::default()).await.unwrap();
    assert_eq!((page.rows, page.total), (vec![backfill(8), closed], 2));
    let found = dates(&store, 7, 2, 9).await.unwrap();
    assert_eq!(found[0].run, Some((second.run_id.clone(), RunState::Failed)));
    assert_eq!((found[1].row.clone(), found[1].run.clone(), found.len()), (skipped, None, 2));
    let days: Vec<Timestamp> = (0..5).map(|day| at(86_400 * day)).collect();
    let name = "backfill__2".parse().unwrap();
    let there = existing(&store, "etl", &days, &[name]).await.unwrap();
    assert_eq!(there, [first.clone(), second.clone()]);
    let there = states(&store, "etl", &days).await.unwrap();
    assert_eq!(there[&days[1]], (first.run_id, RunState::Success));
    assert_eq!((there[&days[2]].1, there.len()), (RunState::Failed, 2));
    assert_eq!(durations(&store, "etl").await.unwrap(), [60.0]);
}

/// How a statement is done: the tables that are read without a key.
async fn scans(store: &Store, sql: Sql<'_>) -> Vec<String> {
    let rows = store.db.rows(sql.explained(store.dialect())).await.unwrap();
    let mut found = Vec::new();
    for row in &rows {
        let mut reader = row.reader();
        if store.dialect() == Dialect::Sqlite {
            reader.int().unwrap();
            reader.int().unwrap();
            reader.int().unwrap();
            let detail = reader.text().unwrap();
            if detail.starts_with("SCAN") && !detail.contains("USING") {
                found.push(detail);
            }
        } else {
            reader.opt_int().unwrap();
            reader.opt_text().unwrap();
            let table = reader.opt_text().unwrap();
            reader.opt_text().unwrap();
            reader.opt_text().unwrap();
            if reader.opt_text().unwrap().is_none() {
                found.extend(table);
            }
        }
    }
    found
}

#[tokio::test]
async fn a_plan_reads_by_indexes() {
    both(|Fixture { store, .. }| async move {
        let epoch = store.acquire("host:/home").await.unwrap().expect("leads");
        let mut changes = vec![Change::Version(version(1)), Change::Dag(dag("etl"))];
        changes.extend((1..=2000).map(|id| Change::RunCreated(Box::new(run(id)), vec![])));
        store.apply(epoch, &changes).await.unwrap();
        let days: Vec<Timestamp> = (1..=4).map(|day| at(86_400 * day)).collect();
        let names = ["a".parse().unwrap(), "b".parse().unwrap()];
        for sql in [
            states_sql("etl", &days),
            existing_sql("etl", &days),
            named_sql("etl", &names),
            durations_sql("etl"),
        ] {
            assert_eq!(scans(&store, sql.clone()).await, Vec::<String>::new(), "{sql:?}");
        }
    })
    .await;
}
