//! `short_circuit`: goes on only when its condition is true (Airflow: `ShortCircuitOperator`).

use super::bash::SCRIPT_ENDINGS;
use super::{Field, FieldKind, OperatorSpec, TextUse, one_of, worker_if_command};

/// The line of `short_circuit` in the table of operators.
///
/// With `ignore_downstream_trigger_rules` (the default) every task downstream is skipped; without
/// it only the direct ones, and the rest follow their own trigger rules.
pub const SPEC: OperatorSpec = OperatorSpec {
    name: "short_circuit",
    class_names: &["ShortCircuitOperator"],
    fields: &[
        Field::new("condition", FieldKind::Text).text(TextUse::Expression),
        Field::new("bash_command", FieldKind::Text)
            .aliases(&["command"])
            .text(TextUse::Shell(SCRIPT_ENDINGS)),
        Field::new("cwd", FieldKind::Text),
        Field::new("ignore_downstream_trigger_rules", FieldKind::Bool),
    ],
    place: worker_if_command,
    check: |config| one_of(config, "condition", "bash_command"),
};
