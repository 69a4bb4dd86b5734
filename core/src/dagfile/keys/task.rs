//! The keys of a task, whatever its operator (`design`: Task keys; Airflow: `BaseOperator`).

use super::{Key, KeyKind};

/// Airflow's trigger rules.
const TRIGGER_RULES: &[&str] = &[
    "all_success",
    "all_failed",
    "all_done",
    "all_done_min_one_success",
    "all_done_setup_success",
    "one_success",
    "one_failed",
    "one_done",
    "none_failed",
    "none_failed_min_one_success",
    "none_skipped",
    "all_skipped",
    "always",
];

/// The keys of a task, whatever its operator.
pub static TASK_KEYS: &[Key] = &[
    Key::new("task_id", KeyKind::Id, "the name of the task in the list form").aliases(&["id"]),
    Key::new("operator", KeyKind::Own, "what the task does: `bash`, `sql`, `docker`, …")
        .aliases(&["type", "uses"]),
    Key::new("needs", KeyKind::TextList, "the tasks and groups that it comes after").aliases(&[
        "dependencies",
        "depends_on",
        "upstream",
        "upstream_dependencies",
    ]),
    Key::new("trigger_rule", KeyKind::Word(TRIGGER_RULES), "when it runs, given its upstreams"),
    Key::new("retries", KeyKind::Int(0, 10_000), "further tries after a failure (0)"),
    Key::new("retry_delay", KeyKind::Duration, "the time between tries (5m)")
        .aliases(&["retry_delay_sec"]),
    Key::new(
        "retry_exponential_backoff",
        KeyKind::Own,
        "whether, or by which factor, the delay grows (false)",
    ),
    Key::new("max_retry_delay", KeyKind::Duration, "the longest delay under backoff")
        .aliases(&["max_retry_delay_sec"]),
    Key::new("no_retry_exit_codes", KeyKind::Own, "exit codes after which no try is made"),
    Key::new(
        "retry_policy",
        KeyKind::Own,
        "rules of which the first that holds says what a failure leads to: \
         `[{exit_code: [2, 3], then: fail}, {reason: refused, then: retry, delay: 30s}]`",
    ),
    Key::new("execution_timeout", KeyKind::Duration, "the limit of one try")
        .aliases(&["execution_timeout_sec"]),
    Key::new(
        "depends_on_past",
        KeyKind::Bool,
        "whether the same task of the previous run must have succeeded (false)",
    ),
    Key::new(
        "wait_for_downstream",
        KeyKind::Bool,
        "whether also what is directly downstream of it there must be done (false)",
    ),
    Key::new(
        "wait_for_past_depends_before_skipping",
        KeyKind::Bool,
        "whether it waits for the past also before it is skipped (false)",
    ),
    Key::new("start_date", KeyKind::Instant, "it has no part in runs with an earlier logical date"),
    Key::new("end_date", KeyKind::Instant, "it has no part in runs with a later logical date"),
    Key::new("pool", KeyKind::Own, "the pool whose slots it takes, or several: {gpu: 1, db: 2}"),
    Key::new("pool_slots", KeyKind::Int(1, 1_000_000), "how many slots it takes (1)"),
    Key::new(
        "priority_weight",
        KeyKind::Int(-2_147_483_648, 2_147_483_647),
        "its weight when slots are short (1)",
    ),
    Key::new(
        "weight_rule",
        KeyKind::Word(&["downstream", "upstream", "absolute"]),
        "whose weights are added to its own (downstream)",
    ),
    Key::new("queue", KeyKind::Text, "which workers may run it (default)"),
    Key::new(
        "resources",
        KeyKind::Own,
        "what a worker must have free: cpus, memory, gpus, own names",
    ),
    Key::new(
        "max_active_tis_per_dag",
        KeyKind::Int(1, 1_000_000),
        "the most instances of it at once, over all runs",
    )
    .aliases(&["task_concurrency"]),
    Key::new(
        "max_active_tis_per_dagrun",
        KeyKind::Int(1, 1_000_000),
        "the most instances of it at once in one run",
    ),
    Key::new(
        "expand",
        KeyKind::Own,
        "one instance for each element: {key: [a, b]}, {key: {xcom: task}}, or a list of maps",
    ),
    Key::new(
        "partial",
        KeyKind::Own,
        "keys that all instances of `expand` share, as if they stood beside it",
    ),
    Key::new("map_index_template", KeyKind::Text, "the label of an instance of `expand`"),
    Key::new("env", KeyKind::TextMap, "variables of its process"),
    Key::new(
        "append_env",
        KeyKind::Bool,
        "whether the worker's own variables are passed on (false)",
    ),
    Key::new("env_file", KeyKind::Text, "a file of variables"),
    Key::new("do_xcom_push", KeyKind::Bool, "whether its output becomes an XCom (true)"),
    Key::new(
        "multiple_outputs",
        KeyKind::Bool,
        "whether each key of its output, which must be a map, is an XCom too (false)",
    ),
    Key::new(
        "run_as_user",
        KeyKind::Text,
        "the account of its process; the worker must run as root",
    ),
    Key::new(
        "inlets",
        KeyKind::Own,
        "the assets that it reads: names, or `{asset: name, uri, group, extra}`",
    ),
    Key::new(
        "outlets",
        KeyKind::Own,
        "the assets that it writes: its success is an event of each, with what it wrote to `$MILLRACE_ASSETS`",
    ),
    Key::new("when", KeyKind::Text, "an expression; the task is skipped unless it is true"),
    Key::new("extends", KeyKind::TextList, "the templates that it takes in"),
    Key::new("with", KeyKind::Own, "keys of the operator, as if they stood beside it"),
    Key::new("on_execute_callback", KeyKind::Callbacks, "notices when a try starts"),
    Key::new("on_success_callback", KeyKind::Callbacks, "notices after it succeeded"),
    Key::new("on_failure_callback", KeyKind::Callbacks, "notices after it failed for good"),
    Key::new("on_retry_callback", KeyKind::Callbacks, "notices after a try that will be repeated"),
    Key::new("on_skipped_callback", KeyKind::Callbacks, "notices after it said that it is skipped"),
    Key::new("doc_md", KeyKind::Text, "a page about it, in Markdown").aliases(&["doc"]),
    Key::new("task_display_name", KeyKind::Text, "the name shown to people"),
    Key::new("owner", KeyKind::Text, "who answers for it"),
    Key::new("setup", KeyKind::Bool, "whether it is a setup task (false)"),
    Key::new(
        "teardown",
        KeyKind::Own,
        "whether it is a teardown task, or the setups that it undoes",
    ),
    Key::new(
        "on_failure_fail_dagrun",
        KeyKind::Bool,
        "whether a failure of this teardown fails the run, besides its other tasks (false)",
    ),
    Key::new("task_group_name", KeyKind::Text, "the group that it belongs to")
        .aliases(&["task_group", "task_group_id"]),
    Key::silent("doc_json", "a page about it, as JSON"),
    Key::silent("doc_yaml", "a page about it, as YAML"),
    Key::silent("doc_rst", "a page about it, as reStructuredText"),
    Key::silent("tooltip", "one line about it"),
    Key::silent("ui_color", "a colour of Airflow's dashboard"),
    Key::silent("ui_fgcolor", "a colour of Airflow's dashboard"),
    Key::silent("logger_name", "a setting of Airflow's Python tasks"),
    Key::silent("allow_nested_operators", "a setting of Airflow's Python tasks"),
    Key::later(
        "cache",
        "reuse of an earlier result for the same input; until then let the command look whether its result is there",
    ),
    Key::later(
        "compensate",
        "what undoes the task when a later one fails; until then a task with `trigger_rule: one_failed`, or a teardown, does that",
    ),
    Key::foreign("ignore_first_depends_on_past", "the first run of a DAG never waits for the past"),
    Key::foreign("email", "use `on_failure_callback: [{email: {to: …}}]`"),
    Key::foreign("email_on_failure", "use `on_failure_callback: [{email: {to: …}}]`"),
    Key::foreign("email_on_retry", "use `on_retry_callback: [{email: {to: …}}]`"),
    Key::foreign("sla", "Airflow 3 removed it; use `execution_timeout` or `dagrun_timeout`"),
    Key::foreign("executor", "use `queue` to choose workers"),
    Key::foreign("executor_config", "use `queue` and `resources` to choose workers"),
    Key::foreign("provide_context", "templates always have the whole context"),
    Key::foreign("xcom_push", "use `do_xcom_push`"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::TriggerRule;

    #[test]
    fn the_trigger_rules_are_those_of_the_engine() {
        let known: Vec<&str> = TriggerRule::ALL.iter().map(|rule| rule.as_str()).collect();
        assert_eq!(TRIGGER_RULES, known);
    }
}
