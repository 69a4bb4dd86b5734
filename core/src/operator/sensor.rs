//! `sensor`: waits until something is there, without a slot between two looks (Airflow: sensors).
//!
//! One key says what it waits for: `sql`, `url` or `endpoint`, `file`, `bash_command`, `script` or
//! `code`, `until` or `delta`, `dag`, `asset`. The first five are looked at by a worker, the others by the
//! engine.

use serde::Deserialize;
use serde_json::Value;

use super::bash::SCRIPT_ENDINGS;
use super::http::METHODS;
use super::{Config, Field, FieldKind, OperatorSpec, Place, Problems, TextUse};
use crate::dag::Task;
use crate::state::TaskState;
use crate::wait::Terms;

/// What a sensor waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A query's first cell.
    Sql,
    /// An HTTP answer.
    Http,
    /// A file, or files of a pattern.
    File,
    /// A command that ends well.
    Bash,
    /// A script that ends well.
    Python,
    /// An instant.
    Time,
    /// A run of another DAG, or tasks of it.
    Dag,
    /// An event of an asset.
    Asset,
}

/// Each kind with the keys that choose it and those that it takes beside them.
const KINDS: &[(Kind, &[&str], &[&str])] = &[
    (
        Kind::Sql,
        &["sql"],
        &["conn_id", "parameters", "database", "success", "failure", "fail_on_empty"],
    ),
    (
        Kind::Http,
        &["url", "endpoint"],
        &[
            "conn_id",
            "method",
            "headers",
            "query",
            "data",
            "json",
            "allowed_status",
            "not_yet_status",
            "response_check",
            "response_filter",
            "request_timeout",
            "verify",
            "ca_file",
            "follow_redirects",
            "log_response",
        ],
    ),
    (Kind::File, &["file"], &["min_age", "min_size"]),
    (Kind::Bash, &["bash_command"], &["cwd", "retry_exit_code"]),
    (
        Kind::Python,
        &["script", "code"],
        &["args", "requirements", "python", "cwd", "retry_exit_code"],
    ),
    (Kind::Time, &["until", "delta"], &[]),
    (
        Kind::Dag,
        &["dag"],
        &[
            "task_ids",
            "group",
            "logical_date",
            "execution_delta",
            "allowed_states",
            "failed_states",
            "skipped_states",
            "check_existence",
        ],
    ),
    (Kind::Asset, &["asset"], &["after"]),
];

/// The keys of every sensor.
const COMMON: &[&str] = &[
    "poke_interval",
    "timeout",
    "soft_fail",
    "never_fail",
    "silent_fail",
    "exponential_backoff",
    "max_wait",
    "mode",
    "deferrable",
];

/// The ways of waiting that Airflow knows; here none of them holds a slot.
pub const MODES: &[&str] = &["poke", "reschedule"];

/// The line of `sensor` in the table of operators.
pub const SPEC: OperatorSpec = OperatorSpec {
    name: "sensor",
    class_names: &[
        "SqlSensor",
        "HttpSensor",
        "FileSensor",
        "BashSensor",
        "PythonSensor",
        "DateTimeSensor",
        "DateTimeSensorAsync",
        "TimeSensor",
        "TimeSensorAsync",
        "TimeDeltaSensor",
        "TimeDeltaSensorAsync",
        "ExternalTaskSensor",
    ],
    fields: &[
        Field::new("sql", FieldKind::Text).text(TextUse::File(&[".sql"])),
        Field::new("conn_id", FieldKind::Text).aliases(&["http_conn_id", "mysql_conn_id"]),
        Field::new("parameters", FieldKind::Any),
        Field::new("database", FieldKind::Text),
        Field::new("success", FieldKind::Text).text(TextUse::Expression),
        Field::new("failure", FieldKind::Text).text(TextUse::Expression),
        Field::new("fail_on_empty", FieldKind::Bool),
        Field::new("url", FieldKind::Text),
        Field::new("endpoint", FieldKind::Text),
        Field::new("method", FieldKind::Word(METHODS)),
        Field::new("headers", FieldKind::TextMap),
        Field::new("query", FieldKind::TextMap).aliases(&["request_params"]),
        Field::new("data", FieldKind::Any),
        Field::new("json", FieldKind::Any),
        Field::new("allowed_status", FieldKind::Any),
        Field::new("not_yet_status", FieldKind::Any).aliases(&["response_error_codes_allowlist"]),
        Field::new("response_check", FieldKind::Text).text(TextUse::Expression),
        Field::new("response_filter", FieldKind::Text).text(TextUse::Expression),
        Field::new("request_timeout", FieldKind::Duration),
        Field::new("verify", FieldKind::Bool),
        Field::new("ca_file", FieldKind::Text),
        Field::new("follow_redirects", FieldKind::Bool),
        Field::new("log_response", FieldKind::Bool),
        Field::new("file", FieldKind::Text).aliases(&["filepath", "path"]),
        Field::new("min_age", FieldKind::Duration),
        Field::new("min_size", FieldKind::Size),
        Field::new("bash_command", FieldKind::Text)
            .aliases(&["command"])
            .text(TextUse::Shell(SCRIPT_ENDINGS)),
        Field::new("cwd", FieldKind::Text),
        Field::new("retry_exit_code", FieldKind::Int),
        Field::new("script", FieldKind::Text),
        Field::new("code", FieldKind::Text),
        Field::new("args", FieldKind::TextList),
        Field::new("requirements", FieldKind::TextList),
        Field::new("python", FieldKind::Text),
        Field::new("until", FieldKind::Text).aliases(&["target_time"]),
        Field::new("delta", FieldKind::Duration),
        Field::new("dag", FieldKind::Text).aliases(&["external_dag_id"]),
        Field::new("task_ids", FieldKind::TextList)
            .aliases(&["external_task_ids", "external_task_id"]),
        Field::new("group", FieldKind::Text).aliases(&["external_task_group_id"]),
        Field::new("logical_date", FieldKind::Text).aliases(&["execution_date"]),
        Field::new("execution_delta", FieldKind::Duration),
        Field::new("allowed_states", FieldKind::TextList),
        Field::new("failed_states", FieldKind::TextList),
        Field::new("skipped_states", FieldKind::TextList),
        Field::new("check_existence", FieldKind::Bool),
        Field::new("asset", FieldKind::Text).aliases(&["dataset"]),
        Field::new("after", FieldKind::Text),
        Field::new("poke_interval", FieldKind::Duration),
        Field::new("timeout", FieldKind::Duration),
        Field::new("soft_fail", FieldKind::Bool),
        Field::new("never_fail", FieldKind::Bool),
        Field::new("silent_fail", FieldKind::Bool),
        Field::new("exponential_backoff", FieldKind::Bool),
        Field::new("max_wait", FieldKind::Duration),
        Field::new("mode", FieldKind::Word(MODES)),
        Field::new("deferrable", FieldKind::Bool),
    ],
    place: |config| match kind(config) {
        Some(Kind::Time | Kind::Dag | Kind::Asset) => Place::Scheduler,
        _ => Place::Worker,
    },
    check,
};

/// What a sensor waits for, by its keys.
pub fn kind(config: &Config) -> Option<Kind> {
    let chosen = KINDS.iter().find(|(_, by, _)| by.iter().any(|key| config.contains_key(*key)));
    chosen.map(|(kind, _, _)| *kind)
}

fn check(config: &Config) -> Problems {
    let chosen: Vec<_> =
        KINDS.iter().filter(|(_, by, _)| by.iter().any(|key| config.contains_key(*key))).collect();
    let [(kind, by, more)] = chosen[..] else {
        if let Some((_, by, _)) = chosen.get(1) {
            let second = by.iter().find(|key| config.contains_key(**key)).unwrap_or(&"operator");
            let text =
                format!("`{second}` says what it waits for, and so does another key; keep one");
            return vec![(second, text)];
        }
        let text = "needs what it waits for: `sql`, `url`, `file`, `bash_command`, `script`, \
                    `until`, `delta`, `dag` or `asset`";
        return vec![("operator", text.to_owned())];
    };
    let mut problems = terms_problems(config, "timeout");
    for field in SPEC.fields {
        let name = field.name;
        let is_known = by.contains(&name) || more.contains(&name) || COMMON.contains(&name);
        if config.contains_key(name) && !is_known {
            problems.push((name, format!("`{name}` means nothing beside `{}`", by[0])));
        }
    }
    problems.extend(kind_problems(*kind, config));
    problems
}

fn kind_problems(kind: Kind, config: &Config) -> Problems {
    let has = |key: &str| config.contains_key(key);
    let mut problems = Problems::new();
    let mut both = |first: &'static str, second: &'static str| {
        if has(first) && has(second) {
            problems
                .push((second, format!("`{first}` and `{second}` exclude each other; keep one")));
        }
    };
    match kind {
        Kind::Sql if !has("conn_id") => {
            problems.push(("operator", "needs `conn_id` beside `sql`".to_owned()));
        }
        Kind::Http if !has("conn_id") && !has("url") => {
            problems.push(("endpoint", "needs `conn_id` beside `endpoint`, or `url`".to_owned()));
        }
        Kind::Python => both("script", "code"),
        Kind::Time => both("until", "delta"),
        Kind::Dag => {
            both("task_ids", "group");
            both("logical_date", "execution_delta");
            for key in ["allowed_states", "failed_states", "skipped_states"] {
                problems.extend(state_problems(config, key));
            }
        }
        _ => {}
    }
    problems
}

/// States are words of Airflow; templates are known later.
pub(crate) fn state_problems(config: &Config, key: &'static str) -> Problems {
    let items = config.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let unknown = items
        .iter()
        .filter_map(Value::as_str)
        .find(|word| !word.contains('{') && TaskState::from_word(word).is_none());
    let words = ["success", "failed", "skipped", "upstream_failed", "running", "queued"];
    unknown
        .map(|word| {
            let hint = crate::suggest::nearest(word, TaskState::ALL.iter().map(|s| s.as_str()));
            let hint = hint.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
            (key, format!("unknown state \"{word}\"{hint}; states are {} …", words.join(", ")))
        })
        .into_iter()
        .collect()
}

/// What the engine must know without rendering anything.
pub(crate) fn terms_problems(config: &Config, timeout: &'static str) -> Problems {
    let mut problems = Problems::new();
    for key in ["poke_interval", timeout, "max_wait"] {
        match config.get(key) {
            Some(Value::String(_)) => {
                let text = format!("`{key}` is not rendered; write a duration such as `5m`");
                problems.push((key, text));
            }
            Some(value) if key == "poke_interval" && value.as_f64().is_some_and(|s| s < 0.1) => {
                let text = "`poke_interval` is too short; use at least 0.1 seconds";
                problems.push((key, text.to_owned()));
            }
            _ => {}
        }
    }
    for key in ["soft_fail", "never_fail", "silent_fail", "exponential_backoff"] {
        if matches!(config.get(key), Some(Value::String(_))) {
            problems.push((key, format!("`{key}` is not rendered; write `true` or `false`")));
        }
    }
    problems
}

/// The terms of a task that looks again: a `sensor`, or `http` with `poke_interval`.
pub fn terms(task: &Task) -> Option<Terms> {
    let timeout = match task.operator.as_str() {
        "sensor" => "timeout",
        "http" if task.config.contains_key("poke_interval") => "poke_timeout",
        _ => return None,
    };
    let secs = |key: &str| task.config.get(key).and_then(Value::as_f64);
    let truth = |key: &str| task.config.get(key) == Some(&Value::Bool(true));
    let usual = Terms::default();
    Some(Terms {
        poke_interval_secs: secs("poke_interval").unwrap_or(usual.poke_interval_secs),
        timeout_secs: secs(timeout).unwrap_or(usual.timeout_secs),
        soft_fail: truth("soft_fail"),
        never_fail: truth("never_fail"),
        silent_fail: truth("silent_fail"),
        exponential_backoff: truth("exponential_backoff"),
        max_wait_secs: secs("max_wait"),
    })
}

/// A rendered `sql` sensor.
#[derive(Debug, Clone, Deserialize)]
pub struct SqlSensor {
    /// The connection.
    pub conn_id: String,
    /// The query; its first cell counts.
    pub sql: String,
    /// Bind parameters.
    #[serde(default)]
    pub parameters: Option<Value>,
    /// The database to use instead of the connection's schema.
    #[serde(default)]
    pub database: Option<String>,
    /// An expression over `value` (the first cell), `row` and `rows`; truth of the cell when
    /// absent.
    #[serde(default)]
    pub success: Option<String>,
    /// An expression of the same kind after which it fails.
    #[serde(default)]
    pub failure: Option<String>,
    /// Whether no rows at all is a failure.
    #[serde(default)]
    pub fail_on_empty: bool,
}

/// A rendered `file` sensor. The paths found are its XCom.
#[derive(Debug, Clone, Deserialize)]
pub struct FileSensor {
    /// A path, or a pattern with `*`, `?` and `**`; relative to the DAG's folder.
    pub file: String,
    /// Not changed for so many seconds.
    #[serde(default)]
    pub min_age: Option<f64>,
    /// So many bytes at least.
    #[serde(default)]
    pub min_size: Option<f64>,
}

/// A rendered `bash` sensor: exit code 0 is there.
#[derive(Debug, Clone, Deserialize)]
pub struct BashSensor {
    /// What the shell runs.
    pub bash_command: String,
    /// The working directory.
    #[serde(default)]
    pub cwd: Option<String>,
    /// The only exit code that means "not yet" (Airflow: `retry_exit_code`); else every one but 0.
    #[serde(default)]
    pub retry_exit_code: Option<i32>,
}

/// A rendered `dag` sensor (Airflow: `ExternalTaskSensor`).
#[derive(Debug, Clone, Deserialize)]
pub struct DagSensor {
    /// The DAG.
    pub dag: String,
    /// Its tasks; the whole run when empty.
    #[serde(default)]
    pub task_ids: Vec<String>,
    /// A group of its tasks.
    #[serde(default)]
    pub group: Option<String>,
    /// The date of the run; the own one when absent.
    #[serde(default)]
    pub logical_date: Option<String>,
    /// So many seconds before the own date.
    #[serde(default)]
    pub execution_delta: Option<f64>,
    /// Airflow: `[success]`.
    #[serde(default)]
    pub allowed_states: Option<Vec<String>>,
    /// Airflow: none.
    #[serde(default)]
    pub failed_states: Vec<String>,
    /// Airflow: none.
    #[serde(default)]
    pub skipped_states: Vec<String>,
    /// Whether a DAG or task that does not exist is a failure.
    #[serde(default)]
    pub check_existence: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(value: &Value) -> Config {
        value.as_object().expect("a map").clone()
    }

    #[test]
    fn one_key_says_what_it_waits_for() {
        let check = |value: Value, expected: Option<Kind>, place: Place| {
            let config = config(&value);
            assert_eq!((kind(&config), (SPEC.place)(&config)), (expected, place), "{value}");
        };
        check(json!({"sql": "select 1"}), Some(Kind::Sql), Place::Worker);
        check(json!({"endpoint": "x"}), Some(Kind::Http), Place::Worker);
        check(json!({"file": "x"}), Some(Kind::File), Place::Worker);
        check(json!({"bash_command": "x"}), Some(Kind::Bash), Place::Worker);
        check(json!({"code": "x"}), Some(Kind::Python), Place::Worker);
        check(json!({"delta": 5}), Some(Kind::Time), Place::Scheduler);
        check(json!({"dag": "x"}), Some(Kind::Dag), Place::Scheduler);
        check(json!({"asset": "x", "after": "y"}), Some(Kind::Asset), Place::Scheduler);
        check(json!({}), None, Place::Worker);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |value: Value, expected: &str| {
            let found: Vec<String> = (SPEC.check)(&config(&value))
                .into_iter()
                .map(|(key, text)| format!("{key}: {text}"))
                .collect();
            assert!(found.join(" | ").starts_with(expected), "{value}: {found:?}");
            assert_eq!(found.is_empty(), expected.is_empty(), "{value}: {found:?}");
        };
        check(json!({"file": "x", "min_size": 1, "soft_fail": true}), "");
        check(json!({}), "operator: needs what it waits for");
        check(json!({"file": "x", "dag": "y"}), "dag: `dag` says what it waits for");
        check(
            json!({"file": "x", "min_age": 1, "cwd": "y"}),
            "cwd: `cwd` means nothing beside `file`",
        );
        check(json!({"sql": "x"}), "operator: needs `conn_id`");
        check(json!({"endpoint": "x"}), "endpoint: needs `conn_id`");
        check(json!({"asset": "x", "until": "y"}), "asset: `asset` says what it waits for");
        check(json!({"delta": 1, "after": "y"}), "after: `after` means nothing beside `until`");
        check(json!({"until": "x", "delta": 1}), "delta: `until` and `delta` exclude");
        check(
            json!({"dag": "x", "allowed_states": ["succes"]}),
            "allowed_states: unknown state \"succes\"; did you mean \"success\"",
        );
        check(json!({"file": "x", "timeout": "{{ x }}"}), "timeout: `timeout` is not rendered");
        check(
            json!({"file": "x", "poke_interval": 0}),
            "poke_interval: `poke_interval` is too short",
        );
    }
}
