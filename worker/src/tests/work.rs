//! The worker's loop: claims, slots, hand-over, renewal.

use std::time::Instant;

use millrace_core::wire::Outcome;

use crate::testing::{TestWorker, bash, key, until};
use crate::{Worker, WorkerConfig, WorkerError};

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_results_carry_the_next_work() {
    let worker = TestWorker::start_with(|config| config.slots = 1);
    for ti in 1..=20 {
        worker.link.give(bash(ti, "true"));
    }
    for ti in 1..=20 {
        assert_eq!(worker.link.result(key(ti)).await.outcome, Outcome::Success);
    }
    let given = worker.link.lock().given_by_finish;
    assert!(given >= 15, "only {given} of 20 came with an answer");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_attempts_than_slots() {
    let worker = TestWorker::start_with(|config| config.slots = 3);
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().display();
    for ti in 1..=12 {
        let command = format!("touch {dir}/{ti}; ls {dir} | wc -l; sleep 0.05; rm {dir}/{ti}");
        worker.link.give(bash(ti, &command));
    }
    for ti in 1..=12 {
        worker.link.result(key(ti)).await;
        let at_once: u32 = worker.link.log(key(ti)).trim().parse().expect("a number");
        assert!((1..=3).contains(&at_once), "{at_once} at once");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_names_what_runs() {
    let worker = TestWorker::start();
    worker.link.give(bash(1, "sleep 0.5"));
    let names_it =
        || worker.link.lock().renewed.iter().any(|renew| renew.running == [key(1)]).then_some(());
    until("a renewal with the attempt", names_it).await;
    worker.link.result(key(1)).await;
    let count = worker.link.lock().renewed.len();
    let names_nothing =
        || worker.link.lock().renewed[count..].iter().any(|r| r.running.is_empty()).then_some(());
    until("a renewal without it", names_nothing).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_always_open_for_orders() {
    let worker = TestWorker::start_with(|config| config.slots = 1);
    worker.link.give(bash(1, "sleep 1"));
    let open = || {
        let script = worker.link.lock();
        script.claims.last().filter(|claim| claim.free_slots == 0).map(|_| ())
    };
    until("a claim without slots", open).await;
    worker.link.result(key(1)).await;
    worker.link.give(bash(2, "true"));
    worker.link.result(key(2)).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_a_folder() {
    let worker = TestWorker::start();
    until("a registration", || worker.link.lock().registered.first().map(|_| ())).await;
    let config = WorkerConfig::new("w2", worker.home.path());
    let second =
        Worker::run(worker.link.clone(), config, tokio_util::sync::CancellationToken::new());
    let error = second.await.expect_err("the folder is taken");
    assert!(matches!(error, WorkerError::HomeInUse { .. }), "{error}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_is_quick() {
    let worker = TestWorker::start_with(|config| config.slots = 1);
    worker.run(bash(1, "true")).await;
    let started = Instant::now();
    for ti in 2..=51 {
        worker.link.give(bash(ti, "true"));
    }
    worker.link.result(key(51)).await;
    let each = started.elapsed() / 50;
    println!("one attempt after the other: {each:?} each");
    assert!(each.as_millis() < 100, "{each:?}");
    worker.stop().await;
}
