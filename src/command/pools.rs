//! `millrace pools`: how much may run at once.

use clap::Subcommand;
use millrace_core::engine::Order;
use millrace_core::record::PoolRow;
use millrace_core::state::TaskState;
use millrace_store::pool;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::local::{self, fault};
use crate::orders;
use crate::output::{Format, print};
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
                orders::send_now(&store, &Order::SetPool(row)).await?;
                print(&format!("pool {name} is set, slots: {slots}"))
            }
            Self::Delete { name } => {
                orders::send_now(&store, &Order::DeletePool { name: name.clone() }).await?;
                print(&format!("pool {name} is gone"))
            }
        }
    }
}

async fn list(store: &millrace_store::Store, format: Format) -> Result<(), Failure> {
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
