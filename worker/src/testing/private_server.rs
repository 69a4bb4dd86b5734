//! Starts a private database server for the whole test process, and stops it with the process.

use std::net::TcpListener;
use std::process::{Command, Stdio};

/// Starts a server by a script of `tests/stack` and gives its port.
#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
#[expect(clippy::zombie_processes, reason = "it outlives this process")]
pub(crate) fn start(script: &str) -> u16 {
    let folder = tempfile::Builder::new().prefix("millrace-w-").tempdir().expect("a folder");
    let folder = folder.keep();
    let script = format!("{}/../tests/stack/{script}", env!("CARGO_MANIFEST_DIR"));
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let started = Command::new(&script)
        .arg("start")
        .arg(&folder)
        .arg(port.to_string())
        .stdout(Stdio::null())
        .status()
        .expect("the script runs");
    assert!(started.success(), "{script} start failed; run tests/stack/packages.sh");
    // A shell that waits for this process to end, however it ends, and then stops the server.
    let folder = folder.display();
    let pid = std::process::id();
    let ending = format!("tail --pid={pid} -f /dev/null; {script} stop {folder}; rm -rf {folder}");
    Command::new("setsid")
        .args(["bash", "-c", &ending])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("setsid runs");
    port
}
