//! `millrace assets`: what assets there are, who writes and reads them, what happened to them.

use clap::Subcommand;
use millrace_core::asset::EXTRA_BYTES_MAX;
use millrace_core::engine::Order;
use millrace_core::record::{AssetEventRow, AssetKey, AssetRole, AssetRow};
use millrace_store::asset::{AssetFilter, AssetOrder, AssetUse};
use millrace_store::asset_event::{AssetEventFilter, AssetEventOrder};
use millrace_store::page::{Direction, LIMIT_MAX, Paging};
use millrace_store::{Store, asset, asset_event, asset_queue};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::local::{self, fault};
use crate::orders;
use crate::output::{Format, print};
use crate::settings::Settings;

/// What to do with assets.
#[derive(Debug, Subcommand)]
pub(crate) enum Assets {
    /// List the assets with who writes them and whom they start
    List(Format),
    /// Show an asset: its tasks and DAGs, what happened last, who waits
    Show {
        /// Its name or URI
        #[arg(value_name = "ASSET")]
        asset: String,
        #[command(flatten)]
        format: Format,
    },
    /// List what happened to assets, newest first, with the runs that it started
    Events {
        /// Only of this asset, by name or URI
        #[arg(value_name = "ASSET")]
        asset: Option<String>,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: u32,
        #[command(flatten)]
        format: Format,
    },
    /// Say that an asset has changed; DAGs that wait for it start
    #[command(
        after_help = "Example:\n  millrace assets emit s3://lake/rows --extra '{\"rows\": 120}'"
    )]
    Emit {
        /// Its name or URI
        #[arg(value_name = "ASSET")]
        asset: String,
        /// What is to be known of it, a JSON object
        #[arg(long, value_name = "JSON")]
        extra: Option<String>,
    },
}

impl Assets {
    /// Does it.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = local::open(settings).await?;
        match self {
            Self::List(format) => list(&store, format).await,
            Self::Show { asset, format } => show(&store, &asset, format).await,
            Self::Events { asset, limit, format } => {
                events(&store, asset.as_deref(), limit, format).await
            }
            Self::Emit { asset, extra } => emit(&store, &asset, extra.as_deref()).await,
        }
    }
}

/// The asset of a name or URI.
async fn find(store: &Store, text: &str) -> Result<AssetRow, Failure> {
    if let Some(row) = asset::named(store, text).await.map_err(fault)? {
        return Ok(row);
    }
    let filter = AssetFilter { is_active: true, ..AssetFilter::default() };
    let paging = Paging { limit: 5, offset: 0 };
    let by = (AssetOrder::Name, Direction::Ascending);
    let some = asset::list(store, &filter, by.0, by.1, paging).await.map_err(fault)?;
    let names: Vec<_> = some.rows.iter().map(|row| row.name.as_str()).collect();
    let hint = match names.as_slice() {
        [] => "no DAG names any asset".to_owned(),
        names => format!("there are {}", names.join(", ")),
    };
    Err(Failure::wrong(format!("there is no asset \"{text}\"; {hint}")))
}

/// `dag.task` of each use of a role; the DAG alone for the schedule.
fn users(uses: &[AssetUse], asset: AssetKey, role: AssetRole) -> Vec<String> {
    let name = |one: &AssetUse| match &one.task_id {
        Some(task_id) => format!("{}.{task_id}", one.dag_id),
        None => one.dag_id.to_string(),
    };
    uses.iter().filter(|one| one.asset == asset && one.role == role).map(name).collect()
}

fn record(row: &AssetRow, uses: &[AssetUse], last: Option<&AssetEventRow>) -> Value {
    json!({
        "id": row.id,
        "name": row.name,
        "uri": row.uri,
        "group": row.group,
        "extra": row.extra,
        "written_by": users(uses, row.id, AssetRole::Outlet),
        "read_by": users(uses, row.id, AssetRole::Inlet),
        "starts": users(uses, row.id, AssetRole::Schedule),
        "last_event": last.map(|event| millrace_core::time::rest(event.at)),
    })
}

async fn list(store: &Store, format: Format) -> Result<(), Failure> {
    let filter = AssetFilter { is_active: true, ..AssetFilter::default() };
    let paging = Paging { limit: LIMIT_MAX, offset: 0 };
    let by = (AssetOrder::Name, Direction::Ascending);
    let rows = asset::list(store, &filter, by.0, by.1, paging).await.map_err(fault)?.rows;
    let keys: Vec<AssetKey> = rows.iter().map(|row| row.id).collect();
    let uses = asset::uses(store, &keys).await.map_err(fault)?;
    let last = asset_event::last_of(store, &keys).await.map_err(fault)?;
    let records: Vec<Value> =
        rows.iter().map(|row| record(row, &uses, last.get(&row.id))).collect();
    format.records(&records, &["name", "uri", "written_by", "read_by", "starts", "last_event"])
}

async fn show(store: &Store, text: &str, format: Format) -> Result<(), Failure> {
    let row = find(store, text).await?;
    let uses = asset::uses(store, &[row.id]).await.map_err(fault)?;
    let last = asset_event::last_of(store, &[row.id]).await.map_err(fault)?;
    let mut shown = record(&row, &uses, last.get(&row.id));
    let waiting = asset_queue::waiting(store, None, Some(row.id)).await.map_err(fault)?;
    let dags: Vec<String> = waiting.iter().map(|queue| queue.dag_id.to_string()).collect();
    shown["waits_for_a_run_of"] = json!(dags);
    format.record(&shown)
}

async fn events(
    store: &Store,
    text: Option<&str>,
    limit: u32,
    format: Format,
) -> Result<(), Failure> {
    let asset = match text {
        Some(text) => Some(find(store, text).await?.id),
        None => None,
    };
    let filter = AssetEventFilter { asset, ..AssetEventFilter::default() };
    let by = (AssetEventOrder::Id, Direction::Descending);
    let paging = Paging { limit, offset: 0 };
    let rows = asset_event::list(store, &filter, by.0, by.1, paging).await.map_err(fault)?.rows;
    let keys: Vec<AssetKey> = rows.iter().map(|row| row.asset).collect();
    let assets = asset::by_keys(store, &keys).await.map_err(fault)?;
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let consumers = asset_queue::consumers(store, &ids).await.map_err(fault)?;
    let record = |row: &AssetEventRow| {
        let source = row.source.as_ref();
        let runs = consumers.get(&row.id).into_iter().flatten();
        let runs: Vec<String> = runs.map(|run| format!("{} {}", run.dag_id, run.run_id)).collect();
        json!({
            "id": row.id,
            "at": millrace_core::time::rest(row.at),
            "asset": assets.get(&row.asset).map(|asset| &asset.name),
            "source": source.map(|source| {
                format!("{}.{} of {}", source.dag_id, source.task_id, source.run_id)
            }),
            "extra": row.extra,
            "consumed_by": runs,
        })
    };
    let records: Vec<Value> = rows.iter().map(record).collect();
    format.records(&records, &["id", "at", "asset", "source", "extra", "consumed_by"])
}

async fn emit(store: &Store, text: &str, extra: Option<&str>) -> Result<(), Failure> {
    let row = find(store, text).await?;
    let extra: Map<String, Value> = match extra {
        None => Map::new(),
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Failure::usage(format!("--extra is not a JSON object: {error}")))?,
    };
    if Value::Object(extra.clone()).to_string().len() > EXTRA_BYTES_MAX {
        let text = format!("--extra has more than {EXTRA_BYTES_MAX} bytes; give an address on");
        return Err(Failure::usage(text));
    }
    let order = Order::AssetEvent { asset: row.id, extra, actor: super::wait::actor() };
    let answer = orders::send_now(store, &order).await?;
    print(&format!("asset {} has changed, event {}", row.name, answer["asset_event"]))
}
