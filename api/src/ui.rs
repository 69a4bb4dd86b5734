//! The dashboard's files, built into the program; without them a page that says how to build them.
//!
//! Owns which paths are pages. Nothing here is secret: pages are the same for everybody, and all
//! data comes from the API.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::problem::Problem;

/// The build output of `ui/`; absent in a checkout where nobody built it.
#[derive(RustEmbed)]
#[folder = "../ui/dist"]
#[allow_missing = true]
struct Files;

const INDEX: &str = "index.html";

const NOT_BUILT: &str = "<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Millrace</title></head>
<body><h1>Millrace runs</h1>
<p>This program was built without its dashboard. To have it: <code>cd ui &amp;&amp; npm ci &amp;&amp; npm run build</code>,
then build Millrace again.</p>
<p>The API works: <code>/api/v2/version</code></p></body></html>
";

/// What no page may begin with, however it is written.
const MACHINE: [&str; 4] = ["api", "worker", "auth", "metrics"];

/// Whether a path without a route belongs to the dashboard.
pub(crate) fn is_page(path: &str) -> bool {
    let plain = decoded(path).to_lowercase();
    let mut steps = plain.split(['/', '\\']).filter(|step| !step.is_empty());
    let first = steps.next().unwrap_or_default();
    let first = first.split(';').next().unwrap_or_default().trim_matches('.');
    !MACHINE.contains(&first) && !plain.contains("..") && !plain.contains('\0')
}

/// A path without percent signs; twice, against those that were escaped twice.
fn decoded(path: &str) -> String {
    fn once(text: &str) -> String {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            let hex = (byte == b'%').then(|| after.get(..2)).flatten();
            let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
            let plain = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
            bytes.push(plain.unwrap_or(byte));
            rest = if plain.is_some() { &after[2..] } else { after };
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
    once(&once(path))
}

/// Everything that has no route.
pub(crate) async fn fallback(request: Request) -> Response {
    let path = request.uri().path();
    if !is_page(path) {
        return Problem::not_found("Not Found").into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed").into_response();
    }
    let name = path.trim_start_matches('/');
    if let Some(file) = Files::get(name).filter(|_| name != INDEX) {
        return answer(name, &file, request.headers());
    }
    // A missing file is told as such; pages have names of people in them, dots included.
    if name.starts_with("assets/") || (!name.contains('/') && name.contains('.') && name != INDEX) {
        return Problem::not_found("Not Found").into_response();
    }
    match Files::get(INDEX) {
        Some(file) => answer(INDEX, &file, request.headers()),
        None => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], NOT_BUILT).into_response(),
    }
}

fn answer(name: &str, file: &EmbeddedFile, headers: &HeaderMap) -> Response {
    let hash = file.metadata.sha256_hash();
    let etag = format!(
        "\"{:032x}\"",
        hash.iter().take(16).fold(0_u128, |n, byte| n << 8 | u128::from(*byte))
    );
    // The index names the assets of its build, so it is asked for each time; the assets keep their
    // names from build to build, so they are too, mostly with the answer "not modified".
    let is_known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        file.data.clone().into_owned().into_response()
    };
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    let kind =
        if kind.type_() == "text" { format!("{kind}; charset=utf-8") } else { kind.to_string() };
    let headers = response.headers_mut();
    for (header, value) in [(header::CONTENT_TYPE, kind), (header::ETAG, etag)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(header, value);
        }
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::is_page;

    #[test]
    fn pages_are_not_the_api_in_disguise() {
        let check = |path: &str, expected: bool| assert_eq!(is_page(path), expected, "{path}");
        check("/", true);
        check("/dags", true);
        check("/dags/a.b/runs/manual__2025-01-01T00:00:00.1+00:00", true);
        check("/assets/index.js", true);
        check("/api", false);
        check("/api/v2/dags", false);
        check("/API/v2/dags", false);
        check("//api/v2/dags", false);
        check("/%61pi/v2/dags", false);
        check("/%2561pi/v2/dags", false);
        check("/api;x/v2/dags", false);
        check("/./api/v2/dags", true);
        check("/x/../api/v2/dags", false);
        check("/x/%2e%2e/api", false);
        check("/worker/v1/claim", false);
        check("/auth/token", false);
    }
}
