//! SQLite files.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use millrace_core::connection::Connection;
use millrace_core::operator::sql_bind::{Bound, bind};
use millrace_core::operator::sql_split::Dialect;
use serde_json::Value;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{
    Arguments as _, AssertSqlSafe, ConnectOptions as _, Either, Executor as _, Row as _,
    TypeInfo as _, ValueRef as _,
};

use super::Answer;
use super::session::SqlFault;

/// How long a statement waits for another writer.
const BUSY_WAIT: Duration = Duration::from_secs(30);

/// An open file.
pub(super) struct SqliteSession {
    connection: SqliteConnection,
}

impl SqliteSession {
    /// Opens the file that the connection's host (as in Airflow) or schema names.
    pub(super) async fn connect(
        connection: &Connection,
        database: Option<&str>,
    ) -> Result<Self, sqlx::Error> {
        let named = [database, connection.host.as_deref(), connection.schema.as_deref()];
        let file = named.into_iter().flatten().find(|name| !name.is_empty()).unwrap_or(":memory:");
        let connection = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .busy_timeout(BUSY_WAIT)
            .disable_statement_logging()
            .connect()
            .await?;
        Ok(Self { connection })
    }

    pub(super) async fn run(
        &mut self,
        statement: &str,
        parameters: Option<&Value>,
        max_rows: usize,
    ) -> Result<Answer, SqlFault> {
        let (text, arguments) = match parameters {
            None | Some(Value::Null) => (statement.to_owned(), SqliteArguments::default()),
            Some(parameters) => with_arguments(statement, parameters)?,
        };
        let mut answer = Answer::default();
        let query = sqlx::query_with(AssertSqlSafe(text), arguments);
        let mut results = (&mut self.connection).fetch_many(query);
        while let Some(one) = results.try_next().await.map_err(|error| SqlFault::of(&error))? {
            match one {
                Either::Left(result) => answer.affected = result.rows_affected(),
                Either::Right(row) => {
                    let rows = answer.rows.get_or_insert_default();
                    if rows.len() < max_rows {
                        rows.push(row_value(&row));
                    } else {
                        answer.more_rows += 1;
                    }
                }
            }
        }
        Ok(answer)
    }
}

fn with_arguments(
    statement: &str,
    parameters: &Value,
) -> Result<(String, SqliteArguments), SqlFault> {
    let pieces = bind(statement, Dialect::Sqlite, parameters).map_err(SqlFault::Parameters)?;
    let mut text = String::new();
    let mut arguments = SqliteArguments::default();
    for piece in pieces {
        let Bound::Value(value) = piece else {
            if let Bound::Text(part) = piece {
                text.push_str(part);
            }
            continue;
        };
        text.push('?');
        let added = match value {
            Value::Null => arguments.add(None::<String>),
            Value::Bool(truth) => arguments.add(i64::from(*truth)),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => arguments.add(whole),
                None => arguments.add(number.as_f64()),
            },
            Value::String(text) => arguments.add(text.clone()),
            Value::Array(_) | Value::Object(_) => arguments.add(value.to_string()),
        };
        added.map_err(|error| SqlFault::Parameters(error.to_string()))?;
    }
    Ok((text, arguments))
}

fn row_value(row: &SqliteRow) -> Value {
    Value::Array((0..row.len()).map(|index| cell(row, index)).collect())
}

/// A value by its own storage class: a column's declared type promises nothing in SQLite.
fn cell(row: &SqliteRow, index: usize) -> Value {
    let Ok(raw) = row.try_get_raw(index) else { return Value::Null };
    if raw.is_null() {
        return Value::Null;
    }
    let class = raw.type_info().name().to_owned();
    match class.as_str() {
        "INTEGER" | "BOOLEAN" => {
            row.try_get_unchecked::<i64, _>(index).map_or(Value::Null, Value::from)
        }
        "REAL" => row.try_get_unchecked::<f64, _>(index).map_or(Value::Null, Value::from),
        "BLOB" => row
            .try_get_unchecked::<Vec<u8>, _>(index)
            .map_or(Value::Null, |bytes| Value::from(String::from_utf8_lossy(&bytes).into_owned())),
        _ => row.try_get_unchecked::<String, _>(index).map_or(Value::Null, Value::from),
    }
}
