//! What a bash task gives back: outcome, exit code, reason, XCom.

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use millrace_core::asset::AssetRef;
use millrace_core::wire::Outcome;
use serde_json::{Value, json};

use crate::testing::{TestWorker, assignment, bash, key, task, until, with_task};

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_and_last_lines() {
    let worker = TestWorker::start();
    let cases: &[(&str, Outcome, i32, Option<Value>)] = &[
        ("echo a; echo b", Outcome::Success, 0, Some(json!("b"))),
        ("true", Outcome::Success, 0, Some(json!(""))),
        (r#"echo '{"accuracy": 0.91}'"#, Outcome::Success, 0, Some(json!({"accuracy": 0.91}))),
        ("echo 42", Outcome::Success, 0, Some(json!(42))),
        ("printf 'no end'", Outcome::Success, 0, Some(json!("no end"))),
        ("echo out; echo err >&2", Outcome::Success, 0, Some(json!("out"))),
        ("echo x; exit 99", Outcome::Skipped, 99, None),
        ("echo x; exit 3", Outcome::Failed, 3, None),
        ("kill -KILL $$", Outcome::Failed, 137, None),
        ("no-such-command", Outcome::Failed, 127, None),
        (r#"echo x; echo '[1]' > "$MILLRACE_XCOM""#, Outcome::Success, 0, Some(json!([1]))),
    ];
    for (ti, (command, outcome, exit_code, xcom)) in (1..).zip(cases) {
        let result = worker.run(bash(ti, command)).await;
        assert_eq!(result.outcome, *outcome, "{command}: {:?}", result.reason);
        assert_eq!(result.exit_code, Some(*exit_code), "{command}");
        assert_eq!(result.xcoms.get("return_value"), xcom.as_ref(), "{command}");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_says_why() {
    let worker = TestWorker::start();
    let check = async |ti, command: &str, expected: &str| {
        let result = worker.run(bash(ti, command)).await;
        let reason = result.reason.unwrap_or_default();
        assert!(reason.contains(expected), "{command}: {reason}");
        assert!(worker.link.log(key(ti)).contains(expected), "the log says it too");
    };
    check(1, "echo first >&2; echo last >&2; exit 4", "exit code 4: first\nlast").await;
    check(2, "kill -SEGV $$", "killed by SIGSEGV").await;
    check(3, "head -c 1200000 /dev/zero | tr '\\0' x", "object store").await;
    check(4, "echo '{' > $MILLRACE_XCOM", "does not hold JSON").await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_read() {
    let worker = TestWorker::start();
    let command = r#"echo '{"accuracy": 0.9, "rows": 3, "note": "x"}' > "$MILLRACE_METRICS""#;
    let result = worker.run(bash(1, command)).await;
    assert_eq!(Value::Object(result.metrics), json!({"accuracy": 0.9, "rows": 3}));
    assert!(worker.link.log(key(1)).contains("metric \"note\" is no number"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_what_was_given() {
    let worker = TestWorker::start();
    let show = r#"echo "$HOME|$GIVEN|$MILLRACE_DAG_ID|$AIRFLOW_CTX_DAG_RUN_ID|$MILLRACE_FENCE""#;
    let given = |append_env| {
        with_task(bash(i64::from(append_env) + 1, show), |task| {
            task.env = IndexMap::from([("GIVEN".to_owned(), "g v".to_owned())]);
            task.append_env = append_env;
        })
    };
    let home = std::env::var("HOME").unwrap_or_default();
    let ids = "the_dag|scheduled__2025-08-21T06:00:00+00:00|1";
    let result = worker.run(given(false)).await;
    assert_eq!(result.xcoms["return_value"], json!(format!("|g v|{ids}")));
    let result = worker.run(given(true)).await;
    assert_eq!(result.xcoms["return_value"], json!(format!("{home}|g v|{ids}")));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_works_in_a_folder_of_its_own_that_is_removed() {
    let worker = TestWorker::start();
    let result = worker.run(bash(1, "touch x; stat -c '%a' .; pwd")).await;
    let folder = result.xcoms["return_value"].as_str().expect("a path").to_owned();
    assert!(worker.link.log(key(1)).contains("700"), "{}", worker.link.log(key(1)));
    let gone = || (!std::path::Path::new(&folder).exists()).then_some(());
    until("the folder's removal", gone).await;
    let elsewhere = tempfile::tempdir().expect("a folder");
    let config = json!({"bash_command": "pwd", "cwd": elsewhere.path()});
    let result = worker.run(assignment(2, task("bash", &config))).await;
    assert_eq!(result.xcoms["return_value"], json!(elsewhere.path()));
    let config = json!({"bash_command": "pwd", "cwd": "/no/such/folder"});
    let result = worker.run(assignment(3, task("bash", &config))).await;
    assert!(result.reason.expect("a reason").contains("/no/such/folder"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_task_leaves_behind_lives_on_and_may_write() {
    let worker = TestWorker::start();
    let folder = tempfile::tempdir().expect("a folder");
    let alive = folder.path().join("alive");
    let command = format!(
        "(sleep 0.5; while :; do echo tick; date > {}; sleep 0.05; done) & echo $!; echo ok",
        alive.display()
    );
    let started = Instant::now();
    let result = worker.run(bash(1, &command)).await;
    assert_eq!(result.outcome, Outcome::Success);
    assert_eq!(result.xcoms["return_value"], json!("ok"));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    let log = worker.link.log(key(1));
    let pid = log.lines().find_map(|line| line.parse::<i32>().ok()).expect("a pid in the log");
    worker.stop().await;
    for _ in 0..3 {
        // It writes to a pipe that nobody of ours reads any more, and still goes on.
        drop(std::fs::remove_file(&alive));
        until("another tick", || alive.exists().then_some(())).await;
    }
    let group = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(group, rustix::process::Signal::KILL).expect("it lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_and_short_circuits_by_command() {
    let worker = TestWorker::start();
    let decide = |ti, operator: &str, command: &str| {
        let mut made = assignment(ti, task(operator, &json!({ "bash_command": command })));
        made.downstream =
            ["a", "b"].map(|id| millrace_core::ids::TaskId::new(id).expect("an id")).to_vec();
        with_task(made, |task| task.do_xcom_push = false)
    };
    let result = worker.run(decide(1, "branch", "echo thinking; echo a")).await;
    assert_eq!(result.chosen, Some(vec!["a".to_owned()]));
    let result = worker.run(decide(2, "branch", r#"echo '["a","b"]'"#)).await;
    assert_eq!(result.chosen, Some(vec!["a".to_owned(), "b".to_owned()]));
    let result = worker.run(decide(3, "branch", "echo c")).await;
    assert_eq!(result.outcome, Outcome::Failed);
    assert!(result.reason.expect("a reason").contains("choose from a, b"));
    let result = worker.run(decide(4, "short_circuit", "echo false")).await;
    assert_eq!(result.go_on, Some(false));
    let result = worker.run(decide(5, "short_circuit", "echo 1")).await;
    assert_eq!(result.go_on, Some(true));
    assert!(result.xcoms.is_empty(), "do_xcom_push is false");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_task_says_of_its_outlets_is_read() {
    let worker = TestWorker::start();
    let command = r#"echo '{"model": {"version": 3}, "s3://b": 1}' > "$MILLRACE_ASSETS"
        echo '{"another": {}, "s3://b": {"rows": 7}}' >> "$MILLRACE_ASSETS""#;
    let outlets = ["model", "s3://b"].map(AssetRef::plain).to_vec();
    let work = with_task(bash(1, command), |task| task.outlets = outlets);
    let result = worker.run(work).await;
    assert_eq!(
        Value::Object(result.assets),
        json!({"model": {"version": 3}, "s3://b": {"rows": 7}})
    );
    let log = worker.link.log(key(1));
    for problem in ["is no map: 1", "which is no outlet of this task (model, s3://b)"] {
        assert!(log.contains(problem), "{problem}: {log}");
    }
    assert_eq!(worker.run(bash(2, command)).await.assets.len(), 0, "it has no outlets");
    worker.stop().await;
}

/// As root, the process has the account with its groups and its home, a folder of its own, and
/// nothing of root's; without root the task fails and says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_may_have_another_account() {
    let worker = TestWorker::start();
    let under = |ti, user: &str, command: &str| {
        with_task(bash(ti, command), |task| task.run_as_user = Some(user.to_owned()))
    };
    let show = r#"touch mine; echo noise; echo "[\"$(id -un)\", \"$(id -Gn)\", \"$HOME\", \"$USER\", \"$(stat -c %U mine)\"]" > "$MILLRACE_XCOM""#;
    let result = worker.run(under(1, "nobody", show)).await;
    let reason = result.reason.clone().unwrap_or_default();
    if rustix::process::geteuid().is_root() {
        assert_eq!(result.outcome, Outcome::Success, "{reason}");
        let expected = json!(["nobody", "nogroup", "/nonexistent", "nobody", "nobody"]);
        assert_eq!(result.xcoms.get("return_value"), Some(&expected));
        let stolen = r#"cat /etc/shadow; ln -s /etc/shadow "$MILLRACE_XCOM"; echo '"own"'"#;
        let result = worker.run(under(2, "nobody", stolen)).await;
        assert_eq!(result.outcome, Outcome::Failed, "no link is followed");
        assert_eq!(result.xcoms.get("return_value"), None);
        assert!(worker.link.log(key(2)).contains("Permission denied"));
        let ours = format!("millrace-{}", key(1));
        let is_ours =
            |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with(&ours);
        until("its folder is gone", || {
            let mut left = std::fs::read_dir(std::env::temp_dir()).expect("reads").flatten();
            (!left.any(|entry| is_ours(&entry))).then_some(())
        })
        .await;
    } else {
        assert_eq!(result.outcome, Outcome::FailedForGood);
        assert!(reason.contains("needs a worker that runs as root"), "{reason}");
    }
    let result = worker.run(under(3, "no-such-account", "true")).await;
    assert_eq!(result.outcome, Outcome::FailedForGood);
    let reason = result.reason.unwrap_or_default();
    assert!(reason.contains("has no account \"no-such-account\""), "{reason}");
    worker.stop().await;
}
