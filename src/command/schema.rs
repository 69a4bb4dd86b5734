//! `millrace schema`: the JSON Schema of DAG files, for editors.

use std::path::PathBuf;

use clap::Args;
use millrace_core::dagfile::schema;

use crate::failure::Failure;
use crate::output::print;

/// Options of `schema`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  millrace schema --output dag.schema.json

With the YAML language server an editor completes and checks a file that begins with
  # yaml-language-server: $schema=dag.schema.json
or every file of a folder, by its settings:
  \"yaml.schemas\": {\"./dag.schema.json\": \"dags/*.yaml\"}")]
pub(crate) struct Schema {
    /// Write it to this file
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Schema {
    /// Prints or writes it.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(&schema()).map_err(Failure::defect)?;
        match self.output {
            None => print(&text),
            Some(path) => std::fs::write(&path, format!("{text}\n")).map_err(|error| {
                Failure::usage(format!("{} cannot be written: {error}", path.display()))
            }),
        }
    }
}
