//! Request bodies, read strictly and with everything that is wrong at once.
//!
//! A handler asks for the fields that it knows; what nobody asked for is refused, so no field that
//! belongs to the server can be set from outside. Messages are those of Airflow's validator.

use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::problem::{Invalid, Problem};

/// The body of a request: a JSON object whose fields are taken out one by one.
#[derive(Debug)]
pub(crate) struct Body {
    fields: Map<String, Value>,
    whole: Value,
    at: Vec<Value>,
    problems: Vec<Invalid>,
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).cloned();
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            let text = "the body is too large or was cut off";
            Problem::new(rejection.status(), text)
        })?;
        let kind = kind.as_ref().and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !bytes.is_empty() && !is_json(kind) {
            let text = "the body must be JSON; send the header Content-Type: application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        Self::parse(&bytes)
    }
}

fn is_json(kind: &str) -> bool {
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

impl Body {
    /// Reads the text of a body.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        if bytes.is_empty() {
            let missing = Invalid {
                kind: "missing",
                loc: vec!["body".into()],
                msg: "Field required".to_owned(),
                input: Value::Null,
            };
            return Err(Problem::invalid(vec![missing]));
        }
        let value = serde_json::from_slice(bytes).map_err(|error| {
            Problem::invalid(vec![Invalid {
                kind: "json_invalid",
                loc: vec!["body".into(), error.column().into()],
                msg: "JSON decode error".to_owned(),
                input: Value::Object(Map::new()),
            }])
        })?;
        Self::of(value, vec!["body".into()])
    }

    /// The fields of a value somewhere in a body.
    pub(crate) fn of(value: Value, at: Vec<Value>) -> Result<Self, Problem> {
        let Value::Object(fields) = value.clone() else {
            return Err(Problem::invalid(vec![Invalid {
                kind: "model_attributes_type",
                loc: at,
                msg: "Input should be a valid dictionary or object to extract fields from"
                    .to_owned(),
                input: value,
            }]));
        };
        Ok(Self { fields, whole: value, at, problems: Vec::new() })
    }

    /// A field that must be there; its default stands in until [`Body::close`] refuses the request.
    pub(crate) fn required<T: Field + Default>(&mut self, name: &str) -> T {
        if let Some(value) = self.fields.shift_remove(name) {
            return self.read(name, value).unwrap_or_default();
        }
        self.missing(name);
        T::default()
    }

    /// A field that must be there but may be null.
    pub(crate) fn required_or_null<T: Field>(&mut self, name: &str) -> Option<T> {
        match self.fields.shift_remove(name) {
            Some(Value::Null) => None,
            Some(value) => self.read(name, value),
            None => {
                self.missing(name);
                None
            }
        }
    }

    /// A field that may be absent or null.
    pub(crate) fn optional<T: Field>(&mut self, name: &str) -> Option<T> {
        self.nullable(name).value()
    }

    /// A field that may be absent, which is not the same as null.
    pub(crate) fn nullable<T: Field>(&mut self, name: &str) -> Given<T> {
        match self.fields.shift_remove(name) {
            None => Given::No,
            Some(Value::Null) => Given::Null,
            Some(value) => self.read(name, value).map_or(Given::No, Given::Value),
        }
    }

    /// A list of words of a closed list; `null` is asked for as the word "null".
    pub(crate) fn words<T>(
        &mut self,
        name: &'static str,
        of: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let mut found = Vec::new();
        for given in self.optional::<Vec<Value>>(name).unwrap_or_default() {
            let word = if given.is_null() { Some("null") } else { given.as_str() };
            if let Some(word) = word.and_then(&of) {
                found.push(word);
            } else {
                self.complain("enum", name, "Input should be one of the known words", given);
            }
        }
        found
    }

    /// Complains about a field.
    pub(crate) fn complain(
        &mut self,
        kind: &'static str,
        name: &str,
        msg: impl Into<String>,
        input: Value,
    ) {
        let mut loc = self.at.clone();
        loc.push(name.into());
        self.problems.push(Invalid { kind, loc, msg: msg.into(), input });
    }

    fn missing(&mut self, name: &str) {
        let whole = self.whole.clone();
        self.complain("missing", name, "Field required", whole);
    }

    fn read<T: Field>(&mut self, name: &str, value: Value) -> Option<T> {
        match T::of(&value) {
            Ok(read) => Some(read),
            Err((kind, msg)) => {
                self.complain(kind, name, msg, value);
                None
            }
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Everything that was wrong, and every field that nobody asked for.
    pub(crate) fn close(mut self) -> Result<(), Problem> {
        for (name, value) in std::mem::take(&mut self.fields) {
            self.complain("extra_forbidden", &name, "Extra inputs are not permitted", value);
        }
        if self.problems.is_empty() { Ok(()) } else { Err(Problem::invalid(self.problems)) }
    }
}

/// A field of a change: what is absent stays, what is null goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given<T> {
    /// It is absent.
    No,
    /// It is null.
    Null,
    /// It has a value.
    Value(T),
}

impl<T> Given<T> {
    /// The same, or nothing when it is not meant.
    pub(crate) fn only_if(self, is_meant: bool) -> Self {
        if is_meant { self } else { Self::No }
    }

    /// Whether there is something to change.
    pub(crate) fn is_given(&self) -> bool {
        !matches!(self, Self::No)
    }

    /// What it says, where being absent was handled.
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::No | Self::Null => None,
        }
    }

    /// Makes the change.
    pub(crate) fn set(self, target: &mut Option<T>) {
        if self.is_given() {
            *target = self.value();
        }
    }
}

/// What a field may be read as.
pub(crate) trait Field: Sized {
    /// Reads it, or says which kind of mistake it is and what was wanted.
    fn of(value: &Value) -> Result<Self, (&'static str, String)>;
}

fn wrong<T>(kind: &'static str, wanted: &str) -> Result<T, (&'static str, String)> {
    Err((kind, format!("Input should be {wanted}")))
}

impl Field for String {
    fn of(value: &Value) -> Result<Self, (&'static str, String)> {
        match value {
            Value::String(text) => Ok(text.clone()),
            _ => wrong("string_type", "a valid string"),
        }
    }
}

impl Field for bool {
    fn of(value: &Value) -> Result<Self, (&'static str, String)> {
        value.as_bool().map_or_else(|| wrong("bool_type", "a valid boolean"), Ok)
    }
}

impl Field for i64 {
    fn of(value: &Value) -> Result<Self, (&'static str, String)> {
        value.as_i64().map_or_else(|| wrong("int_type", "a valid integer"), Ok)
    }
}

impl Field for u16 {
    fn of(value: &Value) -> Result<Self, (&'static str, String)> {
        let number = value.as_u64().and_then(|number| Self::try_from(number).ok());
        number.map_or_else(|| wrong("int_type", "a valid integer from 0 to 65535"), Ok)
    }
}

impl Field for Map<String, Value> {
    fn of(value: &Value) -> Result<Self, (&'static str, String)> {
        match value {
            Value::Object(map) => Ok(map.clone()),
            _ => wrong("dict_type", "a valid dictionary"),
        }
    }
}

impl Field for Value {
    fn of(value: &Value) -> Result<Self, (&'static str, String)> {
        Ok(value.clone())
    }
}

impl<T: Field> Field for Vec<T> {
    fn of(value: &Value) -> Result<Self, (&'static str, String)> {
        match value {
            Value::Array(items) => items.iter().map(T::of).collect(),
            _ => wrong("list_type", "a valid list"),
        }
    }
}

impl Field for Timestamp {
    fn of(value: &Value) -> Result<Self, (&'static str, String)> {
        let Value::String(text) = value else {
            return wrong("datetime_type", "a valid datetime");
        };
        instant(text).ok_or_else(|| {
            if text.parse::<jiff::civil::DateTime>().is_ok() {
                ("timezone_aware", "Input should have timezone info".to_owned())
            } else {
                ("datetime_from_date_parsing", "Input should be a valid datetime".to_owned())
            }
        })
    }
}

/// An instant with an offset (`Z`, `+09:00`), cut to microseconds.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().map(millrace_core::time::truncate)
}
