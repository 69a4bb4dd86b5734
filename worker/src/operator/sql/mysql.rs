//! MySQL and MariaDB. Everything goes by the text protocol: any statement is allowed, values come
//! as the server spells them, and parameters are literals that need no escaping.

use std::fmt::Write as _;

use futures_util::TryStreamExt as _;
use millrace_core::connection::Connection;
use millrace_core::operator::sql_bind::{Bound, bind};
use millrace_core::operator::sql_split::Dialect;
use serde_json::Value;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions as _, Either, Row as _, TypeInfo as _};

use super::Answer;
use super::session::{SqlFault, connected};

/// A connection, and its number at the server.
pub(super) struct MySqlSession {
    connection: MySqlConnection,
    options: MySqlConnectOptions,
    number: u64,
}

/// Ends what runs on a connection.
pub(super) struct MySqlKiller {
    options: MySqlConnectOptions,
    number: u64,
}

impl MySqlSession {
    pub(super) async fn connect(
        connection: &Connection,
        database: Option<&str>,
    ) -> Result<Self, sqlx::Error> {
        let options = options(connection, database);
        let mut open = connected(options.connect()).await?;
        let number = sqlx::query_scalar("SELECT CAST(CONNECTION_ID() AS UNSIGNED)")
            .fetch_one(&mut open)
            .await?;
        Ok(Self { connection: open, options, number })
    }

    pub(super) fn killer(&self) -> MySqlKiller {
        MySqlKiller { options: self.options.clone(), number: self.number }
    }

    pub(super) async fn run(
        &mut self,
        statement: &str,
        parameters: Option<&Value>,
        max_rows: usize,
    ) -> Result<Answer, SqlFault> {
        let text = match parameters {
            None | Some(Value::Null) => statement.to_owned(),
            Some(parameters) => with_literals(statement, parameters)?,
        };
        let mut answer = Answer::default();
        let mut results = sqlx::raw_sql(AssertSqlSafe(text)).fetch_many(&mut self.connection);
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

impl MySqlKiller {
    pub(super) async fn kill(&self) -> Result<(), sqlx::Error> {
        let mut other = connected(self.options.connect()).await?;
        let kill = format!("KILL QUERY {}", self.number);
        sqlx::raw_sql(AssertSqlSafe(kill)).execute(&mut other).await?;
        Ok(())
    }
}

/// The session is the server's own: its modes and its zone, not the driver's.
fn options(connection: &Connection, database: Option<&str>) -> MySqlConnectOptions {
    let mut options = MySqlConnectOptions::new()
        .host(connection.host.as_deref().unwrap_or("localhost"))
        .port(connection.port.unwrap_or(3306))
        .username(connection.login.as_deref().unwrap_or("root"))
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .charset("utf8mb4")
        .disable_statement_logging();
    if let Some(password) = &connection.password {
        options = options.password(password);
    }
    let schema = connection.schema.as_deref().filter(|schema| !schema.is_empty());
    if let Some(database) = database.or(schema) {
        options = options.database(database);
    }
    if let Some(socket) = connection.extra.get("unix_socket").and_then(Value::as_str) {
        options = options.socket(socket);
    }
    options
}

/// The statement with its values as literals. Text goes as hexadecimal, which means the same in
/// every SQL mode: nothing in it can end the literal.
fn with_literals(statement: &str, parameters: &Value) -> Result<String, SqlFault> {
    let pieces = bind(statement, Dialect::MySql, parameters).map_err(SqlFault::Parameters)?;
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Bound::Text(part) => text.push_str(part),
            Bound::Value(value) => text.push_str(&literal(value)),
        }
    }
    Ok(text)
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(truth) => if *truth { "TRUE" } else { "FALSE" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => hex(text),
        Value::Array(_) | Value::Object(_) => hex(&value.to_string()),
    }
}

fn hex(text: &str) -> String {
    let mut out = String::from("_utf8mb4 X'");
    for byte in text.as_bytes() {
        write!(out, "{byte:02X}").expect("a String takes everything");
    }
    out.push('\'');
    out
}

fn row_value(row: &MySqlRow) -> Value {
    let values = row.columns().iter().enumerate().map(|(index, column)| {
        let bytes = row.try_get_unchecked::<Option<Vec<u8>>, _>(index).ok().flatten();
        bytes.map_or(Value::Null, |bytes| value_of(column.type_info().name(), &bytes))
    });
    Value::Array(values.collect())
}

/// A value as JSON, by its type's name at the server.
fn value_of(type_name: &str, bytes: &[u8]) -> Value {
    let Ok(text) = std::str::from_utf8(bytes) else { return Value::from(hex_of(bytes)) };
    let is_number = ["INT", "DECIMAL", "FLOAT", "DOUBLE", "YEAR", "BOOLEAN"]
        .iter()
        .any(|part| type_name.contains(part))
        && !type_name.contains("POINT");
    if is_number {
        return super::number(text);
    }
    match type_name {
        "JSON" => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
        "BIT" => Value::from(bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))),
        _ => Value::from(text),
    }
}

fn hex_of(bytes: &[u8]) -> String {
    let mut out = String::from("0x");
    for byte in bytes {
        write!(out, "{byte:02X}").expect("a String takes everything");
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_become_literals_that_cannot_be_left() {
        let check = |statement: &str, parameters: Value, expected: &str| {
            let got = with_literals(statement, &parameters).expect("they fit");
            assert_eq!(got, expected);
        };
        check("a = ?", json!(["x' OR 1 -- \\"]), "a = _utf8mb4 X'7827204F522031202D2D205C'");
        check("limit :n", json!({"n": 5}), "limit 5");
        check("(?, ?, ?)", json!([null, true, -1.5]), "(NULL, TRUE, -1.5)");
    }

    #[test]
    fn values_keep_their_meaning() {
        let check = |type_name: &str, text: &str, expected: Value| {
            assert_eq!(value_of(type_name, text.as_bytes()), expected, "{type_name} {text}");
        };
        check("BIGINT UNSIGNED", "18446744073709551615", json!(18_446_744_073_709_551_615_u64));
        check("TINYINT", "1", json!(1));
        check("DECIMAL", "0.81", json!(0.81));
        check("DECIMAL", "1234567890123456789.5", json!("1234567890123456789.5"));
        check("DATETIME", "2025-08-22 00:00:00", json!("2025-08-22 00:00:00"));
        check("JSON", "{\"a\": 1}", json!({"a": 1}));
        check("VARCHAR", "한글", json!("한글"));
        assert_eq!(value_of("BLOB", &[0xff, 0]), json!("0xFF00"));
    }
}
