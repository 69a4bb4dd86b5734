//! The settings of a MariaDB server that matter.

use std::collections::BTreeMap;

use jiff::Timestamp;
use millrace_core::time::{from_micros, to_micros};

use super::{Finding, Severity};
use crate::db::{Sql, StoreError};
use crate::store::Store;

/// The oldest server that works: `SKIP LOCKED`, `INSERT … RETURNING`.
const OLDEST: (u32, u32) = (10, 6);
/// Clocks further apart confuse people who compare times of different machines.
const DRIFT_MICROS_MAX: i64 = 1_000_000;
/// A batch of changes with large XComs must fit.
const PACKET_BYTES_MIN: u64 = 16 * 1024 * 1024;

/// What a server says of itself.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// Its variables, names in lower case.
    variables: BTreeMap<String, String>,
    /// The isolation of our sessions.
    isolation: String,
    /// The modes of our sessions.
    sql_mode: String,
    /// The character set of the database.
    charset: String,
    /// Its clock, microseconds UTC.
    clock: i64,
}

pub(super) async fn read(store: &Store) -> Result<Server, StoreError> {
    let sql = Sql::new(
        "-- preflight::variables
SELECT LOWER(VARIABLE_NAME), VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES
WHERE VARIABLE_NAME IN ('version', 'innodb_flush_log_at_trx_commit', 'log_bin', 'sync_binlog',
    'wsrep_on', 'wsrep_cluster_address', 'max_allowed_packet', 'read_only', 'innodb_doublewrite',
    'innodb_snapshot_isolation', 'max_connections')",
    );
    let mut server = Server::default();
    for row in store.db.rows(sql).await? {
        let mut reader = row.reader();
        server.variables.insert(reader.text()?, reader.opt_text()?.unwrap_or_default());
    }
    let sql = Sql::new(
        "-- preflight::session
SELECT @@tx_isolation, @@sql_mode,
    (SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA
        WHERE SCHEMA_NAME = DATABASE()),
    CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)",
    );
    if let Some(row) = store.db.row(sql).await? {
        let mut reader = row.reader();
        server.isolation = reader.text()?;
        server.sql_mode = reader.text()?;
        server.charset = reader.opt_text()?.unwrap_or_default();
        server.clock = reader.int()?;
    }
    Ok(server)
}

pub(super) fn judge(server: &Server, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    version(server, &mut findings);
    durability(server, &mut findings);
    cluster(server, &mut findings);
    session(server, &mut findings);
    clock(server, now, &mut findings);
    findings
}

impl Server {
    fn variable(&self, name: &str) -> &str {
        self.variables.get(name).map_or("", String::as_str)
    }

    fn is_on(&self, name: &str) -> bool {
        matches!(self.variable(name).to_ascii_uppercase().as_str(), "ON" | "1")
    }
}

fn set(name: &str, value: &str) -> String {
    format!("write {name} = {value} under [mariadbd] in the server's my.cnf and restart it")
}

fn version(server: &Server, findings: &mut Vec<Finding>) {
    let text = server.variable("version");
    let mut numbers = text.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if !text.to_ascii_lowercase().contains("mariadb") {
        findings.push(Finding {
            severity: Severity::Error,
            what: format!("the server is {text}, not MariaDB"),
            why: "Millrace uses MariaDB's RETURNING and collations, which MySQL does not have",
            fix: "use MariaDB 10.6 or newer, or the embedded database (sqlite:PATH)".to_owned(),
        });
    } else if found < OLDEST {
        findings.push(Finding {
            severity: Severity::Error,
            what: format!("the server is MariaDB {text}"),
            why: "statements that Millrace needs came with 10.6",
            fix: "upgrade the server to 10.6 or newer".to_owned(),
        });
    }
}

fn durability(server: &Server, findings: &mut Vec<Finding>) {
    let name = "innodb_flush_log_at_trx_commit";
    if server.variable(name) != "1" {
        findings.push(Finding {
            severity: Severity::Error,
            what: format!("{name} is {}", server.variable(name)),
            why: "after a crash the server forgets up to a second of answered commits",
            fix: set(name, "1"),
        });
    }
    if server.is_on("log_bin") && server.variable("sync_binlog") != "1" {
        findings.push(Finding {
            severity: Severity::Warning,
            what: format!("sync_binlog is {} and log_bin is on", server.variable("sync_binlog")),
            why: "after a crash of its machine a replica may lack answered commits",
            fix: set("sync_binlog", "1"),
        });
    }
    if server.variable("innodb_doublewrite").eq_ignore_ascii_case("OFF") {
        findings.push(Finding {
            severity: Severity::Warning,
            what: "innodb_doublewrite is off".to_owned(),
            why: "a power cut may tear pages, unless the disk writes 16 KiB at once",
            fix: set("innodb_doublewrite", "ON"),
        });
    }
    let packet: u64 = server.variable("max_allowed_packet").parse().unwrap_or(u64::MAX);
    if packet < PACKET_BYTES_MIN {
        findings.push(Finding {
            severity: Severity::Warning,
            what: format!("max_allowed_packet is {packet} bytes"),
            why: "a batch with large XComs or DAG files may be refused",
            fix: set("max_allowed_packet", "16M"),
        });
    }
    if server.is_on("read_only") {
        findings.push(Finding {
            severity: Severity::Error,
            what: "the server is read-only".to_owned(),
            why: "Millrace must write; this is probably a replica",
            fix: "let the URL name the primary".to_owned(),
        });
    }
}

fn cluster(server: &Server, findings: &mut Vec<Finding>) {
    let address = server.variable("wsrep_cluster_address");
    if server.is_on("wsrep_on") && !address.is_empty() {
        findings.push(Finding {
            severity: Severity::Warning,
            what: format!("the server belongs to a Galera cluster ({address})"),
            why: "a cluster that several nodes write to loses updates (Jepsen, 2026)",
            fix:
                "let every process of Millrace use the same node, by a proxy that keeps one writer"
                    .to_owned(),
        });
    }
}

fn session(server: &Server, findings: &mut Vec<Finding>) {
    if !server.isolation.replace(' ', "-").eq_ignore_ascii_case("READ-COMMITTED") {
        findings.push(Finding {
            severity: Severity::Error,
            what: format!("sessions have the isolation {}", server.isolation),
            why: "Millrace sets READ COMMITTED; something between resets it, and deadlocks follow",
            fix: "connect without a proxy that resets sessions".to_owned(),
        });
    }
    if !server.sql_mode.contains("STRICT_TRANS_TABLES") {
        findings.push(Finding {
            severity: Severity::Error,
            what: "sessions are not strict".to_owned(),
            why: "values that do not fit would be cut in silence",
            fix: set("sql_mode", "STRICT_TRANS_TABLES"),
        });
    }
    if server.charset != "utf8mb4" {
        findings.push(Finding {
            severity: Severity::Note,
            what: format!("the database's character set is {}", server.charset),
            why: "Millrace's tables are utf8mb4 all the same; tables of others may not be",
            fix: "ALTER DATABASE … CHARACTER SET utf8mb4".to_owned(),
        });
    }
}

fn clock(server: &Server, now: Timestamp, findings: &mut Vec<Finding>) {
    let apart = to_micros(now).abs_diff(server.clock);
    if apart > DRIFT_MICROS_MAX.unsigned_abs() {
        findings.push(Finding {
            severity: Severity::Warning,
            what: format!(
                "the server's clock says {}, this machine's {now}",
                from_micros(server.clock)
            ),
            why: "nothing is decided by comparing clocks, but times of logs will not fit together",
            fix: "let both machines follow NTP".to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    fn good() -> Server {
        let variables = [
            ("version", "10.11.19-MariaDB-log"),
            ("innodb_flush_log_at_trx_commit", "1"),
            ("log_bin", "ON"),
            ("sync_binlog", "1"),
            ("wsrep_on", "OFF"),
            ("max_allowed_packet", "16777216"),
            ("read_only", "OFF"),
            ("innodb_doublewrite", "ON"),
        ];
        Server {
            variables: variables.map(|(name, value)| (name.into(), value.into())).into(),
            isolation: "READ-COMMITTED".to_owned(),
            sql_mode: "STRICT_TRANS_TABLES,PIPES_AS_CONCAT".to_owned(),
            charset: "utf8mb4".to_owned(),
            clock: to_micros(at(5)),
        }
    }

    #[test]
    fn every_bad_setting_is_found() {
        assert_eq!(judge(&good(), at(5)), []);
        let check = |change: &[(&str, &str)], severity: Severity, expected: &str| {
            let mut server = good();
            for (name, value) in change {
                server.variables.insert((*name).to_owned(), (*value).to_owned());
            }
            let found = judge(&server, at(5));
            assert_eq!(found.len(), 1, "{change:?}: {found:?}");
            assert_eq!(found[0].severity, severity);
            assert!(found[0].to_string().contains(expected), "{}", found[0]);
        };
        check(&[("version", "10.5.9-MariaDB")], Severity::Error, "10.6 or newer");
        check(&[("version", "8.4.0")], Severity::Error, "not MariaDB");
        check(&[("innodb_flush_log_at_trx_commit", "2")], Severity::Error, "my.cnf");
        check(&[("sync_binlog", "0")], Severity::Warning, "sync_binlog is 0");
        check(
            &[("sync_binlog", "0"), ("log_bin", "OFF"), ("read_only", "1")],
            Severity::Error,
            "primary",
        );
        check(&[("max_allowed_packet", "1048576")], Severity::Warning, "1048576 bytes");
        let galera = [("wsrep_on", "ON"), ("wsrep_cluster_address", "gcomm://a,b")];
        check(&galera, Severity::Warning, "Galera");
    }

    #[test]
    fn sessions_and_clocks_are_looked_at() {
        let check = |server: Server, now: Timestamp, expected: &str| {
            let found = judge(&server, now);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].to_string().contains(expected), "{}", found[0]);
        };
        check(Server { isolation: "REPEATABLE-READ".into(), ..good() }, at(5), "isolation");
        check(Server { sql_mode: String::new(), ..good() }, at(5), "strict");
        check(Server { charset: "latin1".into(), ..good() }, at(5), "latin1");
        check(good(), at(7), "clock");
        check(good(), at(3), "clock");
    }

    #[tokio::test]
    async fn a_fresh_server_is_good_but_for_the_clock_of_the_test() {
        let (_kept, fixture) = crate::testing::mariadb().await;
        let server = read(&fixture.store).await.unwrap();
        let found = judge(&server, from_micros(server.clock));
        assert!(found.iter().all(|finding| finding.severity < Severity::Error), "{found:?}");
        assert!(server.clock > to_micros(at(0)));
    }
}
