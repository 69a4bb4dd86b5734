//! `millrace graph`: what comes after what.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use millrace_core::picture;
use serde_json::Value;

use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::settings::Settings;

/// Options of `graph`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  millrace graph dags/report.yaml
  millrace graph dags/report.yaml --format dot | dot -Tsvg > report.svg
  millrace graph dags/report.yaml --format mermaid        for a page in Markdown")]
pub(crate) struct Graph {
    /// The DAG file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// One DAG of the file
    #[arg(long, value_name = "DAG")]
    dag: Option<String>,

    /// The form
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
}

/// How a graph is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A line for each task
    Text,
    /// Graphviz
    Dot,
    /// Mermaid
    Mermaid,
    /// For programs
    Json,
}

impl Graph {
    /// Prints the graphs of a file.
    pub(crate) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let dags = super::one_dag::read(settings, &self.file, self.dag.as_deref())?;
        if self.format == Form::Json {
            return print_json(&Value::Array(dags.iter().map(picture::json).collect()));
        }
        for dag in &dags {
            let text = match self.format {
                Form::Dot => picture::dot(dag),
                Form::Mermaid => picture::mermaid(dag),
                Form::Text | Form::Json => picture::text(dag),
            };
            print(text.trim_end())?;
        }
        Ok(())
    }
}
