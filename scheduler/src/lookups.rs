//! Answers what an attempt asks: XComs, metrics, variables and connections.
//!
//! Order of places, as in Airflow: the process's environment, then the table. Every secret that is
//! handed out is named to the worker, so that its log can mask it.

use indexmap::IndexMap;
use millrace_core::connection::{Connection, is_secret_name};
use millrace_core::template::{Answer, Lookup, Lookups};
use millrace_core::wire::{Found, LookUp, ProtocolError, SecretText};
use serde_json::Value;

use crate::current::{Current, Place};

/// The answers to one request.
pub(crate) async fn find(current: &Current, request: &LookUp) -> Result<Found, ProtocolError> {
    let place = current
        .place(request.key)
        .ok_or(ProtocolError::Fenced { attempt: request.key })?;
    let mut secrets = Vec::new();
    let lookups = answers(current, &place, &request.wanted, &mut secrets).await?;
    let mut connections = IndexMap::new();
    for conn_id in &request.connections {
        if let Some(connection) = connection(current, conn_id).await? {
            secrets.extend(connection.secret_values().into_iter().map(SecretText));
            connections.insert(conn_id.clone(), connection);
        }
    }
    Ok(Found { lookups, connections, secrets })
}

/// The answers to what a template asks on behalf of an attempt.
pub(crate) async fn answers(
    current: &Current,
    place: &Place,
    wanted: &[Lookup],
    secrets: &mut Vec<SecretText>,
) -> Result<Lookups, ProtocolError> {
    let mut lookups = Lookups::new();
    for lookup in wanted {
        let answer = answer(current, place, lookup, secrets).await?;
        lookups.insert(lookup.clone(), answer);
    }
    Ok(lookups)
}

async fn answer(
    current: &Current,
    place: &Place,
    lookup: &Lookup,
    secrets: &mut Vec<SecretText>,
) -> Result<Answer, ProtocolError> {
    Ok(match lookup {
        Lookup::XCom { .. } | Lookup::Metrics { .. } => {
            match current.store.xcom_lookup(place.run, &place.dag_id, lookup).await.map_err(down)? {
                Some(value) => Answer::Value(value),
                None => Answer::Missing,
            }
        }
        Lookup::Variable { key } => match variable(current, key).await? {
            Some(text) => {
                if is_secret_name(key) {
                    secrets.push(SecretText(text.clone()));
                }
                Answer::Value(Value::String(text))
            }
            None => Answer::Missing,
        },
        Lookup::Connection { conn_id } => match connection(current, conn_id).await? {
            Some(connection) => {
                secrets.extend(connection.secret_values().into_iter().map(SecretText));
                Answer::Connection(Box::new(connection))
            }
            None => Answer::Missing,
        },
    })
}

async fn variable(current: &Current, key: &str) -> Result<Option<String>, ProtocolError> {
    let upper = key.to_uppercase();
    for prefix in ["MILLRACE_VAR_", "AIRFLOW_VAR_"] {
        if let Some(text) = current.environment.get(&format!("{prefix}{upper}")) {
            return Ok(Some(text.clone()));
        }
    }
    current.store.variable_value(key).await.map_err(down)
}

async fn connection(current: &Current, conn_id: &str) -> Result<Option<Connection>, ProtocolError> {
    let upper = conn_id.to_uppercase();
    for prefix in ["MILLRACE_CONN_", "AIRFLOW_CONN_"] {
        let name = format!("{prefix}{upper}");
        if let Some(text) = current.environment.get(&name) {
            // The text itself may hold a password: only the name is told.
            return Connection::parse(conn_id, text).map(Some).map_err(|error| {
                ProtocolError::Invalid { reason: format!("environment variable {name}: {error}") }
            });
        }
    }
    current.store.connection_value(conn_id).await.map_err(down)
}

fn down(error: millrace_store::StoreError) -> ProtocolError {
    ProtocolError::Unavailable { reason: error.to_string() }
}
