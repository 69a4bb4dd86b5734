//! A real `millrace standalone` in a temporary home, and what people do with it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use super::mariadb::{Metadata, free_port};
use super::wait::wait_for;

/// A running Millrace.
pub(crate) struct Millrace {
    /// Its home folder.
    pub home: tempfile::TempDir,
    /// Its DAG folder.
    pub dags: PathBuf,
    /// Its address, `http://127.0.0.1:PORT`.
    pub url: String,
    /// The token that it printed.
    pub token: String,
    /// Variables of its process.
    pub environment: BTreeMap<String, String>,
    database: Option<String>,
    port: u16,
    child: Option<Child>,
}

impl Millrace {
    /// Starts one over an empty DAG folder.
    pub(crate) fn start(metadata: Metadata) -> Self {
        let home = tempfile::Builder::new().prefix("millrace-home-").tempdir().expect("a folder");
        let dags = home.path().join("dags");
        std::fs::create_dir(&dags).expect("a folder");
        Self::start_in(metadata, home, dags, BTreeMap::new())
    }

    /// Starts one with settings of the test's own.
    pub(crate) fn start_in(
        metadata: Metadata,
        home: tempfile::TempDir,
        dags: PathBuf,
        environment: BTreeMap<String, String>,
    ) -> Self {
        let mut millrace = Self {
            home,
            dags,
            url: String::new(),
            token: String::new(),
            environment,
            database: metadata.url(),
            port: free_port(),
            child: None,
        };
        millrace.start_again();
        millrace
    }

    /// Starts it (again) on the same home, database and port.
    pub(crate) fn start_again(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let mut child = self
            .command(&["standalone"])
            .env("MILLRACE_PORT", self.port.to_string())
            .stdout(Stdio::piped())
            .stderr(self.log_file())
            .spawn()
            .expect("the binary starts");
        let lines = lines_of(child.stdout.take().expect("a pipe"));
        self.child = Some(child);
        let marker = "/login#token=";
        loop {
            let line = lines
                .recv_timeout(Duration::from_mins(1))
                .unwrap_or_else(|_| panic!("standalone did not get ready:\n{}", self.log()));
            if let Some(at) = line.find(marker) {
                let start = line.find("http://").expect("an address");
                line[start..at].clone_into(&mut self.url);
                line[at + marker.len()..].trim().clone_into(&mut self.token);
                break;
            }
        }
        wait_for("health", 30, || {
            let (status, body) = self.get("/api/v2/monitor/health");
            if status == 200 { Ok(()) } else { Err(body.to_string()) }
        });
    }

    /// A command of this installation, not started yet.
    #[expect(clippy::disallowed_methods, reason = "tests start real programs")]
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
        command
            .args(arguments)
            .env("MILLRACE_HOME", self.home.path())
            .env("MILLRACE_DAGS", &self.dags)
            .envs(&self.environment)
            .env_remove("MILLRACE_TOKEN")
            .stdin(Stdio::null());
        if let Some(database) = &self.database {
            command.env("MILLRACE_DATABASE", database);
        }
        command
    }

    /// Runs a command; its exit code, stdout and stderr.
    pub(crate) fn cli(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).output().expect("the binary runs");
        (
            output.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }

    /// Runs a command that must succeed, and gives its JSON.
    pub(crate) fn cli_json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["--output", "json"]);
        let (code, out, err) = self.cli(&all);
        assert_eq!(code, 0, "{all:?}: {err}{out}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{all:?}: {error}: {out}"))
    }

    /// The name of its database on the server; `None` on SQLite.
    pub(crate) fn database_name(&self) -> Option<String> {
        Some(self.database.as_ref()?.rsplit('/').next()?.to_owned())
    }

    /// The process's number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// `kill -9`, and nothing else.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("killed");
        child.wait().expect("gone");
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            terminate(child.id());
            wait_for("the end of standalone", 60, || match child.try_wait() {
                Ok(Some(_)) => Ok(()),
                other => Err(format!("{other:?}")),
            });
        }
    }

    /// Puts a DAG file into the folder, whole, and waits until Millrace knows the DAG.
    pub(crate) fn add_dag(&self, dag_id: &str, text: &str) {
        let path = self.dags.join(format!("{dag_id}.yaml"));
        let part = self.dags.join(format!(".{dag_id}.part"));
        std::fs::write(&part, text).expect("written");
        std::fs::rename(&part, &path).expect("renamed");
        self.wait_for_dag(dag_id);
    }

    /// Waits until Millrace knows a DAG.
    pub(crate) fn wait_for_dag(&self, dag_id: &str) {
        wait_for(&format!("dag {dag_id}"), 30, || {
            let (status, body) = self.get(&format!("/api/v2/dags/{dag_id}"));
            if status == 200 { Ok(()) } else { Err(format!("{status} {body}; {}", self.log())) }
        });
    }

    /// Triggers a run that is at once unpaused, and gives its id.
    pub(crate) fn trigger(&self, dag_id: &str, body: Value) -> String {
        self.patch(&format!("/api/v2/dags/{dag_id}"), json!({ "is_paused": false }));
        let mut body = body;
        if let Some(map) = body.as_object_mut() {
            map.entry("logical_date").or_insert(Value::Null);
        }
        let (status, answer) = self.post(&format!("/api/v2/dags/{dag_id}/dagRuns"), body);
        assert_eq!(status, 200, "trigger of {dag_id}: {answer}");
        answer["dag_run_id"].as_str().expect("a run id").to_owned()
    }

    /// Waits for the end of a run, and gives its state.
    pub(crate) fn wait_for_run(&self, dag_id: &str, run_id: &str, secs: u64) -> String {
        wait_for(&format!("the end of {dag_id} {run_id}"), secs, || {
            let (_, run) = self.get(&format!("/api/v2/dags/{dag_id}/dagRuns/{run_id}"));
            match run["state"].as_str() {
                Some(state @ ("success" | "failed")) => Ok(state.to_owned()),
                _ => Err(format!("{run}; tasks {:?}", self.states(dag_id, run_id))),
            }
        })
    }

    /// The states of a run's task instances, by task.
    pub(crate) fn states(&self, dag_id: &str, run_id: &str) -> BTreeMap<String, String> {
        self.task_instances(dag_id, run_id)
            .into_iter()
            .map(|ti| {
                let task = ti["task_id"].as_str().expect("a task id").to_owned();
                (task, ti["state"].as_str().unwrap_or("none").to_owned())
            })
            .collect()
    }

    /// A run's task instances as the REST API gives them.
    pub(crate) fn task_instances(&self, dag_id: &str, run_id: &str) -> Vec<Value> {
        let path = format!("/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=1000");
        let (_, body) = self.get(&path);
        body["task_instances"].as_array().cloned().unwrap_or_default()
    }

    /// The log of a try, as text.
    pub(crate) fn task_log(
        &self,
        dag_id: &str,
        run_id: &str,
        task_id: &str,
        try_number: u32,
    ) -> String {
        let path = format!(
            "/api/v1/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/log?try_number={try_number}"
        );
        let (_, body) = self.get(&path);
        body["text"].as_str().unwrap_or_default().to_owned()
    }

    /// An XCom.
    pub(crate) fn xcom(&self, dag_id: &str, run_id: &str, task_id: &str) -> Value {
        let path = format!(
            "/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        );
        self.get(&path).1["value"].clone()
    }

    /// What Millrace itself logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("standalone.log")).unwrap_or_default()
    }

    fn log_file(&self) -> std::fs::File {
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.home.path().join("standalone.log"))
            .expect("a log file")
    }

    /// GET: status and JSON.
    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        super::http::call("GET", &format!("{}{path}", self.url), &self.token, None)
    }

    /// POST: status and JSON.
    pub(crate) fn post(&self, path: &str, body: Value) -> (u16, Value) {
        super::http::call("POST", &format!("{}{path}", self.url), &self.token, Some(body))
    }

    /// PATCH: status and JSON.
    pub(crate) fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        super::http::call("PATCH", &format!("{}{path}", self.url), &self.token, Some(body))
    }
}

impl Drop for Millrace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            eprintln!("--- standalone.log (last lines, newest first)\n{}", tail.join("\n"));
        }
        if let Some(mut child) = self.child.take() {
            terminate(child.id());
            for _ in 0..200 {
                if matches!(child.try_wait(), Ok(Some(_))) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(25));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn terminate(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

fn lines_of(pipe: std::process::ChildStdout) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// A copy of a folder's files, for a test that changes them.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("copied");
        }
    }
}
