//! What a caller is told when something is not done, in Airflow's shapes: `{"detail": …}`.
//!
//! Internal causes go to the log under the request's id and never into an answer.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use millrace_core::engine::Refusal;
use millrace_core::params;
use millrace_store::StoreError;
use serde_json::{Value, json};

tokio::task_local! {
    /// The id of the request that is being answered.
    pub(crate) static REQUEST_ID: String;
}

/// A failed request.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: Value,
    /// Whether the client may try the same again soon.
    is_passing: bool,
}

/// One thing wrong with a request (Airflow: an entry of a 422).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Invalid {
    /// The kind: `missing`, `extra_forbidden`, `value_error` …
    pub(crate) kind: &'static str,
    /// Where: `["body", "conf", "depth", 0]`.
    pub(crate) loc: Vec<Value>,
    /// What is wrong.
    pub(crate) msg: String,
    /// The value that is wrong.
    pub(crate) input: Value,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<Value>) -> Self {
        Self { status, detail: detail.into(), is_passing: false }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail.into())
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail.into())
    }

    /// Whether it says that something does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail.into())
    }

    /// Airflow's answer to a second run of one name or logical date, with our words.
    pub(crate) fn duplicate(message: impl Into<String>) -> Self {
        let detail = json!({
            "reason": "Unique constraint violation",
            "statement": "hidden",
            "orig_error": "hidden",
            "message": message.into(),
        });
        Self::new(StatusCode::CONFLICT, detail)
    }

    pub(crate) fn invalid(problems: Vec<Invalid>) -> Self {
        let entries = problems.into_iter().map(|problem| {
            json!({"type": problem.kind, "loc": problem.loc, "msg": problem.msg, "input": problem.input})
        });
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, entries.collect::<Vec<_>>())
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Not authenticated")
    }

    /// Airflow answers 403, not 401, to a token that it does not know.
    pub(crate) fn unknown_token() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Invalid JWT token")
    }

    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden")
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        let detail = Value::String(detail.into());
        Self { status: StatusCode::SERVICE_UNAVAILABLE, detail, is_passing: true }
    }

    /// A defect: logged with its cause, answered without.
    pub(crate) fn internal(cause: &dyn std::error::Error) -> Self {
        let mut chain = cause.to_string();
        let mut next = cause.source();
        while let Some(source) = next {
            chain = format!("{chain}: {source}");
            next = source.source();
        }
        tracing::error!(cause = %chain, request_id = %request_id(), "a request failed");
        Self::defect()
    }

    /// A defect that was logged already.
    pub(crate) fn defect() -> Self {
        let text =
            format!("internal error; the server's log tells more of request {}", request_id());
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }
}

fn request_id() -> String {
    REQUEST_ID.try_with(Clone::clone).unwrap_or_default()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = axum::Json(json!({"detail": self.detail}));
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.is_passing {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, request_id = %request_id(), "the database is not available");
            return Self::unavailable("the database is not available; try again");
        }
        Self::internal(&error)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound { what } => Self::not_found(what),
            Refusal::Conflict { what } => Self::duplicate(what),
            Refusal::Forbidden { what } => Self::new(StatusCode::FORBIDDEN, what),
            Refusal::Invalid { problems } => {
                let of = |(path, msg): (String, String)| Invalid {
                    kind: "value_error",
                    loc: loc_of(&path),
                    msg,
                    input: Value::Null,
                };
                Self::invalid(problems.into_iter().map(of).collect())
            }
        }
    }
}

/// What is wrong with a run's conf, each with the value that is wrong.
pub(crate) fn invalid_conf(problems: Vec<params::Problem>, conf: &Value) -> Problem {
    let of = |problem: params::Problem| {
        let loc = loc_of(&problem.path);
        let input = loc.iter().skip(2).try_fold(conf, |value, step| match step {
            Value::String(key) => value.get(key),
            other => value.get(usize::try_from(other.as_u64()?).ok()?),
        });
        let input = input.cloned().unwrap_or(Value::Null);
        Invalid { kind: "value_error", loc, msg: problem.message, input }
    };
    Problem::invalid(problems.into_iter().map(of).collect())
}

/// `conf.grid.depth[0]` → `["body", "conf", "grid", "depth", 0]`
fn loc_of(path: &str) -> Vec<Value> {
    let mut loc = vec![Value::from("body")];
    for part in path.split('.') {
        let (name, indexes) = part.split_once('[').unwrap_or((part, ""));
        if !name.is_empty() {
            loc.push(name.into());
        }
        for index in indexes.split('[').map(|text| text.trim_end_matches(']')) {
            match index.parse::<u64>() {
                Ok(number) => loc.push(number.into()),
                Err(_) if index.is_empty() => {}
                Err(_) => loc.push(index.into()),
            }
        }
    }
    loc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_locations() {
        let check = |path: &str, expected: Value| {
            assert_eq!(Value::from(loc_of(path)), expected, "{path}");
        };
        check("conf.grid.depth[0]", json!(["body", "conf", "grid", "depth", 0]));
        check("conf", json!(["body", "conf"]));
        check("conf.a[1][22].b", json!(["body", "conf", "a", 1, 22, "b"]));
    }
}
