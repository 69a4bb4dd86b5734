//! `empty`: does nothing, at once (Airflow: `EmptyOperator`).

use super::{OperatorSpec, in_scheduler, no_check};

/// The line of `empty` in the table of operators.
pub const SPEC: OperatorSpec = OperatorSpec {
    name: "empty",
    class_names: &["EmptyOperator", "DummyOperator"],
    fields: &[],
    place: in_scheduler,
    check: no_check,
};
