//! `http`: one request (Airflow: `HttpOperator`).

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use super::sensor::terms_problems;
use super::sql::one_or_many;
use super::{Field, FieldKind, OperatorSpec, TextUse, on_worker};

/// The methods of a request.
pub(crate) const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// The line of `http` in the table of operators.
pub const SPEC: OperatorSpec = OperatorSpec {
    name: "http",
    class_names: &["HttpOperator", "SimpleHttpOperator", "http_operator"],
    fields: &[
        Field::new("conn_id", FieldKind::Text).aliases(&["http_conn_id"]),
        Field::new("url", FieldKind::Text),
        Field::new("endpoint", FieldKind::Text),
        Field::new("method", FieldKind::Word(METHODS)),
        Field::new("headers", FieldKind::TextMap),
        Field::new("query", FieldKind::TextMap),
        Field::new("data", FieldKind::Any),
        Field::new("json", FieldKind::Any),
        Field::new("allowed_status", FieldKind::Any),
        Field::new("response_check", FieldKind::Text).text(TextUse::Expression),
        Field::new("response_filter", FieldKind::Text).text(TextUse::Expression),
        Field::new("output_on_error", FieldKind::Any),
        Field::new("timeout", FieldKind::Duration),
        Field::new("verify", FieldKind::Bool),
        Field::new("ca_file", FieldKind::Text),
        Field::new("follow_redirects", FieldKind::Bool),
        Field::new("log_response", FieldKind::Bool),
        Field::new("poke_interval", FieldKind::Duration),
        Field::new("poke_timeout", FieldKind::Duration),
        Field::new("not_yet_status", FieldKind::Any).aliases(&["response_error_codes_allowlist"]),
        Field::new("soft_fail", FieldKind::Bool),
        Field::new("never_fail", FieldKind::Bool),
        Field::new("silent_fail", FieldKind::Bool),
        Field::new("exponential_backoff", FieldKind::Bool),
        Field::new("max_wait", FieldKind::Duration),
    ],
    place: on_worker,
    check: |config| {
        let mut problems = terms_problems(config, "poke_timeout");
        if !config.contains_key("conn_id") && !config.contains_key("url") {
            let text = "needs `conn_id` (with `endpoint`) or `url`";
            problems.push(("operator", text.to_owned()));
        }
        let alone = WAITING.iter().find(|key| config.contains_key(**key));
        if let Some(key) = alone.filter(|_| !config.contains_key("poke_interval")) {
            problems.push((key, format!("`{key}` means nothing without `poke_interval`")));
        }
        problems
    },
};

/// The keys that make sense only when the request is repeated until it is met.
pub const WAITING: &[&str] = &[
    "poke_timeout",
    "not_yet_status",
    "soft_fail",
    "never_fail",
    "silent_fail",
    "exponential_backoff",
    "max_wait",
];

/// A rendered `http` task. What `response_filter` gives, else the body, is its XCom.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// The connection with host, port and credentials.
    #[serde(default)]
    pub conn_id: Option<String>,
    /// A whole address instead of a connection.
    #[serde(default)]
    pub url: Option<String>,
    /// The path below the connection's host.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The method; `POST` as in Airflow.
    #[serde(default = "post")]
    pub method: String,
    /// Request headers.
    #[serde(default)]
    pub headers: IndexMap<String, Value>,
    /// Query parameters.
    #[serde(default)]
    pub query: IndexMap<String, Value>,
    /// The body: a text as it is, a map as a form.
    #[serde(default)]
    pub data: Option<Value>,
    /// The body as JSON.
    #[serde(default)]
    pub json: Option<Value>,
    /// Statuses that are no failure: numbers, or texts such as `2xx`; default `2xx`.
    #[serde(default, deserialize_with = "one_or_many")]
    pub allowed_status: Vec<Value>,
    /// An expression over `response` that must be true.
    #[serde(default)]
    pub response_check: Option<String>,
    /// An expression over `response` whose value is the XCom.
    #[serde(default)]
    pub response_filter: Option<String>,
    /// What the XCom is when the request fails; then the task succeeds with a warning. A present
    /// `null` counts.
    #[serde(default, deserialize_with = "present")]
    pub output_on_error: Option<Value>,
    /// The whole request's limit in seconds.
    #[serde(default = "timeout_secs")]
    pub timeout: f64,
    /// Whether the server's certificate is checked.
    #[serde(default = "yes")]
    pub verify: bool,
    /// A file with further certificate authorities.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// Whether redirects are followed.
    #[serde(default = "yes")]
    pub follow_redirects: bool,
    /// Whether the body goes to the log.
    #[serde(default)]
    pub log_response: bool,
}

fn post() -> String {
    "POST".to_owned()
}

fn timeout_secs() -> f64 {
    60.0
}

fn yes() -> bool {
    true
}

/// Keeps a present `null` apart from an absent key.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
