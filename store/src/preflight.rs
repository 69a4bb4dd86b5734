//! The check of a database's settings at the start: what could lose acknowledged work, and how to
//! mend it.
//!
//! Reading the settings is one function a dialect; judging them is pure.

mod mariadb;
mod sqlite;

use jiff::Timestamp;

use crate::db::{Dialect, StoreError};
use crate::store::Store;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// Some promise of Millrace does not hold; it starts all the same.
    Warning,
    /// Millrace cannot work with it, or would lose what it acknowledged: it must not start.
    Error,
}

/// Something about the database that people should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What is so.
    pub what: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub fix: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; {}", self.what, self.why, self.fix)
    }
}

/// Checks the database's settings, worst first. `now` must be read just before, since the clocks
/// are compared.
pub async fn check(store: &Store, now: Timestamp) -> Result<Vec<Finding>, StoreError> {
    let mut findings = match store.dialect() {
        Dialect::MariaDb => mariadb::judge(&mariadb::read(store).await?, now),
        Dialect::Sqlite => sqlite::check(store).await?,
    };
    if store.loaded_secrets().is_some() {
        for key_id in store.missing_keys().await? {
            findings.push(Finding {
                severity: Severity::Warning,
                what: format!("variables or connections were sealed with key {key_id}"),
                why: "that key is not here, so tasks that use them fail",
                fix: "bring back the key file of that home folder, or add the key to \
                      MILLRACE_SECRET_KEY after a comma"
                    .to_owned(),
            });
        }
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(findings)
}
