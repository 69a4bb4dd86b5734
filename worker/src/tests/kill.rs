//! Tasks that must end early: timeouts, orders, lost leases, shutdowns, crashed workers.

use std::time::{Duration, Instant};

use millrace_core::wire::{Kill, Outcome, Work};

use crate::process::scan;
use crate::testing::{FakeLink, TestWorker, bash, key, until, with_task};

/// Processes that carry the mark of attempt 1 of a worker's folder.
fn alive(cluster: &str) -> Option<()> {
    (!scan::marked(&format!("{cluster}/{}", key(1))).is_empty()).then_some(())
}

async fn nothing_lives(cluster: &str) {
    until("the end of all processes", || alive(cluster).is_none().then_some(())).await;
}

const TREE: &str = "sleep 600 & (setsid sleep 601 &) ; (sleep 602; true) & echo up; wait";

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_ends_the_whole_tree() {
    let worker = TestWorker::start_with(|config| config.cluster = "kill-timeout".to_owned());
    let started = Instant::now();
    let task = with_task(bash(1, TREE), |task| task.execution_timeout_secs = Some(0.5));
    let result = worker.run(task).await;
    assert_eq!(result.outcome, Outcome::Failed);
    let reason = result.reason.expect("a reason");
    assert!(reason.contains("execution_timeout is 0.500 s"), "{reason}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    nothing_lives("kill-timeout").await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_ignores_the_request_gets_the_order() {
    let worker = TestWorker::start_with(|config| {
        config.cluster = "kill-deaf".to_owned();
        config.kill_grace = Duration::from_millis(300);
    });
    worker.link.give(bash(1, "trap '' TERM; echo deaf; while :; do sleep 1; done"));
    worker.link.log_has(key(1), "deaf").await;
    let kill = Kill { key: key(1), reason: "marked as failed by kim".to_owned() };
    worker.link.give_work(Work::Kill(kill));
    let result = worker.link.result(key(1)).await;
    assert_eq!(result.outcome, Outcome::Killed);
    assert_eq!(result.exit_code, Some(137));
    let log = worker.link.log(key(1));
    assert!(log.contains("marked as failed by kim; sending SIGTERM"), "{log}");
    assert!(log.contains("sending SIGKILL"), "{log}");
    nothing_lives("kill-deaf").await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_by_a_renewal_counts_too_and_a_task_may_clean_up() {
    let worker = TestWorker::start();
    worker
        .link
        .give(bash(1, "trap 'echo cleaned; exit 0' TERM; echo up; while :; do sleep 0.05; done"));
    worker.link.log_has(key(1), "up").await;
    worker.link.lock().kill.push(Kill { key: key(1), reason: "cleared".to_owned() });
    let result = worker.link.result(key(1)).await;
    assert_eq!(result.outcome, Outcome::Killed, "an exit code of 0 makes it no success");
    assert!(worker.link.log(key(1)).contains("cleaned"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_lease_kills_its_attempts() {
    let link = FakeLink::new();
    link.lock().self_fence_ms = 400;
    let home = tempfile::tempdir().expect("a folder");
    let worker = TestWorker::start_in(home, link, |c| c.cluster = "kill-fence".to_owned());
    worker.link.give(bash(1, "trap '' TERM; echo up; sleep 600; sleep 600"));
    worker.link.log_has(key(1), "up").await;
    let since = Instant::now();
    worker.link.lock().is_down = true;
    nothing_lives("kill-fence").await;
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    worker.link.lock().is_down = false;
    let result = worker.link.result(key(1)).await;
    assert_eq!(result.outcome, Outcome::Lost);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_waits_then_kills_and_reports() {
    let worker = TestWorker::start_with(|c| c.drain = Duration::from_secs(20));
    worker.link.give(bash(1, "echo up; sleep 0.3; echo done"));
    worker.link.log_has(key(1), "up").await;
    let link = worker.link.clone();
    worker.stop().await;
    assert_eq!(link.result(key(1)).await.outcome, Outcome::Success, "it may end");

    let worker = TestWorker::start();
    worker.link.give(bash(1, "echo up; sleep 600"));
    worker.link.log_has(key(1), "up").await;
    let link = worker.link.clone();
    worker.stop().await;
    let result = link.result(key(1)).await;
    assert_eq!(result.outcome, Outcome::Lost);
    assert!(result.reason.expect("a reason").contains("shut down"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_worker_ends_what_a_crashed_one_left() {
    let cluster = "kill-crash";
    // A worker whose whole runtime dies takes nothing down with it.
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let home = runtime.block_on(async {
            let worker = TestWorker::start_with(|c| c.cluster = cluster.to_owned());
            worker.link.give(bash(1, "echo up; sleep 600"));
            worker.link.log_has(key(1), "up").await;
            worker.crash().await
        });
        runtime.shutdown_background();
        sender.send(home).expect("the test waits");
    });
    let home = receiver.recv().expect("the worker crashed");
    assert!(alive(cluster).is_some(), "the task outlives the worker");
    let worker = TestWorker::start_in(home, FakeLink::new(), |c| c.cluster = cluster.to_owned());
    until("a registration", || worker.link.lock().registered.first().cloned()).await;
    assert!(alive(cluster).is_none(), "ended before the worker registers");
    assert!(worker.link.lock().registered[0].running.is_empty());
    assert_eq!(crate::folder::leftovers(worker.home.path()).len(), 0);
    worker.stop().await;
}
