//! Answers what an attempt asks: XComs, metrics, variables and connections.
//!
//! The store looks in the process's environment first, then in its tables, as Airflow does. Every secret that is
//! handed out is named to the worker, so that its log can mask it.

use indexmap::IndexMap;
use millrace_core::connection::{Connection, is_secret_name};
use millrace_core::mapping::Length;
use millrace_core::record::RunKey;
use millrace_core::template::{Answer, Lookup, Lookups};
use millrace_core::wire::{Found, LookUp, ProtocolError, SecretText};
use millrace_store::connection::FindError;
use millrace_store::{connection, dag_run, variable, xcom};
use serde_json::Value;

use crate::asset_lookups;
use crate::current::{Current, Place};

/// The key under which a task's metrics are kept among its XComs.
const METRICS_KEY: &str = "metrics";

/// The answers to one request.
pub(crate) async fn find(current: &Current, request: &LookUp) -> Result<Found, ProtocolError> {
    let place = current.place(request.key).ok_or(ProtocolError::Fenced { attempt: request.key })?;
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
        Lookup::XCom { .. } => given(xcom(current, place, lookup).await?),
        Lookup::Element { task_id, key, index } => {
            let found = xcom::element(&current.store, place.run, task_id, key, *index).await;
            given(found.map_err(down)?)
        }
        Lookup::Length { task_id, key } => {
            let found =
                xcom::length(&current.store, place.run, task_id, key).await.map_err(down)?;
            match found {
                Length::Elements { count, .. } => Answer::Value(Value::from(count)),
                Length::Missing | Length::Wrong(_) => Answer::Missing,
            }
        }
        Lookup::Metrics { task_id } => {
            let rows = xcom::pull(&current.store, place.run, task_id, METRICS_KEY).await;
            given(rows.map_err(down)?.pop().map(|row| row.value))
        }
        Lookup::TriggeringEvents => {
            let found = asset_lookups::triggering(&current.store, place.run).await;
            Answer::Value(found.map_err(down)?)
        }
        Lookup::AssetEvents { asset } => {
            given(asset_lookups::newest(&current.store, asset).await.map_err(down)?)
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

fn given(value: Option<Value>) -> Answer {
    value.map_or(Answer::Missing, Answer::Value)
}

/// The XCom of a task (Airflow: `xcom_pull`): of this run, or of the run or DAG named. Without a
/// map index a mapped task gives the list of all its items.
async fn xcom(
    current: &Current,
    place: &Place,
    lookup: &Lookup,
) -> Result<Option<Value>, ProtocolError> {
    let Lookup::XCom { task_id, key, map_index, dag_id, run_id, .. } = lookup else {
        return Ok(None);
    };
    let run = match run_id {
        None if dag_id.is_none() => place.run,
        _ => match other_run(current, place, dag_id.as_deref(), run_id.as_deref()).await? {
            Some(run) => run,
            None => return Ok(None),
        },
    };
    let rows = xcom::pull(&current.store, run, task_id, key).await.map_err(down)?;
    if let Some(index) = map_index {
        let row = rows.into_iter().find(|row| i64::from(row.map_index) == *index);
        return Ok(row.map(|row| row.value));
    }
    Ok(match rows.as_slice() {
        [] => None,
        [row] if row.map_index < 0 => Some(row.value.clone()),
        mapped => Some(Value::Array(mapped.iter().map(|row| row.value.clone()).collect())),
    })
}

/// A run of another name or DAG; of another DAG without a run id, the one of the same name.
async fn other_run(
    current: &Current,
    place: &Place,
    dag_id: Option<&str>,
    run_id: Option<&str>,
) -> Result<Option<RunKey>, ProtocolError> {
    let own = dag_run::by_key(&current.store, place.run).await.map_err(down)?;
    let Some(own) = own else { return Ok(None) };
    let run_id = run_id.unwrap_or(own.run_id.as_str());
    let dag_id = dag_id.unwrap_or(own.dag_id.as_str());
    let found = dag_run::get(&current.store, dag_id, run_id).await.map_err(down)?;
    Ok(found.map(|run| run.id))
}

async fn variable(current: &Current, key: &str) -> Result<Option<String>, ProtocolError> {
    variable::find(&current.store, &current.environment, key).await.map_err(down)
}

async fn connection(current: &Current, conn_id: &str) -> Result<Option<Connection>, ProtocolError> {
    let found = connection::find(&current.store, &current.environment, conn_id).await;
    found.map_err(|error| match error {
        FindError::Store(error) => down(error),
        wrong @ FindError::Environment { .. } => {
            ProtocolError::Invalid { reason: wrong.to_string() }
        }
    })
}

fn down(error: impl std::fmt::Display) -> ProtocolError {
    ProtocolError::Unavailable { reason: error.to_string() }
}
