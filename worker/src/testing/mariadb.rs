//! A private MariaDB server, one for the whole test process.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use millrace_core::connection::Connection;

/// A connection to a new database of its own on the server.
pub(crate) fn database() -> Connection {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("w{}", COUNT.fetch_add(1, Ordering::Relaxed));
    sql(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"));
    let url = format!("mysql+pymysql://root:root@127.0.0.1:{}/{name}", port());
    Connection::parse("db", &url).expect("a connection")
}

/// Runs statements with the server's own client.
#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
pub(crate) fn sql(statements: &str) -> String {
    let output = Command::new("mariadb")
        .args(["--no-defaults", "-uroot", "-proot", "-h127.0.0.1", "-N", "-B"])
        .arg(format!("-P{}", port()))
        .args(["--default-character-set=utf8mb4", "-e", statements])
        .output()
        .expect("the mariadb client runs; apt-get install mariadb-client");
    assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
#[expect(clippy::zombie_processes, reason = "it outlives this process")]
fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        let folder = tempfile::Builder::new().prefix("millrace-w-").tempdir().expect("a folder");
        let folder = folder.keep();
        let script = format!("{}/../tests/stack/mariadb.sh", env!("CARGO_MANIFEST_DIR"));
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
        assert!(started.success(), "{script} start failed; apt-get install mariadb-server");
        // A shell that waits for this process to end, however it ends, and then stops the server.
        let folder = folder.display();
        let pid = std::process::id();
        let ending =
            format!("tail --pid={pid} -f /dev/null; {script} stop {folder}; rm -rf {folder}");
        Command::new("setsid")
            .args(["bash", "-c", &ending])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("setsid runs");
        port
    })
}
