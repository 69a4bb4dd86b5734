//! The objects behind `dag`, `task`, `ti`, `dag_run`, `var`, `conn` and `xcom`.
//!
//! Owns their attributes and methods. Whatever is not in the context is asked of the render's
//! lookups through `scope`; nothing is fetched here.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value};

use super::args::Args;
use super::lookup::{Answer, Lookup};
use super::scope::Run;
use super::temporal::fault;
use super::value::from_json;

/// An object with named attributes and a text of its own.
pub(crate) struct Record {
    /// What `str()` gives.
    pub(crate) text: String,
    /// Attributes in order.
    pub(crate) fields: Vec<(String, Value)>,
}

impl Record {
    fn field(&self, name: &str) -> Option<Value> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Object for Record {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.field(key.as_str()?)
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match self.field(method) {
            Some(value) => value.call(state, args),
            None => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// A Python enum that is also text: prints `DagRunType.MANUAL`, equals `'manual'`.
#[derive(Debug)]
pub(crate) struct EnumWord {
    class: &'static str,
    word: String,
}

impl EnumWord {
    /// The member of `class` whose value is `word`.
    pub(crate) fn value(class: &'static str, word: &str) -> Value {
        Value::from_object(EnumWord { class, word: word.to_string() })
    }

    fn member(&self) -> String {
        self.word.to_uppercase()
    }
}

impl Object for EnumWord {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "value" => Some(Value::from(self.word.as_str())),
            "name" => Some(Value::from(self.member())),
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        Value::from(self.word.as_str()).call_method(state, method, args)
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.word.cmp(&other.downcast_ref::<Self>()?.word))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.class, self.member())
    }
}

/// The text of an enum word; `None` for any other value.
pub(crate) fn enum_text(value: &Value) -> Option<&str> {
    value.downcast_object_ref::<EnumWord>().map(|word| word.word.as_str())
}

/// An enum word as its text, anything else as it is: for comparisons.
pub(crate) fn plain_value(value: &Value) -> Value {
    match enum_text(value) {
        Some(text) => Value::from(text),
        None => value.clone(),
    }
}

/// `var.value` and `var.json`.
pub(crate) struct Variables {
    pub(crate) run: Arc<Run>,
    pub(crate) json: bool,
}

impl Variables {
    fn find(&self, key: &str) -> Result<Option<Value>, Error> {
        let lookup = Lookup::Variable { key: key.to_string() };
        match self.run.answer(&lookup)? {
            Answer::Value(value) => self.shown(key, value).map(Some),
            Answer::Missing | Answer::Connection(_) => Ok(None),
        }
    }

    fn shown(&self, key: &str, value: &serde_json::Value) -> Result<Value, Error> {
        match (value, self.json) {
            (serde_json::Value::String(text), true) => serde_json::from_str(text)
                .map(|json: serde_json::Value| from_json(&json))
                .map_err(|error| {
                    fault(format!(
                        "variable \"{key}\" is not JSON (line {}, column {}); use var.value.{key} for its text",
                        error.line(),
                        error.column()
                    ))
                }),
            (serde_json::Value::String(text), false) => Ok(Value::from(text.as_str())),
            (other, true) => Ok(from_json(other)),
            (other, false) => Ok(Value::from(other.to_string())),
        }
    }

    fn require(&self, key: &str) -> Result<Value, Error> {
        self.find(key)?.ok_or_else(|| {
            let kind = if self.json { "json" } else { "value" };
            fault(format!(
                "variable \"{key}\" is not set; set it, or give a default: var.{kind}.get('{key}', …)"
            ))
        })
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<variables>")
    }
}

impl Object for Variables {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(self.require(key.as_str()?).unwrap_or_else(Value::from))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        if method != "get" {
            return Err(Error::from(ErrorKind::UnknownMethod));
        }
        let mut args = Args::new("var.get", args)?;
        let key = args.require_text("key")?;
        let default = args.take("default_var")?;
        let default = match default {
            Some(default) => Some(default),
            None => args.take_named("default")?,
        };
        args.finish()?;
        match (self.find(&key)?, default) {
            (Some(value), _) | (None, Some(value)) => Ok(value),
            (None, None) => self.require(&key),
        }
    }
}

/// `conn`.
pub(crate) struct Connections {
    pub(crate) run: Arc<Run>,
}

impl Connections {
    fn find(&self, conn_id: &str) -> Result<Option<Value>, Error> {
        let lookup = Lookup::Connection { conn_id: conn_id.to_string() };
        match self.run.answer(&lookup)? {
            Answer::Connection(connection) => Ok(Some(connection_value(connection))),
            Answer::Missing | Answer::Value(_) => Ok(None),
        }
    }

    fn require(&self, conn_id: &str) -> Result<Value, Error> {
        self.find(conn_id)?.ok_or_else(|| {
            fault(format!(
                "connection \"{conn_id}\" does not exist; add it, or use conn.get('{conn_id}', …)"
            ))
        })
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<connections>")
    }
}

impl Object for Connections {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(self.require(key.as_str()?).unwrap_or_else(Value::from))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        if method != "get" {
            return Err(Error::from(ErrorKind::UnknownMethod));
        }
        let mut args = Args::new("conn.get", args)?;
        let conn_id = args.require_text("conn_id")?;
        let default = args.take("default_conn")?;
        args.finish()?;
        match (self.find(&conn_id)?, default) {
            (Some(value), _) | (None, Some(value)) => Ok(value),
            (None, None) => self.require(&conn_id),
        }
    }
}

fn connection_value(connection: &crate::connection::Connection) -> Value {
    let text = |value: &Option<String>| match value {
        Some(value) => Value::from(value.as_str()),
        None => Value::from(()),
    };
    let extra_json = serde_json::Value::Object(connection.extra.clone());
    let extra_text = if connection.extra.is_empty() {
        String::new()
    } else {
        super::value::python_json(&extra_json)
    };
    let uri = connection.get_uri();
    let get_uri = move || Value::from(uri.as_str());
    let fields = vec![
        ("conn_id".to_string(), Value::from(connection.conn_id.as_str())),
        ("conn_type".to_string(), Value::from(connection.conn_type.as_str())),
        ("host".to_string(), text(&connection.host)),
        ("login".to_string(), text(&connection.login)),
        ("password".to_string(), text(&connection.password)),
        ("port".to_string(), connection.port.map_or(Value::from(()), Value::from)),
        ("schema".to_string(), text(&connection.schema)),
        ("extra".to_string(), Value::from(extra_text)),
        ("extra_dejson".to_string(), from_json(&extra_json)),
        ("description".to_string(), text(&connection.description)),
        ("get_uri".to_string(), Value::from_function(get_uri)),
    ];
    // Airflow prints the id alone, so that no secret slips into a text.
    Value::from_object(Record { text: connection.conn_id.clone(), fields })
}
