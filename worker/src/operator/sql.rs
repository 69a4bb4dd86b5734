//! Runs `sql`: statements one after the other on one connection, in one transaction unless
//! `autocommit`, each with its text, rows and time in the log.

mod mysql;
mod postgres;
mod session;
mod sqlite;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use millrace_core::connection::Connection;
use millrace_core::operator::sql::SqlConfig;
use millrace_core::operator::sql_split::{self, Dialect, Statement};
use serde_json::Value;

use super::{Context, Failure, Report};
use session::{Session, SqlFault};

/// The longest text of one statement in the log.
const SHOWN_CHARS_MAX: usize = 20_000;

/// What a statement gave.
#[derive(Debug, Default)]
struct Answer {
    /// Its rows, at most `max_rows`; none for a statement that gives no rows.
    rows: Option<Vec<Value>>,
    /// Rows beyond `max_rows`.
    more_rows: u64,
    /// Rows that it changed.
    affected: u64,
}

/// The server behind a connection, for a trial of it: its kind and version.
pub(crate) async fn version(connection: &Connection) -> Result<String, String> {
    let mut session = Session::once(connection).await?;
    let (kind, statement) = match session.dialect() {
        Dialect::MySql => ("MySQL", "SELECT VERSION() AS version"),
        Dialect::Postgres => ("PostgreSQL", "SHOW server_version"),
        Dialect::Sqlite => ("SQLite", "SELECT sqlite_version() AS version"),
    };
    let answer = session.run(statement, None, 1).await.map_err(|fault| fault.to_string())?;
    let row = answer.rows.unwrap_or_default().into_iter().next();
    let version = row.and_then(|row| match row {
        Value::Object(fields) => fields.into_iter().next().map(|(_, value)| value),
        Value::Array(values) => values.into_iter().next(),
        other => Some(other),
    });
    let version = version.as_ref().and_then(Value::as_str).unwrap_or("of an unknown version");
    let kind = if version.contains("MariaDB") { "MariaDB" } else { kind };
    Ok(format!("{kind} {version} answers"))
}

/// Runs the statements to their end.
pub(super) async fn run(context: &Context) -> Result<Report, Failure> {
    run_config(context, context.config()?).await
}

/// Runs the statements of a config to their end.
pub(super) async fn run_config(context: &Context, config: SqlConfig) -> Result<Report, Failure> {
    let connection = context.connection(&config.conn_id).await?;
    let opened = tokio::select! {
        opened = Session::open(&connection, config.database.as_deref(), context) => opened,
        reason = context.stop.wait() => return Err(Failure::stopped(&reason)),
    };
    let mut session = opened?;
    let killer = session.killer();
    let is_ending = AtomicBool::new(false);
    let work = execute(context, &config, &mut session, &is_ending);
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => done.map(|value| Report::success(Some(value))),
        reason = context.stop.wait() => {
            context.log.warn(format!("{reason}; killing the query"));
            // Between two statements there is nothing to kill: then no further one begins.
            is_ending.store(true, Ordering::SeqCst);
            killer.kill(&context.log).await;
            // The statement ends with an error and the transaction is rolled back; a server that
            // does not answer loses its connection when `work` is dropped.
            drop(tokio::time::timeout(context.settings.kill_grace, work).await);
            Err(Failure::stopped(&reason))
        }
    }
}

async fn execute(
    context: &Context,
    config: &SqlConfig,
    session: &mut Session,
    is_ending: &AtomicBool,
) -> Result<Value, Failure> {
    let dialect = session.dialect();
    let statements: Vec<Statement<'_>> = config
        .sql
        .iter()
        .flat_map(|text| {
            if config.split_statements {
                sql_split::split(text, dialect)
            } else {
                vec![Statement { text: text.trim(), line: 1 }]
            }
        })
        .collect();
    if statements.is_empty() {
        return Err(Failure::for_good("`sql` holds no statement, only comments or blanks"));
    }
    if !config.autocommit {
        session.control("BEGIN").await.map_err(|fault| fault.failure("BEGIN", true))?;
    }
    let mut results = Vec::new();
    for (index, statement) in statements.iter().enumerate() {
        let place =
            format!("statement {} of {} (line {})", index + 1, statements.len(), statement.line);
        let answer = if is_ending.load(Ordering::SeqCst) {
            Err(Failure::failed(format!("{place}: not begun")))
        } else {
            one(context, config, session, statement, &place).await
        };
        match answer {
            Ok(answer) => results.push(answer.rows.map_or(Value::Null, Value::Array)),
            Err(failure) => {
                if !config.autocommit && session.control("ROLLBACK").await.is_ok() {
                    context.log.info("rolled back: nothing was changed");
                }
                return Err(failure);
            }
        }
    }
    if !config.autocommit {
        // What became of a COMMIT without an answer is not known: that is no "nothing happened".
        session.control("COMMIT").await.map_err(|fault| fault.failure("COMMIT", false))?;
        context.log.info("committed");
    }
    let last = results.pop().unwrap_or(Value::Null);
    if config.return_last {
        return Ok(last);
    }
    results.push(last);
    Ok(Value::Array(results))
}

async fn one(
    context: &Context,
    config: &SqlConfig,
    session: &mut Session,
    statement: &Statement<'_>,
    place: &str,
) -> Result<Answer, Failure> {
    let shown: String = statement.text.chars().take(SHOWN_CHARS_MAX).collect();
    context.log.info(format!("{place}:\n{shown}"));
    let started = Instant::now();
    let ran = session.run(statement.text, config.parameters.as_ref(), config.max_rows).await;
    let took = started.elapsed().as_secs_f64();
    match ran {
        Ok(mut answer) => {
            if answer.rows.is_none()
                && answer.affected == 0
                && gives_rows(statement.text, session.dialect())
            {
                answer.rows = Some(Vec::new());
            }
            let what = match &answer.rows {
                Some(rows) => format!("{} rows", rows.len() as u64 + answer.more_rows),
                None => format!("{} rows affected", answer.affected),
            };
            context.log.info(format!("{place}: {what} in {took:.3} s"));
            if answer.more_rows > 0 {
                context.log.warn(format!(
                    "{place}: only the first {} rows are kept for the XCom (`max_rows`)",
                    config.max_rows
                ));
            }
            Ok(answer)
        }
        Err(fault) => {
            let text: String = statement.text.chars().take(300).collect();
            Err(fault.failure(&format!("{place} `{text}`"), !config.autocommit))
        }
    }
}

/// Whether a statement without a single row would have given rows.
fn gives_rows(statement: &str, dialect: Dialect) -> bool {
    let code = sql_split::pieces(statement, dialect)
        .into_iter()
        .filter(|(piece, _)| *piece == sql_split::Piece::Code)
        .map(|(_, range)| &statement[range])
        .find(|code| !code.trim().is_empty())
        .unwrap_or_default();
    let word: String = code
        .trim_start_matches(|c: char| c == '(' || c.is_whitespace())
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect();
    ["select", "with", "show", "values", "table", "explain", "describe", "desc", "pragma"]
        .contains(&word.to_ascii_lowercase().as_str())
}

/// A number where JSON keeps it exactly, else its text: a DECIMAL has more digits than a double.
fn number(text: &str) -> Value {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if let Ok(whole) = text.parse::<i64>() {
        return Value::from(whole);
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Value::from(whole);
    }
    match text.parse::<f64>() {
        Ok(number) if digits <= 17 && number.is_finite() => Value::from(number),
        _ => Value::from(text),
    }
}

impl SqlFault {
    /// The attempt's failure. A connection that broke is not the task's fault, and trying again is
    /// harmless when the server rolls back what was open.
    fn failure(self, place: &str, is_rolled_back: bool) -> Failure {
        match self {
            Self::Server(text) | Self::Parameters(text) => {
                Failure::failed(format!("{place}: {text}"))
            }
            Self::Broken(text) if is_rolled_back => Failure::lost(format!(
                "{place}: the connection broke ({text}); the transaction was rolled back"
            )),
            Self::Broken(text) => Failure::failed(format!(
                "{place}: the connection broke ({text}); whether it took effect is not known"
            )),
        }
    }
}
