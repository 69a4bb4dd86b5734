//! Runs one poke of a `sensor`: looks, and says that it is there, not yet, or that looking failed.
//!
//! A poke is a short attempt; when the next one comes is the engine's business.

use std::path::{Path, PathBuf};

use millrace_core::decision::truthy;
use millrace_core::operator::http::{HttpConfig, WAITING};
use millrace_core::operator::python::PythonConfig;
use millrace_core::operator::sensor::{self, BashSensor, FileSensor, Kind, SqlSensor};
use millrace_core::operator::sql::SqlConfig;
use millrace_core::wire::Outcome;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::shell::{self, Launch};
use super::{Context, Failure, Report, http, python, sql};
use crate::environment::Variables;

/// The most files that one pattern may find.
const FILES_MAX: usize = 1_000;

/// The most rows that `success` sees.
const ROWS_MAX: usize = 100;

/// Looks once.
pub(super) async fn run(context: &Context) -> Result<Report, Failure> {
    match sensor::kind(&context.config) {
        Some(Kind::Sql) => look_at_rows(context).await,
        Some(Kind::Http) => ask(context, "request_timeout", "GET").await,
        Some(Kind::File) => look_at_files(context).await,
        Some(Kind::Bash) => run_command(context).await,
        Some(Kind::Python) => run_script(context).await,
        Some(Kind::Time | Kind::Dag | Kind::Asset) | None => {
            Err(Failure::for_good("this sensor is not one that a worker looks at"))
        }
    }
}

/// An `http` task with `poke_interval`.
pub(super) async fn ask_again(context: &Context) -> Result<Report, Failure> {
    ask(context, "timeout", "POST").await
}

fn not_yet(reason: impl Into<String>) -> Report {
    let mut report = Report::new(Outcome::NotYet);
    report.reason = Some(reason.into());
    report
}

/// Some keys of the task as the config of another operator.
fn config_of<T: DeserializeOwned>(keys: Map<String, Value>) -> Result<T, Failure> {
    serde_json::from_value(Value::Object(keys))
        .map_err(|error| Failure::for_good(error.to_string()))
}

fn only(context: &Context, names: &[&str]) -> Map<String, Value> {
    let keys = context.config.iter().filter(|(key, _)| names.contains(&key.as_str()));
    keys.map(|(key, value)| (key.clone(), value.clone())).collect()
}

async fn look_at_rows(context: &Context) -> Result<Report, Failure> {
    let config: SqlSensor = context.config()?;
    let query: SqlConfig = config_of(
        json!({
            "conn_id": config.conn_id, "sql": config.sql, "parameters": config.parameters,
            "database": config.database, "max_rows": ROWS_MAX, "autocommit": true,
        })
        .as_object()
        .cloned()
        .unwrap_or_default(),
    )?;
    let report = sql::run_config(context, query).await?;
    let rows = report.return_value.unwrap_or(Value::Null);
    let row = rows.get(0).cloned().unwrap_or(Value::Null);
    let value = row.get(0).cloned().unwrap_or(Value::Null);
    if config.fail_on_empty && row.is_null() {
        return Err(Failure::failed("the query gave no row"));
    }
    let names = [("value", &value), ("row", &row), ("rows", &rows)];
    let mut templates = context.templates.lock().await;
    if let Some(failure) = &config.failure
        && templates.truth("failure", failure, &names).await?
    {
        return Err(Failure::failed(format!("`failure` is true for {value}: {failure}")));
    }
    let is_there = match &config.success {
        Some(success) => templates.truth("success", success, &names).await?,
        // Airflow: the text "0" is no too.
        None => truthy(&value),
    };
    Ok(if is_there {
        Report::success(Some(value))
    } else if row.is_null() {
        not_yet("the query gave no row")
    } else {
        not_yet(format!("the first cell is {value}"))
    })
}

async fn ask(context: &Context, timeout: &str, method: &str) -> Result<Report, Failure> {
    let mut keys = context.config.clone();
    let not_yet_status = keys.remove("not_yet_status");
    let limit = keys.remove(timeout);
    let more = ["poke_interval", "timeout", "mode", "deferrable"];
    for key in WAITING.iter().chain(&more) {
        keys.remove(*key);
    }
    keys.extend(limit.map(|limit| ("timeout".to_owned(), limit)));
    keys.entry("method").or_insert_with(|| method.into());
    let config: HttpConfig = config_of(keys)?;
    // Airflow: `response_error_codes_allowlist`.
    let not_yet_status = match not_yet_status {
        None => vec![Value::from(404)],
        Some(Value::Array(items)) => items,
        Some(one) => vec![one],
    };
    Ok(match http::poke(context, &config, &not_yet_status).await? {
        Ok(value) => Report::success(Some(value)),
        Err(reason) => not_yet(reason),
    })
}

async fn look_at_files(context: &Context) -> Result<Report, Failure> {
    let config: FileSensor = context.config()?;
    let path = Path::new(&context.assignment.dag.folder).join(&config.file);
    let shown = path.display().to_string();
    let now = context.settings.clock.now();
    let look = tokio::task::spawn_blocking(move || files(&path, &config, now));
    let found = tokio::select! {
        found = look => found.map_err(|error| Failure::lost(error.to_string()))??,
        reason = context.stop.wait() => return Err(Failure::stopped(&reason)),
    };
    if let Ok(paths) = &found {
        context.log.info(format!("found {}", paths.join(", ")));
    }
    Ok(match found {
        Ok(paths) => Report::success(Some(json!(paths))),
        Err(reason) => not_yet(format!("{shown}: {reason}")),
    })
}

/// The files that are there, or why none counts.
fn files(
    path: &Path,
    config: &FileSensor,
    now: jiff::Timestamp,
) -> Result<Result<Vec<String>, String>, Failure> {
    let mut why = "nothing is there".to_owned();
    let mut found = Vec::new();
    for path in candidates(path)? {
        match is_ready(&path, config, now) {
            Ok(()) => found.push(path.to_string_lossy().into_owned()),
            Err(reason) => why = reason,
        }
    }
    Ok(if found.is_empty() { Err(why) } else { Ok(found) })
}

fn candidates(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let Some(text) = path.to_str().filter(|text| text.contains(['*', '?', '['])) else {
        return Ok(vec![path.to_owned()]);
    };
    let paths = glob::glob(text)
        .map_err(|error| Failure::for_good(format!("the pattern \"{text}\": {error}")))?;
    Ok(paths.flatten().take(FILES_MAX).collect())
}

fn is_ready(path: &Path, config: &FileSensor, now: jiff::Timestamp) -> Result<(), String> {
    let name = path.display();
    let meta = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "nothing is there".to_owned(),
        _ => format!("{name}: {error}"),
    })?;
    if meta.is_dir() {
        // Airflow: a folder counts when something is in it.
        let mut entries = std::fs::read_dir(path).map_err(|error| format!("{name}: {error}"))?;
        return entries.next().map(|_| ()).ok_or_else(|| format!("the folder {name} is empty"));
    }
    #[expect(clippy::cast_precision_loss, reason = "sizes of files are far below 2^53")]
    let size = meta.len() as f64;
    if let Some(least) = config.min_size.filter(|least| size < *least) {
        return Err(format!("{name} has {size} of {least} bytes"));
    }
    if let Some(least) = config.min_age {
        let changed = meta.modified().ok().and_then(|at| jiff::Timestamp::try_from(at).ok());
        let age = changed.map_or(0.0, |at| now.duration_since(at).as_secs_f64());
        if age < least {
            return Err(format!("{name} changed {age:.0} s ago, not yet {least} s"));
        }
    }
    Ok(())
}

async fn run_command(context: &Context) -> Result<Report, Failure> {
    let config: BashSensor = context.config()?;
    let mut words = shell::shell_command(context, &config.bash_command)?.into_iter();
    let launch = Launch {
        program: words.next().unwrap_or_default(),
        args: words.collect(),
        cwd: config.cwd,
        variables: Variables::new(),
        skip_on_exit_code: Vec::new(),
    };
    let report = shell::run(context, launch).await?;
    Ok(by_exit_code(report, config.retry_exit_code))
}

async fn run_script(context: &Context) -> Result<Report, Failure> {
    let config: PythonConfig =
        config_of(only(context, &["script", "code", "args", "requirements", "python", "cwd"]))?;
    let only_code = context.config.get("retry_exit_code").and_then(Value::as_i64);
    let only_code = only_code.and_then(|code| i32::try_from(code).ok());
    let config = PythonConfig { skip_on_exit_code: Vec::new(), ..config };
    Ok(by_exit_code(python::run_config(context, config).await?, only_code))
}

/// Airflow's `BashSensor`: every exit code but 0 means "not yet", or only the one that is named.
fn by_exit_code(report: Report, only: Option<i32>) -> Report {
    let code = report.exit_code.unwrap_or_default();
    let is_not_yet = code > 0 && only.is_none_or(|only| only == code);
    if report.outcome == Outcome::Failed && is_not_yet {
        return Report { outcome: Outcome::NotYet, ..report };
    }
    report
}
