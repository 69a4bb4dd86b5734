//! `latest_only`: skips what is downstream unless the run is the newest of its schedule
//! (Airflow: `LatestOnlyOperator`).

use super::{OperatorSpec, in_scheduler, no_check};

/// The line of `latest_only` in the table of operators.
pub const SPEC: OperatorSpec = OperatorSpec {
    name: "latest_only",
    class_names: &["LatestOnlyOperator"],
    fields: &[],
    place: in_scheduler,
    check: no_check,
};
