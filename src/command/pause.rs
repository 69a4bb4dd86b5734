//! `millrace pause` and `unpause`.

use clap::Args;
use millrace_core::engine::Order;
use millrace_core::ids::DagId;

use crate::failure::Failure;
use crate::orders;
use crate::settings::Settings;

/// Options of `pause`.
#[derive(Debug, Args)]
#[command(after_help = "What runs goes on; nothing new starts.")]
pub(crate) struct Pause {
    /// The DAG
    #[arg(value_name = "DAG")]
    dag_id: DagId,
}

/// Options of `unpause`.
#[derive(Debug, Args)]
pub(crate) struct Unpause {
    /// The DAG
    #[arg(value_name = "DAG")]
    dag_id: DagId,
}

impl Pause {
    /// Orders it.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        set(settings, self.dag_id, true).await
    }
}

impl Unpause {
    /// Orders it.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        set(settings, self.dag_id, false).await
    }
}

async fn set(settings: &Settings, dag_id: DagId, is_paused: bool) -> Result<(), Failure> {
    let store = crate::local::open(settings).await?;
    let word = if is_paused { "paused" } else { "active" };
    let order = Order::Pause { dag_id: dag_id.clone(), is_paused, actor: super::wait::actor() };
    orders::send_now(&store, &order).await?;
    crate::output::print(&format!("{dag_id} is {word}"))
}
