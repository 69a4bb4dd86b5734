//! `/worker/v1`: the worker protocol over HTTP, for workers on other machines.
//!
//! Owns nothing but the transport: bodies are the plain types of `millrace_core::wire`, answers
//! are what the scheduler in this process says.

use axum::Json;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use millrace_core::wire::{
    AppendLog, Claim, Finish, Finished, Found, Link, LogAppended, LookUp, ProtocolError, Register,
    Registered, Renew, Renewed, Work,
};
use serde::de::DeserializeOwned;

use crate::access::Action;
use crate::app::App;
use crate::routes::Routes;

/// The largest request of a worker, in bytes: results with XComs, pieces of logs.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

pub(crate) fn routes(routes: Routes) -> Routes {
    let action = Action::WorkerProtocol;
    routes
        .post("/worker/v1/register", action, register)
        .post("/worker/v1/claim", action, claim)
        .post("/worker/v1/renew", action, renew)
        .post("/worker/v1/finish", action, finish)
        .post("/worker/v1/look_up", action, look_up)
        .post("/worker/v1/append_log", action, append_log)
}

/// A body of the protocol.
struct Wire<T>(T);

impl<T: DeserializeOwned> FromRequest<App> for Wire<T> {
    type Rejection = Refused;

    async fn from_request(mut request: Request, app: &App) -> Result<Self, Refused> {
        DefaultBodyLimit::max(BODY_BYTES_MAX).apply(&mut request);
        let invalid = |reason: String| Refused(ProtocolError::Invalid { reason });
        let bytes = Bytes::from_request(request, app)
            .await
            .map_err(|_| invalid("the body is too large or was cut off".to_owned()))?;
        let read = serde_json::from_slice(&bytes);
        read.map(Self).map_err(|error| {
            // The worker may be of another version: its text helps, and holds no secret.
            invalid(format!("the body is not what this version reads: {error}"))
        })
    }
}

/// An error of the protocol: itself as JSON, under a status that proxies understand.
struct Refused(ProtocolError);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            ProtocolError::NotRegistered { .. } | ProtocolError::Fenced { .. } => {
                StatusCode::CONFLICT
            }
            ProtocolError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            ProtocolError::Invalid { .. } => StatusCode::BAD_REQUEST,
        };
        (status, Json(self.0)).into_response()
    }
}

fn link(app: &App) -> Result<&Link, Refused> {
    app.api.link.as_ref().ok_or_else(|| {
        let reason = "this process has no scheduler; use the address of one that has".to_owned();
        Refused(ProtocolError::Unavailable { reason })
    })
}

macro_rules! call {
    ($($name:ident($request:ty) -> $answer:ty;)+) => {
        $(
            async fn $name(
                State(app): State<App>,
                Wire(request): Wire<$request>,
            ) -> Result<Json<$answer>, Refused> {
                link(&app)?.$name(request).await.map(Json).map_err(Refused)
            }
        )+
    };
}

call! {
    register(Register) -> Registered;
    claim(Claim) -> Vec<Work>;
    renew(Renew) -> Renewed;
    finish(Finish) -> Finished;
    look_up(LookUp) -> Found;
    append_log(AppendLog) -> LogAppended;
}
