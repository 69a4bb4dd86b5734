//! `millrace pools`: how much may run at once.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use millrace_core::engine::Order;
use millrace_core::record::PoolRow;
use millrace_core::state::TaskState;
use millrace_store::{Store, pool};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::local::{self, fault};
use crate::orders;
use crate::output::{ExportFormat, Format, print};
use crate::settings::Settings;

/// What to do with pools.
#[derive(Debug, Subcommand)]
pub(crate) enum Pools {
    /// List the pools with what holds their slots
    List(Format),
    /// Create or change a pool
    #[command(after_help = "Example:\n  millrace pools set training 1 --description 'one GPU'")]
    Set {
        /// Its name
        name: String,
        /// Its slots; -1 is without limit
        #[arg(allow_negative_numbers = true)]
        slots: i64,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// Count deferred tasks too
        #[arg(long)]
        include_deferred: bool,
    },
    /// Set all pools of a JSON or YAML file, as Airflow exports it
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
    },
    /// Print all pools as JSON or YAML
    Export(ExportFormat),
    /// Delete a pool
    Delete {
        /// Its name
        name: String,
    },
}

impl Pools {
    /// Does it.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = local::open(settings).await?;
        match self {
            Self::List(format) => list(&store, format).await,
            Self::Set { name, slots, description, include_deferred } => {
                let before = pool::get(&store, &name).await.map_err(fault)?;
                let description = description.or(before.and_then(|pool| pool.description));
                let row = PoolRow { name: name.clone(), slots, description, include_deferred };
                orders::send_now(&store, &Order::SetPool { row, actor: super::wait::actor() })
                    .await?;
                print(&format!("pool {name} is set, slots: {slots}"))
            }
            Self::Import { file } => import(&store, &file).await,
            Self::Export(format) => {
                let pools = pool::list(&store).await.map_err(fault)?;
                format.print(
                    pools.into_iter().map(|pool| (pool.name.clone(), exported(pool))).collect(),
                )
            }
            Self::Delete { name } => {
                orders::send_now(
                    &store,
                    &Order::DeletePool { name: name.clone(), actor: super::wait::actor() },
                )
                .await?;
                print(&format!("pool {name} is gone"))
            }
        }
    }
}

/// `name: {slots, description, include_deferred}`, as Airflow's `pools export` writes it; a number
/// alone is the slots.
fn of_file(name: &str, value: &Value) -> Result<PoolRow, Failure> {
    let wrong = |what: &str| {
        Failure::usage(format!("pool \"{name}\": {what}; write `{name}: {{slots: 4}}`"))
    };
    let of = |key: &str| value.get(key).filter(|value| !value.is_null());
    let slots = value.as_i64().or_else(|| of("slots")?.as_i64());
    let slots = slots
        .filter(|slots| *slots >= -1)
        .ok_or_else(|| wrong("its slots are no whole number of -1 or more"))?;
    if let Some(key) = value.as_object().and_then(|map| {
        map.keys().find(|key| !["slots", "description", "include_deferred"].contains(&key.as_str()))
    }) {
        return Err(wrong(&format!("unknown key \"{key}\"")));
    }
    Ok(PoolRow {
        name: name.to_owned(),
        slots,
        description: of("description").and_then(Value::as_str).map(str::to_owned),
        include_deferred: of("include_deferred").and_then(Value::as_bool).unwrap_or(false),
    })
}

fn exported(pool: PoolRow) -> Value {
    json!({
        "slots": pool.slots,
        "description": pool.description.unwrap_or_default(),
        "include_deferred": pool.include_deferred,
    })
}

/// Sets nothing unless all of the file is right.
async fn import(store: &Store, file: &Path) -> Result<(), Failure> {
    let map = crate::input::map(file)?;
    let rows: Vec<PoolRow> =
        map.iter().map(|(name, value)| of_file(name, value)).collect::<Result<_, _>>()?;
    for row in &rows {
        orders::send_now(store, &Order::SetPool { row: row.clone(), actor: super::wait::actor() })
            .await?;
    }
    print(&format!("{} pools were set", rows.len()))
}

async fn list(store: &Store, format: Format) -> Result<(), Failure> {
    let usage = pool::usage(store).await.map_err(fault)?;
    let records: Vec<Value> = pool::list(store)
        .await
        .map_err(fault)?
        .into_iter()
        .map(|pool| {
            let used = usage.get(&pool.name);
            let count = |states: &[TaskState]| -> i64 {
                states.iter().filter_map(|state| used?.get(state)).sum()
            };
            json!({
                "name": pool.name,
                "slots": pool.slots,
                "running": count(&[TaskState::Running, TaskState::Restarting]),
                "queued": count(&[TaskState::Queued]),
                "scheduled": count(&[TaskState::Scheduled]),
                "description": pool.description,
                "include_deferred": pool.include_deferred,
            })
        })
        .collect();
    format.records(&records, &["name", "slots", "running", "queued", "scheduled", "description"])
}
