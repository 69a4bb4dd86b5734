//! `bash`: a command in its own process group (Airflow: `BashOperator`).

use serde::Deserialize;

use super::{Field, FieldKind, OperatorSpec, TextUse, no_check, on_worker};

/// Endings that make a command the name of a script file.
pub const SCRIPT_ENDINGS: &[&str] = &[".sh", ".bash"];

/// The line of `bash` in the table of operators.
pub const SPEC: OperatorSpec = OperatorSpec {
    name: "bash",
    class_names: &["BashOperator", "bash_operator"],
    fields: &[
        Field::new("bash_command", FieldKind::Text)
            .aliases(&["command"])
            .required()
            .text(TextUse::Shell(SCRIPT_ENDINGS)),
        Field::new("cwd", FieldKind::Text),
        Field::new("skip_on_exit_code", FieldKind::IntList),
    ],
    place: on_worker,
    check: no_check,
};

/// A rendered `bash` task. The last line of stdout is its XCom.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BashConfig {
    /// What the shell runs.
    pub bash_command: String,
    /// The working directory; a fresh temporary one when absent.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Exit codes that mean "skipped" (Airflow: 99).
    #[serde(default = "skip_codes", deserialize_with = "super::sql::one_or_many")]
    pub skip_on_exit_code: Vec<i32>,
}

/// Airflow's exit code for "skipped".
pub fn skip_codes() -> Vec<i32> {
    vec![99]
}
