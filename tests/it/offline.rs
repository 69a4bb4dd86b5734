//! What the command line answers without a server: tests of files, graphs, schemas, imports.

use serde_json::{Value, json};

use crate::cli::{offline, with_input};
use crate::harness::{Metadata, Millrace, root};

#[test]
fn the_cases_of_the_examples_pass_and_every_task_of_theirs_can_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report.xml");
    let junit = report.display().to_string();
    let arguments = ["test", "dags", "--exhaustive", "--junit", &junit, "-o", "json"];
    let (code, out, err) = offline(&root(), &arguments, &[]);
    assert_eq!(code, 0, "{out}{err}");
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(answer["ok"], true, "{out}");
    let cases = answer["cases"].as_array().expect("a list");
    assert!(cases.len() >= 2 && cases.iter().all(|case| case["ok"] == true), "{out}");
    let walks = answer["walks"].as_array().expect("a list");
    assert!(walks.len() >= 6, "{out}");
    for walk in walks {
        let findings = walk["findings"].as_array().expect("a list");
        assert!(findings.iter().all(|found| found["severity"] == "note"), "{walk}");
        assert_eq!(walk["complete"], true, "{walk}");
    }
    let xml = std::fs::read_to_string(&report).expect("a report");
    assert!(
        xml.contains("name=\"a good model is deployed\"") && xml.contains("failures=\"0\""),
        "{xml}"
    );
}

#[test]
fn planted_mistakes_are_found_at_their_lines() {
    let folder = root().join("tests/fixtures/walk");
    let (code, out, _) = offline(&folder, &["validate", "never_runs.yaml"], &[]);
    assert_eq!(code, 0, "{out}");
    let (code, out, _) = offline(&folder, &["test", "never_runs.yaml", "--exhaustive"], &[]);
    assert_eq!(code, 1, "{out}");
    for said in [
        "error[unexpected-state]: \"report\" is skipped, not success",
        "--> never_runs.yaml:28:25",
        "error[never-runs]: \"notify\" can never run: no line of `choose` of branch \"good_enough\" leads to it",
        "--> never_runs.yaml:16:3",
        "error[never-runs]: \"report\" can never run: its rule all_success wants every upstream to succeed, but branch \"good_enough\" never lets that happen",
        "--> never_runs.yaml:21:19",
        "write `trigger_rule: none_failed_min_one_success`, with which it runs",
    ] {
        assert!(out.contains(said), "lacks {said:?}:\n{out}");
    }
    assert!(!out.contains("archive"), "what only follows is not told: {out}");
    let (code, out, _) = offline(&folder, &["test", "never_runs.yaml", "-o", "json"], &[]);
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &answer["ok"]), (1, &json!(false)), "{answer}");
    assert_eq!(answer["cases"][0]["tasks"]["report"], "skipped");
    let (code, _, err) = offline(&folder, &["test", "never_runs.yaml", "-k", "nothing"], &[]);
    assert_eq!(code, 1);
    assert!(err.contains("no case has \"nothing\" in its name"), "{err}");
}

/// Runs git in a folder, without the settings of whoever runs the tests.
#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
fn git(folder: &std::path::Path, arguments: &[&str]) {
    let status = std::process::Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdout(std::process::Stdio::null())
        .status()
        .expect("git runs");
    assert!(status.success(), "git {arguments:?}");
}

#[test]
fn render_says_what_is_other_than_at_a_revision() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let write = |name: &str, text: &str| std::fs::write(path.join(name), text).expect("written");
    let dag = "dag_id: d
schedule: '0 0 * * *'
start_date: 2025-01-01
tasks:
  a: {operator: bash, bash_command: 'echo {{ ds }}'}
  load: {operator: sql, conn_id: db, sql: load.sql}
";
    write("d.yaml", dag);
    write("load.sql", "SELECT 1;\nSELECT '{{ ds }}';\n");
    git(path, &["init", "-q"]);
    git(path, &["add", "."]);
    git(path, &["commit", "-q", "-m", "first"]);
    let base = ["render", "d.yaml", "--range", "2025-03-01..2025-03-02", "--diff"];
    let diff = |other: &str| offline(path, &[&base[..], &[other]].concat(), &[]);
    let (code, out, err) = diff("HEAD");
    assert_eq!((code, out.as_str()), (0, "nothing differs\n"), "{err}");
    write("d.yaml", &dag.replace("{{ ds }}", "{{ macros.ds_add(ds, 1) }}"));
    write("load.sql", "SELECT 2;\nSELECT '{{ ds }}';\n");
    let (code, out, err) = diff("HEAD");
    assert_eq!(code, 0, "{err}");
    for said in [
        "dag d  logical date 2025-03-01T00:00:00Z\n  a.bash_command\n    - echo 2025-03-01\n    + echo 2025-03-02",
        "  load.sql\n    - SELECT 1;\n    + SELECT 2;\n",
        "4 differences",
    ] {
        assert!(out.contains(said), "lacks {said:?}:\n{out}");
    }
    write("old.yaml", dag);
    let (_, out, _) = diff("old.yaml");
    assert!(out.contains("2 differences"), "{out}");
    let (code, _, err) = diff("--output=/tmp/x");
    assert_eq!(code, 2, "{err}");
    let (code, _, err) = diff("nosuchrevision");
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("d.yaml at nosuchrevision"), "{err}");
}

#[test]
fn render_shows_every_item_of_a_mapped_task() {
    let render = |more: &[&str]| {
        let base = ["render", "dags/hyperparameter_sweep.yaml", "--date", "2025-08-22"];
        offline(&root(), &[&base[..], more].concat(), &[])
    };
    let rates = ["--task", "train.score", "--xcom", "rates=[0.1, 0.2, 0.3]"];
    let (code, out, err) = render(&rates);
    assert_eq!(code, 0, "{err}");
    for said in [
        "train.score[0]  rate 0.1, depth 4\n",
        "train.score[5]  rate 0.3, depth 6\n",
        "rate=0.3 depth=6",
    ] {
        assert!(out.contains(said), "lacks {said:?}:\n{out}");
    }
    let (_, out, _) = render(&[&rates[..], &["-o", "json", "--map-index", "4"]].concat());
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    let task = &answer[0]["tasks"]["train.score"];
    assert_eq!((&task["count"], &task["items"][0]["map_index"]), (&json!(6), &json!(4)), "{out}");
    assert_eq!(task["items"][0]["label"], "rate 0.3, depth 4");
    let many = format!("rates=[{}]", (0..60).map(|n| n.to_string()).collect::<Vec<_>>().join(", "));
    let (_, out, _) = render(&["--task", "train.score", "--xcom", &many]);
    assert!(out.contains("train.score[99]") && !out.contains("train.score[100]"), "{out}");
    assert!(out.contains("has 120 items; the first 100 are shown, --map-index N"), "{out}");
    let (code, out, _) = render(&["--task", "train.score"]);
    assert!(code == 0 && out.contains("known only in a run"), "{out}");
    let check = |more: &[&str], said: &str| {
        let (code, _, err) = render(more);
        assert_eq!(code, 2, "{err}");
        assert!(err.contains(said), "{err}");
    };
    check(&[&rates[..], &["--map-index", "6"]].concat(), "has 6 items, 0 to 5");
    check(&["--task", "best", "--map-index", "0"], "--map-index is for mapped tasks");
}

#[test]
fn wrong_files_and_dates_end_with_2_and_say_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    std::fs::create_dir(path.join("empty")).expect("a folder");
    let two = "dag_id: one\nschedule: '@daily'\ntasks: {a: {operator: empty}}\n";
    let text = format!("{two}---\n{}", two.replace("one", "two"));
    std::fs::write(path.join("two.yaml"), text).expect("written");
    let check = |arguments: &[&str], said: &str| {
        let (code, _, err) = offline(path, arguments, &[]);
        assert_eq!(code, 2, "{arguments:?}: {err}");
        assert!(err.contains(said), "{arguments:?}: {err}");
    };
    for command in ["validate", "test", "import", "render", "next", "graph", "run"] {
        check(&[command, "gone.yaml"], "gone.yaml: there is no such file");
    }
    for command in ["render", "next", "graph", "run"] {
        check(&[command, "empty"], "empty is a folder; name one DAG file");
        check(&[command, "two.yaml", "--dag", "three"], "has no dag \"three\"; it has one, two");
    }
    for command in ["validate", "test", "import"] {
        check(&[command, "empty"], "there is no DAG file (*.yaml, *.yml) in this folder");
    }
    check(
        &["explain", "--schedule", "gone.yaml", "2025-01-01"],
        "gone.yaml: there is no such file",
    );
    check(&["explain", "--schedule", "two.yaml", "2025-02-30"], "has no day 30; that month has 28");
    check(&["render", "two.yaml", "--date", "22.08.2025"], "did you mean \"2025-08-22\"?");
    check(&["render", "two.yaml", "--range", "2025-01-01"], "write 2025-08-20..2025-08-22");
    check(&["render", "two.yaml", "--range", "2025-01-02..2025-01-01"], "ends before it begins");
    let (code, out, _) =
        offline(path, &["explain", "--schedule", "two.yaml", "2025-01-01", "-o", "json"], &[]);
    let answer: Value = serde_json::from_str(&out).expect("one JSON document");
    assert_eq!((code, answer.as_array().map(Vec::len)), (0, Some(2)), "{out}");
}

#[test]
fn a_file_says_its_graph_and_why_a_date_has_no_run() {
    let (code, out, err) = offline(&root(), &["graph", "dags/hello_millrace.yaml"], &[]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("chooses deploy | keep_old_model"), "{out}");
    let json = ["graph", "dags/hello_millrace.yaml", "--format", "json"];
    let answer: Value = serde_json::from_str(&offline(&root(), &json, &[]).1).expect("JSON");
    assert_eq!(answer[0]["tasks"].as_array().map(Vec::len), Some(6), "{answer}");
    let explain = |date: &str| {
        let arguments = ["explain", "--schedule", "dags/hello_millrace.yaml", date, "-o", "json"];
        let (code, out, err) = offline(&root(), &arguments, &[]);
        assert_eq!(code, 0, "{err}");
        let answer: Value = serde_json::from_str(&out).expect("JSON");
        answer["reasons"][0]["code"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(explain("2024-12-24"), "before_start_date");
    assert_eq!(explain("2025-03-30"), "catchup");
    assert_eq!(explain("2025-03-30T10:00"), "not_a_date");
    assert_eq!(explain("2999-01-01"), "not_yet");
    let (code, _, err) = offline(&root(), &["explain"], &[]);
    assert_eq!(code, 2);
    assert!(err.contains("<DAG>"), "{err}");
}

#[test]
fn files_of_other_tools_are_rewritten_and_load() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("dags").display().to_string();
    let arguments = ["import", "tests/fixtures/import", "--output", &out];
    let (code, said, err) = offline(&root(), &arguments, &[]);
    assert_eq!(code, 0, "{said}{err}");
    assert!(said.contains("warning[not-carried]") && said.contains("dag_factory.yaml:"), "{said}");
    let (code, said, err) = offline(&root(), &["validate", &out], &[]);
    assert_eq!(code, 0, "{said}{err}");
    assert!(said.contains("14 DAGs"), "{said}");
    let (code, _, err) = offline(&root(), &arguments, &[]);
    assert_eq!(code, 2);
    assert!(err.contains("is there already") && err.contains("--force"), "{err}");
    // One name in two files would be one file: nothing is written.
    let twice = folder.path().join("twice");
    for name in ["a", "b"] {
        let path = twice.join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        std::fs::copy(root().join("tests/fixtures/import/airflow.yaml"), path.join("x.yaml"))
            .expect("copied");
    }
    let (code, _, err) = offline(&twice, &["import", "a", "b", "--output", "out"], &[]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("dag \"daily_sales\" stands in a/x.yaml and in b/x.yaml"), "{err}");
    assert!(!twice.join("out/daily_sales.yaml").exists());
    let arguments = ["import", "tests/fixtures/import/airflow.yaml", "--strict"];
    let (code, said, err) = offline(&root(), &arguments, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.starts_with("dag_id: ") && err.contains("not-carried"), "{said}{err}");
}

/// The mistakes that a file is known to be written with, each with the golden file that shows what
/// its author sees.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("unknown key", "01_unknown_key", "unknown-key"),
    ("duplicate key", "02_duplicate_key", "duplicate-key"),
    ("a cycle by its names", "03_cycle", "cycle: extract → transform → load → extract"),
    ("missing task", "04_missing_task", "did you mean"),
    ("unquoted */5 * * * *", "05_unquoted_cron", "quote it: \"*/5 * * * *\""),
    ("unquoted {{ … }}", "06_unquoted_template", "quote the template: \"{{ ds }}\""),
    ("1:30 as a number", "07_one_thirty", "could be 1h30m or 1m30s"),
    ("tabs", "08_tabs", "indent with spaces"),
    ("a date read as text", "09_bad_date", "has no month 13"),
    ("wrong duration", "10_bad_duration", "bad-duration"),
    ("unknown zone", "11_unknown_zone", "did you mean \"Asia/Seoul\"?"),
    ("alias bombs", "12_alias_bomb", "too-many-values"),
    ("deep nesting", "13_deep_nesting", "too-deep"),
    ("unknown pool, unknown connection", "32_pools", "unknown-pool"),
];

fn joined(lines: &[&str]) -> String {
    lines.iter().fold(String::new(), |text, line| text + line + "\n")
}

/// What `validate` prints about a file, without blank lines and the count at its end.
fn seen(folder: &std::path::Path, name: &str) -> (i32, String) {
    let names = ["--pools", "training,gpu", "--connections", "feature_store"];
    let (code, out, err) = offline(folder, &[&["validate", name][..], &names].concat(), &[]);
    assert!(err.is_empty(), "{err}");
    let mut lines: Vec<&str> = out.lines().filter(|line| !line.trim().is_empty()).collect();
    let count = lines.pop().unwrap_or_default();
    assert!(count.contains(" DAG") && count.contains("; "), "{out}");
    (code, joined(&lines))
}

#[test]
fn every_mistake_is_shown_as_its_golden_file_says() {
    let folder = root().join("tests/fixtures/broken");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".expected") else { continue };
        let golden = std::fs::read_to_string(entry.path()).expect("read");
        let golden = golden.replace(": no such file", ": there is no such file");
        let is_said = |line: &&str| !line.starts_with("== ") && !line.trim().is_empty();
        let wanted = joined(&golden.lines().filter(is_said).collect::<Vec<_>>());
        let (code, got) = seen(&folder, &format!("{stem}.yaml"));
        assert_eq!(got, wanted, "{stem}");
        assert_eq!(code, i32::from(wanted.contains("error[")), "{stem}");
        names.push((stem.to_owned(), wanted));
    }
    for (mistake, stem, said) in MISTAKES {
        let golden = names.iter().find(|(name, _)| name == stem);
        assert!(
            golden.is_some_and(|(_, text)| text.contains(said)),
            "{mistake}: {stem} lacks {said}"
        );
    }
}

#[test]
fn bytes_that_are_no_file_of_ours_are_answered_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let dag = b"dag_id: d\nowner: \xb1\xe8\ntasks: {a: {operator: empty}}\n";
    std::fs::write(path.join("korean.yaml"), dag).expect("written");
    let (code, got) = seen(path, "korean.yaml");
    assert_eq!(code, 1);
    assert_eq!(
        got,
        "error[not-utf8]: the byte 0xb1 is not UTF-8 text\n --> korean.yaml:2:8\n  |\n2 | owner: \u{fffd}\u{fffd}\n  |        ^\n  = help: save the file as UTF-8 (`iconv -f CP949 -t UTF-8` for older Korean files)\n"
    );
    let large = format!("dag_id: d\n# {}\n", "x".repeat(1 << 20));
    std::fs::write(path.join("large.yaml"), large).expect("written");
    let (code, got) = seen(path, "large.yaml");
    assert_eq!(code, 1);
    assert_eq!(
        got,
        "error[file-too-large]: the file has 1048589 bytes; a DAG file has at most 1048576\n --> large.yaml:1:1\n  = help: split it into several files, or move scripts and SQL to files beside it\n"
    );
}

#[test]
fn findings_have_ranges_for_programs() {
    let folder = root().join("tests/fixtures/broken");
    let arguments = ["validate", "11_unknown_zone.yaml", "--output", "json"];
    let (code, out, _) = offline(&folder, &arguments, &[]);
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &answer["ok"]), (1, &json!(false)));
    let found = &answer["diagnostics"][0];
    let range = ["line", "column", "end_line", "end_column"].map(|key| found[key].as_u64());
    assert_eq!(range, [Some(2), Some(11), Some(2), Some(20)], "{found}");
    assert_eq!(found["code"], "unknown-zone");
    assert!(found["help"].is_string() && found["snippet"] == "timezone: Asia/Seol", "{found}");
}

#[test]
fn pools_and_connections_of_the_installation_are_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let dag = "dag_id: d\nschedule: null\ntasks:\n  a: {operator: sql, conn_id: warehous, sql: SELECT 1, pool: gpu}\n  b: {operator: sql, conn_id: lake, sql: SELECT 1, pool: default_pool}\n";
    std::fs::write(folder.path().join("d.yaml"), dag).expect("written");
    let home = folder.path().join("own").display().to_string();
    let run = |arguments: &[&str], environment: &[(&str, &str)]| {
        offline(folder.path(), &[arguments, &["--home", &home]].concat(), environment)
    };
    let (code, _, err) =
        run(&["connections", "add", "warehouse", "--uri", "sqlite:////tmp/w.db"], &[]);
    assert_eq!(code, 0, "{err}");
    let environment = [("MILLRACE_CONN_LAKE", "sqlite:////tmp/l.db")];
    let (code, out, err) = run(&["validate", "d.yaml", "--check-connections"], &environment);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("there is no connection \"warehous\"; did you mean \"warehouse\"?"),
        "{out}"
    );
    assert!(out.contains("there is no pool \"gpu\""), "{out}");
    assert!(!out.contains("\"lake\"") && !out.contains("default_pool"), "{out}");
}

#[test]
fn a_connection_is_tried_in_clear_words() {
    use std::io::{Read, Write};
    let folder = tempfile::tempdir().expect("a folder");
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port();
    let closed = crate::harness::free_port();
    let served = std::thread::spawn(move || {
        for status in ["404 Not Found", "401 Unauthorized"] {
            let (mut peer, _) = server.accept().expect("a request");
            let mut request = [0; 4096];
            let _ = peer.read(&mut request).expect("read");
            write!(peer, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .expect("written");
        }
    });
    let file = folder.path().join("own.db").display().to_string();
    std::fs::write(&file, "").expect("written");
    let check = |uri: &str, expected_code: i32, words: &str| {
        let environment = [("MILLRACE_CONN_THIS", uri)];
        let arguments = ["connections", "test", "this"];
        let (code, out, err) = offline(folder.path(), &arguments, &environment);
        assert_eq!(code, expected_code, "{uri}: {out}{err}");
        assert!(format!("{out}{err}").contains(words), "{uri}: {out}{err}");
        assert!(!format!("{out}{err}").contains("geheim"), "{out}{err}");
    };
    check(&format!("sqlite:///{file}"), 0, "SQLite 3");
    check(&format!("http://u:geheim@127.0.0.1:{port}"), 0, "answers with status 404");
    check(&format!("http://u:geheim@127.0.0.1:{port}"), 1, "the login is refused: status 401");
    check(&format!("mysql://u:geheim@127.0.0.1:{closed}/d"), 1, "onnection refused");
    check(&format!("postgres://u:geheim@127.0.0.1:{closed}/d"), 1, "onnection refused");
    check(
        &format!("docker://tcp%3A%2F%2F127.0.0.1%3A{closed}"),
        1,
        "the Docker daemon does not answer",
    );
    check(&format!("other://u:geheim@127.0.0.1:{closed}"), 1, "onnection refused");
    served.join().expect("the server");
    let (code, _, err) = offline(folder.path(), &["connections", "test", "gone"], &[]);
    assert_eq!(code, 1);
    assert!(err.contains("there is no connection \"gone\""), "{err}");
}

#[test]
fn what_is_exported_is_imported_and_users_are_kept() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let run = |arguments: &[&str]| {
        let (code, out, err) = millrace.cli(arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out
    };
    let check = |kind: &str, file: &str, more: &[&str], gone: &str, expected: &str| {
        let import = [kind, "import", "-"];
        assert_eq!(with_input(&millrace, &import, file).0, 0, "{kind}");
        let export = [&[kind, "export", "--yaml"], more].concat();
        let text = run(&export);
        assert!(text.contains(expected), "{text}");
        run(&[kind, "delete", gone]);
        assert_ne!(run(&export), text, "{kind}");
        assert_eq!(with_input(&millrace, &import, &text).0, 0, "{text}");
        assert_eq!(run(&export), text, "{kind}");
    };
    let variables = "region: kr\nlimit: 007\nnested: {a: [1]}\n";
    check("variables", variables, &[], "limit", "limit: \"007\"");
    let connections =
        "db: mysql://u:p%40ss@h:3306/s\nweb: {conn_type: http, host: h, password: '0123'}\n";
    check("connections", connections, &["--with-secrets"], "db", "password: p@ss");
    check("pools", "gpu: {slots: 1, description: one}\nwide: -1\n", &[], "gpu", "slots: -1");
    let (code, _) = with_input(&millrace, &["pools", "import", "-"], "a: {slot: 1}\n");
    assert_eq!(code, 2);

    assert_eq!(
        with_input(&millrace, &["users", "create", "ann", "--role", "editor"], "short\n").0,
        2
    );
    assert_eq!(with_input(&millrace, &["users", "create", "ann"], "long enough\n").0, 0);
    assert_eq!(with_input(&millrace, &["users", "create", "ann"], "long enough\n").0, 1);
    run(&["users", "role", "ann", "operator"]);
    assert_eq!(with_input(&millrace, &["users", "passwd", "ann"], "another one\n").0, 0);
    let listed = millrace.cli_json(&["users", "list"]);
    let ann = listed.as_array().and_then(|users| users.iter().find(|user| user["name"] == "ann"));
    assert!(ann.is_some_and(|ann| ann["role"] == "operator"), "{listed}");
    run(&["users", "delete", "ann"]);
    let (code, _, err) = millrace.cli(&["users", "delete", "ann"]);
    assert_eq!(code, 1);
    assert!(err.contains("there is no user \"ann\""), "{err}");
}
