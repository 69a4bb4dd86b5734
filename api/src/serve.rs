//! The server: the router with its layers, and its life from the first connection to the stop.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};

use crate::app::{Api, App};
use crate::guard::{Guard, guard};
use crate::headers::dress;
use crate::routes;

/// The largest body of a request, in bytes; the worker protocol has its own limit.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Serves until `stop`; then it takes no new connections, ends streams and waits for the answers
/// that are under way.
pub async fn serve(listener: TcpListener, api: Api, stop: CancellationToken) {
    let router = router(api, stop.clone());
    let stopped = async move { stop.cancelled().await };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "the HTTP server ended");
    }
}

/// All routes behind the guard; for tests and for embedding.
pub fn router(api: Api, stop: CancellationToken) -> Router {
    let app = App::new(api, stop);
    let (router, rights) = routes::all().finish();
    let guarded = Guard { app: app.clone(), rights };
    // A stream must not wait in a compressor's buffer.
    let compressed = DefaultPredicate::new()
        .and(NotForContentType::const_new("text/event-stream"))
        .and(NotForContentType::const_new("application/x-ndjson"));
    router
        .fallback(crate::ui::fallback)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(guarded, guard))
        .layer(CompressionLayer::new().compress_when(compressed))
        .layer(from_fn(dress))
        .with_state(app)
}
