//! The roles apart: `millrace scheduler`, `millrace worker`, `millrace api`, each its own process
//! on its own machine if wanted.

use std::sync::Arc;

use clap::Args;
use millrace_worker::{HttpLink, Worker};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::standalone::{bind, dags_folder, url_of};
use crate::failure::Failure;
use crate::local::{self, fault};
use crate::output::print;
use crate::settings::{Listen, Settings, Slots, hostname};

/// Options of `scheduler`.
#[derive(Debug, Args)]
#[command(
    after_help = "Any number may run on one database: one leads, the others stand by and take over within seconds.\n\nExample:\n  MILLRACE_DATABASE=mysql://millrace@db/millrace millrace scheduler --bind 0.0.0.0 --port 8081"
)]
pub(crate) struct SchedulerRole {
    #[command(flatten)]
    listen: Listen,
}

/// Options of `worker`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  MILLRACE_TOKEN=$(cat worker.token) millrace worker --url http://scheduler:8081 --queues gpu,default\n\nA worker's token is made by: millrace token create NAME --role worker"
)]
pub(crate) struct WorkerRole {
    /// Where the scheduler is
    #[arg(long, env = "MILLRACE_URL", value_name = "URL", hide_env_values = true)]
    url: String,

    /// A token of the role worker; better given by the environment, where nobody sees it
    #[arg(long, env = "MILLRACE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: String,

    /// A name that outlives restarts, unique in the installation [default: the machine's]
    #[arg(long, env = "MILLRACE_WORKER_NAME", value_name = "NAME", hide_env_values = true)]
    name: Option<String>,

    #[command(flatten)]
    slots: Slots,
}

/// Options of `api`.
#[derive(Debug, Args)]
#[command(
    after_help = "Any number may run on one database; they keep no state.\n\nExample:\n  MILLRACE_DATABASE=mysql://millrace@db/millrace millrace api --bind 0.0.0.0 --port 8080"
)]
pub(crate) struct ApiRole {
    #[command(flatten)]
    listen: Listen,
}

impl SchedulerRole {
    /// Schedules until it is told to stop.
    pub(crate) async fn run(self, settings: Settings) -> Result<(), Failure> {
        let listener = bind(&self.listen).await?;
        let _lock = local::lock_home(&settings.home())?;
        dags_folder(&settings)?;
        let store = local::open_to_serve(&settings).await?;
        let scheduler = local::scheduler(local::scheduler_config(&settings)?, &settings, &store);
        let api = local::api(&settings, &store, Some(&scheduler))?;
        ready("scheduler", &listener)?;
        serve(listener, api).await;
        scheduler.stop().await;
        store.close().await;
        Ok(())
    }
}

impl ApiRole {
    /// Serves until it is told to stop.
    pub(crate) async fn run(self, settings: Settings) -> Result<(), Failure> {
        let listener = bind(&self.listen).await?;
        let store = local::open_to_serve(&settings).await?;
        let api = local::api(&settings, &store, None)?;
        ready("API", &listener)?;
        serve(listener, api).await;
        store.close().await;
        Ok(())
    }
}

impl WorkerRole {
    /// Works until it is told to stop; then its attempts have 30 s to end.
    pub(crate) async fn run(self, settings: Settings) -> Result<(), Failure> {
        let link = HttpLink::new(&self.url, &self.token).map_err(fault)?;
        let name = self.name.unwrap_or_else(hostname);
        let config = local::worker_config(name, &settings.home(), &self.slots);
        let stop = CancellationToken::new();
        let signalled = stop.clone();
        tokio::spawn(async move {
            local::stop_signal().await;
            tracing::info!("stopping: no new attempts; those that run have 30 s to end");
            signalled.cancel();
        });
        Worker::run(Arc::new(link), config, stop).await.map_err(fault)
    }
}

fn ready(role: &str, listener: &TcpListener) -> Result<(), Failure> {
    let url = url_of(listener.local_addr().map_err(Failure::defect)?);
    print(&format!("Millrace {} {role} is ready: {url}", env!("CARGO_PKG_VERSION")))
}

/// Serves until a signal.
async fn serve(listener: TcpListener, api: millrace_api::Api) {
    let stop = CancellationToken::new();
    let server = tokio::spawn(millrace_api::serve(listener, api, stop.clone()));
    local::stop_signal().await;
    stop.cancel();
    let _ = server.await;
}
