//! PostgreSQL. Everything goes by the simple protocol: any statement is allowed, values come as
//! the server spells them, and parameters are literals, as Airflow's driver makes them.

use futures_util::TryStreamExt as _;
use millrace_core::connection::Connection;
use millrace_core::operator::sql_bind::{Bound, bind};
use millrace_core::operator::sql_split::{Dialect, Piece, pieces};
use serde_json::Value;
use sqlx::postgres::{
    PgConnectOptions, PgConnection, PgDatabaseError, PgErrorPosition, PgRow, PgSslMode,
};
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions as _, Either, Row as _, TypeInfo as _};

use super::session::{SqlFault, connected};
use super::{Answer, Failure};

/// What is said of a connection that asks for TLS.
const NO_TLS: &str = "this build speaks to databases without TLS: `disable`, `allow` and `prefer` \
                      work; for a server that demands TLS let a tunnel on the worker's machine \
                      (stunnel, ssh -L, PgBouncer) speak it and name the tunnel's port";

/// The settings of a session whose values a connection's extra gives directly, as libpq does.
const SETTINGS: &[(&str, &str)] =
    &[("timezone", "TimeZone"), ("application_name", "application_name")];

/// A connection, and its number at the server.
pub(super) struct PostgresSession {
    connection: PgConnection,
    options: PgConnectOptions,
    number: i32,
}

/// Ends what runs on a connection.
pub(super) struct PostgresKiller {
    options: PgConnectOptions,
    number: i32,
}

impl PostgresSession {
    /// Connects and sets what the connection's extra asks for.
    ///
    /// # Errors
    /// A failure for an extra that cannot work here; the driver's error for everything else.
    pub(super) async fn connect(
        connection: &Connection,
        database: Option<&str>,
    ) -> Result<Result<Self, sqlx::Error>, Failure> {
        let options = options(connection, database)?;
        let settings = settings(connection)?;
        Ok(Self::open(options, &settings).await)
    }

    async fn open(
        options: PgConnectOptions,
        settings: &[(String, String)],
    ) -> Result<Self, sqlx::Error> {
        let mut open = connected(options.connect()).await?;
        for (name, value) in settings {
            sqlx::query("SELECT set_config($1, $2, false)")
                .bind(name)
                .bind(value)
                .execute(&mut open)
                .await?;
        }
        let number = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut open).await?;
        Ok(Self { connection: open, options, number })
    }

    pub(super) fn killer(&self) -> PostgresKiller {
        PostgresKiller { options: self.options.clone(), number: self.number }
    }

    pub(super) async fn run(
        &mut self,
        statement: &str,
        parameters: Option<&Value>,
        max_rows: usize,
    ) -> Result<Answer, SqlFault> {
        refuse_copy(statement)?;
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

impl PostgresKiller {
    pub(super) async fn kill(&self) -> Result<(), sqlx::Error> {
        let mut other = connected(self.options.connect()).await?;
        sqlx::query("SELECT pg_cancel_backend($1)").bind(self.number).execute(&mut other).await?;
        Ok(())
    }
}

/// Host, port, login, password and schema as the connection says; the machine's `PG…` variables
/// fill in what it leaves out, as for every program that speaks to PostgreSQL.
fn options(connection: &Connection, database: Option<&str>) -> Result<PgConnectOptions, Failure> {
    let mode = connection.extra.get("sslmode").and_then(Value::as_str).unwrap_or("prefer");
    let mode = match mode {
        "disable" | "allow" | "prefer" => PgSslMode::Disable,
        "require" | "verify-ca" | "verify-full" => {
            return Err(Failure::for_good(format!(
                "connection \"{}\": `sslmode` is \"{mode}\"; {NO_TLS}",
                connection.conn_id
            )));
        }
        other => {
            return Err(Failure::for_good(format!(
                "connection \"{}\": `sslmode` is \"{other}\", which PostgreSQL does not know; \
                 write disable, allow or prefer",
                connection.conn_id
            )));
        }
    };
    let mut options = PgConnectOptions::new_without_pgpass()
        .ssl_mode(mode)
        .application_name("millrace")
        .disable_statement_logging();
    let given = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
    if let Some(host) = given(&connection.host) {
        options = options.host(&host);
    }
    if let Some(port) = connection.port {
        options = options.port(port);
    }
    if let Some(login) = given(&connection.login) {
        options = options.username(&login);
    }
    if let Some(password) = &connection.password {
        options = options.password(password);
    }
    if let Some(database) = database.map(str::to_owned).or_else(|| given(&connection.schema)) {
        options = options.database(&database);
    }
    if let Some(socket) = connection.extra.get("unix_socket").and_then(Value::as_str) {
        options = options.socket(socket);
    }
    Ok(options)
}

/// The session's settings: `timezone`, `application_name`, and `options` in libpq's words
/// (`-c statement_timeout=3s -c search_path=ml`) or as a map. Without `timezone` it is UTC.
fn settings(connection: &Connection) -> Result<Vec<(String, String)>, Failure> {
    let extra = &connection.extra;
    let mut settings = Vec::new();
    match extra.get("options") {
        Some(Value::String(text)) => {
            let mut words = text.split_whitespace();
            while let Some(word) = words.next() {
                let setting = match word {
                    "-c" => words.next(),
                    word => word.strip_prefix("--").or_else(|| word.strip_prefix("-c")),
                };
                let Some((name, value)) = setting.and_then(|setting| setting.split_once('='))
                else {
                    return Err(Failure::for_good(format!(
                        "connection \"{}\": `options` is \"{text}\"; write -c name=value",
                        connection.conn_id
                    )));
                };
                settings.push((name.replace('-', "_"), value.to_owned()));
            }
        }
        Some(Value::Object(map)) => {
            settings.extend(map.iter().map(|(name, value)| (name.clone(), text_of(value))));
        }
        _ => {}
    }
    for (key, name) in SETTINGS {
        settings.extend(extra.get(*key).map(|value| ((*name).to_owned(), text_of(value))));
    }
    Ok(settings)
}

/// `COPY` from or to the client needs a client's stream, which a task does not have.
fn refuse_copy(statement: &str) -> Result<(), SqlFault> {
    let code: String = pieces(statement, Dialect::Postgres)
        .into_iter()
        .filter(|(piece, _)| *piece == Piece::Code)
        .map(|(_, range)| statement[range].to_ascii_lowercase() + " ")
        .collect();
    let mut words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_copy = words.find(|word| !word.is_empty()) == Some("copy");
    if is_copy && words.any(|word| matches!(word, "stdin" | "stdout")) {
        return Err(SqlFault::Parameters(
            "COPY from STDIN or to STDOUT needs a client's stream, which a `sql` task does not \
             have; run it with `psql` in a `bash` or `docker` task, or use a file of the server"
                .to_owned(),
        ));
    }
    Ok(())
}

/// The statement with its values as literals.
fn with_literals(statement: &str, parameters: &Value) -> Result<String, SqlFault> {
    let pieces = bind(statement, Dialect::Postgres, parameters).map_err(SqlFault::Parameters)?;
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Bound::Text(part) => text.push_str(part),
            Bound::Value(value) => literal(value, &mut text)?,
        }
    }
    Ok(text)
}

/// A value as a literal without a type, so that the server takes the type of its place. A list is
/// an `ARRAY`, as Airflow's driver makes it; a map is the text of its JSON.
fn literal(value: &Value, out: &mut String) -> Result<(), SqlFault> {
    match value {
        Value::Null => out.push_str("NULL"),
        Value::Bool(truth) => out.push_str(if *truth { "TRUE" } else { "FALSE" }),
        // In brackets: `5 -?` with -1 would begin a comment.
        Value::Number(number) => match number.to_string() {
            text if text.starts_with('-') => out.extend(["(", &text, ")"]),
            text => out.push_str(&text),
        },
        Value::String(text) => quoted(text, out)?,
        Value::Array(items) if items.is_empty() => out.push_str("'{}'"),
        Value::Array(items) if !items.iter().any(Value::is_object) => {
            out.push_str("ARRAY[");
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                literal(item, out)?;
            }
            out.push(']');
        }
        Value::Array(_) | Value::Object(_) => quoted(&value.to_string(), out)?,
    }
    Ok(())
}

/// Text as `E'…'`, which means the same whatever `standard_conforming_strings` is.
fn quoted(text: &str, out: &mut String) -> Result<(), SqlFault> {
    if text.contains('\0') {
        let reason = "a text of PostgreSQL cannot hold the character NUL; remove it";
        return Err(SqlFault::Parameters(reason.to_owned()));
    }
    // The blank keeps the E apart from a word before it.
    out.extend([" E'", &text.replace('\\', "\\\\").replace('\'', "''"), "'"]);
    Ok(())
}

fn row_value(row: &PgRow) -> Value {
    let values = row.columns().iter().enumerate().map(|(index, column)| {
        let Ok(raw) = row.try_get_raw(index) else { return Value::Null };
        raw.as_str().map_or(Value::Null, |text| value_of(column.type_info().name(), text))
    });
    Value::Array(values.collect())
}

/// A value as JSON, by its type's name.
fn value_of(type_name: &str, text: &str) -> Value {
    if let Some(item) = type_name.strip_suffix("[]") {
        return array_of(item, text).unwrap_or_else(|| Value::from(text));
    }
    match type_name {
        "BOOL" => Value::from(text == "t"),
        "INT2" | "INT4" | "INT8" | "OID" | "FLOAT4" | "FLOAT8" | "NUMERIC" => super::number(text),
        "JSON" | "JSONB" => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
        "BYTEA" => bytes_of(text).unwrap_or_else(|| Value::from(text)),
        _ => Value::from(text),
    }
}

/// `\x…` as the text that the bytes are, else as `0x…`.
fn bytes_of(text: &str) -> Option<Value> {
    let digits = text.strip_prefix("\\x")?;
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect::<Option<_>>()?;
    Some(match String::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => Value::from(format!("0x{}", digits.to_ascii_uppercase())),
    })
}

/// `{1,NULL,"a \"b\""}` as a list, also of lists; `None` for what has bounds of its own.
fn array_of(item: &str, text: &str) -> Option<Value> {
    let mut characters = text.chars().peekable();
    (characters.next()? == '{').then_some(())?;
    let list = array_rest(item, &mut characters)?;
    characters.next().is_none().then_some(list)
}

fn array_rest(item: &str, from: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Value> {
    let mut list = Vec::new();
    loop {
        match from.peek()? {
            '}' if list.is_empty() => {
                from.next();
                return Some(Value::Array(list));
            }
            '{' => {
                from.next();
                list.push(array_rest(item, from)?);
            }
            '"' => {
                from.next();
                let mut word = String::new();
                loop {
                    match from.next()? {
                        '"' => break,
                        '\\' => word.push(from.next()?),
                        other => word.push(other),
                    }
                }
                list.push(value_of(item, &word));
            }
            _ => {
                let mut word = String::new();
                while let Some(character) = from.next_if(|c| !matches!(c, ',' | '}')) {
                    word.push(character);
                }
                list.push(if word == "NULL" { Value::Null } else { value_of(item, &word) });
            }
        }
        match from.next()? {
            ',' => {}
            '}' => return Some(Value::Array(list)),
            _ => return None,
        }
    }
}

/// The server's own words: number, message, detail, hint and place.
pub(super) fn fault_of(error: &PgDatabaseError) -> SqlFault {
    let mut text = format!("error {}: {}", error.code(), error.message());
    if let Some(PgErrorPosition::Original(at)) = error.position() {
        text = format!("{text} (at character {at})");
    }
    for (word, part) in [("detail", error.detail()), ("hint", error.hint())] {
        if let Some(part) = part {
            text = format!("{text}; {word}: {part}");
        }
    }
    // Class 08: the connection; 57P01–57P03: the server stops, crashed, or starts.
    let is_broken =
        error.code().starts_with("08") || matches!(error.code(), "57P01" | "57P02" | "57P03");
    if is_broken { SqlFault::Broken(text) } else { SqlFault::Server(text) }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
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
        check("a = %s", json!(["x' OR 1 -- \\"]), r"a =  E'x'' OR 1 -- \\'");
        check("5 -%s", json!([-1]), "5 -(-1)");
        check("a ? 'k' and b = :b", json!({"b": 1}), "a ? 'k' and b = 1");
        check("%s::int[]", json!([[1, 2]]), "ARRAY[1, 2]::int[]");
        check("x = ANY(%s)", json!([["a", null]]), "x = ANY(ARRAY[ E'a', NULL])");
        check("%s", json!([[]]), "'{}'");
        check("%s", json!([{"a": "it's"}]), r#" E'{"a":"it''s"}'"#);
        check("$$ %s $$, %s", json!([1]), "$$ %s $$, 1");
        assert!(with_literals("%s", &json!(["a\0b"])).is_err());
    }

    #[test]
    fn values_keep_their_meaning() {
        let check = |type_name: &str, text: &str, expected: Value| {
            assert_eq!(value_of(type_name, text), expected, "{type_name} {text}");
        };
        check("INT8", "-9223372036854775808", json!(i64::MIN));
        check("NUMERIC", "0.50", json!(0.5));
        check("NUMERIC", "12345678901234567890.12", json!("12345678901234567890.12"));
        check("FLOAT8", "NaN", json!("NaN"));
        check("FLOAT8", "1e+300", json!(1e300));
        check("BOOL", "f", json!(false));
        check("JSONB", r#"{"a": [1]}"#, json!({"a": [1]}));
        check("BYTEA", r"\x68c3a9", json!("hé"));
        check("BYTEA", r"\x00ff", json!("0x00FF"));
        check("INT4[]", "{1,NULL,3}", json!([1, null, 3]));
        check("INT4[]", "{{1,2},{3,4}}", json!([[1, 2], [3, 4]]));
        check("INT4[]", "[0:1]={1,2}", json!("[0:1]={1,2}"));
        check(
            "TEXT[]",
            r#"{a,"b \"c\", {d}","NULL",""}"#,
            json!(["a", "b \"c\", {d}", "NULL", ""]),
        );
        check("TEXT[]", "{}", json!([]));
        check("TIMESTAMPTZ", "2025-08-22 00:00:00+09", json!("2025-08-22 00:00:00+09"));
    }

    #[test]
    fn only_a_client_s_copy_is_refused() {
        let check = |statement: &str, refused: bool| {
            assert_eq!(refuse_copy(statement).is_err(), refused, "{statement}");
        };
        check("COPY t FROM STDIN", true);
        check("-- first\ncopy (select 1) to stdout with csv", true);
        check("COPY t FROM '/srv/stdin.csv'", false);
        check("SELECT 'copy stdin'", false);
        check("INSERT INTO copy SELECT stdin FROM x", false);
    }

    #[test]
    fn extras_that_work_and_those_that_do_not() {
        let of = |extra: Value| Connection {
            conn_id: "db".to_owned(),
            extra: extra.as_object().expect("a map").clone(),
            ..Connection::default()
        };
        let check = |extra: Value, expected: &[(&str, &str)]| {
            let got = settings(&of(extra)).expect("settings");
            let got: Vec<_> = got.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(got, expected);
        };
        check(json!({}), &[]);
        check(
            json!({"options": "-c statement_timeout=3s --search-path=ml -cwork_mem=1MB"}),
            &[("statement_timeout", "3s"), ("search_path", "ml"), ("work_mem", "1MB")],
        );
        check(json!({"timezone": "Asia/Seoul"}), &[("TimeZone", "Asia/Seoul")]);
        assert!(settings(&of(json!({"options": "fast"}))).is_err());
        for mode in ["disable", "allow", "prefer"] {
            assert!(options(&of(json!({"sslmode": mode})), None).is_ok(), "{mode}");
        }
        for mode in ["require", "verify-full", "always"] {
            let failure = options(&of(json!({"sslmode": mode})), None).expect_err("refused");
            assert!(failure.reason().contains(mode), "{}", failure.reason());
        }
    }
}
