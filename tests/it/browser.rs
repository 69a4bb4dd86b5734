//! The dashboard in a real browser: continuous training is triggered and watched to the end.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::json;

use crate::harness::{Metadata, Millrace, free_port, mariadb_port, root, stack};

const DAG: &str = "credit_score_classification_ct_local";

/// A Millrace with the example DAGs and everything that the course's pipelines need.
fn with_feature_store() -> Millrace {
    let port = mariadb_port().to_string();
    stack("credit.sh", &["seed", &port]);
    let python = format!("{}/bin/python", stack("venv.sh", &["light"]));
    let home = tempfile::Builder::new().prefix("millrace-browser-").tempdir().expect("a folder");
    let path = |name: &str| {
        let path = home.path().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        path.display().to_string()
    };
    let environment = BTreeMap::from([
        (
            "MILLRACE_CONN_FEATURE_STORE".to_owned(),
            format!("mysql://root:root@127.0.0.1:{port}/mlops"),
        ),
        ("MILLRACE_CONN_CREDIT_API".to_owned(), format!("http://127.0.0.1:{}", free_port())),
        (
            "MILLRACE_VAR_PIPELINE_HOME".to_owned(),
            root().join("dags/credit_score").display().to_string(),
        ),
        ("MILLRACE_VAR_ARTIFACTS_PATH".to_owned(), path("artifacts")),
        ("MILLRACE_VAR_BENTOML_HOME".to_owned(), path("models")),
        ("MILLRACE_VAR_RUN_DIR".to_owned(), path("run")),
        ("MILLRACE_VAR_PYTHON".to_owned(), python),
    ]);
    Millrace::start_in(Metadata::MariaDb, home, root().join("dags"), environment)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
fn continuous_training_is_triggered_and_turns_green() {
    let ui = root().join("ui");
    assert!(
        ui.join("node_modules/.bin/playwright").exists(),
        "the dashboard's tools are missing; run `make ui`"
    );
    assert!(ui.join("dist/index.html").exists(), "the dashboard is not built; run `make ui`");
    let millrace = with_feature_store();
    millrace.wait_for_dag(DAG);
    millrace.post("/api/v2/pools", json!({ "name": "training", "slots": 1 }));
    let output = Command::new("bash")
        .args(["-c", ". ../tests/stack/node.sh && exec npx --no-install playwright test"])
        .current_dir(&ui)
        .env("MILLRACE_URL", &millrace.url)
        .env("MILLRACE_TOKEN", &millrace.token)
        .env("MILLRACE_DAG", DAG)
        .env("MILLRACE_LOGICAL_DATE", "2025-08-21T21:24:23")
        .env("MILLRACE_TIMEOUT_SECS", "300")
        .env("TZ", "UTC")
        .env("CI", "true")
        .output()
        .expect("bash runs");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
