//! Containers on a real daemon. `tests/stack/dockerd.sh` starts one where none answers, and
//! `tests/stack/busybox_image.sh` makes the image; both are called here.

use std::process::Command;
use std::sync::OnceLock;

use bollard::Docker;
use millrace_core::wire::{Assignment, Kill, Outcome, Work};
use serde_json::{Value, json};

use crate::operator::docker;
use crate::testing::{FakeLink, TestWorker, assignment, key, task, until, with_task};

const IMAGE: &str = "millrace/busybox:latest";

/// A daemon that answers and has the image.
#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
fn daemon() -> Docker {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| {
        for script in ["dockerd.sh", "busybox_image.sh"] {
            let path = format!("{}/../tests/stack/{script}", env!("CARGO_MANIFEST_DIR"));
            let done = Command::new(&path).output().expect("the script runs");
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "no Docker: run {path}: {said}");
        }
    });
    docker::connect(None).expect("an address")
}

/// A worker whose containers no other test sees.
fn worker(cluster: &str) -> TestWorker {
    daemon();
    let cluster = format!("{cluster}-{}", std::process::id());
    TestWorker::start_with(|config| config.cluster = cluster)
}

fn container(ti: i64, config: Value) -> Assignment {
    let mut config = config;
    if config.get("image").is_none() {
        config["image"] = json!(IMAGE);
    }
    assignment(ti, task("docker", &config))
}

fn shell(ti: i64, script: &str) -> Assignment {
    container(ti, json!({"command": ["sh", "-c", script]}))
}

/// The containers of a worker, running or not.
async fn containers(cluster: &str) -> usize {
    let cluster = format!("{cluster}-{}", std::process::id());
    let labels = [(docker::CLUSTER, cluster.as_str())];
    docker::containers_of(&daemon(), &labels).await.expect("a list").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_are_true() {
    let worker = worker("outcomes");
    let result = worker.run(shell(1, "echo a; echo e >&2; echo '{\"n\": 1}'")).await;
    assert_eq!(result.outcome, Outcome::Success, "{:?}", result.reason);
    assert_eq!(result.xcoms["return_value"], json!({"n": 1}));
    let log = worker.link.log(key(1));
    assert!(log.contains("a\n") && log.contains("e\n"), "{log}");

    let result = worker.run(shell(2, "echo broken >&2; exit 3")).await;
    assert_eq!((result.outcome, result.exit_code), (Outcome::Failed, Some(3)));
    assert_eq!(result.reason.as_deref(), Some("exit code 3: broken"));

    let eat = "x=$(head -c 200000000 /dev/zero | tr '\\0' y); echo $x | wc -c";
    let config = json!({"command": ["sh", "-c", eat], "mem_limit": "32m"});
    let result = worker.run(container(3, config)).await;
    assert_eq!(result.outcome, Outcome::Failed);
    assert_eq!(result.exit_code, Some(137));
    let reason = result.reason.expect("a reason");
    assert!(reason.starts_with("out of memory") && reason.contains("32m"), "{reason}");

    let result =
        worker.run(container(4, json!({"image": "millrace/none:1", "pull": "never"}))).await;
    assert_eq!(result.outcome, Outcome::FailedForGood);
    assert!(
        result.reason.expect("a reason").contains("\"millrace/none:1\" is not on this machine")
    );

    let result = worker.run(container(5, json!({"image": "127.0.0.1:9/none:1"}))).await;
    assert_eq!(result.outcome, Outcome::FailedForGood, "no retry storm");

    let result = worker.run(container(6, json!({"command": ["no-such-program"]}))).await;
    assert_ne!(result.outcome, Outcome::Success);
    assert!(result.reason.expect("a reason").contains("no-such-program"));

    let config = json!({"docker_url": "unix:///nowhere/docker.sock", "command": "true"});
    let result = worker.run(container(7, config)).await;
    assert_eq!(result.outcome, Outcome::Lost, "a daemon that is away is not the task's fault");
    assert_eq!(containers("outcomes").await, 0, "nothing is left");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_reach_the_container() {
    let worker = worker("settings");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("in.txt"), "from outside").expect("written");
    let show = "id -u; hostname; cat /data/in.txt; echo; df /t | tail -1 | cut -d' ' -f1; \
                grep extra /etc/hosts; pwd; echo \"$A|$SECRET|$MILLRACE_TASK_ID\"";
    let config = json!({
        "command": format!("sh -c '{}'", show.replace('\'', "'\\''")),
        "user": "1000:1000",
        "hostname": "inside",
        "volumes": [format!("{}:/data:ro", folder.path().display())],
        "tmpfs": ["/t:size=1m"],
        "extra_hosts": ["extra:10.1.2.3"],
        "working_dir": "/tmp",
        "environment": {"A": 5},
        "private_environment": {"SECRET": "geheimnis"},
        "cpus": 0.5, "pids_limit": 50, "shm_size": "16m",
    });
    let result = worker.run(container(1, config)).await;
    assert_eq!(result.outcome, Outcome::Success, "{:?}", result.reason);
    let log = worker.link.log(key(1));
    for line in ["1000", "inside", "from outside", "tmpfs", "/tmp", "5|***|the_task"] {
        assert!(log.lines().any(|found| found == line), "{line}: {log}");
    }
    assert!(log.contains("10.1.2.3"), "{log}");
    assert_eq!(result.xcoms["return_value"], "5|***|the_task");
    assert_eq!(result.rendered.expect("fields")["private_environment"], json!({"SECRET": "***"}));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_leave_nothing_behind() {
    let worker = worker("stops");
    let timed = with_task(shell(1, "echo up; sleep 600"), |task| {
        task.execution_timeout_secs = Some(1.5);
    });
    let result = worker.run(timed).await;
    assert_eq!(result.outcome, Outcome::Failed);
    assert!(result.reason.expect("a reason").contains("timed out"));

    worker.link.give(shell(2, "echo up; sleep 600"));
    worker.link.log_has(key(2), "up").await;
    worker.link.give_work(Work::Kill(Kill { key: key(2), reason: "cleared".to_owned() }));
    assert_eq!(worker.link.result(key(2)).await.outcome, Outcome::Killed);

    worker.link.give(shell(3, "echo up; sleep 600"));
    worker.link.log_has(key(3), "up").await;
    let cluster = format!("stops-{}", std::process::id());
    let name = format!("millrace-{cluster}-3-1-1");
    daemon().kill_container(&name, None).await.expect("it runs");
    let result = worker.link.result(key(3)).await;
    assert_eq!((result.outcome, result.exit_code), (Outcome::Failed, Some(137)));
    assert!(result.reason.expect("a reason").contains("SIGKILL"));
    assert_eq!(containers("stops").await, 0);
    worker.stop().await;
}

/// Whether a folder waits for another attempt, with nothing of the last one in it.
fn waits_as_new(folder: &std::fs::DirEntry) -> bool {
    let is_spare = folder.file_name().as_encoded_bytes().starts_with(b"spare.");
    let Ok(mut entries) = std::fs::read_dir(folder.path()) else { return false };
    let is_empty = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.map(|entry| entry.path());
        path.is_ok_and(|path| match std::fs::read_dir(&path) {
            Ok(mut inside) => inside.next().is_none(),
            Err(_) => std::fs::metadata(&path).is_ok_and(|file| file.len() == 0),
        })
    };
    is_spare && entries.all(is_empty)
}

#[tokio::test(flavor = "multi_thread")]
async fn output_files_work_for_whoever_the_container_runs_as() {
    let worker = worker("outbox");
    let script = "echo '{\"accuracy\": 0.91}' > $MILLRACE_METRICS; umask 077; \
                  echo '{\"n\": [1, 2]}' > $MILLRACE_XCOM; echo last line";
    for (ti, user) in [(1, "1000:1000"), (2, "0"), (3, "65534")] {
        let config = json!({"command": ["sh", "-c", script], "user": user, "read_only": true});
        let result = worker.run(container(ti, config)).await;
        assert_eq!(result.outcome, Outcome::Success, "{:?}", result.reason);
        assert_eq!(result.xcoms["return_value"], json!({"n": [1, 2]}), "{user}");
        assert_eq!(result.metrics["accuracy"], json!(0.91), "{user}");
    }
    // What a container puts in their place is not followed.
    let link = "ln -sf /etc/passwd $MILLRACE_XCOM; echo 1";
    let config = json!({"command": ["sh", "-c", link], "user": "1000"});
    let result = worker.run(container(4, config)).await;
    assert_eq!(result.outcome, Outcome::Failed);
    assert!(result.reason.expect("a reason").contains("$MILLRACE_XCOM"));
    // Metrics count also for a task that failed.
    let config =
        json!({"command": ["sh", "-c", "echo '{\"loss\": 2}' > $MILLRACE_METRICS; exit 3"]});
    let result = worker.run(container(5, config)).await;
    assert_eq!((result.outcome, &result.metrics["loss"]), (Outcome::Failed, &json!(2)));
    let attempts = worker.home.path().join("worker/attempts");
    let left = || std::fs::read_dir(&attempts).expect("a folder").flatten();
    let all_as_new = || left().all(|entry| waits_as_new(&entry)).then_some(());
    until("every folder is removed, or waits empty for another attempt", all_as_new).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_and_networks() {
    let worker = worker("networks");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let serve = "echo hello > /tmp/index.html; echo up; httpd -f -p 80 -h /tmp";
    let config = json!({"command": ["sh", "-c", serve], "ports": [format!("127.0.0.1:{port}:80")]});
    worker.link.give(container(1, config));
    worker.link.log_has(key(1), "up").await;
    let url = format!("http://127.0.0.1:{port}/");
    let get = json!({"url": url, "method": "GET"});
    // The server is up a moment after its last word.
    let mut result = worker.run(assignment(20, task("http", &get))).await;
    for ti in 21..60 {
        if result.outcome == Outcome::Success {
            break;
        }
        result = worker.run(assignment(ti, task("http", &get))).await;
    }
    assert_eq!(result.xcoms["return_value"], "hello\n", "{:?}", result.reason);
    worker.link.give_work(Work::Kill(Kill { key: key(1), reason: "enough".to_owned() }));
    assert_eq!(worker.link.result(key(1)).await.outcome, Outcome::Killed);

    let docker = daemon();
    let names = ["a", "b"].map(|part| format!("millrace-test-{part}-{}", std::process::id()));
    for name in &names {
        let request = bollard::models::NetworkCreateRequest {
            name: name.clone(),
            ..bollard::models::NetworkCreateRequest::default()
        };
        docker.create_network(request).await.expect("a network");
    }
    let count = "ip -o -4 addr show | grep -vc ' lo '";
    let check = async |ti, networks: &[String], expected: i64| {
        let config = json!({"command": ["sh", "-c", count], "networks": networks});
        let result = worker.run(container(ti, config)).await;
        assert_eq!(result.xcoms.get("return_value"), Some(&json!(expected)), "{:?}", result.reason);
    };
    check(4, &[], 1).await;
    check(5, &names[..1], 1).await;
    check(6, &names, 2).await;
    let config = json!({"command": "true", "networks": ["millrace-no-such-network"]});
    let result = worker.run(container(7, config)).await;
    assert_eq!(result.outcome, Outcome::FailedForGood);
    assert!(result.reason.expect("a reason").contains("millrace-no-such-network"));
    for name in &names {
        docker.remove_network(name).await.expect("removed");
    }
    assert_eq!(containers("networks").await, 0);
    worker.stop().await;
}

/// A door to the daemon that can be shut: what a worker sees of a daemon that is stopped and
/// started again, without taking it away from everybody else.
struct Door {
    path: std::path::PathBuf,
    open: Option<tokio::task::JoinHandle<()>>,
}

impl Door {
    fn open(path: std::path::PathBuf) -> Self {
        let mut door = Self { path, open: None };
        door.open_again();
        door
    }

    fn open_again(&mut self) {
        let listener = tokio::net::UnixListener::bind(&self.path).expect("a socket");
        self.open = Some(tokio::spawn(async move {
            // Dropped with this task: every connection through the door ends with it.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut outside, _)) = listener.accept().await {
                connections.spawn(async move {
                    let inside = tokio::net::UnixStream::connect("/var/run/docker.sock").await;
                    if let Ok(mut inside) = inside {
                        drop(tokio::io::copy_bidirectional(&mut outside, &mut inside).await);
                    }
                });
            }
        }));
    }

    async fn shut(&mut self) {
        if let Some(open) = self.open.take() {
            open.abort();
            drop(open.await);
        }
        std::fs::remove_file(&self.path).expect("it was open");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_goes_away_and_comes_back() {
    let worker = worker("away");
    let folder = tempfile::tempdir().expect("a folder");
    let mut door = Door::open(folder.path().join("docker.sock"));
    let url = format!("unix://{}", door.path.display());
    let go = folder.path().join("go");
    let script = "echo one; while [ ! -e /data/go ]; do sleep 0.1; done; echo two";
    let given = |ti| {
        let volume = format!("{}:/data", folder.path().display());
        let command = ["sh", "-c", script];
        container(ti, json!({"command": command, "volumes": [volume], "docker_url": url}))
    };
    let name = |ti| format!("millrace-away-{}-{ti}-1-1", std::process::id());

    // The container goes on without it.
    worker.link.give(given(1));
    worker.link.log_has(key(1), "one").await;
    door.shut().await;
    std::fs::write(&go, "").expect("written");
    let is_ended = async || {
        let found = daemon().inspect_container(&name(1), None).await.expect("it is there");
        found.state.and_then(|state| state.running) == Some(false)
    };
    while !is_ended().await {
        tokio::task::yield_now().await;
    }
    door.open_again();
    let result = worker.link.result(key(1)).await;
    assert_eq!(result.outcome, Outcome::Success, "{:?}", result.reason);
    assert_eq!(result.xcoms["return_value"], "two");
    assert!(worker.link.log(key(1)).contains("two\n"), "{}", worker.link.log(key(1)));

    // It takes the container with it.
    std::fs::remove_file(&go).expect("removed");
    worker.link.give(given(2));
    worker.link.log_has(key(2), "one").await;
    door.shut().await;
    daemon().kill_container(&name(2), None).await.expect("it runs");
    door.open_again();
    let result = worker.link.result(key(2)).await;
    assert_eq!((result.outcome, result.exit_code), (Outcome::Failed, Some(137)));

    // It stays away: not the task's fault, so that it is tried again without costing a retry.
    worker.link.give(given(3));
    worker.link.log_has(key(3), "one").await;
    door.shut().await;
    let ended = || worker.link.lock().results.iter().find(|result| result.key == key(3)).cloned();
    let started = std::time::Instant::now();
    while ended().is_none() && started.elapsed().as_secs() < 90 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let result = ended().expect("a result");
    assert_eq!(result.outcome, Outcome::Lost);
    let reason = result.reason.expect("a reason");
    assert!(reason.contains("the Docker daemon went away"), "{reason}");
    docker::remove(&daemon(), &name(3)).await;
    worker.stop().await;
}

/// Runs an assignment on a worker whose whole runtime then dies.
fn crash_while(cluster: String, given: Assignment, seen: &'static str) -> tempfile::TempDir {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let home = runtime.block_on(async {
            let worker = TestWorker::start_with(|config| config.cluster = cluster);
            let key = given.key;
            worker.link.give(given);
            worker.link.log_has(key, seen).await;
            worker.crash().await
        });
        runtime.shutdown_background();
        sender.send(home).expect("the test waits");
    });
    receiver.recv().expect("the worker crashed")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_taken_over_after_a_crash() {
    daemon();
    let cluster = format!("adopt-{}", std::process::id());
    let script = "echo one; while [ ! -e /data/go ]; do sleep 0.1; done; echo two; exit 4";
    let folder = tempfile::tempdir().expect("a folder");
    let volume = format!("{}:/data", folder.path().display());
    let given = container(1, json!({"command": ["sh", "-c", script], "volumes": [volume]}));
    let home = crash_while(cluster.clone(), given.clone(), "one");
    assert_eq!(containers("adopt").await, 1, "it goes on by itself");
    let link = FakeLink::new();
    link.lock().resume.push(given);
    let worker = TestWorker::start_in(home, link, |config| config.cluster.clone_from(&cluster));
    until("a registration", || worker.link.lock().registered.first().cloned()).await;
    assert_eq!(worker.link.lock().registered[0].running, [key(1)]);
    std::fs::write(folder.path().join("go"), "").expect("written");
    let result = worker.link.result(key(1)).await;
    assert_eq!((result.outcome, result.exit_code), (Outcome::Failed, Some(4)));
    assert!(worker.link.log(key(1)).contains("two\n"), "{}", worker.link.log(key(1)));
    assert_eq!(containers("adopt").await, 0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_nobody_wants_is_removed() {
    daemon();
    let cluster = format!("reap-{}", std::process::id());
    let home = crash_while(cluster.clone(), shell(1, "echo up; sleep 600"), "up");
    assert_eq!(containers("reap").await, 1);
    let worker =
        TestWorker::start_in(home, FakeLink::new(), |config| config.cluster.clone_from(&cluster));
    worker.run(crate::testing::bash(9, "true")).await;
    assert_eq!(containers("reap").await, 0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_in_use() {
    let worker = worker("names");
    let cluster = format!("names-{}", std::process::id());
    let name = format!("fixed-{cluster}");
    let fixed = |ti, extra: Value| {
        let mut config = json!({"command": "true", "container_name": name});
        config.as_object_mut().expect("a map").extend(extra.as_object().expect("a map").clone());
        container(ti, config)
    };
    worker.run(fixed(1, json!({"auto_remove": "never"}))).await;
    assert_eq!(containers("names").await, 1, "kept");
    let result = worker.run(fixed(2, json!({}))).await;
    assert_eq!(result.outcome, Outcome::Success, "our own dead one is removed");
    let body = bollard::models::ContainerCreateBody {
        image: Some(IMAGE.to_owned()),
        ..Default::default()
    };
    let options =
        bollard::query_parameters::CreateContainerOptionsBuilder::default().name(&name).build();
    let foreign = daemon().create_container(Some(options), body).await.expect("made").id;
    let result = worker.run(fixed(3, json!({}))).await;
    assert_eq!(result.outcome, Outcome::FailedForGood);
    assert!(result.reason.expect("a reason").contains("did not make"));
    docker::remove(&daemon(), &foreign).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_built_when_their_inputs_change() {
    let worker = worker("build");
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    write("Dockerfile", &format!("FROM {IMAGE}\nARG WORD\nCOPY say.txt /say.txt\nRUN echo $WORD"));
    write("say.txt", "first");
    let image = format!("millrace/test-build:{}", std::process::id());
    let build = |ti| {
        container(
            ti,
            json!({
                "image": image,
                "command": ["cat", "/say.txt"],
                "build": {"context": folder.path(), "args": {"WORD": folder.path()}},
            }),
        )
    };
    let result = worker.run(build(1)).await;
    assert_eq!(
        result.xcoms.get("return_value"),
        Some(&json!("first")),
        "{}",
        worker.link.log(key(1))
    );
    assert!(
        worker.link.log(key(1)).contains(&format!("\n{}\n", folder.path().display())),
        "{}",
        worker.link.log(key(1))
    );
    let result = worker.run(build(2)).await;
    assert_eq!(result.xcoms["return_value"], "first");
    assert!(worker.link.log(key(2)).contains("is up to date"));
    write("say.txt", "second");
    let result = worker.run(build(3)).await;
    assert_eq!(result.xcoms["return_value"], "second");
    write("Dockerfile", &format!("FROM {IMAGE}\nRUN exit 7"));
    let result = worker.run(build(4)).await;
    assert_eq!(result.outcome, Outcome::Failed);
    assert!(result.reason.expect("a reason").contains("code: 7"));
    let options =
        bollard::query_parameters::RemoveImageOptionsBuilder::default().force(true).build();
    daemon().remove_image(&image, Some(options), None).await.expect("removed");
    worker.stop().await;
}
