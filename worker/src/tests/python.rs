//! Python tasks, and the environments that are made for them.

use std::path::{Path, PathBuf};
use std::process::Command;

use millrace_core::wire::{Assignment, Outcome};
use serde_json::json;

use crate::testing::{TestWorker, assignment, key, task};

#[tokio::test(flavor = "multi_thread")]
async fn python_code_and_environments() {
    let worker = TestWorker::start();
    let code = "import json, sys\nprint(json.dumps({'args': sys.argv[1:]}))";
    let config = json!({"code": code, "args": ["{{ ds }}", "a b"]});
    let result = worker.run(assignment(1, task("python", &config))).await;
    assert_eq!(
        result.xcoms["return_value"],
        json!({"args": ["2025-08-21", "a b"]}),
        "{:?}",
        result.reason
    );
    let config = json!({"code": "import sys; sys.exit(99)"});
    let result = worker.run(assignment(2, task("python", &config))).await;
    assert_eq!(result.outcome, Outcome::Skipped);
    let config = json!({"code": "raise ValueError('bad value')"});
    let result = worker.run(assignment(3, task("python", &config))).await;
    assert!(result.reason.expect("a reason").contains("ValueError: bad value"));
    let config = json!({"code": "print(1)", "python": "no-such-python-9"});
    let result = worker.run(assignment(4, task("python", &config))).await;
    assert!(result.reason.expect("a reason").contains("has no no-such-python-9"));
    worker.stop().await;
}

/// A wheel of one module, made here: no index is asked for anything.
#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
fn wheel(folder: &Path) -> PathBuf {
    let make = "import sys, zipfile
w = zipfile.ZipFile(sys.argv[1], 'w')
w.writestr('said.py', \"WORD = 'from the package'\\n\")
d = 'said-1.0.dist-info/'
w.writestr(d + 'METADATA', 'Metadata-Version: 2.1\\nName: said\\nVersion: 1.0\\n')
w.writestr(d + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
w.writestr(d + 'RECORD', 'said.py,,\\n' + d + 'METADATA,,\\n' + d + 'WHEEL,,\\n' + d + 'RECORD,,\\n')
w.close()";
    let path = folder.join("said-1.0-py3-none-any.whl");
    let status =
        Command::new("python3").args(["-c", make]).arg(&path).status().expect("python3 runs");
    assert!(status.success());
    path
}

/// The folder with uv.
#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
fn uv() -> String {
    let script = format!("{}/../tests/stack/venv.sh", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(&script).arg("uv").output().expect("the script runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} uv: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn with_package(ti: i64, wheel: &Path) -> Assignment {
    let code = "import said, sys\nprint(said.WORD, 'millrace' in sys.prefix or sys.prefix)";
    let config = json!({"code": code, "requirements": [wheel.display().to_string()]});
    assignment(ti, task("python", &config))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_made_once_also_by_two_at_a_time() {
    let path = format!("{}:{}", uv(), std::env::var("PATH").expect("a path"));
    let worker = TestWorker::start_with(|config| config.path = path.into());
    let wheel = wheel(worker.home.path());
    worker.link.give(with_package(1, &wheel));
    worker.link.give(with_package(2, &wheel));
    for ti in [1, 2] {
        let result = worker.link.result(key(ti)).await;
        assert_eq!(result.outcome, Outcome::Success, "{:?}", result.reason);
        let value = result.xcoms["return_value"].as_str().expect("a text").to_owned();
        assert!(value.starts_with("from the package"), "{value}");
        assert!(value.contains("/worker/venvs/"), "{value}");
    }
    let logs = worker.link.log(key(1)) + &worker.link.log(key(2));
    assert_eq!(logs.matches("making environment").count(), 1, "{logs}");
    assert_eq!(logs.matches("is there").count(), 1, "{logs}");
    let result = worker.run(with_package(3, &wheel)).await;
    assert_eq!(result.outcome, Outcome::Success);
    assert!(!worker.link.log(key(3)).contains("making environment"));

    // One that cannot be made says why, leaves nothing half done, and is made when it can be.
    let missing = worker.home.path().join("later-1.0-py3-none-any.whl");
    let result = worker.run(with_package(4, &missing)).await;
    assert_eq!(result.outcome, Outcome::Failed);
    let reason = result.reason.expect("a reason");
    assert!(reason.contains("requirements:") && reason.contains("later-1.0"), "{reason}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_uv_says_what_to_install() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().as_os_str().to_owned();
    let worker = TestWorker::start_with(|config| config.path = path);
    let wheel = wheel(folder.path());
    let result = worker.run(with_package(1, &wheel)).await;
    assert_eq!(result.outcome, Outcome::Failed);
    let reason = result.reason.expect("a reason");
    assert!(reason.contains("has no python3") && reason.contains("pip install uv"), "{reason}");
    worker.stop().await;
}
