//! The `response` name of `response_check` and `response_filter`: as `requests.Response`.
//!
//! Owns its attributes; the HTTP operator fills it.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value};
use serde_json::Map;

use super::temporal::fault;
use super::value::from_json;

/// An HTTP answer as templates see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResponseView {
    /// The status, such as 200.
    pub status_code: u16,
    /// The status line's reason.
    pub reason: String,
    /// The address that answered.
    pub url: String,
    /// Headers, names in lower case.
    pub headers: Map<String, serde_json::Value>,
    /// The body.
    pub text: String,
    /// Seconds until the answer.
    pub elapsed_secs: f64,
}

impl ResponseView {
    pub(crate) fn into_value(self) -> Value {
        Value::from_object(Response(self))
    }
}

#[derive(Debug)]
struct Response(ResponseView);

impl Object for Response {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let view = &self.0;
        Some(match key.as_str()? {
            "status_code" => Value::from(view.status_code),
            "reason" => Value::from(view.reason.as_str()),
            "url" => Value::from(view.url.as_str()),
            "ok" => Value::from(view.status_code < 400),
            "text" | "content" => Value::from(view.text.as_str()),
            "headers" => Value::from_object(Headers(view.headers.clone())),
            "elapsed_secs" => Value::from(view.elapsed_secs),
            _ => return None,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        if method != "json" || !args.is_empty() {
            return Err(Error::from(ErrorKind::UnknownMethod));
        }
        serde_json::from_str(&self.0.text).map(|json: serde_json::Value| from_json(&json)).map_err(
            |error| {
                fault(format!(
                    "response.json(): the body is not JSON (line {}, column {})",
                    error.line(),
                    error.column()
                ))
            },
        )
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<Response [{}]>", self.0.status_code)
    }
}

/// Headers: found in any spelling of upper and lower case.
#[derive(Debug)]
struct Headers(Map<String, serde_json::Value>);

impl Object for Headers {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let wanted = key.as_str()?;
        self.0
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| from_json(value))
    }

    fn enumerate(self: &Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Values(
            self.0.keys().map(|name| Value::from(name.as_str())).collect(),
        )
    }
}
