//! `millrace validate`: everything that is wrong with DAG files, before they are deployed.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use millrace_core::dagfile::Known;
use millrace_core::diagnostic::{Diagnostic, Paint, Severity, has_errors, summary};
use millrace_scheduler::disk::{dag_files, read_dag_file};
use millrace_store::{connection, pool};
use serde_json::json;

use crate::failure::Failure;
use crate::local::{self, fault};
use crate::output::{Format, Output, print, print_json};
use crate::settings::{self, Settings};

/// Options of `validate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  millrace validate                      the whole DAG folder\n  millrace validate dags/report.yaml --strict\n  millrace validate dags --check-connections      also: are the pools and connections there?\n  millrace validate dags --output json   for editors and CI\n\nThe exit code is 1 when something is wrong, 2 when a path is not there or a folder has no DAG file."
)]
pub(crate) struct Validate {
    /// DAG files or folders [default: the DAG folder]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Warnings count as errors
    #[arg(long)]
    strict: bool,

    /// Warn of pools and connections that the database and the environment do not have
    #[arg(long, conflicts_with_all = ["pools", "connections"])]
    check_connections: bool,

    /// The pools there are, for the same warning without a database
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pools: Option<Vec<String>>,

    /// The connections there are, for the same warning without a database
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    connections: Option<Vec<String>>,

    #[command(flatten)]
    format: Format,
}

/// The names that files may use.
#[derive(Debug, Default)]
struct Names {
    pools: Option<BTreeSet<String>>,
    connections: Option<BTreeSet<String>>,
}

impl Validate {
    /// Reads, reports, and ends with 1 when something is wrong.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let names = self.names(settings).await?;
        let paths = if self.paths.is_empty() { vec![settings.dags()] } else { self.paths };
        let zones = settings.zones()?;
        let known = Known {
            pools: names.pools.as_ref(),
            connections: names.connections.as_ref(),
            ..settings.known(&zones)
        };
        let mut found: Vec<Diagnostic> = Vec::new();
        let mut dags = Vec::new();
        for (path, name) in files_of(&paths)? {
            for document in read_dag_file(&path, &name, &known).documents {
                if let Some(dag) = &document.dag {
                    dags.push(
                        json!({ "dag_id": dag.dag_id, "file": name, "tasks": dag.tasks.len() }),
                    );
                }
                found.extend(document.diagnostics);
            }
        }
        let strict = |d: &Diagnostic| d.severity == Severity::Warning;
        let bad = has_errors(&found) || (self.strict && found.iter().any(strict));
        match self.format.output {
            Output::Json => print_json(&json!({ "ok": !bad, "dags": dags, "diagnostics": found }))?,
            Output::Table => {
                let colour = std::io::stdout().is_terminal();
                let paint = if colour { Paint::Colour } else { Paint::Plain };
                for diagnostic in &found {
                    print(&diagnostic.render(paint))?;
                }
                print(&format!("{}; {}", counted(dags.len()), summary(&found)))?;
            }
        }
        if bad { Err(Failure { code: 1, message: String::new() }) } else { Ok(()) }
    }
}

impl Validate {
    /// The names that are given, or those of the installation.
    async fn names(&self, settings: &Settings) -> Result<Names, Failure> {
        let given = |list: &Option<Vec<String>>| {
            list.as_ref().map(|names| names.iter().map(|name| name.trim().to_owned()).collect())
        };
        if !self.check_connections {
            let (pools, connections) = (given(&self.pools), given(&self.connections));
            return Ok(Names { pools, connections });
        }
        let store = local::open(settings).await?;
        let pools = pool::list(&store).await.map_err(fault)?;
        let stored = connection::all(&store).await.map_err(fault)?;
        let mut connections: BTreeSet<String> =
            stored.into_iter().map(|connection| connection.conn_id).collect();
        for name in settings::environment().keys() {
            let conn_id = ["MILLRACE_CONN_", "AIRFLOW_CONN_"]
                .iter()
                .find_map(|prefix| name.strip_prefix(prefix));
            connections.extend(conn_id.map(str::to_lowercase));
        }
        Ok(Names {
            pools: Some(pools.into_iter().map(|pool| pool.name).collect()),
            connections: Some(connections),
        })
    }
}

/// `1 DAG`, `2 DAGs`.
pub(crate) fn counted(dags: usize) -> String {
    format!("{dags} {}", if dags == 1 { "DAG" } else { "DAGs" })
}

/// The DAG files of paths, each with the name that messages use.
pub(crate) fn files_of(paths: &[PathBuf]) -> Result<Vec<(PathBuf, String)>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let shown = |path: &Path| path.display().to_string();
        if path.is_dir() {
            let names = dag_files(path)
                .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
            if names.is_empty() {
                let shown = path.display();
                return Err(Failure::usage(format!(
                    "{shown}: there is no DAG file (*.yaml, *.yml) in this folder"
                )));
            }
            found.extend(names.into_iter().map(|name| {
                let file = path.join(name);
                let name = shown(&file);
                (file, name)
            }));
        } else if path.exists() {
            found.push((path.clone(), shown(path)));
        } else {
            return Err(Failure::usage(format!("{}: there is no such file", path.display())));
        }
    }
    Ok(found)
}
