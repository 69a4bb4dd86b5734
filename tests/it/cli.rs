//! The command line, as people and scripts use it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Metadata, Millrace, free_port, root, wait_for};

/// Runs a command in `folder` without any server; its exit code, stdout and stderr.
#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
pub(crate) fn offline(
    folder: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> (i32, String, String) {
    let home = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("MILLRACE_") || name.starts_with("AIRFLOW_") {
            command.env_remove(name);
        }
    }
    let output = command
        .args(arguments)
        .current_dir(folder)
        .env("MILLRACE_HOME", home.path().join("home"))
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// Runs a command that reads `input`.
pub(crate) fn with_input(millrace: &Millrace, arguments: &[&str], input: &str) -> (i32, String) {
    use std::io::Write;
    let mut command = millrace.command(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the binary starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(input.as_bytes()).expect("written");
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("written");
}

/// Templates and timetables know the zones of one folder: one that the built-in data has not.
#[test]
fn templates_know_the_zones_of_the_folder_that_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let zones = folder.path().join("zones");
    std::fs::create_dir_all(zones.join("Mars")).expect("a folder");
    let known = root().join("tests/vectors/tzdata-2025b/Africa/Casablanca");
    std::fs::copy(known, zones.join("Mars/Olympus")).expect("a zone");
    write(
        folder.path(),
        "far.yaml",
        "dag_id: far\nschedule: '@daily'\ntimezone: Mars/Olympus\nstart_date: 2025-01-01\ntasks:\n  a:\n    operator: bash\n    bash_command: echo {{ logical_date.in_timezone('Mars/Olympus').timezone_name }}\n",
    );
    let arguments = ["render", "far.yaml", "--date", "2025-03-01"];
    let zones = zones.to_string_lossy().into_owned();
    let (code, shown, errors) =
        offline(folder.path(), &arguments, &[("MILLRACE_TZDIR", zones.as_str())]);
    assert_eq!(code, 0, "{shown}{errors}");
    assert!(shown.contains("echo Mars/Olympus"), "{shown}");

    write(
        folder.path(),
        "far.yaml",
        "dag_id: far\ntasks:\n  a:\n    operator: bash\n    bash_command: echo {{ logical_date.in_timezone('Mars/Olympus') }}\n",
    );
    let (code, shown, errors) = offline(folder.path(), &arguments, &[]);
    assert_ne!(code, 0, "{shown}");
    assert!(
        format!("{shown}{errors}").contains("unknown time zone \"Mars/Olympus\""),
        "{shown}{errors}"
    );
}

#[test]
fn validate_says_everything_at_its_line() {
    let folder = root().join("tests/fixtures/broken");
    let mut checked = 0;
    for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".expected") else { continue };
        let expected = std::fs::read_to_string(entry.path()).expect("read");
        // The fixtures' own reader of files has other words.
        let expected = expected.replace(": no such file", ": there is no such file");
        let (code, out, err) = offline(&folder, &["validate", &format!("{stem}.yaml")], &[]);
        let wanted = i32::from(expected.contains("error["));
        assert_eq!(code, wanted, "{stem}: {out}{err}");
        // Pools and connections are doubted only where the reader knows which there are.
        let is_said = |line: &&str| {
            let is_ours = !line.contains("unknown-pool") && !line.contains("unknown-connection");
            line.starts_with("error[") || (line.starts_with("warning[") && is_ours)
        };
        let lines = expected.lines().filter(is_said);
        for line in lines {
            assert!(out.contains(line), "{stem} lacks {line:?}:\n{out}");
        }
        assert!(!out.contains('\u{1b}'), "no colours in a pipe");
        checked += 1;
    }
    assert!(checked > 20, "{checked}");
    let (code, out, _) = offline(&root(), &["validate", "dags", "--output", "json"], &[]);
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &answer["ok"]), (0, &json!(true)), "{answer}");
    let (code, _, err) = offline(&root(), &["validate", "no/such.yaml"], &[]);
    assert_eq!(code, 2);
    assert!(err.contains("no/such.yaml: there is no such file"), "{err}");
}

#[test]
fn next_marks_the_changes_of_the_clock() {
    let folder = tempfile::tempdir().expect("a folder");
    let dag = "dag_id: d\nschedule: \"30 2 * * *\"\ntimezone: Europe/Berlin\nstart_date: 2025-01-01\ntasks:\n  a: {operator: empty}\n";
    write(folder.path(), "d.yaml", dag);
    let check = |after: &str, expected: &[(&str, &str)]| {
        let arguments = ["next", "d.yaml", "--after", after, "-n", "2", "--output", "json"];
        let (code, out, err) = offline(folder.path(), &arguments, &[]);
        assert_eq!(code, 0, "{err}");
        let rows: Vec<Value> = serde_json::from_str(&out).expect("JSON");
        for (row, (utc, note)) in rows.iter().zip(expected) {
            assert_eq!(row["utc"], *utc, "{out}");
            assert!(row["note"].as_str().is_some_and(|got| got.starts_with(note)), "{out}");
        }
    };
    check("2025-03-29T12:00", &[("2025-03-30T01:30:00Z", "shifted"), ("2025-03-31T00:30:00Z", "")]);
    check(
        "2025-10-25T12:00",
        &[("2025-10-26T01:30:00Z", "second of two"), ("2025-10-27T01:30:00Z", "")],
    );
}

#[test]
fn render_shows_the_date_of_the_course() {
    let arguments = ["render", "dags/simple_dag.yaml", "--date", "2025-08-21T06:00Z", "-o", "json"];
    let (code, out, err) = offline(&root(), &arguments, &[]);
    assert_eq!(code, 0, "{err}");
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    let run = &answer[0];
    assert_eq!(run["run_id"], "scheduled__2025-08-21T06:00:00+00:00");
    assert_eq!(run["data_interval_start"], run["data_interval_end"]);
    let text = run["tasks"]["print_with_loop"]["rendered"]["bash_command"].as_str().expect("text");
    let echoes: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(echoes.len(), 10, "{text}");
    for day in 0..5 {
        assert_eq!(echoes[day * 2], "echo \"ds = 2025-08-21\"");
        let next = format!("echo \"macros.ds_add(ds, {day}) = 2025-08-{}\"", 21 + day);
        assert_eq!(echoes[day * 2 + 1], next);
    }
}

#[test]
fn render_masks_secrets_shows_placeholders_and_names_the_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let dag = "dag_id: d
schedule: null
tasks:
  a:
    operator: bash
    bash_command: echo {{ var.value.region }} {{ conn.db.host }} {{ conn.db.password }} {{ ds }}
  b:
    operator: bash
    needs: [a]
    bash_command: echo {{ xcom('a').n + 1 }}
";
    write(folder.path(), "d.yaml", dag);
    let environment = [("MILLRACE_CONN_DB", "mysql://root:geheim@db.example:3306/x")];
    let base = ["render", "d.yaml", "--date", "2025-08-22"];
    let (code, out, err) = offline(folder.path(), &base, &environment);
    assert_eq!(code, 0, "{err}{out}");
    assert!(out.contains("echo <var:region> db.example *** 2025-08-22"), "{out}");
    assert!(out.contains("known only in a run (xcom:a)"), "{out}");
    assert!(!out.contains("geheim"), "{out}");
    let given = [&base[..], &["--var", "region=kr", "--xcom", "a={\"n\": 4}"]].concat();
    let (code, out, err) = offline(folder.path(), &given, &environment);
    assert_eq!(code, 0, "{err}{out}");
    assert!(out.contains("echo kr db.example") && out.contains("echo 5"), "{out}");
    let ranged = ["render", "d.yaml", "--range", "2025-08-20..2025-08-22", "-o", "json", "-t", "a"];
    let (_, out, _) = offline(folder.path(), &ranged, &[]);
    let rows: Vec<Value> = serde_json::from_str(&out).expect("JSON");
    assert_eq!(rows.len(), 3, "{out}");

    write(folder.path(), "bad.yaml", &dag.replace("{{ ds }}", "{{ dss }}"));
    let (code, out, _) =
        offline(folder.path(), &["render", "bad.yaml", "--date", "2025-08-22"], &[]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("bad.yaml:6: a.bash_command:1:") && out.contains("dss"), "{out}");
}

#[test]
fn run_needs_no_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let dag = "dag_id: d
schedule: \"* * * * *\"
catchup: true
start_date: 2025-01-01
params: {who: {type: string, default: world}}
tasks:
  a: {operator: bash, bash_command: 'cat beside.txt; echo {{ params.who }} {{ ds }}', cwd: .}
  b: {operator: bash, needs: [a], bash_command: 'echo last words; exit {{ 0 if params.who == \"ok\" else 3 }}', pool: own}
";
    write(
        folder.path(),
        "d.yaml",
        &dag.replace("cwd: .", &format!("cwd: {}", folder.path().display())),
    );
    write(folder.path(), "other.yaml", "dag_id: [");
    write(folder.path(), "beside.txt", "beside\n");
    let (code, _, err) =
        offline(folder.path(), &["run", "d.yaml", "--date", "2025-08-22", "-p", "who=ok"], &[]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("b success"), "{err}");
    let (code, _, err) = offline(folder.path(), &["run", "d.yaml"], &[]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("last words") && err.contains("b: exit code 3"), "{err}");
    let (code, _, err) = offline(folder.path(), &["run", "d.yaml", "-p", "who=3"], &[]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("conf.who"), "{err}");
}

#[test]
fn mistakes_at_the_keyboard_are_answered() {
    let check = |arguments: &[&str], code: i32, part: &str| {
        let (got, out, err) = offline(&root(), arguments, &[]);
        assert_eq!(got, code, "{arguments:?}: {out}{err}");
        assert!(err.contains(part), "{arguments:?}: {err}");
    };
    check(&["trigre"], 2, "'trigger'");
    check(&["dags", "lsit"], 2, "'list'");
    check(&["validate", "--stirct"], 2, "'--strict'");
    check(&["dags", "show", "nope"], 1, "there is no dag \"nope\"");
    check(&["variables", "get", "nope"], 1, "there is no variable \"nope\"");
    check(&["connections", "export"], 2, "--with-secrets");
    check(&["next", "dags/simple_dag.yaml", "--after", "yesterday"], 2, "is no date");
    check(&["dags", "list", "--database", "postgres://x"], 2, "sqlite:PATH or mysql://");
    let (code, out, _) = offline(&root(), &["completions", "bash"], &[]);
    assert_eq!(code, 0);
    assert!(out.contains("_millrace()"), "{out}");
    let (code, out, _) = offline(&root(), &["version"], &[]);
    assert_eq!((code, out.trim()), (0, concat!("millrace ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn a_database_that_does_not_answer_is_said_without_its_password() {
    let url = format!("mysql://root:geheim@127.0.0.1:{}/x", free_port());
    let (code, out, err) = offline(&root(), &["dags", "list", "--database", &url], &[]);
    assert_eq!(code, 2, "{out}{err}");
    assert!(err.contains("refused") && !err.contains("geheim"), "{err}");
}

#[test]
fn a_port_or_a_home_in_use_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let (code, _, err) = offline(&root(), &["standalone", "--port", &port], &[]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains(&format!("port {port} is in use")) && err.contains("--port"), "{err}");
    drop(taken);
    let millrace = Millrace::start(Metadata::Sqlite);
    let (code, _, err) = millrace.cli(&["standalone", "--port", &port]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains(&format!("in use by process {}", millrace.pid())), "{err}");
}

#[test]
fn variables_and_connections_go_round_masked() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let run = |arguments: &[&str]| {
        let (code, out, err) = millrace.cli(arguments);
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out
    };
    run(&["variables", "set", "region", "kr", "--description", "where"]);
    assert_eq!(with_input(&millrace, &["variables", "set", "api_token"], "geheim\n").0, 0);
    assert_eq!(run(&["variables", "get", "region"]), "kr\n");
    assert_eq!(run(&["variables", "get", "api_token"]), "***\n");
    assert_eq!(run(&["variables", "get", "api_token", "--reveal"]), "geheim\n");
    assert!(!run(&["variables", "list"]).contains("geheim"));
    assert!(!run(&["variables", "export"]).contains("api_token"));
    let file = millrace.home.path().join("variables.json");
    std::fs::write(&file, run(&["variables", "export", "--with-secrets"])).expect("written");
    run(&["variables", "delete", "api_token"]);
    run(&["variables", "import", file.to_str().expect("a path")]);
    assert_eq!(run(&["variables", "get", "api_token", "--reveal"]), "geheim\n");

    let add = [
        "connections",
        "add",
        "db",
        "--type",
        "mysql",
        "--host",
        "h",
        "--port",
        "3306",
        "--login",
        "root",
        "--extra",
        "{\"api_key\": \"zweites\"}",
        "--password-stdin",
    ];
    assert_eq!(with_input(&millrace, &add, "geheim\n").0, 0);
    let shown = millrace.cli_json(&["connections", "get", "db"]);
    assert_eq!((&shown["password"], &shown["extra"]["api_key"]), (&json!("***"), &json!("***")));
    assert!(!run(&["connections", "list", "-o", "json"]).contains("geheim"));
    let export = run(&["connections", "export", "--with-secrets"]);
    assert!(export.contains("geheim") && export.contains("zweites"), "{export}");
    run(&["connections", "delete", "db"]);
    assert_eq!(with_input(&millrace, &["connections", "import", "-"], &export).0, 0);
    assert_eq!(run(&["connections", "export", "--with-secrets"]), export);
    let uri = "mysql+pymysql://u:p%40ss@0.0.0.0:3398/mlops";
    assert_eq!(with_input(&millrace, &["connections", "add", "fs", "--uri", "-"], uri).0, 0);
    assert_eq!(millrace.cli_json(&["connections", "get", "fs"])["port"], 3398);
    let database = std::fs::read(millrace.home.path().join("millrace.db")).expect("read");
    assert!(!String::from_utf8_lossy(&database).contains("geheim"), "sealed at rest");
}

#[test]
fn a_run_is_triggered_watched_explained_cleared_and_marked() {
    let millrace = Millrace::start(Metadata::Sqlite);
    millrace.add_dag(
        "d",
        "dag_id: d
schedule: null
params: {code: {type: integer, default: 0}}
tasks:
  a: {operator: bash, bash_command: 'echo out of a'}
  b: {operator: bash, needs: [a], bash_command: 'echo out of b; exit {{ params.code }}'}
  c: {operator: bash, needs: [b], bash_command: 'echo out of c'}
",
    );
    let ok = |arguments: &[&str]| {
        let (code, out, err) = millrace.cli(arguments);
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out
    };
    let (_, _, err) = millrace.cli(&["trigger", "d"]);
    assert!(err.contains("millrace unpause d"), "{err}");
    assert!(ok(&["explain", "d", "latest", "a"]).contains("dag \"d\" is paused"));
    ok(&["runs", "delete", "d", "latest"]);
    ok(&["unpause", "d"]);
    ok(&["trigger", "d", "--wait"]);
    let (code, _, err) =
        millrace.cli(&["trigger", "d", "--wait", "--run-id", "bad", "-p", "code=3"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("b: exit code 3"), "{err}");
    let (code, _, err) = millrace.cli(&["trigger", "d", "-p", "code=x"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("conf.code"), "{err}");

    assert_eq!(millrace.cli_json(&["runs", "list", "d"]).as_array().map(Vec::len), Some(2));
    assert_eq!(millrace.cli_json(&["runs", "show", "d", "latest"])["run_id"], "bad");
    assert!(ok(&["logs", "d", "bad", "b"]).contains("out of b"));
    assert!(ok(&["logs", "d", "bad", "b", "--follow", "--try", "1"]).contains("out of b"));
    let why = ok(&["explain", "d", "bad", "c"]);
    assert!(why.contains("upstream failed") && why.contains('b'), "{why}");
    let (code, _, err) = millrace.cli(&["logs", "d", "bad", "nope"]);
    assert_eq!(code, 1);
    assert!(err.contains("it has a, b, c"), "{err}");

    let clear = ["clear", "d", "bad", "--task", "b", "--downstream"];
    let plan = millrace.cli_json(&[&clear[..], &["--dry-run"]].concat());
    let actions: Vec<_> =
        plan.as_array().into_iter().flatten().map(|row| row["action"].as_str()).collect();
    assert_eq!(actions, [Some("reused"), Some("runs again"), Some("runs again")], "{plan}");
    assert_eq!(millrace.cli_json(&["tasks", "d", "bad"])[1]["try_number"], 1, "nothing changed");
    ok(&clear);
    wait_for("the second try", 30, || {
        let run = millrace.cli_json(&["runs", "show", "d", "bad"]);
        let tasks = millrace.cli_json(&["tasks", "d", "bad"]);
        let is_done = run["state"] == "failed" && tasks[1]["try_number"] == 2;
        if is_done { Ok(()) } else { Err(format!("{run} {tasks}")) }
    });
    let range = ["clear", "d", "--from", "2020-01-01", "--task", "b", "--dry-run"];
    let (code, _, err) = millrace.cli(&range);
    assert_eq!((code, err.contains("has no dag run in that range")), (1, true), "{err}");
    let (code, _, err) = millrace.cli(&["clear", "d", "bad", "--past", "--dry-run"]);
    assert_eq!((code, err.contains("has no logical date")), (2, true), "{err}");
    ok(&["mark", "d", "bad", "success", "--task", "b"]);
    assert_eq!(millrace.wait_for_run("d", "bad", 30), "success");
    ok(&["runs", "delete", "d", "bad"]);
    let (code, _, err) = millrace.cli(&["runs", "show", "d", "bad"]);
    assert_eq!(code, 1);
    assert!(err.contains("has no dag run \"bad\"; its newest are manual__"), "{err}");
}

#[test]
fn an_order_without_a_scheduler_waits_once() {
    let mut millrace = Millrace::start(Metadata::Sqlite);
    millrace.add_dag(
        "d",
        "dag_id: d\nis_paused_upon_creation: false\ntasks:\n  a: {operator: empty}\n",
    );
    millrace.stop();
    let (code, _, err) = millrace.cli(&["trigger", "d", "--wait"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("the order is safe"), "{err}");
    millrace.start_again();
    let runs = wait_for("the run", 30, || {
        let runs = millrace.cli_json(&["runs", "list", "d"]);
        if runs[0]["state"] == "success" { Ok(runs) } else { Err(runs.to_string()) }
    });
    assert_eq!(runs.as_array().map(Vec::len), Some(1), "one order, one run: {runs}");
}

#[test]
fn the_roles_run_apart() {
    let mut millrace = Millrace::start(Metadata::Sqlite);
    millrace.add_dag(
        "d",
        "dag_id: d\nis_paused_upon_creation: false\ntasks:\n  a: {operator: bash, bash_command: echo far}\n",
    );
    let token = millrace.cli_json(&["token", "create", "w", "--role", "worker"]);
    millrace.stop();
    let url = format!("http://127.0.0.1:{}", free_port());
    let port = url.rsplit(':').next().unwrap_or_default().to_owned();
    let home = tempfile::tempdir().expect("a folder");
    let mut scheduler =
        Role(millrace.command(&["scheduler", "--port", &port]).spawn().expect("it starts"));
    let mut worker = millrace.command(&["worker", "--url", &url]);
    worker.env("MILLRACE_HOME", home.path()).env_remove("MILLRACE_DATABASE");
    worker.env("MILLRACE_TOKEN", token["token"].as_str().expect("a token"));
    let mut worker = Role(worker.spawn().expect("it starts"));
    let (code, out, err) = millrace.cli(&["trigger", "d", "--wait"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(millrace.cli(&["logs", "d", "latest", "a"]).1.contains("far"));
    assert!(!home.path().join("millrace.db").exists(), "a worker has no database");
    for role in [&mut worker, &mut scheduler] {
        role.stop();
    }
}

/// A process of a role; it ends with the test.
struct Role(std::process::Child);

impl Role {
    fn stop(&mut self) {
        let pid = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        let _ = rustix::process::kill_process(pid.expect("a pid"), rustix::process::Signal::TERM);
        let code = wait_for("the end of a role", 60, || match self.0.try_wait() {
            Ok(Some(status)) => Ok(status.code()),
            other => Err(format!("{other:?}")),
        });
        assert_eq!(code, Some(0), "a stop is no failure");
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn tokens_are_shown_once_and_end_with_revocation() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let made =
        millrace.cli_json(&["token", "create", "ci", "--role", "viewer", "--expires-in", "90d"]);
    let token = made["token"].as_str().expect("a token");
    let ask =
        || crate::harness::call("GET", &format!("{}/api/v2/dags", millrace.url), token, None).0;
    assert_eq!(ask(), 200);
    let (_, out, _) = millrace.cli(&["token", "list"]);
    assert!(out.contains("ci") && !out.contains(token), "{out}");
    let id = made["id"].to_string();
    assert_eq!(millrace.cli(&["token", "revoke", &id]).0, 0);
    assert!(matches!(ask(), 401 | 403), "a revoked token is refused");
}
