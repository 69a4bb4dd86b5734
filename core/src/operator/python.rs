//! `python`: a script or inline code, in a cached virtual environment when it has requirements.

use serde::Deserialize;

use super::bash::skip_codes;
use super::sql::one_or_many;
use super::{Field, FieldKind, OperatorSpec, on_worker, one_of};

/// The line of `python` in the table of operators.
pub const SPEC: OperatorSpec = OperatorSpec {
    name: "python",
    class_names: &["PythonOperator", "PythonVirtualenvOperator", "ExternalPythonOperator"],
    fields: &[
        Field::new("script", FieldKind::Text),
        Field::new("code", FieldKind::Text),
        Field::new("args", FieldKind::TextList),
        Field::new("requirements", FieldKind::TextList),
        Field::new("python", FieldKind::Text),
        Field::new("cwd", FieldKind::Text),
        Field::new("skip_on_exit_code", FieldKind::IntList),
    ],
    place: on_worker,
    check: |config| one_of(config, "script", "code"),
};

/// A rendered `python` task. The last line of stdout is its XCom.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PythonConfig {
    /// The file to run.
    #[serde(default)]
    pub script: Option<String>,
    /// The code to run.
    #[serde(default)]
    pub code: Option<String>,
    /// Arguments of the script.
    #[serde(default)]
    pub args: Vec<String>,
    /// Requirement lines; the environment is cached by their digest.
    #[serde(default)]
    pub requirements: Vec<String>,
    /// The interpreter, or a version such as `3.11`; default `python3`.
    #[serde(default)]
    pub python: Option<String>,
    /// The working directory; a fresh temporary one when absent.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Exit codes that mean "skipped" (Airflow: 99).
    #[serde(default = "skip_codes", deserialize_with = "one_or_many")]
    pub skip_on_exit_code: Vec<i32>,
}
