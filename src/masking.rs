//! What commands show of variables and connections: everything but their secrets.

use millrace_core::connection::{Connection, is_secret_name};
use millrace_core::render::MASK;
use serde_json::{Map, Value, json};

/// A variable's value, masked when its name says that it is secret.
pub(crate) fn variable<'a>(name: &str, value: &'a str) -> &'a str {
    if is_secret_name(name) { MASK } else { value }
}

/// The fields of a connection; its password and secret extras masked.
pub(crate) fn connection(connection: &Connection) -> Value {
    json!({
        "conn_id": connection.conn_id,
        "conn_type": connection.conn_type,
        "host": connection.host,
        "port": connection.port,
        "login": connection.login,
        "password": connection.password.as_ref().map(|_| MASK),
        "schema": connection.schema,
        "extra": extra(&connection.extra),
        "description": connection.description,
    })
}

/// Extras with the values of secret names masked, at any depth.
pub(crate) fn extra(map: &Map<String, Value>) -> Map<String, Value> {
    fn masked(name: &str, value: &Value) -> Value {
        match value {
            Value::Null => Value::Null,
            _ if is_secret_name(name) => Value::String(MASK.to_owned()),
            Value::Object(map) => Value::Object(extra(map)),
            Value::Array(items) => items.iter().map(|item| masked(name, item)).collect(),
            other => other.clone(),
        }
    }
    map.iter().map(|(name, value)| (name.clone(), masked(name, value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_at_any_depth() {
        let given = json!({"a": 1, "api_key": "x", "deep": [{"password": "y", "host": "h"}]});
        let expected =
            json!({"a": 1, "api_key": "***", "deep": [{"password": "***", "host": "h"}]});
        let Value::Object(given) = given else { panic!("an object") };
        assert_eq!(Value::Object(extra(&given)), expected);
        assert_eq!(variable("db_password", "x"), "***");
        assert_eq!(variable("region", "x"), "x");
    }
}
