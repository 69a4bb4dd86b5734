//! `millrace db`: the schema of the database, its settings, its sealed values.

use clap::Subcommand;
use millrace_store::preflight::{self, Severity};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::local::{self, fault};
use crate::output::{Format, Output, print};
use crate::settings::Settings;

/// What to do with the database.
#[derive(Debug, Subcommand)]
pub(crate) enum Db {
    /// Bring the schema to this version; again does nothing
    Migrate,
    /// Check the server's settings: what could lose work, and how to mend it
    Check(Format),
    /// Print the schema's version and this program's
    Version(Format),
    /// Seal all secrets anew with the first key of `MILLRACE_SECRET_KEY`
    RotateSecrets,
}

impl Db {
    /// Does it.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = local::connect(settings).await?;
        match self {
            Self::Migrate => {
                let done = store.migrate(local::now()).await.map_err(fault)?;
                for name in &done.applied {
                    print(name)?;
                }
                print(&format!("{} has schema version {}", store.location(), done.version))
            }
            Self::Version(format) => {
                let (found, known) = store.schema_version().await.map_err(fault)?;
                format.record(&json!({
                    "database": store.location(), "schema": found, "program": known,
                }))
            }
            Self::Check(format) => check(&store, format).await,
            Self::RotateSecrets => {
                store.load_secrets(&settings.home()).map_err(fault)?;
                let count = store.rotate_secrets().await.map_err(fault)?;
                print(&format!("{count} values were sealed anew"))
            }
        }
    }
}

async fn check(store: &millrace_store::Store, format: Format) -> Result<(), Failure> {
    let findings = preflight::check(store, local::now()).await.map_err(fault)?;
    let is_bad = findings.iter().any(|finding| finding.severity == Severity::Error);
    if format.output == Output::Json {
        let records: Vec<Value> = findings
            .iter()
            .map(|finding| {
                json!({
                    "severity": word(finding.severity), "what": finding.what,
                    "why": finding.why, "fix": finding.fix,
                })
            })
            .collect();
        format.records(&records, &[])?;
    } else {
        for finding in &findings {
            print(&format!("{}: {finding}", word(finding.severity)))?;
        }
        if findings.is_empty() {
            print(&format!("{}: nothing to mend", store.location()))?;
        }
    }
    if is_bad { Err(Failure { code: 1, message: String::new() }) } else { Ok(()) }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}
