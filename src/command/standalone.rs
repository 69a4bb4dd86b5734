//! `millrace standalone`: every role in one process, on loopback, for a first start.

use std::net::SocketAddr;

use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::local;
use crate::settings::{Listen, Settings, Slots, hostname};

/// Options of `standalone`.
#[derive(Debug, Args)]
pub(crate) struct Standalone {
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    slots: Slots,
}

impl Standalone {
    /// Starts everything and runs until it is told to stop.
    pub(crate) async fn run(self, settings: Settings) -> Result<(), Failure> {
        // The port first: a second start must not touch the database of the first.
        let listener = bind(&self.listen).await?;
        let store = local::open(&settings).await?;
        local::check(&store).await?;
        let token = local::login_token(&store, "standalone").await?;
        let stop = CancellationToken::new();
        let scheduler = local::scheduler(&settings, &store);
        let name = format!("standalone@{}", hostname());
        let home = settings.home();
        let worker =
            local::worker(scheduler.link(), name, &home, &self.slots, stop.child_token());
        let api = local::api(&settings, &store, Some(&scheduler));
        announce(&listener, &settings, &token)?;
        let server = tokio::spawn(millrace_api::serve(listener, api, stop.child_token()));
        local::stop_signal().await;
        tracing::info!("stopping; attempts that run are finished or reported");
        stop.cancel();
        let _ = worker.await;
        scheduler.stop().await;
        let _ = server.await;
        store.close().await;
        Ok(())
    }
}

/// Takes the port, or says who to ask for another.
pub(crate) async fn bind(listen: &Listen) -> Result<TcpListener, Failure> {
    let address = SocketAddr::new(listen.bind, listen.port);
    TcpListener::bind(address).await.map_err(|error| {
        let hint = if error.kind() == std::io::ErrorKind::AddrInUse {
            format!(
                "port {} is in use; stop what uses it, or choose another with --port or MILLRACE_PORT",
                listen.port
            )
        } else {
            error.to_string()
        };
        Failure::usage(format!("cannot listen on {address}: {hint}"))
    })
}

/// Prints where Millrace is and how to log in.
fn announce(listener: &TcpListener, settings: &Settings, token: &str) -> Result<(), Failure> {
    use std::io::Write;
    let address = listener.local_addr().map_err(Failure::defect)?;
    let url = format!("http://{address}");
    let text = format!(
        "\nMillrace {version} is ready\n\n  dashboard   {url}/login#token={token}\n  API         {url}/api/v2   (Authorization: Bearer TOKEN; more tokens: millrace token create)\n  DAG folder  {dags}\n  home        {home}\n\nTrigger a first run:  millrace trigger hello_millrace --wait      Stop: Ctrl-C\n\n",
        version = env!("CARGO_PKG_VERSION"),
        dags = settings.dags().display(),
        home = settings.home().display(),
    );
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::defect)
}
