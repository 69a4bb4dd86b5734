//! `trigger_dag`: starts a run of another DAG and may wait for it (Airflow:
//! `TriggerDagRunOperator`).

use serde::Deserialize;
use serde_json::{Map, Value};

use super::sensor::state_problems;
use super::{Field, FieldKind, OperatorSpec, in_scheduler};

/// The line of `trigger_dag` in the table of operators.
pub const SPEC: OperatorSpec = OperatorSpec {
    name: "trigger_dag",
    class_names: &["TriggerDagRunOperator"],
    fields: &[
        Field::new("dag", FieldKind::Text).aliases(&["trigger_dag_id", "dag_id"]).required(),
        Field::new("run_id", FieldKind::Text).aliases(&["trigger_run_id"]),
        Field::new("conf", FieldKind::Any),
        Field::new("logical_date", FieldKind::Text).aliases(&["execution_date"]),
        Field::new("note", FieldKind::Text),
        Field::new("reset_dag_run", FieldKind::Bool),
        Field::new("skip_when_already_exists", FieldKind::Bool),
        Field::new("fail_when_dag_is_paused", FieldKind::Bool),
        Field::new("wait_for_completion", FieldKind::Bool),
        Field::new("allowed_states", FieldKind::TextList),
        Field::new("failed_states", FieldKind::TextList),
        Field::new("timeout", FieldKind::Duration),
        Field::new("poke_interval", FieldKind::Duration),
        Field::new("deferrable", FieldKind::Bool),
    ],
    place: in_scheduler,
    check: |config| {
        let mut problems = state_problems(config, "allowed_states");
        problems.extend(state_problems(config, "failed_states"));
        problems
    },
};

/// A rendered `trigger_dag` task. The name of the run is its XCom `trigger_run_id`.
#[derive(Debug, Clone, Deserialize)]
pub struct TriggerDagConfig {
    /// The DAG.
    pub dag: String,
    /// The run's name; made from the attempt that triggers it when absent.
    #[serde(default)]
    pub run_id: Option<String>,
    /// What it is given.
    #[serde(default)]
    pub conf: Option<Map<String, Value>>,
    /// Its logical date; none when absent.
    #[serde(default)]
    pub logical_date: Option<String>,
    /// A note for the run.
    #[serde(default)]
    pub note: Option<String>,
    /// Whether a run that exists already is cleared and runs again.
    #[serde(default)]
    pub reset_dag_run: bool,
    /// Whether the task is skipped when the run exists already; else it fails.
    #[serde(default)]
    pub skip_when_already_exists: bool,
    /// Whether a paused DAG is a failure; else the run waits until it is unpaused.
    #[serde(default)]
    pub fail_when_dag_is_paused: bool,
    /// Whether to wait until the run has ended, without a slot.
    #[serde(default)]
    pub wait_for_completion: bool,
    /// Airflow: `[success]`.
    #[serde(default)]
    pub allowed_states: Option<Vec<String>>,
    /// Airflow: `[failed]`.
    #[serde(default)]
    pub failed_states: Option<Vec<String>>,
    /// The longest wait in seconds.
    #[serde(default)]
    pub timeout: Option<f64>,
}
