//! `millrace standalone`: every role in one process, on loopback, for a first start.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::local;
use crate::settings::{Listen, Settings, Slots, hostname};

/// Options of `standalone`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  millrace standalone\n  millrace standalone --dags ./dags --port 8090\n  MILLRACE_DATABASE=mysql://millrace:…@db/millrace millrace standalone --bind 0.0.0.0"
)]
pub(crate) struct Standalone {
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    slots: Slots,
}

impl Standalone {
    /// Starts everything and runs until it is told to stop.
    pub(crate) async fn run(self, settings: Settings) -> Result<(), Failure> {
        // The port and the home first: a second start must not touch the database of the first.
        let listener = bind(&self.listen).await?;
        let home = settings.home();
        let _lock = local::lock_home(&home)?;
        dags_folder(&settings)?;
        let store = local::open_to_serve(&settings).await?;
        let token = local::login_token(&store, &home).await?;
        let stop = CancellationToken::new();
        let config = local::scheduler_config(&settings)?;
        let scheduler = local::scheduler(config, &settings, &store);
        let name = format!("standalone@{}", hostname());
        let config = local::worker_config(name, &home, &self.slots);
        let worker = local::worker(scheduler.link(), config, stop.child_token());
        let api = local::api(&settings, &store, Some(&scheduler))?;
        announce(&listener, &settings, &token)?;
        let stop_serving = CancellationToken::new();
        let server = tokio::spawn(millrace_api::serve(listener, api, stop_serving.clone()));
        local::stop_signal().await;
        tracing::info!("stopping: no new attempts; those that run have 30 s to end");
        stop.cancel();
        let _ = worker.await;
        // The API last, so that a drain can be watched.
        stop_serving.cancel();
        let _ = server.await;
        scheduler.stop().await;
        store.close().await;
        Ok(())
    }
}

/// The DAG folder, made when it is the home's own: a first start has none.
pub(crate) fn dags_folder(settings: &Settings) -> Result<(), Failure> {
    let folder = settings.dags();
    if folder.is_dir() {
        return Ok(());
    }
    if settings.dags.is_some() {
        let folder = folder.display();
        return Err(Failure::usage(format!(
            "the DAG folder {folder} does not exist; create it, or name another with --dags or MILLRACE_DAGS"
        )));
    }
    crate::settings::private_folder(&folder).map_err(|error| {
        Failure::usage(format!("the DAG folder {} cannot be made: {error}", folder.display()))
    })
}

/// How long a port may still belong to a process that was killed a moment ago.
const PORT_PATIENCE: Duration = Duration::from_secs(3);
/// How often a port that is in use is tried.
const PORT_LOOK: Duration = Duration::from_millis(50);

/// Takes the port, or says who to ask for another. A process that is killed while it starts a task
/// leaves its port to the beginning task for a moment.
pub(crate) async fn bind(listen: &Listen) -> Result<TcpListener, Failure> {
    let address = SocketAddr::new(listen.bind, listen.port);
    let until = Instant::now() + PORT_PATIENCE;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() != ErrorKind::AddrInUse => {
                return Err(Failure::usage(format!("cannot listen on {address}: {error}")));
            }
            Err(_) if Instant::now() < until => tokio::time::sleep(PORT_LOOK).await,
            Err(_) => {
                return Err(Failure::usage(format!(
                    "cannot listen on {address}: port {} is in use; stop what uses it, or choose \
                     another with --port or MILLRACE_PORT",
                    listen.port
                )));
            }
        }
    }
}

/// Prints where Millrace is and how to log in.
fn announce(listener: &TcpListener, settings: &Settings, token: &str) -> Result<(), Failure> {
    let url = url_of(listener.local_addr().map_err(Failure::defect)?);
    let dags = settings.dags();
    let first = if dags.join("hello_millrace.yaml").exists() {
        "Trigger a first run:  millrace trigger hello_millrace --wait"
    } else {
        "Put a DAG file into the DAG folder; it is read within a second"
    };
    crate::output::print(&format!(
        "
Millrace {version} is ready

  dashboard   {url}/login#token={token}
  API         {url}/api/v2   (Authorization: Bearer TOKEN; more tokens: millrace token create)
  DAG folder  {dags}
  home        {home}

{first}      Stop: Ctrl-C
",
        version = env!("CARGO_PKG_VERSION"),
        dags = dags.display(),
        home = settings.home().display(),
    ))
}

/// An address that a browser on this machine can open.
pub(crate) fn url_of(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{address}")
}
