//! One private MariaDB server for the whole test process; a database of its own for each test.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::stack::{root, stack};

/// Where a test keeps its metadata. Tests that matter run on both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metadata {
    /// The embedded database.
    Sqlite,
    /// The server.
    MariaDb,
}

impl Metadata {
    /// The database's address; `None` is Millrace's own default.
    pub(crate) fn url(self) -> Option<String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        match self {
            Self::Sqlite => None,
            Self::MariaDb => {
                let number = COUNT.fetch_add(1, Ordering::Relaxed);
                let name = format!("meta_{}_{number}", std::process::id());
                sql(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"));
                Some(format!("mysql://root:root@127.0.0.1:{}/{name}", mariadb_port()))
            }
        }
    }
}

/// Runs a statement on the server.
pub(crate) fn sql(statement: &str) -> String {
    sql_at(mariadb_port(), statement)
}

/// Runs a statement on the server at a port.
#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
pub(crate) fn sql_at(port: u16, statement: &str) -> String {
    let output = Command::new("mariadb")
        .args(["--no-defaults", "-uroot", "-proot", "-h127.0.0.1", "-N", "-B"])
        .arg(format!("-P{port}"))
        .args(["--default-character-set=utf8mb4", "-e", statement])
        .output()
        .expect("the mariadb client runs; apt-get install mariadb-client");
    assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// The port of the server, started at first use.
pub(crate) fn mariadb_port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        let folder = tempfile::Builder::new().prefix("millrace-it-").tempdir().expect("a folder");
        let folder = folder.keep();
        let path = folder.to_str().expect("a plain path").to_owned();
        let port = free_port();
        stack("mariadb.sh", &["start", &path, &port.to_string()]);
        stop_with_this_process(&path);
        port
    })
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// A shell that waits for this process to end, however it ends, and then stops the server.
#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
#[expect(clippy::zombie_processes, reason = "it outlives this process, which is its purpose")]
fn stop_with_this_process(folder: &str) {
    let script = format!(
        "tail --pid={} -f /dev/null; {}/tests/stack/mariadb.sh stop {folder}; rm -rf {folder}",
        std::process::id(),
        root().display(),
    );
    Command::new("setsid")
        .args(["bash", "-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("setsid runs");
}
