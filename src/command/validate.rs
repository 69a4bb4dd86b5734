//! `millrace validate`: everything that is wrong with DAG files, before they are deployed.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use millrace_core::diagnostic::{Diagnostic, Paint, Severity, has_errors, summary};
use millrace_scheduler::disk::{dag_files, read_dag_file};
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Format, Output, print, print_json};
use crate::settings::Settings;

/// Options of `validate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  millrace validate                      the whole DAG folder\n  millrace validate dags/report.yaml --strict\n  millrace validate dags --output json   for editors and CI\n\nThe exit code is 1 when something is wrong."
)]
pub(crate) struct Validate {
    /// DAG files or folders [default: the DAG folder]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Warnings count as errors
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    format: Format,
}

impl Validate {
    /// Reads, reports, and ends with 1 when something is wrong.
    pub(crate) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let paths = if self.paths.is_empty() { vec![settings.dags()] } else { self.paths };
        let zones = settings.zones()?;
        let known = settings.known(&zones);
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
                print(&format!("{} DAGs; {}", dags.len(), summary(&found)))?;
            }
        }
        if bad { Err(Failure { code: 1, message: String::new() }) } else { Ok(()) }
    }
}

/// The DAG files of paths, each with the name that messages use.
pub(crate) fn files_of(paths: &[PathBuf]) -> Result<Vec<(PathBuf, String)>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let shown = |path: &Path| path.display().to_string();
        if path.is_dir() {
            let names = dag_files(path)
                .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
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
