//! Tries a connection: whether what it names answers, and as whom.
//!
//! Uses the operators' own ways to connect, so that what works here works in a task. Runs nothing
//! that changes anything, and never says a secret.

use std::time::{Duration, Instant};

use millrace_core::connection::Connection;

use crate::operator::{docker, http, sql};

/// How long the whole attempt may take.
const LIMIT: Duration = Duration::from_secs(15);

/// The types of connections to databases.
const DATABASES: &[&str] = &["mysql", "mariadb", "postgres", "postgresql", "sqlite"];

/// The types of connections to HTTP services.
const SERVICES: &[&str] = &["http", "https", "slackwebhook"];

/// What answered, in words.
///
/// # Errors
/// Why nothing did, or who was refused, in words.
pub async fn probe(connection: &Connection) -> Result<String, String> {
    let started = Instant::now();
    let answered = match tokio::time::timeout(LIMIT, try_it(connection)).await {
        Ok(answered) => answered?,
        Err(_) => return Err(format!("no answer within {} s", LIMIT.as_secs())),
    };
    Ok(format!("{answered}, in {} ms", started.elapsed().as_millis()))
}

async fn try_it(connection: &Connection) -> Result<String, String> {
    let kind = connection.conn_type.as_str();
    if DATABASES.contains(&kind) {
        return sql::version(connection).await;
    }
    if SERVICES.contains(&kind) {
        return http::answer_of(connection).await;
    }
    if kind == "docker" {
        return docker::version(connection.host.as_deref()).await;
    }
    let (Some(host), Some(port)) = (&connection.host, connection.port) else {
        return Err(format!(
            "connections of the type \"{kind}\" cannot be tried without a host and a port"
        ));
    };
    match tokio::net::TcpStream::connect((host.as_str(), port)).await {
        Ok(_) => Ok(format!(
            "{host}:{port} takes connections; whether the login is right is not known for the type \"{kind}\""
        )),
        Err(error) => Err(format!("{host}:{port}: {error}")),
    }
}
