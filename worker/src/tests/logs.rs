//! Logs: live, whole, masked, bounded.

use std::time::{Duration, Instant};

use millrace_core::log_line::{self, Source};
use millrace_core::wire::Outcome;

use crate::testing::{TestWorker, bash, key, until, with_secrets, with_task};

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_seen_live_and_in_their_form() {
    let worker = TestWorker::start();
    worker.link.give(bash(1, "echo first; echo oops >&2; sleep 5; echo last"));
    let started = Instant::now();
    worker.link.log_has(key(1), "first").await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    worker.link.log_has(key(1), "oops").await;
    let log = worker.link.lock().logs[&key(1)].clone();
    let lines: Vec<_> = log.lines().map(log_line::parse).collect();
    assert!(lines.iter().all(|line| line.at.is_some()), "{log}");
    assert!(lines.iter().any(|line| line.source == Source::Out && line.text == "first"));
    assert!(lines.iter().any(|line| line.source == Source::Err && line.text == "oops"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_whole_before_the_result_is_known() {
    let worker = TestWorker::start();
    let result = worker.run(bash(1, "seq 1 20000")).await;
    assert_eq!(result.outcome, Outcome::Success);
    let log = worker.link.log(key(1));
    let numbers: Vec<u32> = log.lines().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(numbers, (1..=20_000).collect::<Vec<_>>());
    assert_eq!(worker.link.lock().closed, [key(1)]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_masked_everywhere() {
    let worker = TestWorker::start();
    let secret = "s3cr3t/pass";
    let command = "printf 's3cr3t'; sleep 0.2; printf '/pass\\n'; echo 's3cr3t/pass' | base64; \
                   echo 's3cr3t%2Fpass' >&2; set -x; echo 's3cr3t/pass'; exit 1";
    let result = worker.run(with_secrets(bash(1, command), &[secret])).await;
    let log = worker.link.lock().logs[&key(1)].clone();
    for form in [secret, "s3cr3t", "czNjcjN0L3Bhc3", "s3cr3t%2Fpass"] {
        assert!(!log.contains(form), "{form} in {log}");
    }
    assert!(log.contains("***"));
    assert!(!serde_json::to_string(&result).expect("JSON").contains(secret), "{result:?}");
    let result = worker.run(with_secrets(bash(2, "echo s3cr3t/pass"), &[secret])).await;
    assert_eq!(result.xcoms["return_value"], "***");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_stays_within_bounds() {
    let worker = TestWorker::start_with(|config| config.log_bytes_max = 200_000);
    let command = "for i in 1 2 3; do head -c 5000000 /dev/zero | tr '\\0' y | fold -w 100; echo; done; \
                   echo the end";
    let before = resident_bytes();
    let result = worker.run(bash(1, command)).await;
    assert_eq!(result.xcoms["return_value"], "the end");
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 60 << 20, "memory grew by {grown} bytes");
    let log = worker.link.log(key(1));
    assert!(log.contains("are left out here"), "a hint");
    let end = &log[log.len().saturating_sub(300)..];
    assert!(log.ends_with("the end\n"), "the end is kept: {end}");
    assert!(worker.link.lock().logs[&key(1)].len() < 400_000);
    let timed = with_task(bash(2, "yes"), |task| task.execution_timeout_secs = Some(0.5));
    let result = worker.run(timed).await;
    assert_eq!(result.outcome, Outcome::Failed);
    worker.stop().await;
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    pages * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_waits_for_a_scheduler_that_is_away() {
    let worker = TestWorker::start();
    worker.link.give(bash(1, "echo one; sleep 0.3; echo two"));
    worker.link.log_has(key(1), "one").await;
    worker.link.lock().is_down = true;
    tokio::time::sleep(Duration::from_millis(600)).await;
    worker.link.lock().is_down = false;
    worker.link.result(key(1)).await;
    let whole = || (worker.link.log(key(1)) == "one\ntwo\n").then_some(());
    until("the whole log, once", whole).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_bars_and_long_lines_are_cut() {
    let worker = TestWorker::start();
    let command = r"printf '10%%\r50%%\r100%%\r\nnext\n'; head -c 150000 /dev/zero | tr '\0' z";
    worker.run(bash(1, command)).await;
    let log = worker.link.log(key(1));
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines[..4], ["10%", "50%", "100%", "next"]);
    let sizes: Vec<_> = lines[4..].iter().map(|line| line.len()).collect();
    assert_eq!(sizes, [65_536, 65_536, 150_000 - 2 * 65_536]);
    worker.stop().await;
}
