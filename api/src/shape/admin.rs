//! Pools, variables and connections. Secrets never get into a shape: what may be one is `***`.

use std::collections::BTreeMap;

use millrace_core::connection::{Connection, is_secret_name};
use millrace_core::record::PoolRow;
use millrace_core::state::TaskState;
use millrace_store::variable::Variable;
use serde::Serialize;
use serde_json::{Map, Value};

/// What stands for a secret.
pub(crate) const MASK: &str = "***";

/// Airflow: `PoolResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct PoolShape {
    name: String,
    slots: i64,
    description: Option<String>,
    include_deferred: bool,
    occupied_slots: i64,
    running_slots: i64,
    queued_slots: i64,
    scheduled_slots: i64,
    open_slots: i64,
    deferred_slots: i64,
    team_name: Option<String>,
}

impl PoolShape {
    pub(crate) fn of(row: PoolRow, usage: Option<&BTreeMap<TaskState, i64>>) -> Self {
        let used = |state: TaskState| usage.and_then(|by| by.get(&state)).copied().unwrap_or(0);
        let running = used(TaskState::Running) + used(TaskState::Restarting);
        let deferred = used(TaskState::Deferred);
        let counted = if row.include_deferred { deferred } else { 0 };
        let occupied = running + used(TaskState::Queued) + counted;
        Self {
            name: row.name,
            slots: row.slots,
            description: row.description,
            include_deferred: row.include_deferred,
            occupied_slots: occupied,
            running_slots: running,
            queued_slots: used(TaskState::Queued),
            scheduled_slots: used(TaskState::Scheduled),
            open_slots: if row.slots < 0 { -1 } else { row.slots - occupied },
            deferred_slots: deferred,
            team_name: None,
        }
    }
}

/// Airflow: `VariableResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct VariableShape {
    key: String,
    value: String,
    description: Option<String>,
    is_encrypted: bool,
    team_name: Option<String>,
}

impl VariableShape {
    pub(crate) fn of(variable: Variable) -> Self {
        let value = if is_secret_name(&variable.name) {
            MASK.to_owned()
        } else {
            masked_json(&variable.value).unwrap_or(variable.value)
        };
        Self {
            key: variable.name,
            value,
            description: variable.description,
            is_encrypted: true,
            team_name: None,
        }
    }
}

/// Airflow: `ConnectionResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct ConnectionShape {
    connection_id: String,
    conn_type: String,
    description: Option<String>,
    host: Option<String>,
    login: Option<String>,
    schema: Option<String>,
    port: Option<u16>,
    password: Option<&'static str>,
    extra: Option<String>,
    team_name: Option<String>,
}

impl ConnectionShape {
    pub(crate) fn of(connection: &Connection) -> Self {
        Self {
            connection_id: connection.conn_id.clone(),
            conn_type: connection.conn_type.clone(),
            description: connection.description.clone(),
            host: connection.host.clone(),
            login: connection.login.clone(),
            schema: connection.schema.clone(),
            port: connection.port,
            password: connection.password.as_ref().map(|_| MASK),
            extra: masked_extra(&connection.extra),
            team_name: None,
        }
    }
}

/// The extra of a connection with secrets masked, as Python's `json.dumps` writes it.
fn masked_extra(extra: &Map<String, Value>) -> Option<String> {
    let map = Value::Object(extra.clone());
    (!extra.is_empty()).then(|| spaced(&masked(map)))
}

/// A JSON object or list in a text, with the secrets in it masked; none when there are none.
fn masked_json(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text)
        .ok()
        .filter(|value: &Value| matches!(value, Value::Object(_) | Value::Array(_)))?;
    let after = masked(value.clone());
    (after != value).then(|| spaced(&after))
}

fn masked(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let of = |(key, value): (String, Value)| {
                let value = match value {
                    Value::Null => Value::Null,
                    _ if is_secret_name(&key) => MASK.into(),
                    value => masked(value),
                };
                (key, value)
            };
            Value::Object(map.into_iter().map(of).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(masked).collect()),
        other => other,
    }
}

/// JSON with a blank after `,` and `:`.
fn spaced(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let of = |(key, value): (&String, &Value)| {
                format!("{}: {}", Value::from(key.as_str()), spaced(value))
            };
            format!("{{{}}}", map.iter().map(of).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_json_are_masked() {
        let check = |text: &str, expected: Option<&str>| {
            let Value::Object(extra) = serde_json::from_str(text).expect("an object") else {
                panic!("{text} is no object")
            };
            assert_eq!(masked_extra(&extra).as_deref(), expected, "{text}");
        };
        check(r#"{"a":1,"api_key":"xyz"}"#, Some(r#"{"a": 1, "api_key": "***"}"#));
        check("{}", None);
        check(
            r#"{"a":[{"Password":"p"},{"x":null}]}"#,
            Some(r#"{"a": [{"Password": "***"}, {"x": null}]}"#),
        );
    }
}
