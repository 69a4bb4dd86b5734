//! A private MariaDB server, one for the whole test process.

use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use millrace_core::connection::Connection;

use super::private_server;

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

fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| private_server::start("mariadb.sh"))
}
