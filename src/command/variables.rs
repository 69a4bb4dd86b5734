//! `millrace variables`: values that templates read by name.

use std::path::PathBuf;

use clap::Subcommand;
use millrace_core::connection::is_secret_name;
use millrace_store::Store;
use millrace_store::variable::{self, Variable};
use serde_json::{Value, json};

use super::wait::actor;
use crate::failure::Failure;
use crate::local::{self, fault};
use crate::output::{ExportFormat, Format, print, say};
use crate::settings::Settings;
use crate::{input, masking};

/// What to do with variables.
#[derive(Debug, Subcommand)]
pub(crate) enum Variables {
    /// List the variables; values with secret names are masked
    List(Format),
    /// Print a variable's value
    Get {
        /// Its name
        name: String,
        /// Print it even if its name says that it is secret
        #[arg(long)]
        reveal: bool,
    },
    /// Set a variable
    #[command(
        after_help = "Examples:\n  millrace variables set region ap-northeast-2\n  millrace variables set api_token < token.txt"
    )]
    Set {
        /// Its name; templates say {{ var.value.NAME }}
        name: String,
        /// Its value; without one it is read from standard input
        value: Option<String>,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// Delete a variable
    Delete {
        /// Its name
        name: String,
    },
    /// Set all variables of a JSON or YAML file, as Airflow exports it
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
    },
    /// Print all variables as JSON or YAML
    Export {
        /// Also those whose names say that they are secret
        #[arg(long)]
        with_secrets: bool,
        #[command(flatten)]
        format: ExportFormat,
    },
}

impl Variables {
    /// Does it.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = local::open(settings).await?;
        match self {
            Self::List(format) => list(&store, format).await,
            Self::Get { name, reveal } => get(&store, &name, reveal).await,
            Self::Set { name, value, description } => set(&store, name, value, description).await,
            Self::Delete { name } => {
                if variable::delete(&store, &name, actor().as_deref(), local::now())
                    .await
                    .map_err(fault)?
                {
                    print(&format!("variable {name} is gone"))
                } else {
                    Err(unknown(&name))
                }
            }
            Self::Import { file } => {
                let found = variable::from_map(&input::map(&file)?);
                for variable in &found {
                    variable::set(&store, variable, actor().as_deref(), local::now())
                        .await
                        .map_err(fault)?;
                }
                print(&format!("{} variables were set", found.len()))
            }
            Self::Export { with_secrets, format } => export(&store, with_secrets, format).await,
        }
    }
}

fn unknown(name: &str) -> Failure {
    Failure::wrong(format!("there is no variable \"{name}\""))
}

async fn list(store: &Store, format: Format) -> Result<(), Failure> {
    let records: Vec<Value> = variable::all(store)
        .await
        .map_err(fault)?
        .iter()
        .map(|found| {
            let value = masking::variable(&found.name, &found.value);
            json!({ "name": found.name, "value": value, "description": found.description })
        })
        .collect();
    format.records(&records, &["name", "value", "description"])
}

async fn get(store: &Store, name: &str, reveal: bool) -> Result<(), Failure> {
    let found = variable::get(store, name).await.map_err(fault)?.ok_or_else(|| unknown(name))?;
    if reveal {
        return print(&found.value);
    }
    if is_secret_name(name) {
        say("its name says that it is secret; --reveal prints it");
    }
    print(masking::variable(name, &found.value))
}

async fn set(
    store: &Store,
    name: String,
    value: Option<String>,
    description: Option<String>,
) -> Result<(), Failure> {
    let value = match value {
        Some(value) => value,
        None => input::stdin_text()?,
    };
    let before = variable::get(store, &name).await.map_err(fault)?;
    let description = description.or(before.and_then(|found| found.description));
    let new = Variable { name, value, description };
    variable::set(store, &new, actor().as_deref(), local::now()).await.map_err(fault)?;
    print(&format!("variable {} is set", new.name))
}

async fn export(store: &Store, with_secrets: bool, format: ExportFormat) -> Result<(), Failure> {
    let mut all = variable::all(store).await.map_err(fault)?;
    let count = all.len();
    all.retain(|found| with_secrets || !is_secret_name(&found.name));
    if all.len() < count {
        say(&format!("{} with secret names left out; see --with-secrets", count - all.len()));
    }
    format.print(variable::to_map(&all))
}
