//! A private PostgreSQL server, one for the whole test process.

use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use millrace_core::connection::Connection;

use super::private_server;

/// A connection to a new database of its own on the server.
pub(crate) fn database() -> Connection {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("w{}", COUNT.fetch_add(1, Ordering::Relaxed));
    sql("postgres", &format!("CREATE DATABASE {name}"));
    let url = format!("postgresql+psycopg2://root:root@127.0.0.1:{}/{name}", port());
    Connection::parse("db", &url).expect("a connection")
}

/// Runs statements in a database with the server's own client.
#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
pub(crate) fn sql(database: &str, statements: &str) -> String {
    let output = Command::new("psql")
        .args(["-h127.0.0.1", "-Uroot", "-Atq", "-vON_ERROR_STOP=1"])
        .arg(format!("-p{}", port()))
        .args(["-d", database, "-c", statements])
        .env("PGPASSWORD", "root")
        .output()
        .expect("psql runs; apt-get install postgresql-client");
    assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| private_server::start("postgres.sh"))
}
