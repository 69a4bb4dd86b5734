//! The plumbing below every statement: two typed pools behind one enum, binds, rows, errors.
//!
//! Owns how a statement reaches MariaDB or SQLite and what its failure means. It must not know any
//! table. Every column of the product is an integer or a text, so an [`Arg`] has three shapes.

use std::borrow::Cow;

use jiff::Timestamp;
use millrace_core::time::{from_micros, to_micros};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::mysql::{MySqlDatabaseError, MySqlPool, MySqlRow};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Executor as _, MySql, Row as _, Sqlite, Transaction};

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is full, busy or shutting down; try again later.
    #[error("the database did not do \"{statement}\"; it is not available, try again later")]
    Unavailable {
        /// The name of the statement.
        statement: String,
        /// What the driver says.
        #[source]
        source: sqlx::Error,
    },
    /// The transaction lost against another one and was rolled back; try again at once.
    #[error("\"{statement}\" lost against another transaction; run it again")]
    Contended {
        /// The name of the statement.
        statement: String,
        /// What the driver says.
        #[source]
        source: sqlx::Error,
    },
    /// A row with the same key exists.
    #[error("\"{statement}\" found a row with the same key")]
    Duplicate {
        /// The name of the statement.
        statement: String,
        /// What the driver says.
        #[source]
        source: sqlx::Error,
    },
    /// The database refused the statement or its values.
    #[error("the database refused \"{statement}\"")]
    Refused {
        /// The name of the statement.
        statement: String,
        /// What the driver says.
        #[source]
        source: sqlx::Error,
    },
    /// A secret cannot be sealed or opened.
    #[error("cannot read or write the {what}")]
    Secret {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: crate::secret::SecretError,
    },
    /// A stored value cannot be read.
    #[error("a row that \"{statement}\" read has {what}; correct or delete the row")]
    Corrupt {
        /// The name of the statement.
        statement: String,
        /// What is wrong with it.
        what: String,
    },
}

impl StoreError {
    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Contended { .. })
    }

    /// Sorts a driver's error by what a caller can do about it.
    pub(crate) fn of(text: &str, source: sqlx::Error) -> Self {
        let statement = statement_name(text);
        match kind(&source) {
            Kind::Unavailable => Self::Unavailable { statement, source },
            Kind::Contended => Self::Contended { statement, source },
            Kind::Duplicate => Self::Duplicate { statement, source },
            Kind::Refused => Self::Refused { statement, source },
        }
    }
}

/// `-- dag_run::list` → `dag_run::list`; other texts, cut to 60 characters.
fn statement_name(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("-- ").unwrap_or(first).chars().take(60).collect()
}

enum Kind {
    Unavailable,
    Contended,
    Duplicate,
    Refused,
}

fn kind(error: &sqlx::Error) -> Kind {
    let sqlx::Error::Database(database) = error else {
        return match error {
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_) => Kind::Unavailable,
            _ => Kind::Refused,
        };
    };
    if let Some(mysql) = database.try_downcast_ref::<MySqlDatabaseError>() {
        return match mysql.number() {
            1205 | 1213 | 1020 => Kind::Contended,
            1062 => Kind::Duplicate,
            // Too many connections, shutdown, access while starting, disk full, read only, killed.
            1040 | 1053 | 1045 | 1021 | 1114 | 1290 | 1836 | 1927 | 1129 | 1203 | 1226 | 3024
            | 1969 => Kind::Unavailable,
            _ => Kind::Refused,
        };
    }
    // SQLite: extended codes carry the primary code in their low byte.
    let code: i32 = database.code().and_then(|code| code.parse().ok()).unwrap_or(1);
    match (code, code & 0xff) {
        (2067 | 1555, _) => Kind::Duplicate,
        // BUSY, LOCKED, IOERR, FULL, CANTOPEN, READONLY.
        (_, 5 | 6 | 8 | 10 | 13 | 14) => Kind::Unavailable,
        _ => Kind::Refused,
    }
}

/// Which dialect a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// MariaDB 10.6 or newer.
    MariaDb,
    /// SQLite.
    Sqlite,
}

/// The typed pools.
#[derive(Debug, Clone)]
pub(crate) enum Db {
    /// MariaDB.
    My(MySqlPool),
    /// SQLite: one connection writes, several read.
    Lite {
        /// Its only connection holds the write lock when it is in a transaction.
        write: SqlitePool,
        /// Read-only connections.
        read: SqlitePool,
    },
}

/// A value bound to a statement.
#[derive(Debug, Clone)]
pub(crate) enum Arg<'a> {
    /// NULL.
    Null,
    /// An integer, a truth value, or an instant in microseconds.
    Int(i64),
    /// A text.
    Text(Cow<'a, str>),
}

macro_rules! arg_from {
    ($($type:ty => |$value:ident| $arg:expr;)+) => {
        $(impl<'a> From<$type> for Arg<'a> {
            fn from($value: $type) -> Self {
                $arg
            }
        })+
    };
}
arg_from! {
    i64 => |value| Arg::Int(value);
    i32 => |value| Arg::Int(value.into());
    u32 => |value| Arg::Int(value.into());
    u16 => |value| Arg::Int(value.into());
    bool => |value| Arg::Int(value.into());
    Timestamp => |value| Arg::Int(to_micros(value));
    &'a str => |value| Arg::Text(Cow::Borrowed(value));
    &'a String => |value| Arg::Text(Cow::Borrowed(value));
    String => |value| Arg::Text(Cow::Owned(value));
    &Value => |value| Arg::Text(Cow::Owned(value.to_string()));
}

impl<'a, T: Into<Arg<'a>>> From<Option<T>> for Arg<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Arg::Null, Into::into)
    }
}

/// A statement with its values. Its text begins with `-- module::function` on a line of its own.
#[derive(Debug, Clone)]
pub(crate) struct Sql<'a> {
    text: Cow<'static, str>,
    args: Vec<Arg<'a>>,
}

impl<'a> Sql<'a> {
    /// A statement; generated texts must come from constants alone, never from input.
    pub(crate) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), args: Vec::new() }
    }

    /// The statement that tells how this one would be done.
    #[cfg(test)]
    pub(crate) fn explained(mut self, dialect: Dialect) -> Self {
        let word = match dialect {
            Dialect::MariaDb => "EXPLAIN",
            Dialect::Sqlite => "EXPLAIN QUERY PLAN",
        };
        self.text = format!("{word}\n{}", self.text).into();
        self
    }

    /// Adds text at the end.
    pub(crate) fn and(mut self, text: &str) -> Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Adds the value of the next `?`.
    pub(crate) fn bind(mut self, value: impl Into<Arg<'a>>) -> Self {
        self.args.push(value.into());
        self
    }

    /// Adds the values of the next `?`s.
    pub(crate) fn bind_all<T: Into<Arg<'a>>>(
        mut self,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        self.args.extend(values.into_iter().map(Into::into));
        self
    }
}

/// Binds the values and runs `$call` on an executor; the same tokens for both drivers.
macro_rules! run {
    ($driver:ty, $sql:expr, $executor:expr, $call:ident) => {{
        let Sql { text, args } = $sql;
        #[cfg(test)]
        crate::testing::saw(&statement_name(&text));
        let mut query = sqlx::query::<$driver>(AssertSqlSafe(text.clone()));
        for arg in args {
            query = match arg {
                Arg::Null => query.bind(None::<i64>),
                Arg::Int(value) => query.bind(value),
                Arg::Text(value) => query.bind(value.as_ref()),
            };
        }
        query.$call($executor).await.map_err(|error| StoreError::of(&text, error))
    }};
}

impl Db {
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        let begun = match self {
            Self::My(pool) => pool.begin().await.map(Tx::My),
            Self::Lite { write, .. } => write.begin_with("BEGIN IMMEDIATE").await.map(Tx::Lite),
        };
        begun.map_err(|error| StoreError::of("begin", error))
    }

    /// A transaction in which every read sees the same state.
    pub(crate) async fn begin_read(&self) -> Result<Tx, StoreError> {
        let begun = match self {
            Self::My(pool) => {
                let mut connection =
                    pool.acquire().await.map_err(|error| StoreError::of("begin", error))?;
                connection
                    .execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                    .await
                    .map_err(|error| StoreError::of("begin", error))?;
                Transaction::begin(
                    connection,
                    Some(sqlx::SqlStr::from_static(
                        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
                    )),
                )
                .await
                .map(Tx::My)
            }
            Self::Lite { read, .. } => read.begin_with("BEGIN").await.map(Tx::Lite),
        };
        begun.map_err(|error| StoreError::of("begin", error))
    }

    pub(crate) async fn rows(&self, sql: Sql<'_>) -> Result<Vec<Row>, StoreError> {
        let name = statement_name(&sql.text);
        match self {
            Self::My(pool) => run!(MySql, sql, pool, fetch_all).map(|rows| wrap(rows, &name)),
            Self::Lite { read, .. } => {
                run!(Sqlite, sql, read, fetch_all).map(|rows| wrap(rows, &name))
            }
        }
    }

    pub(crate) async fn row(&self, sql: Sql<'_>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql).await?.into_iter().next())
    }

    /// Runs a statement by itself; the number of rows that its WHERE matched.
    pub(crate) async fn exec(&self, sql: Sql<'_>) -> Result<u64, StoreError> {
        match self {
            Self::My(pool) => run!(MySql, sql, pool, execute).map(|done| done.rows_affected()),
            Self::Lite { write, .. } => {
                run!(Sqlite, sql, write, execute).map(|done| done.rows_affected())
            }
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::My(_) => Dialect::MariaDb,
            Self::Lite { .. } => Dialect::Sqlite,
        }
    }
}

/// A transaction; dropping it rolls it back.
#[derive(Debug)]
pub(crate) enum Tx {
    /// On MariaDB.
    My(Transaction<'static, MySql>),
    /// On SQLite.
    Lite(Transaction<'static, Sqlite>),
}

impl Tx {
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::My(_) => Dialect::MariaDb,
            Self::Lite(_) => Dialect::Sqlite,
        }
    }

    /// What locks the rows of a SELECT; on SQLite a writer is alone anyway.
    pub(crate) fn for_update(&self) -> &'static str {
        match self {
            Self::My(_) => " FOR UPDATE",
            Self::Lite(_) => "",
        }
    }

    pub(crate) async fn rows(&mut self, sql: Sql<'_>) -> Result<Vec<Row>, StoreError> {
        let name = statement_name(&sql.text);
        match self {
            Self::My(tx) => run!(MySql, sql, &mut **tx, fetch_all).map(|rows| wrap(rows, &name)),
            Self::Lite(tx) => run!(Sqlite, sql, &mut **tx, fetch_all).map(|rows| wrap(rows, &name)),
        }
    }

    pub(crate) async fn row(&mut self, sql: Sql<'_>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql).await?.into_iter().next())
    }

    pub(crate) async fn exec(&mut self, sql: Sql<'_>) -> Result<u64, StoreError> {
        match self {
            Self::My(tx) => run!(MySql, sql, &mut **tx, execute).map(|done| done.rows_affected()),
            Self::Lite(tx) => {
                run!(Sqlite, sql, &mut **tx, execute).map(|done| done.rows_affected())
            }
        }
    }

    /// Runs statements without values, several at once, unprepared (DDL).
    pub(crate) async fn script(&mut self, text: &'static str) -> Result<(), StoreError> {
        let done = match self {
            Self::My(tx) => sqlx::raw_sql(text).execute(&mut **tx).await.map(|_| ()),
            Self::Lite(tx) => sqlx::raw_sql(text).execute(&mut **tx).await.map(|_| ()),
        };
        done.map_err(|error| StoreError::of(text, error))
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::My(tx) => tx.commit().await,
            Self::Lite(tx) => tx.commit().await,
        }
        .map_err(|error| StoreError::of("commit", error))
    }
}

fn wrap<R: Into<AnyRow>>(rows: Vec<R>, statement: &str) -> Vec<Row> {
    let statement: std::sync::Arc<str> = statement.into();
    rows.into_iter().map(|row| Row { row: row.into(), statement: statement.clone() }).collect()
}

/// A row of either driver.
pub(crate) struct Row {
    row: AnyRow,
    statement: std::sync::Arc<str>,
}

enum AnyRow {
    My(MySqlRow),
    Lite(SqliteRow),
}

impl From<MySqlRow> for AnyRow {
    fn from(row: MySqlRow) -> Self {
        Self::My(row)
    }
}

impl From<SqliteRow> for AnyRow {
    fn from(row: SqliteRow) -> Self {
        Self::Lite(row)
    }
}

impl Row {
    /// Reads the columns from left to right.
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader { row: self, next: 0 }
    }
}

/// Reads the columns of a row in order.
pub(crate) struct Reader<'r> {
    row: &'r Row,
    next: usize,
}

impl Reader<'_> {
    /// An error about the row.
    pub(crate) fn corrupt(&self, what: impl Into<String>) -> StoreError {
        StoreError::Corrupt { statement: self.row.statement.to_string(), what: what.into() }
    }

    pub(crate) fn opt_int(&mut self) -> Result<Option<i64>, StoreError> {
        let at = self.next;
        self.next += 1;
        // Unchecked: the driver's check refuses NULL literals and sums that decode well.
        match &self.row.row {
            AnyRow::My(row) => row.try_get_unchecked::<Option<i64>, _>(at),
            AnyRow::Lite(row) => row.try_get_unchecked::<Option<i64>, _>(at),
        }
        .map_err(|error| self.corrupt(format!("no integer in column {at}: {error}")))
    }

    pub(crate) fn opt_text(&mut self) -> Result<Option<String>, StoreError> {
        let at = self.next;
        self.next += 1;
        match &self.row.row {
            AnyRow::My(row) => row.try_get_unchecked::<Option<String>, _>(at),
            AnyRow::Lite(row) => row.try_get_unchecked::<Option<String>, _>(at),
        }
        .map_err(|error| self.corrupt(format!("no text in column {at}: {error}")))
    }

    pub(crate) fn int(&mut self) -> Result<i64, StoreError> {
        let at = self.next;
        self.opt_int()?.ok_or_else(|| self.corrupt(format!("NULL in column {at}")))
    }

    pub(crate) fn text(&mut self) -> Result<String, StoreError> {
        let at = self.next;
        self.opt_text()?.ok_or_else(|| self.corrupt(format!("NULL in column {at}")))
    }

    /// An integer that fits a smaller type.
    pub(crate) fn num<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
        let at = self.next;
        let value = self.int()?;
        T::try_from(value).map_err(|_| self.corrupt(format!("{value} in column {at}")))
    }

    pub(crate) fn opt_num<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, StoreError> {
        let at = self.next;
        self.opt_int()?
            .map(|value| {
                T::try_from(value).map_err(|_| self.corrupt(format!("{value} in column {at}")))
            })
            .transpose()
    }

    pub(crate) fn flag(&mut self) -> Result<bool, StoreError> {
        Ok(self.int()? != 0)
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, StoreError> {
        Ok(from_micros(self.int()?))
    }

    pub(crate) fn opt_time(&mut self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.opt_int()?.map(from_micros))
    }

    /// A text that is a word or an id.
    pub(crate) fn word<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        let at = self.next;
        let text = self.text()?;
        parse(&text).ok_or_else(|| self.corrupt(format!("\"{text}\" in column {at}")))
    }

    pub(crate) fn opt_word<T>(
        &mut self,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let at = self.next;
        self.opt_text()?
            .map(|text| {
                parse(&text).ok_or_else(|| self.corrupt(format!("\"{text}\" in column {at}")))
            })
            .transpose()
    }

    /// A text that is an id.
    pub(crate) fn id<T: std::str::FromStr>(&mut self) -> Result<T, StoreError> {
        self.word(|text| text.parse().ok())
    }

    pub(crate) fn opt_id<T: std::str::FromStr>(&mut self) -> Result<Option<T>, StoreError> {
        self.opt_word(|text| text.parse().ok())
    }

    /// A text that is JSON.
    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        let at = self.next;
        self.opt_json()?.ok_or_else(|| self.corrupt(format!("NULL in column {at}")))
    }

    pub(crate) fn opt_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, StoreError> {
        let at = self.next;
        self.opt_text()?
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| self.corrupt(format!("no good JSON in column {at}: {error}")))
    }
}

/// A value as the JSON that a column keeps.
pub(crate) fn json_text<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("rows have text keys, so they become JSON")
}
