//! The keys of a DAG and of a task group (`design`: DAG keys; Airflow: `DAG`, `TaskGroup`).

use super::{Key, KeyKind};

/// The keys of a DAG.
pub static DAG_KEYS: &[Key] = &[
    Key::new("dag_id", KeyKind::Id, "the name of the DAG, unique in an installation"),
    Key::new("dag_display_name", KeyKind::Text, "the name shown to people; `dag_id` when absent"),
    Key::new("description", KeyKind::Text, "one line about the DAG"),
    Key::new("doc_md", KeyKind::Text, "a page about the DAG, in Markdown"),
    Key::new("owner", KeyKind::Text, "who answers for it"),
    Key::new("tags", KeyKind::TextList, "words to filter by"),
    Key::new(
        "schedule",
        KeyKind::Own,
        "when it runs: a cron expression, a preset such as `@daily`, `{every: 30m}`, \
         `{cron: [a, b]}`, `{cron: a, except: holidays.txt}`, `{events: [2025-01-31T09:00]}`, assets \
         (`{assets: [a, b]}` is all of them, `{assets: {any: [a, b]}}` any; beside `cron` or `every` \
         both start it), or null for never by itself",
    )
    .aliases(&["schedule_interval"]),
    Key::new("timezone", KeyKind::Text, "the zone of the cron expression and of dates without one"),
    Key::new("start_date", KeyKind::Instant, "no logical date before it"),
    Key::new("end_date", KeyKind::Instant, "no logical date after it"),
    Key::new("catchup", KeyKind::Bool, "whether missed runs are made up for (false)"),
    Key::new(
        "data_intervals",
        KeyKind::Bool,
        "whether the logical date is the start of the interval that has just ended (false)",
    ),
    Key::new("max_active_runs", KeyKind::Int(1, 10_000), "the most dag runs at once (16)"),
    Key::new(
        "max_active_tasks",
        KeyKind::Int(1, 100_000),
        "the most task instances at once in one dag run (16)",
    )
    .aliases(&["concurrency"]),
    Key::new(
        "max_consecutive_failed_dag_runs",
        KeyKind::Int(0, 10_000),
        "the DAG is paused after so many failed runs in a row; 0 is never",
    ),
    Key::new("dagrun_timeout", KeyKind::Duration, "a run fails after running for so long"),
    Key::new("fail_fast", KeyKind::Bool, "whether the first failed task ends the run (false)")
        .aliases(&["fail_stop"]),
    Key::new(
        "allowed_run_types",
        KeyKind::TextList,
        "the only kinds of runs that may be made: `manual`, `scheduled`, `backfill`, \
         `asset_triggered`, `operator_triggered`, `asset_materialization`; all when absent",
    ),
    Key::new("is_paused_upon_creation", KeyKind::Bool, "whether the DAG starts paused"),
    Key::new(
        "params",
        KeyKind::Own,
        "what a run may be given: a default, or a JSON Schema with one",
    ),
    Key::new("default_args", KeyKind::Own, "keys of every task that does not say otherwise"),
    Key::new("macros", KeyKind::TextMap, "names for templates, rendered where they are used")
        .aliases(&["user_defined_macros"]),
    Key::new("templates", KeyKind::Own, "parts of tasks by name, taken in with `extends`"),
    Key::new("on_success_callback", KeyKind::Callbacks, "notices after a run succeeded"),
    Key::new("on_failure_callback", KeyKind::Callbacks, "notices after a run failed"),
    Key::new(
        "deadline",
        KeyKind::Own,
        "by when a run must have ended, with notices when it has not: `{reference: \
         dagrun_queued_at, interval: 2h, callback: […]}`, or a list of them",
    )
    .aliases(&["deadlines"]),
    Key::new(
        "render_template_as_native_obj",
        KeyKind::Bool,
        "whether rendered values keep their types (false)",
    ),
    Key::new("tasks", KeyKind::Own, "the tasks by name, or a list of them with `task_id`"),
    Key::new("task_groups", KeyKind::Own, "groups of tasks by name, or a list with `group_name`"),
    Key::new(
        "cases",
        KeyKind::Own,
        "tests of the file, played by `millrace test` without running anything",
    ),
    Key::silent("$schema", "the address of an editor's schema"),
    Key::silent("owner_links", "addresses of owners, for Airflow's dashboard"),
    Key::silent("default_view", "a setting of Airflow 2's dashboard"),
    Key::silent("orientation", "a setting of Airflow 2's dashboard"),
    Key::silent("auto_register", "a setting of Airflow's Python files"),
    Key::silent("disable_bundle_versioning", "a setting of Airflow's DAG bundles"),
    Key::later("preflight", "checks before a run starts; until then let a first task check, on which the others depend"),
    Key::later("user_defined_filters", "filters for templates; until then write a `macros` entry"),
    Key::foreign("doc_md_file_path", "write the text into `doc_md`"),
    Key::foreign("template_searchpath", "files are named relative to the DAG file, or absolutely"),
    Key::foreign("access_control", "who may do what is set for the installation"),
    Key::foreign("sla_miss_callback", "Airflow 3 removed it; use `on_failure_callback`"),
    Key::foreign("jinja_environment_kwargs", "templates have one environment"),
    Key::foreign("template_undefined", "an undefined name in a template is always an error"),
];

/// The keys of a task group.
pub static GROUP_KEYS: &[Key] = &[
    Key::new("group_id", KeyKind::Id, "the name of the group in the list form")
        .aliases(&["group_name", "id"]),
    Key::new("tooltip", KeyKind::Text, "one line about the group").aliases(&["description"]),
    Key::new("needs", KeyKind::TextList, "what its first tasks come after").aliases(&[
        "dependencies",
        "depends_on",
        "upstream",
    ]),
    Key::new("default_args", KeyKind::Own, "keys of its tasks that do not say otherwise"),
    Key::new("prefix_group_id", KeyKind::Bool, "whether its tasks are named `group.task` (true)"),
    Key::new("parent_group_name", KeyKind::Text, "the group that it belongs to")
        .aliases(&["parent_group"]),
    Key::new(
        "expand",
        KeyKind::Own,
        "one copy of the group for each element; its names are seen by templates inside",
    ),
    Key::new("partial", KeyKind::Own, "names that all copies of `expand` share"),
    Key::new("tasks", KeyKind::Own, "its tasks"),
    Key::new("task_groups", KeyKind::Own, "the groups inside it"),
    Key::silent("group_display_name", "the name shown to people"),
    Key::silent("ui_color", "a colour of Airflow's dashboard"),
    Key::silent("ui_fgcolor", "a colour of Airflow's dashboard"),
];
