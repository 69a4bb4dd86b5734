//! What every answer carries: security headers, a request id, and a 500 instead of a panic.

use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use tracing::Instrument as _;

use crate::problem::{Problem, REQUEST_ID};

/// Scripts and styles come from this server alone; no frames, no plugins, no forms elsewhere.
const CSP: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

const SECURITY: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CSP),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Runs a request and dresses its answer.
pub(crate) async fn dress(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let span = tracing::debug_span!(
        "api.request",
        request_id = %id,
        method = %request.method(),
        path = %escaped(request.uri().path()),
    );
    let answer = async {
        AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!("a handler panicked");
            Problem::defect().into_response()
        })
    };
    let mut response = REQUEST_ID.scope(id.clone(), answer).instrument(span).await;
    let headers = response.headers_mut();
    for (name, value) in SECURITY {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID_HEADER, value);
    }
    response
}

/// The caller's id if it is a plain one, else a new one.
fn request_id(request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID_HEADER).and_then(|value| value.to_str().ok());
    let is_plain = |text: &&str| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    given.filter(is_plain).map_or_else(next_id, str::to_owned)
}

/// Numbers of this process, with its start in front so that those of two starts differ.
fn next_id() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static START: OnceLock<u64> = OnceLock::new();
    static LAST: AtomicU64 = AtomicU64::new(0);
    let start = START.get_or_init(|| RandomState::new().hash_one(0_u8));
    format!("{start:016x}-{}", LAST.fetch_add(1, Ordering::Relaxed))
}

/// A path for the log: no control characters, not too long.
fn escaped(path: &str) -> String {
    path.chars().take(300).flat_map(char::escape_debug).collect()
}
