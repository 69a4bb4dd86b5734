//! `millrace import`: DAG files of other tools, rewritten.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use millrace_core::dagfile::{ImportedDag, SourceFile, import, text_of};
use millrace_core::diagnostic::{Diagnostic, Paint, Severity, has_errors, summary};
use millrace_core::ids::DagId;

use super::validate::{counted, files_of};
use crate::failure::Failure;
use crate::output::{print, say};
use crate::settings::Settings;

/// The names of dag-factory's files of defaults.
const DEFAULTS: [&str; 4] = ["default.yml", "defaults.yml", "default.yaml", "defaults.yaml"];

/// Options of `import`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  millrace import factory.yaml > dags/factory.yaml
  millrace import old_dags/ --output dags/     a file for each DAG

Understood are dag-factory's files (with a default.yml beside them) and Airflow's own YAML. What cannot be carried over is named with its line; a task without a counterpart stays in the graph as an `empty` one. What is written is valid.")]
pub(crate) struct Import {
    /// Files or folders
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// Write a file for each DAG into this folder, instead of printing them
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Write over files that are there
    #[arg(long, requires = "output")]
    force: bool,

    /// End with 1 when anything could not be carried over
    #[arg(long)]
    strict: bool,
}

impl Import {
    /// Rewrites, writes, and says what is missing.
    pub(crate) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let zones = settings.zones()?;
        let known = settings.known(&zones);
        let mut dags: Vec<(String, ImportedDag)> = Vec::new();
        let mut found: Vec<Diagnostic> = Vec::new();
        for (path, name) in files_of(&self.paths)? {
            if is_defaults(&path) {
                continue;
            }
            let defaults = beside(&path)?;
            match source(&path, &name)? {
                Ok(file) => {
                    let imported = import(&file, defaults.as_ref(), &known);
                    found.extend(imported.diagnostics);
                    dags.extend(imported.dags.into_iter().map(|dag| (name.clone(), dag)));
                }
                Err(diagnostic) => found.push(*diagnostic),
            }
        }
        self.write(&dags)?;
        let to_terminal = std::io::stderr().is_terminal();
        for diagnostic in &found {
            let paint = if to_terminal { Paint::Colour } else { Paint::Plain };
            self.tell(diagnostic.render(paint).trim_end())?;
        }
        let were = if dags.len() == 1 { "was" } else { "were" };
        let count = counted(dags.len());
        self.tell(&format!("{count} {were} carried over; {}", summary(&found)))?;
        let lost = found.iter().any(|found| found.severity == Severity::Warning);
        if has_errors(&found) || (self.strict && lost) {
            return Err(Failure { code: 1, message: String::new() });
        }
        Ok(())
    }

    /// What was done, where it does not mix with the DAGs.
    fn tell(&self, text: &str) -> Result<(), Failure> {
        if self.output.is_some() {
            return print(text);
        }
        say(text);
        Ok(())
    }

    fn write(&self, dags: &[(String, ImportedDag)]) -> Result<(), Failure> {
        let Some(folder) = &self.output else {
            for (at, (_, dag)) in dags.iter().enumerate() {
                let parting = if at > 0 { "---\n" } else { "" };
                print(&format!("{parting}{}", dag.yaml.trim_end()))?;
            }
            return Ok(());
        };
        let failed = |path: &Path, error: &std::io::Error| {
            Failure::usage(format!("{} cannot be written: {error}", path.display()))
        };
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        let path = |dag: &ImportedDag| folder.join(format!("{}.yaml", dag.dag_id));
        let mut names: BTreeMap<&DagId, &String> = BTreeMap::new();
        for (name, dag) in dags {
            if let Some(first) = names.insert(&dag.dag_id, name) {
                return Err(Failure::wrong(format!(
                    "dag \"{}\" stands in {first} and in {name}; import them into two folders, or rename one",
                    dag.dag_id
                )));
            }
        }
        if let Some((_, dag)) = dags.iter().find(|(_, dag)| !self.force && path(dag).exists()) {
            let path = path(dag);
            return Err(Failure::usage(format!(
                "{} is there already; --force writes over it",
                path.display()
            )));
        }
        for (name, dag) in dags {
            let path = path(dag);
            let text = format!("# From {name}.\n{}\n", dag.yaml.trim_end());
            std::fs::write(&path, text).map_err(|error| failed(&path, &error))?;
        }
        Ok(())
    }
}

fn is_defaults(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| DEFAULTS.contains(&name))
}

/// The file of defaults in the same folder.
fn beside(path: &Path) -> Result<Option<SourceFile>, Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let Some(found) = DEFAULTS.iter().map(|name| folder.join(name)).find(|path| path.is_file())
    else {
        return Ok(None);
    };
    let name = found.display().to_string();
    source(&found, &name)?.map(Some).map_err(|wrong| Failure::wrong(wrong.to_string()))
}

/// A file's text, or why it is none.
fn source(path: &Path, name: &str) -> Result<Result<SourceFile, Box<Diagnostic>>, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::usage(format!("{name} cannot be read: {error}")))?;
    Ok(text_of(name, &bytes).map(|text| SourceFile {
        name: name.to_owned(),
        text,
        ..SourceFile::default()
    }))
}
