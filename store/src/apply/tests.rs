//! Batches on both databases: what is written, what is refused, what survives a crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use millrace_core::record::{Change, PoolRow, TiRow, XComRow};
use millrace_core::state::{RunState, TaskState};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::testing::{Fixture, Server, at, attempt, both, event, run, ti, to, version};
use crate::{dag_run, event as events, inbox, task_attempt, task_instance, xcom};

fn changed(from: &TiRow, row: &TiRow) -> Change {
    Change::Ti {
        from: from.state,
        from_try: from.try_number,
        from_epoch: from.epoch,
        row: Box::new(row.clone()),
    }
}

/// A leader, a version, run 1 with task instances 1 (`extract`) and 2 (`load`), both queued.
async fn with_run(store: &Store) -> Epoch {
    let epoch = store.acquire("host:/home").await.unwrap().expect("leads");
    let tis = vec![ti(1, 1, "extract"), ti(2, 1, "load")];
    let changes = [Change::Version(version(1)), Change::RunCreated(Box::new(run(1)), tis)];
    store.apply(epoch, &changes).await.unwrap();
    epoch
}

#[tokio::test]
async fn rows_come_back_as_they_were_written() {
    both(|Fixture { store, .. }| async move {
        with_run(&store).await;
        let snapshot = store.restore().await.unwrap();
        assert_eq!(snapshot.runs, [run(1)]);
        assert_eq!(snapshot.tis, [ti(1, 1, "extract"), ti(2, 1, "load")]);
        assert_eq!(snapshot.versions, [version(1)]);
        assert_eq!(snapshot.pools[0].name, "default_pool");
        assert_eq!((snapshot.last_run, snapshot.last_ti, snapshot.last_version), (1, 2, 1));
    })
    .await;
}

#[tokio::test]
async fn a_hand_over_is_one_batch() {
    both(|Fixture { store, .. }| async move {
        let epoch = with_run(&store).await;
        let (queued, load) = (ti(1, 1, "extract"), ti(2, 1, "load"));
        let running = to(&queued, TaskState::Running);
        let done = to(&running, TaskState::Success);
        let load_runs = to(&load, TaskState::Running);
        let xcom = XComRow {
            ti: 1,
            run: 1,
            task_id: "extract".parse().unwrap(),
            map_index: -1,
            key: "return_value".to_owned(),
            value: json!({"rows": 5, "ok": [true]}),
            created_at: at(12),
        };
        let changes = [
            changed(&queued, &running),
            Change::Attempt(Box::new(attempt(&running))),
            Change::Event(event(&running, TaskState::Queued)),
            changed(&running, &done),
            Change::Attempt(Box::new(attempt(&done))),
            Change::XCom(xcom.clone()),
            Change::Event(event(&done, TaskState::Running)),
            changed(&load, &load_runs),
            Change::Attempt(Box::new(attempt(&load_runs))),
            Change::Event(event(&load_runs, TaskState::Queued)),
        ];
        let applied = store.apply(epoch, &changes).await.unwrap();
        assert_eq!(applied.last_event, Some(3));
        assert_eq!(task_instance::of_run(&store, 1).await.unwrap(), [done.clone(), load_runs]);
        assert_eq!(task_attempt::of_ti(&store, 1).await.unwrap(), [attempt(&done)]);
        assert_eq!(xcom::of_run(&store, 1).await.unwrap(), [xcom]);
        let seen = events::after(&store, 1, 10).await.unwrap();
        assert_eq!(seen.iter().map(|event| event.id).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(seen[0].row, event(&done, TaskState::Running));
        let cleared = [Change::XComsCleared(1)];
        store.apply(epoch, &cleared).await.unwrap();
        assert_eq!(xcom::of_run(&store, 1).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_mismatch_writes_nothing() {
    both(|Fixture { store, .. }| async move {
        let epoch = with_run(&store).await;
        let (queued, load) = (ti(1, 1, "extract"), ti(2, 1, "load"));
        let running = to(&queued, TaskState::Running);
        let check = async |changes: &[Change], expected: &str| {
            let mut batch = vec![changed(&load, &to(&load, TaskState::Running))];
            batch.extend_from_slice(changes);
            batch.push(Change::Event(event(&load, TaskState::Queued)));
            let error = store.apply(epoch, &batch).await.unwrap_err();
            assert!(matches!(error, ApplyError::Conflict { .. }), "{error:?}");
            assert!(error.to_string().contains(expected), "{error}");
            let rows = task_instance::of_run(&store, 1).await.unwrap();
            assert_eq!(rows, [queued.clone(), load.clone()]);
            assert_eq!(events::last_id(&store).await.unwrap(), 0);
        };
        check(&[changed(&running, &running)], "task instance 1 is (Queued, 0, 0)").await;
        let gone = ti(9, 1, "gone");
        check(&[changed(&gone, &gone)], "task instance 9 is gone").await;
        let twice = [changed(&queued, &running), changed(&queued, &running)];
        check(&twice, "task instance 1 within the batch").await;
        let from = RunState::Queued;
        check(&[Change::Run { from, row: Box::new(run(1)) }], "dag run 1 is Running").await;
        let mut same_date = run(2);
        same_date.logical_date = run(1).logical_date;
        check(&[Change::RunCreated(Box::new(same_date), vec![])], "dag_run::insert").await;
        let mut same_name = run(2);
        same_name.run_id = run(1).run_id;
        check(&[Change::RunCreated(Box::new(same_name), vec![])], "dag_run::insert").await;
        check(&[Change::InboxDone { id: 7, answer: json!({}) }], "inbox entry 7").await;
    })
    .await;
}

#[tokio::test]
async fn a_deposed_leader_writes_nothing() {
    both(|Fixture { store, url, .. }| async move {
        let old = with_run(&store).await;
        let other = Store::open(&url).await.unwrap();
        assert_eq!(other.acquire("elsewhere:/home").await.unwrap(), None, "somebody leads");
        let seen = other.leader().await.unwrap().unwrap();
        assert!(store.renew(old).await.unwrap());
        assert_eq!(other.take_over(&seen, "elsewhere:/home").await.unwrap(), None, "it lives");
        let seen = other.leader().await.unwrap().unwrap();
        let new = other.take_over(&seen, "elsewhere:/home").await.unwrap().expect("takes over");
        assert!(new > old);
        let batch = [Change::Event(event(&ti(1, 1, "extract"), TaskState::Queued))];
        let error = store.apply(old, &batch).await.unwrap_err();
        assert!(matches!(error, ApplyError::Fenced { .. }), "{error:?}");
        assert!(!store.renew(old).await.unwrap());
        store.release(old).await.unwrap();
        other.apply(new, &batch).await.unwrap();
        other.release(new).await.unwrap();
        let third = store.acquire("host:/home").await.unwrap().expect("it was released");
        let again = store.acquire("host:/home").await.unwrap().expect("the same holder");
        assert!(again > third && third > new);
    })
    .await;
}

#[tokio::test]
async fn two_leaders_race_and_one_wins() {
    both(|Fixture { store, url, .. }| async move {
        let first = with_run(&store).await;
        let seen = store.leader().await.unwrap().unwrap();
        let (one, two) = (Store::open(&url).await.unwrap(), Store::open(&url).await.unwrap());
        let (a, b) = tokio::join!(one.take_over(&seen, "one"), two.take_over(&seen, "two"));
        let epochs = [a.unwrap(), b.unwrap()];
        assert_eq!(epochs.iter().flatten().count(), 1, "{epochs:?}");
        assert!(epochs.iter().flatten().all(|epoch| *epoch > first));
    })
    .await;
}

#[tokio::test]
async fn a_deleted_run_takes_everything_but_its_numbers() {
    both(|Fixture { store, .. }| async move {
        let epoch = with_run(&store).await;
        let queued = ti(1, 1, "extract");
        let running = to(&queued, TaskState::Running);
        let mut again = run(2);
        (again.run_id, again.logical_date) = (run(1).run_id, run(1).logical_date);
        let changes = [
            changed(&queued, &running),
            Change::Attempt(Box::new(attempt(&running))),
            Change::RunDeleted(1),
            Change::RunCreated(Box::new(again.clone()), vec![ti(3, 2, "extract")]),
        ];
        store.apply(epoch, &changes).await.unwrap();
        assert_eq!(dag_run::get(&store, "etl", "scheduled__1").await.unwrap(), Some(again));
        assert_eq!(task_attempt::of_run(&store, 1).await.unwrap(), []);
        store.apply(epoch, &[Change::RunDeleted(2)]).await.unwrap();
        let snapshot = store.restore().await.unwrap();
        assert_eq!((snapshot.last_run, snapshot.last_ti), (2, 3), "numbers are not given again");
        assert_eq!((snapshot.runs.len(), snapshot.tis.len()), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn notes_and_pools() {
    both(|Fixture { store, .. }| async move {
        let epoch = with_run(&store).await;
        let pool = PoolRow {
            name: "gpu".to_owned(),
            slots: -1,
            description: Some("cards".to_owned()),
            include_deferred: true,
        };
        let note = |ti, note: &str| Change::Note { run: 1, ti, note: Some(note.to_owned()) };
        let mut noted = run(1);
        noted.note = Some("newer".to_owned());
        let changes = [
            note(None, "older"),
            Change::Run { from: RunState::Running, row: Box::new(noted.clone()) },
            note(Some(2), "on load"),
            Change::Pool(pool.clone()),
            Change::PoolDeleted("default_pool".to_owned()),
        ];
        store.apply(epoch, &changes).await.unwrap();
        let snapshot = store.restore().await.unwrap();
        assert_eq!(snapshot.runs, [noted]);
        assert_eq!(snapshot.tis[1].note.as_deref(), Some("on load"));
        assert_eq!(snapshot.pools, [pool]);
    })
    .await;
}

#[tokio::test]
async fn large_batches_go_in_pieces() {
    both(|Fixture { store, .. }| async move {
        let epoch = with_run(&store).await;
        let tis: Vec<_> = (10..310).map(|id| ti(id, 2, &format!("task_{id}"))).collect();
        let created = Change::RunCreated(Box::new(run(2)), tis.clone());
        store.apply(epoch, &[created]).await.unwrap();
        let running: Vec<_> = tis.iter().map(|row| to(row, TaskState::Running)).collect();
        let mut changes: Vec<_> =
            tis.iter().zip(&running).map(|(from, row)| changed(from, row)).collect();
        changes.extend(running.iter().map(|row| Change::Event(event(row, TaskState::Queued))));
        let applied = store.apply(epoch, &changes).await.unwrap();
        assert_eq!(applied.last_event, Some(300));
        assert_eq!(task_instance::of_run(&store, 2).await.unwrap(), running);
    })
    .await;
}

#[tokio::test]
async fn nothing_answered_is_lost_when_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(Some(folder.path()));
    let mut url = server.database().await;
    let mut runs = 0;
    for round in 0..4 {
        let store = Store::open(&url).await.unwrap();
        store.migrate(at(0)).await.unwrap();
        let epoch = store.acquire("host:/home").await.unwrap().expect("leads");
        let snapshot = store.restore().await.unwrap();
        assert!(snapshot.last_run >= runs, "round {round}: {} of {runs}", snapshot.last_run);
        runs = snapshot.last_run;
        // The kill comes from outside, while batches are on their way.
        let writer = tokio::spawn(async move {
            let mut done = runs;
            loop {
                let next = done + 1;
                let created = Change::RunCreated(Box::new(run(next)), vec![ti(next, next, "a")]);
                match store.apply(epoch, &[created]).await {
                    Ok(_) => done = next,
                    Err(ApplyError::Unavailable { .. } | ApplyError::Unknown { .. }) => {
                        return done;
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(150 * (round + 1))).await;
        tokio::task::spawn_blocking(move || server.kill()).await.unwrap();
        runs = writer.await.unwrap();
        let path = folder.path().to_path_buf();
        server = tokio::task::spawn_blocking(move || Server::start(Some(&path))).await.unwrap();
        let name = url.rsplit('/').next().unwrap().to_owned();
        url = format!("mysql://root@127.0.0.1:{}/{name}", server.port());
    }
    assert!(runs > 20, "too few batches to say anything: {runs}");
    let snapshot = Store::open(&url).await.unwrap().restore().await.unwrap();
    assert!(snapshot.last_run >= runs && snapshot.last_ti == snapshot.last_run);
    server.kill();
}

#[tokio::test]
async fn inbox_entries_are_done_with_their_effect() {
    both(|Fixture { store, .. }| async move {
        let epoch = with_run(&store).await;
        let order =
            millrace_core::engine::Order::DeletePool { name: "gpu".to_owned(), actor: None };
        let id = inbox::add(&store, &order, Some("me:1"), at(5)).await.unwrap();
        assert_eq!(inbox::answer(&store, id).await.unwrap(), None);
        let answer = json!({"ok": {"name": "gpu"}});
        let done = Change::InboxDone { id, answer: answer.clone() };
        store.apply(epoch, std::slice::from_ref(&done)).await.unwrap();
        assert_eq!(inbox::answer(&store, id).await.unwrap(), Some(answer));
        assert_eq!(inbox::pending(&store).await.unwrap().len(), 0);
        let error = store.apply(epoch, &[done]).await.unwrap_err();
        assert!(error.to_string().contains("answered before"), "{error}");
        let again = inbox::add(&store, &order, Some("me:1"), at(9)).await.unwrap();
        assert_eq!(again, id, "a late repetition finds the answer");
    })
    .await;
}

/// A proxy that passes everything on, until it is told to drop what the server answers: the batch
/// is committed, and nobody hears of it.
async fn proxy(to: String, is_deaf: Arc<AtomicBool>) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = tokio::net::TcpStream::connect(&to).await.unwrap();
            let is_deaf = is_deaf.clone();
            tokio::spawn(async move {
                let (mut asks, mut hears) = client.split();
                let (mut answers, mut obeys) = server.split();
                let mut buffer = vec![0; 65_536];
                let mut bytes = vec![0; 65_536];
                loop {
                    tokio::select! {
                        read = asks.read(&mut buffer) => {
                            let Ok(size @ 1..) = read else { return };
                            let is_commit = buffer[..size].ends_with(b"COMMIT");
                            obeys.write_all(&buffer[..size]).await.unwrap();
                            if is_commit && is_deaf.load(Ordering::SeqCst) {
                                // The server has answered, so it has committed; hang up.
                                assert!(answers.read(&mut bytes).await.unwrap() > 0);
                                return;
                            }
                        }
                        read = answers.read(&mut bytes) => {
                            let Ok(size @ 1..) = read else { return };
                            hears.write_all(&bytes[..size]).await.unwrap();
                        }
                    }
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_lost_answer_to_the_commit_is_unknown_and_can_be_read_again() {
    let (_kept, Fixture { store, url, .. }) = crate::testing::mariadb().await;
    let epoch = with_run(&store).await;
    let (place, name) = url.split_once('@').unwrap().1.split_once('/').unwrap();
    let is_deaf = Arc::new(AtomicBool::new(false));
    let port = proxy(place.to_owned(), is_deaf.clone()).await;
    let far = Store::open(&format!("mysql://root@127.0.0.1:{port}/{name}")).await.unwrap();
    let created = |id| [Change::RunCreated(Box::new(run(id)), vec![ti(id + 100, id, "a")])];
    far.apply(epoch, &created(2)).await.unwrap();
    is_deaf.store(true, Ordering::SeqCst);
    let error = far.apply(epoch, &created(3)).await.unwrap_err();
    assert!(matches!(error, ApplyError::Unknown { .. }), "{error:?}");
    is_deaf.store(false, Ordering::SeqCst);
    assert_eq!(far.restore().await.unwrap().last_run, 3, "it was committed");
    let error = far.apply(epoch, &created(3)).await.unwrap_err();
    assert!(matches!(error, ApplyError::Conflict { .. }), "{error:?}");
    far.apply(epoch, &created(4)).await.unwrap();
}

#[tokio::test]
async fn leaders_that_lose_a_row_lock_try_again() {
    let (_kept, Fixture { store, .. }) = crate::testing::mariadb().await;
    let epoch = with_run(&store).await;
    // Another transaction holds task instance 1 and waits for the leader's row: a deadlock, which
    // the server ends by rolling one of the two back.
    let mut other = store.db.begin().await.unwrap();
    let lock = "-- test::lock\nUPDATE task_instance SET note = 'x' WHERE id = 1";
    other.exec(crate::db::Sql::new(lock)).await.unwrap();
    let (queued, batch) = (ti(1, 1, "extract"), to(&ti(1, 1, "extract"), TaskState::Running));
    let changes = [changed(&queued, &batch)];
    let blocked = store.apply(epoch, &changes);
    let deadlock = async {
        let waiting = crate::db::Sql::new(
            "SELECT COUNT(*) FROM information_schema.INNODB_TRX
             WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE '%task_instance::lock%'",
        );
        while store.count(waiting.clone()).await.unwrap() == 0 {
            // The server renews this table only when nobody read it for 100 ms.
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        let leader =
            "-- test::leader\nUPDATE leader SET counter = counter WHERE name = 'scheduler'";
        let result = other.exec(crate::db::Sql::new(leader)).await;
        drop(other);
        result
    };
    let (applied, deadlocked) = tokio::join!(blocked, deadlock);
    let applied = applied.unwrap();
    assert!(deadlocked.is_err() || applied.retries > 0, "{deadlocked:?} {applied:?}");
    assert_eq!(task_instance::of_run(&store, 1).await.unwrap()[0].state, TaskState::Running);
}
