//! `sql`: statements on MySQL/MariaDB, PostgreSQL or SQLite (Airflow: `SQLExecuteQueryOperator`).

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Field, FieldKind, OperatorSpec, TextUse, no_check, on_worker};

/// The line of `sql` in the table of operators.
pub const SPEC: OperatorSpec = OperatorSpec {
    name: "sql",
    class_names: &[
        "SQLExecuteQueryOperator",
        "MySqlOperator",
        "PostgresOperator",
        "SqliteOperator",
        "sql_operator",
    ],
    fields: &[
        Field::new("conn_id", FieldKind::Text)
            .aliases(&["mysql_conn_id", "postgres_conn_id", "sqlite_conn_id"])
            .required(),
        Field::new("sql", FieldKind::TextOrList).required().text(TextUse::File(&[".sql"])),
        Field::new("split_statements", FieldKind::Bool),
        Field::new("autocommit", FieldKind::Bool),
        Field::new("parameters", FieldKind::Any),
        Field::new("return_last", FieldKind::Bool),
        Field::new("database", FieldKind::Text),
        Field::new("max_rows", FieldKind::Int),
    ],
    place: on_worker,
    check: no_check,
};

/// A rendered `sql` task. The rows of the last statement are its XCom, bounded by `max_rows`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlConfig {
    /// The connection to run on.
    pub conn_id: String,
    /// One text or several; each may hold several statements.
    #[serde(deserialize_with = "one_or_many")]
    pub sql: Vec<String>,
    /// Whether a text is split into statements; without it a text is one statement.
    #[serde(default = "yes")]
    pub split_statements: bool,
    /// Whether each statement commits by itself; without it all are one transaction.
    #[serde(default)]
    pub autocommit: bool,
    /// Bind parameters: a list for `?`/`%s` (PostgreSQL: only `%s`), a map for `%(name)s` and `:name`.
    #[serde(default)]
    pub parameters: Option<Value>,
    /// Whether only the last statement's rows are the XCom; else a list of all results.
    #[serde(default = "yes")]
    pub return_last: bool,
    /// The database to use instead of the connection's schema.
    #[serde(default)]
    pub database: Option<String>,
    /// The most rows kept for the XCom.
    #[serde(default = "max_rows")]
    pub max_rows: usize,
}

fn yes() -> bool {
    true
}

fn max_rows() -> usize {
    1_000
}

/// Reads one value or a list of values as a list; `null` is an empty list.
pub(crate) fn one_or_many<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: serde::de::DeserializeOwned,
    D: Deserializer<'de>,
{
    use serde::de::Error;
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => {
            items.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()
        }
        value => serde_json::from_value(value).map(|one| vec![one]),
    }
    .map_err(D::Error::custom)
}
