//! A password is in no log, no answer, no export and no dump of the database.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Metadata, Millrace, mariadb_port, unique, wait_for};

const PASSWORD: &str = "Tr0ub4dor-and-3";
const VARIABLE: &str = "open-sesame-77";

const TELLTALE: &str = r#"
dag_id: telltale
tasks:
  shell:
    operator: bash
    env:
      PASSWORD: "{{ conn.store.password }}"
    bash_command: |
      echo "plain $PASSWORD"
      echo "in the text {{ conn.store.password }} {{ var.value.api_secret }}" >&2
      printf '%s' "$PASSWORD" | base64
      echo done
  failing:
    operator: bash
    bash_command: "echo the reason is {{ conn.store.password }} >&2; exit 4"
  query:
    operator: sql
    conn_id: store
    sql: "SELECT '{{ conn.store.password }}' AS a, nothing FROM nowhere"
"#;

/// A server whose connection and variable were given by the command line, with one run ended.
fn with_a_run(metadata: Metadata) -> (Millrace, String) {
    let millrace = Millrace::start(metadata);
    let uri = format!("mysql://root:{PASSWORD}@127.0.0.1:{}/mysql", mariadb_port());
    let (code, out, err) = millrace.cli(&["connections", "add", "store", "--uri", &uri]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(!format!("{out}{err}").contains(PASSWORD), "{out}{err}");
    let (code, out, err) = millrace.cli(&["variables", "set", "api_secret", VARIABLE]);
    assert_eq!(code, 0, "{out}{err}");
    millrace.add_dag("telltale", TELLTALE);
    let run = millrace.trigger("telltale", json!({}));
    assert_eq!(millrace.wait_for_run("telltale", &run, 60), "failed");
    (millrace, run)
}

fn check(what: &str, text: &str) {
    for secret in [PASSWORD, VARIABLE] {
        assert!(!text.contains(secret), "{what} shows {secret}: {text}");
    }
}

fn check_files(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        if entry.path().is_dir() {
            check_files(&entry.path());
        } else if let Ok(bytes) = std::fs::read(entry.path()) {
            let found = String::from_utf8_lossy(&bytes);
            for secret in [PASSWORD, VARIABLE] {
                assert!(!found.contains(secret), "{} holds {secret}", entry.path().display());
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
fn check_dump(database: &str) {
    let output = Command::new("mariadb-dump")
        .args(["--no-defaults", "-uroot", "-proot", "-h127.0.0.1", "--single-transaction"])
        .arg(format!("-P{}", mariadb_port()))
        .arg(database)
        .output()
        .expect("mariadb-dump runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let dump = String::from_utf8_lossy(&output.stdout);
    assert!(dump.contains("telltale"), "the dump is of another database");
    for secret in [PASSWORD, VARIABLE] {
        assert!(!dump.contains(secret), "the dump of the database holds {secret}");
    }
}

/// The answers of the API in which a secret could be.
fn answers(millrace: &Millrace, run: &str) -> Vec<(String, Value)> {
    let base = format!("/api/v2/dags/telltale/dagRuns/{run}");
    let mut paths = vec![
        base.clone(),
        format!("{base}/taskInstances"),
        "/api/v2/connections".to_owned(),
        "/api/v2/connections/store".to_owned(),
        "/api/v2/variables".to_owned(),
        "/api/v2/variables/api_secret".to_owned(),
        "/api/v2/eventLogs".to_owned(),
        "/api/v2/config".to_owned(),
        "/api/v2/dags/telltale/details".to_owned(),
    ];
    for task in ["shell", "failing", "query"] {
        paths.push(format!("{base}/taskInstances/{task}"));
        paths.push(format!("{base}/taskInstances/{task}/tries"));
        paths.push(format!("{base}/taskInstances/{task}/logs/1"));
        paths.push(format!("{base}/taskInstances/{task}/xcomEntries"));
        let ours = format!("/api/v1/dags/telltale/runs/{run}/tasks/{task}");
        paths.push(format!("{ours}/rendered"));
        paths.push(format!("{ours}/log?try_number=1"));
    }
    paths.into_iter().map(|path| (path.clone(), millrace.get(&path).1)).collect()
}

fn a_password_in_a_log(metadata: Metadata) {
    let (mut millrace, run) = with_a_run(metadata);
    for (path, body) in answers(&millrace, &run) {
        check(&path, &body.to_string());
    }
    let log = millrace.task_log("telltale", &run, "shell", 1);
    assert!(log.contains("plain ***") && log.contains("in the text *** ***"), "{log}");
    let rendered = format!("/api/v1/dags/telltale/runs/{run}/tasks/shell/rendered");
    let (_, rendered) = millrace.get(&rendered);
    assert!(rendered["fields"]["bash_command"].as_str().is_some_and(|text| text.contains("***")));
    let (_, printed, _) = millrace.cli(&["logs", "telltale", &run, "shell"]);
    check("millrace logs", &printed);
    millrace.stop();
    check("Millrace's own log", &millrace.log());
    check_files(millrace.home.path());
    if let Some(database) = millrace.database_name() {
        check_dump(&database);
    }
}

#[test]
fn a_password_in_a_log_on_sqlite() {
    a_password_in_a_log(Metadata::Sqlite);
}

#[test]
fn a_password_in_a_log_on_mariadb() {
    a_password_in_a_log(Metadata::MariaDb);
}

#[test]
fn a_secret_in_an_exported_dag() {
    let (millrace, _) = with_a_run(Metadata::Sqlite);
    let file = millrace.dags.join("telltale.yaml");
    let file = file.to_str().expect("a plain path");
    for arguments in [
        vec!["dags", "source", "telltale"],
        vec!["dags", "show", "telltale", "--output", "json"],
        vec!["render", file, "--date", "2025-08-22"],
        vec!["render", file, "--date", "2025-08-22", "--output", "json"],
        vec!["connections", "list", "--output", "json"],
        vec!["connections", "get", "store", "--output", "json"],
        vec!["connections", "export"],
        vec!["variables", "list", "--output", "json"],
        vec!["variables", "export"],
    ] {
        let (_, out, err) = millrace.cli(&arguments);
        check(&format!("millrace {arguments:?}"), &format!("{out}{err}"));
    }
    let (_, source, _) = millrace.cli(&["dags", "source", "telltale"]);
    assert!(source.contains("{{ conn.store.password }}"), "{source}");
    for path in ["/api/v2/dagSources/telltale", "/api/v2/dags/telltale/details"] {
        check(path, &millrace.get(path).1.to_string());
    }
    // What was asked for in words is given.
    let (code, out, _) = millrace.cli(&["connections", "export", "--with-secrets"]);
    assert!(code == 0 && out.contains(PASSWORD));
    let name = unique("later");
    let (code, ..) = millrace.cli(&["variables", "set", &name, "1"]);
    assert_eq!(code, 0);
    wait_for("the variable", 10, || {
        let (status, body) = millrace.get(&format!("/api/v2/variables/{name}"));
        if status == 200 { Ok(()) } else { Err(body.to_string()) }
    });
}
