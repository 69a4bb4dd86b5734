//! One connection to a database, of whatever kind.

use std::time::Duration;

use millrace_core::connection::Connection;
use millrace_core::operator::sql_split::Dialect;
use serde_json::Value;

use super::mysql::{MySqlKiller, MySqlSession};
use super::postgres::{self, PostgresKiller, PostgresSession};
use super::sqlite::SqliteSession;
use super::{Answer, Context, Failure};
use crate::log::AttemptLog;

/// A connection is tried so often before the attempt fails.
const CONNECT_TRIES: u32 = 4;

/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Why a statement did not run.
#[derive(Debug)]
pub(super) enum SqlFault {
    /// The server's own words.
    Server(String),
    /// The parameters do not fit the statement.
    Parameters(String),
    /// There is no connection any more.
    Broken(String),
}

impl std::fmt::Display for SqlFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server(text) | Self::Parameters(text) | Self::Broken(text) => f.write_str(text),
        }
    }
}

impl SqlFault {
    /// Sorts a driver's error.
    pub(super) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => database_fault(error.as_ref()),
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
                Self::Broken(error.to_string())
            }
            other => Self::Server(other.to_string()),
        }
    }
}

/// MySQL's and MariaDB's numbers that mean the end of the connection: the server shuts down, the
/// connection was aborted or killed.
const MYSQL_ENDS: &[u16] = &[1053, 1077, 1079, 1080, 1152, 1184, 1927];

/// A server's error with its number and state: `1064 (42000): You have an error …`.
fn database_fault(error: &dyn sqlx::error::DatabaseError) -> SqlFault {
    if let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        return postgres::fault_of(error);
    }
    let mysql = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>();
    let text = match (mysql, error.code()) {
        (Some(mysql), state) => {
            format!("error {} ({}): {}", mysql.number(), state.unwrap_or_default(), mysql.message())
        }
        (None, Some(code)) => format!("error {code}: {}", error.message()),
        (None, None) => error.message().to_owned(),
    };
    let is_broken = mysql.is_some_and(|mysql| MYSQL_ENDS.contains(&mysql.number()));
    if is_broken { SqlFault::Broken(text) } else { SqlFault::Server(text) }
}

/// Connects within the limit.
pub(super) async fn connected<C>(
    connecting: impl Future<Output = Result<C, sqlx::Error>>,
) -> Result<C, sqlx::Error> {
    match tokio::time::timeout(CONNECT_LIMIT, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// An open connection.
pub(super) enum Session {
    /// MySQL or MariaDB.
    MySql(Box<MySqlSession>),
    /// PostgreSQL.
    Postgres(Box<PostgresSession>),
    /// A SQLite file.
    Sqlite(SqliteSession),
}

/// What ends a running statement from outside.
pub(super) enum Killer {
    /// `KILL QUERY` by another connection.
    MySql(Box<MySqlKiller>),
    /// `pg_cancel_backend` by another connection.
    Postgres(Box<PostgresKiller>),
    /// Nothing: the statement ends with its connection.
    None,
}

impl Session {
    /// Connects, again after a while when nobody answers yet.
    pub(super) async fn open(
        connection: &Connection,
        database: Option<&str>,
        context: &Context,
    ) -> Result<Self, Failure> {
        let mut pause = Duration::from_millis(500);
        let mut tries = 1;
        loop {
            let error = match Self::connect(connection, database).await? {
                Ok(session) => return Ok(session),
                Err(error) => error,
            };
            let place = format!("connection \"{}\"", connection.conn_id);
            match SqlFault::of(&error) {
                SqlFault::Broken(text) if tries < CONNECT_TRIES => {
                    context.log.warn(format!("{place}: {text}; trying again"));
                }
                SqlFault::Broken(text) | SqlFault::Server(text) | SqlFault::Parameters(text) => {
                    return Err(Failure::failed(format!("{place}: {text}")));
                }
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            tries += 1;
        }
    }

    /// Connects once, for a trial of the connection.
    pub(super) async fn once(connection: &Connection) -> Result<Self, String> {
        match Self::connect(connection, None).await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(error)) => Err(SqlFault::of(&error).to_string()),
            Err(failure) => Err(failure.reason().to_owned()),
        }
    }

    async fn connect(
        connection: &Connection,
        database: Option<&str>,
    ) -> Result<Result<Self, sqlx::Error>, Failure> {
        Ok(match connection.conn_type.as_str() {
            "mysql" | "mariadb" => {
                MySqlSession::connect(connection, database).await.map(Box::new).map(Self::MySql)
            }
            "sqlite" => SqliteSession::connect(connection, database).await.map(Self::Sqlite),
            "postgres" | "postgresql" => PostgresSession::connect(connection, database)
                .await?
                .map(Box::new)
                .map(Self::Postgres),
            other => {
                return Err(Failure::for_good(format!(
                    "connection \"{}\" has the type \"{other}\"; `sql` runs on mysql, postgres \
                     and sqlite",
                    connection.conn_id
                )));
            }
        })
    }

    /// How its texts are read.
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::MySql(_) => Dialect::MySql,
            Self::Postgres(_) => Dialect::Postgres,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// What ends its statements from outside.
    pub(super) fn killer(&self) -> Killer {
        match self {
            Self::MySql(session) => Killer::MySql(Box::new(session.killer())),
            Self::Postgres(session) => Killer::Postgres(Box::new(session.killer())),
            Self::Sqlite(_) => Killer::None,
        }
    }

    /// Runs a statement of ours: `BEGIN`, `COMMIT`, `ROLLBACK`.
    pub(super) async fn control(&mut self, statement: &'static str) -> Result<(), SqlFault> {
        self.run(statement, None, 0).await.map(|_| ())
    }

    /// Runs one statement and keeps up to `max_rows` of its rows.
    pub(super) async fn run(
        &mut self,
        statement: &str,
        parameters: Option<&Value>,
        max_rows: usize,
    ) -> Result<Answer, SqlFault> {
        match self {
            Self::MySql(session) => session.run(statement, parameters, max_rows).await,
            Self::Postgres(session) => session.run(statement, parameters, max_rows).await,
            Self::Sqlite(session) => session.run(statement, parameters, max_rows).await,
        }
    }
}

impl Killer {
    /// Ends the running statement.
    pub(super) async fn kill(&self, log: &AttemptLog) {
        let (how, killed) = match self {
            Self::MySql(killer) => ("KILL QUERY", killer.kill().await),
            Self::Postgres(killer) => ("pg_cancel_backend", killer.kill().await),
            Self::None => return,
        };
        if let Err(error) = killed {
            log.warn(format!("{how}: {error}"));
        }
    }
}
