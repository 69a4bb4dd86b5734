//! Connections: where an external system is and how to log in.
//!
//! Owns parsing (Airflow URIs, SQLAlchemy URLs, JSON), their text again, and the list of their
//! secret values for redaction. It never connects, and its Debug never prints a secret.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

mod uri;

/// One connection, in Airflow's fields.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Connection {
    /// Its id, unique in the installation.
    pub conn_id: String,
    /// `mysql`, `postgres`, `http`, …; the driver part of a SQLAlchemy URL is dropped.
    pub conn_type: String,
    /// The host, kept as written (`http://127.0.0.1` and `0.0.0.0` included).
    pub host: Option<String>,
    /// The user.
    pub login: Option<String>,
    /// The password; secret.
    pub password: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The schema or database.
    pub schema: Option<String>,
    /// Further settings; some may be secret by their name.
    pub extra: Map<String, Value>,
    /// A note for people.
    pub description: Option<String>,
}

/// Why a connection could not be read. No text quotes the input: it holds a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// Neither a URI nor a JSON object.
    #[error(
        "connection \"{conn_id}\" is neither a URI (type://user:password@host:port/schema) nor a JSON object"
    )]
    Unreadable {
        /// The connection's id.
        conn_id: String,
    },
    /// The port is not a number from 0 to 65535.
    #[error(
        "connection \"{conn_id}\": the port must be a number from 0 to 65535; percent-encode \"@\", \":\" and \"/\" inside a password"
    )]
    Port {
        /// The connection's id.
        conn_id: String,
    },
    /// A JSON field has the wrong type, or is unknown.
    #[error("connection \"{conn_id}\": field \"{field}\" {problem}")]
    Field {
        /// The connection's id.
        conn_id: String,
        /// The JSON field.
        field: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = self.password.as_ref().map(|_| "***");
        f.debug_struct("Connection")
            .field("conn_id", &self.conn_id)
            .field("conn_type", &self.conn_type)
            .field("host", &self.host)
            .field("login", &self.login)
            .field("password", &hidden)
            .field("port", &self.port)
            .field("schema", &self.schema)
            .field("extra", &"***")
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Reads a URI, a SQLAlchemy URL or a JSON object (`AIRFLOW_CONN_X`, `MILLRACE_CONN_X`).
    pub fn parse(conn_id: &str, text: &str) -> Result<Connection, ConnectionError> {
        let text = text.trim();
        if text.starts_with('{') {
            let value = serde_json::from_str(text)
                .map_err(|_| ConnectionError::Unreadable { conn_id: conn_id.to_string() })?;
            return Connection::from_json(conn_id, &value);
        }
        uri::parse(conn_id, text)
    }

    /// Reads Airflow's JSON form; `uri` alone, or the fields by name (`type` for `conn_type`).
    pub fn from_json(conn_id: &str, value: &Value) -> Result<Connection, ConnectionError> {
        let Some(object) = value.as_object() else {
            return Err(ConnectionError::Unreadable { conn_id: conn_id.to_string() });
        };
        if let Some(Value::String(text)) = object.get("uri") {
            return uri::parse(conn_id, text);
        }
        let mut connection = Connection { conn_id: conn_id.to_string(), ..Connection::default() };
        for (field, value) in object {
            connection.set_field(field, value)?;
        }
        connection.conn_type = uri::plain_type(&connection.conn_type);
        Ok(connection)
    }

    /// The connection as an Airflow URI; parsing it gives the same connection.
    pub fn get_uri(&self) -> String {
        uri::build(self)
    }

    /// The settings in `extra` (Airflow: `extra_dejson`).
    pub fn extra_dejson(&self) -> &Map<String, Value> {
        &self.extra
    }

    /// Every text that must not appear in logs, rendered text or answers: the password, extras
    /// with secret names, and both as they appear percent-encoded in a URI.
    pub fn secret_values(&self) -> Vec<String> {
        let mut secrets = Vec::new();
        if let Some(password) = &self.password {
            add_secret(&mut secrets, password);
        }
        for (name, value) in &self.extra {
            collect_secrets(value, is_secret_name(name), &mut secrets);
        }
        secrets
    }

    fn set_field(&mut self, field: &str, value: &Value) -> Result<(), ConnectionError> {
        let conn_id = self.conn_id.clone();
        let wrong = |problem: &'static str| ConnectionError::Field {
            conn_id: conn_id.clone(),
            field: field.to_string(),
            problem,
        };
        let text = || match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            _ => Err(wrong("must be text")),
        };
        match field {
            "conn_type" | "type" => self.conn_type = text()?.unwrap_or_default(),
            "host" => self.host = text()?,
            "login" | "user" | "username" => self.login = text()?,
            "password" => self.password = text()?,
            "schema" | "database" => self.schema = text()?,
            "description" => self.description = text()?,
            "conn_id" | "id" => {}
            "port" => self.port = read_port(value, wrong)?,
            "extra" | "extra_dejson" => self.extra = read_extra(value, wrong)?,
            _ => {
                return Err(wrong(
                    "is unknown; known: conn_type, host, login, password, port, schema, extra, description",
                ));
            }
        }
        Ok(())
    }
}

/// Whether a key names a secret (Airflow: `DEFAULT_SENSITIVE_FIELDS`), ignoring case.
pub fn is_secret_name(key: &str) -> bool {
    const WORDS: &[&str] = &[
        "access_key",
        "access_token",
        "api_key",
        "apikey",
        "authorization",
        "credential",
        "keyfile_dict",
        "passphrase",
        "passwd",
        "password",
        "private_key",
        "secret",
        "token",
        "sas_token",
        "connection_string",
        "dsn_password",
    ];
    let key = key.trim().to_ascii_lowercase().replace('-', "_");
    WORDS.iter().any(|word| key.contains(word))
}

fn read_port(
    value: &Value,
    wrong: impl Fn(&'static str) -> ConnectionError,
) -> Result<Option<u16>, ConnectionError> {
    let number = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
        _ => None,
    };
    number.map(Some).ok_or_else(|| wrong("must be a number from 0 to 65535"))
}

fn read_extra(
    value: &Value,
    wrong: impl Fn(&'static str) -> ConnectionError,
) -> Result<Map<String, Value>, ConnectionError> {
    let parsed;
    let value = match value {
        Value::String(text) if text.trim().is_empty() => &Value::Null,
        Value::String(text) => {
            parsed = serde_json::from_str::<Value>(text)
                .map_err(|_| wrong("must be a JSON object, or the text of one"))?;
            &parsed
        }
        other => other,
    };
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(map) => Ok(map.clone()),
        _ => Err(wrong("must be a JSON object, or the text of one")),
    }
}

fn collect_secrets(value: &Value, secret: bool, secrets: &mut Vec<String>) {
    match value {
        Value::String(text) if secret => add_secret(secrets, text),
        Value::Number(number) if secret => add_secret(secrets, &number.to_string()),
        Value::String(text) => {
            // Extras often hold JSON as text (a service account's key file).
            if let Ok(Value::Object(map)) = serde_json::from_str(text) {
                collect_secrets(&Value::Object(map), secret, secrets);
            }
        }
        Value::Array(items) => {
            for item in items {
                collect_secrets(item, secret, secrets);
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                collect_secrets(value, secret || is_secret_name(key), secrets);
            }
        }
        _ => {}
    }
}

fn add_secret(secrets: &mut Vec<String>, text: &str) {
    for form in [text.to_string(), uri::encode(text)] {
        if !form.is_empty() && !secrets.contains(&form) {
            secrets.push(form);
        }
    }
}

#[cfg(test)]
mod tests;
