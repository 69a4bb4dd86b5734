//! A task of a DAG.

use std::collections::BTreeMap;

use millrace_core::dag::{Dag, Task, TaskIndex};
use millrace_core::operator;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{At, params};

/// Airflow: `TimeDelta`.
#[derive(Debug, Serialize)]
struct TimeDelta {
    #[serde(rename = "__type")]
    kind: &'static str,
    days: i64,
    seconds: i64,
    microseconds: i64,
}

impl TimeDelta {
    fn of(secs: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "durations of DAG files are bounded")]
        let micros = (secs * 1e6).round() as i64;
        Self {
            kind: "TimeDelta",
            days: micros.div_euclid(86_400_000_000),
            seconds: micros.rem_euclid(86_400_000_000) / 1_000_000,
            microseconds: micros.rem_euclid(1_000_000),
        }
    }
}

/// Airflow: `TaskResponse`. Some numbers are fractions there, as they are here.
#[derive(Debug, Serialize)]
pub(crate) struct TaskShape {
    task_id: String,
    task_display_name: String,
    owner: String,
    start_date: Option<At>,
    end_date: Option<At>,
    trigger_rule: &'static str,
    depends_on_past: bool,
    wait_for_downstream: bool,
    retries: f64,
    queue: String,
    pool: String,
    pool_slots: f64,
    execution_timeout: Option<TimeDelta>,
    retry_delay: TimeDelta,
    retry_exponential_backoff: f64,
    priority_weight: f64,
    weight_rule: &'static str,
    ui_color: &'static str,
    ui_fgcolor: &'static str,
    template_fields: Vec<String>,
    downstream_task_ids: Vec<String>,
    doc_md: Option<String>,
    operator_name: String,
    params: Map<String, Value>,
    class_ref: BTreeMap<&'static str, String>,
    is_mapped: bool,
    extra_links: Vec<String>,
}

impl TaskShape {
    pub(crate) fn of(dag: &Dag, index: TaskIndex, task: &Task) -> Self {
        let downstream = dag.downstream(index).into_iter().filter_map(|index| dag.tasks.get(index));
        Self {
            task_id: task.task_id.to_string(),
            task_display_name: task.display_name().to_owned(),
            owner: task.owner.clone(),
            start_date: At::maybe(dag.start_date),
            end_date: At::maybe(dag.end_date),
            trigger_rule: task.trigger_rule.as_str(),
            depends_on_past: task.depends_on_past,
            wait_for_downstream: task.wait_for_downstream,
            retries: f64::from(task.retries),
            queue: task.queue.clone(),
            pool: task.pool().to_owned(),
            pool_slots: f64::from(task.pool_slots()),
            execution_timeout: task.execution_timeout_secs.map(TimeDelta::of),
            retry_delay: TimeDelta::of(task.retry_delay_secs),
            retry_exponential_backoff: task.retry_exponential_backoff,
            priority_weight: f64::from(task.priority_weight),
            weight_rule: task.weight_rule.as_str(),
            ui_color: "#f0ede4",
            ui_fgcolor: "#000",
            template_fields: template_fields(&task.operator),
            downstream_task_ids: downstream.map(|task| task.task_id.to_string()).collect(),
            doc_md: task.doc_md.clone(),
            operator_name: task.operator.clone(),
            params: params(&dag.params, Some("dag")),
            class_ref: BTreeMap::from([
                ("module_path", "millrace.operator".to_owned()),
                ("class_name", task.operator.clone()),
            ]),
            is_mapped: task.mapping.is_some(),
            extra_links: Vec::new(),
        }
    }
}

/// The keys of an operator that are templates.
fn template_fields(name: &str) -> Vec<String> {
    let fields = operator::find(name).map(|operator| operator.fields).unwrap_or_default();
    fields.iter().map(|field| field.name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_deltas_are_pythons() {
        let check = |secs: f64, expected: (i64, i64, i64)| {
            let delta = TimeDelta::of(secs);
            assert_eq!((delta.days, delta.seconds, delta.microseconds), expected, "{secs}");
        };
        check(2.0, (0, 2, 0));
        check(90_061.5, (1, 3661, 500_000));
        check(0.0, (0, 0, 0));
    }
}
