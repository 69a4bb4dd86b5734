//! The environment of a task: what its author gave, the attempt's own variables, and as little of
//! the worker's as possible.
//!
//! Nothing that belongs to Millrace or opens a door (its keys, tokens, addresses of databases,
//! connections given by environment) is ever passed on.

use std::path::Path;

use indexmap::IndexMap;
use millrace_core::time::isoformat;
use millrace_core::wire::Assignment;

use crate::process::account::Account;

/// Passed on when the author says nothing about the environment.
const HARMLESS: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "DOCKER_HOST",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_RUNTIME_DIR",
];

const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables by name, in the order of their definition.
pub(crate) type Variables = IndexMap<String, String>;

/// What a task's process inherits from the worker (Airflow: `append_env`). Without it, only
/// `PATH`; and when the author gave no variables at all, the harmless ones.
pub(crate) fn inherited(
    own: impl Iterator<Item = (String, String)>,
    append_env: bool,
    given_any: bool,
) -> Variables {
    let mut variables: Variables = own
        .filter(|(name, _)| !is_private(name))
        .filter(|(name, _)| {
            append_env
                || name == "PATH"
                || (!given_any && (HARMLESS.contains(&name.as_str()) || name.starts_with("LC_")))
        })
        .collect();
    variables.entry("PATH".to_owned()).or_insert_with(|| PATH_DEFAULT.to_owned());
    variables
}

/// What a login would set for an account.
pub(crate) fn of_account(account: &Account) -> Variables {
    let Account { name, home, shell, .. } = account;
    [("HOME", home), ("USER", name), ("LOGNAME", name), ("SHELL", shell)]
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .into_iter()
        .collect()
}

/// The worker's own variables, except what opens doors.
pub(crate) fn public() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| !is_private(name))
}

fn is_private(name: &str) -> bool {
    ["MILLRACE_", "AIRFLOW_", "AIRFLOW__"].iter().any(|prefix| name.starts_with(prefix))
}

/// The ids of the attempt, under Millrace's names and those that Airflow's scripts know.
pub(crate) fn ids(assignment: &Assignment) -> Variables {
    let run = &assignment.run;
    let task = &assignment.task;
    let try_number = assignment.key.try_number.to_string();
    let mut variables: Variables = [
        ("MILLRACE_DAG_ID", run.dag_id.to_string()),
        ("MILLRACE_TASK_ID", task.task_id.to_string()),
        ("MILLRACE_RUN_ID", run.run_id.to_string()),
        ("MILLRACE_TRY_NUMBER", try_number.clone()),
        ("MILLRACE_MAP_INDEX", assignment.map_index.to_string()),
        ("MILLRACE_FENCE", assignment.key.epoch.to_string()),
        ("AIRFLOW_CTX_DAG_OWNER", task.owner.clone()),
        ("AIRFLOW_CTX_DAG_ID", run.dag_id.to_string()),
        ("AIRFLOW_CTX_TASK_ID", task.task_id.to_string()),
        ("AIRFLOW_CTX_TRY_NUMBER", try_number),
        ("AIRFLOW_CTX_DAG_RUN_ID", run.run_id.to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if let Some(logical_date) = run.logical_date {
        let spelt = isoformat(logical_date);
        variables.insert("MILLRACE_LOGICAL_DATE".to_owned(), spelt.clone());
        variables.insert("AIRFLOW_CTX_LOGICAL_DATE".to_owned(), spelt);
    }
    variables
}

/// The variables of an `env_file`: `NAME=value` lines, `#` comments, values with or without
/// quotes, an `export` before the name. Nothing in it is expanded.
///
/// # Errors
/// The file cannot be read, or a line is not of that form.
pub(crate) fn read_env_file(path: &Path) -> Result<Variables, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("env_file \"{}\": {error}", path.display()))?;
    parse_env_file(&text).map_err(|(line, problem)| {
        format!("env_file \"{}\" line {line}: {problem}", path.display())
    })
}

fn parse_env_file(text: &str) -> Result<Variables, (usize, &'static str)> {
    let mut variables = Variables::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            return Err((index + 1, "write NAME=value"));
        };
        let name = name.trim();
        if !is_name(name) {
            return Err((index + 1, "a name has letters, digits and `_`"));
        }
        variables.insert(name.to_owned(), unquoted(value.trim()).to_owned());
    }
    Ok(variables)
}

fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    value.split_once(" #").map_or(value, |(value, _)| value.trim_end())
}

/// Whether a text can be the name of a variable.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !name.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_inherited() {
        let own = [
            ("PATH", "/bin"),
            ("HOME", "/root"),
            ("LC_ALL", "C"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("MILLRACE_SECRET_KEY", "s"),
            ("MILLRACE_DATABASE_URL", "s"),
            ("AIRFLOW_CONN_DB", "mysql://u:p@h"),
        ];
        let check = |append_env, given_any, expected: &[&str]| {
            let own = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let variables = inherited(own, append_env, given_any);
            let names: Vec<_> = variables.keys().map(String::as_str).collect();
            assert_eq!(names, expected, "append_env {append_env}, given {given_any}");
        };
        check(false, true, &["PATH"]);
        check(false, false, &["PATH", "HOME", "LC_ALL"]);
        check(true, true, &["PATH", "HOME", "LC_ALL", "AWS_SECRET_ACCESS_KEY"]);
        assert_eq!(inherited(std::iter::empty(), false, true)["PATH"], PATH_DEFAULT);
    }

    #[test]
    fn env_files_are_read() {
        let text = "# c\n\nA=1\nexport B='x y'\nC=\"q # no\"\nD=v # comment\nE=a=b\n";
        let variables = parse_env_file(text).expect("well formed");
        let pairs: Vec<_> = variables.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(pairs, ["A=1", "B=x y", "C=q # no", "D=v", "E=a=b"]);
        assert_eq!(parse_env_file("A=1\nnonsense").expect_err("no ="), (2, "write NAME=value"));
        assert!(parse_env_file("A B=1").is_err());
    }
}
