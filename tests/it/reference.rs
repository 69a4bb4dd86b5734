//! Keeps `docs/dag-reference.md` equal to the tables that the reader goes by.

use std::fmt::Write;

use millrace_core::dagfile::keys::{
    CASE_KEYS, DAG_KEYS, EXPECT_KEYS, GROUP_KEYS, Key, KeyKind, STUB_KEYS, Support, TASK_KEYS,
};
use millrace_core::operator::{FieldKind, OPERATORS, TextUse};

use crate::harness::root;

const INTRO: &str = "# The DAG file

One DAG a YAML document; several documents a file are allowed. `dag_id` may also be the map key above the body. Any text of a task is a template (Jinja with Airflow's context); `!raw` turns that off. A key that is not known is an error with the nearest known one. `millrace validate` says everything that is wrong, `millrace render FILE --date D` shows what a date would give.

```yaml
dag_id: daily_report
schedule: \"0 6 * * *\"            # cron | @daily … | {every: 30m} | {cron: [a, b]} | {assets: [a, b]} | null
timezone: Asia/Seoul
start_date: 2025-01-01
tasks:
  extract: {operator: sql, conn_id: warehouse, sql: sql/report.sql}
  publish: {operator: bash, needs: [extract], bash_command: ./publish.sh \"{{ ds }}\"}
```

- A run without a logical date (triggered by hand) still has `ds`, `data_interval_start` …: they fall back to `run_after`. Airflow leaves them undefined there.
- In `bash_command`, values from `params`, `dag_run.conf` and XComs are quoted for the place where they stand; `| unquoted` turns that off. Variables, connections and dates are put in plainly.
- `expand` makes one instance of a task for each element of a list: see *Mapped tasks*.
- Durations: `5m`, `1h30m`, seconds as a number, ISO 8601 (`PT5M`), `{minutes: 5}`.
- Editors complete and check a file that begins with `# yaml-language-server: $schema=…/dag.schema.json`; `millrace schema` prints that schema, and it lies beside this page.
- A task that waits (`sensor`, `approval`, `trigger_dag` with `wait_for_completion`, `http` with `poke_interval`) holds no slot, so `mode` and `deferrable` are accepted and change nothing. A `sensor` says what it waits for by one key: `sql`, `url` or `endpoint`, `file`, `bash_command`, `script` or `code`, `until` (a time of today, or an instant), `delta` (after the data interval), `dag` (a run of another DAG of the same date, or tasks of it), `asset` (an event of it since `after`, an instant; since the start of the data interval when absent). `timeout` counts from the first look (7 days); with `soft_fail` its end is a skip.
- An `approval` without `options` asks for Approve or Reject, and a rejection skips what is directly below it. When all its `options` are tasks directly below, it is a branch; with other options the answer is only kept as its XCom.
- `schedule: {assets: [a, {any: [b, c]}]}` starts a run once `a` and one of `b` and `c` have changed since the last one; `a & (b | c)` says the same, and `cron:` beside `assets:` starts runs as well. The success of a task is an event of each of its `outlets`; what it writes to `$MILLRACE_ASSETS` (`{\"a\": {\"version\": 3}}`) goes with the event, to `triggering_asset_events` of the started run and `inlet_events` of later ones. Plain text is the name of an asset, or the URI of one that has a name elsewhere.
- `data_intervals: true` gives the classic meaning: the logical date is the start of the interval that just ended.

This page is made from the tables that the reader itself uses.
";

const MAPPED: &str = "
## Mapped tasks

`expand` makes one instance of a task, or of a whole task group, for each element of a list.

```yaml
tasks:
  list: {operator: bash, bash_command: \"ls *.csv | jq -R . | jq -sc .\"}   # the last line is a JSON list
  load:
    operator: bash
    expand: {env: [{FILE: a.csv}, {FILE: b.csv}]}    # two instances
    bash_command: ./load.sh \"$FILE\"
  total: {operator: bash, needs: [train], bash_command: \"echo {{ xcom('train.score') | sum }}\"}
task_groups:
  train:
    expand: {file: {xcom: list}, depth: [4, 6]}      # every file with every depth
    tasks:
      score: {operator: bash, bash_command: \"./train.sh {{ file }} {{ depth }}\"}
      keep: {operator: bash, needs: [score], bash_command: \"./keep.sh {{ xcom('train.score') }}\"}
```

- What a key is mapped over: a list; a map, which gives pairs `[key, value]`; what a task gives, `{xcom: task}` or `{xcom: task, key: name}`, also written `\"{{ xcom('task') }}\"`, `\"{{ ti.xcom_pull('task') }}\"`, `task.output` and `XComArg(task)`. The task is needed by that alone. A mapped task gives the list of its values.
- Several keys give every combination; the last one varies fastest. A list of maps (`expand: [{…}, {…}]`) or a task that gives one (`expand: {xcom: task}`) sets several keys at once, one map an instance (Airflow: `expand_kwargs`).
- A task maps keys of its operator and `env`. Keys of any task (`retries`, `pool`, `trigger_rule`, …) are the same for all instances and stand beside `expand`, or in `partial`; so do `choose`, `condition` and other expressions. Texts of elements in the file are templates; what a task gives is taken as it is.
- A group maps names: each key is a name for the templates inside, and so is each of `partial`. Templates of every mapped task also see `item`, the map of all keys of the instance, `ti.map_index` and `expanded_ti_count`. A mapping inside a mapping is not possible.
- An instance of a group waits only for the instances of its own element: `xcom('sibling')` is the value of the same element. From outside, `xcom('task')` and `ti.xcom_pull('task')` give the list of all values in the order of their indexes; `map_index=3` and `map_indexes=[1, 2]` choose.
- The instances of literals exist from the start. What a task gives is expanded when the trigger rule holds; until then there is one instance with the index -1. An empty list skips it; anything without elements, or more than `max_map_length` instances (1024), fails it; a task that gave nothing makes it `upstream_failed`.
- When what is mapped over is run again, instances without an element become `removed`, and new ones come.
- `map_index_template` is the label of an instance, rendered before it runs. It sees the rendered keys as `task.KEY`. `max_active_tis_per_dagrun` limits the instances at once in one run; `depends_on_past` looks at the instance of the same index.
";

const CASES: &str = "
## Tests in the file

`cases:` of a DAG are played by `millrace test FILE` on the real engine, with a clock of their own, without a worker or a database. Tasks are not run: each gives what its stub says, else it succeeds and gives nothing. `when`, `choose` and `condition` are evaluated with what the stubs give.

```yaml
cases:
  - name: a better model is deployed
    date: 2025-08-22
    stub: {train: {xcom: {accuracy: 0.91}}}
    expect: {success: [deploy], skipped: [keep_old_model]}
  - name: the second try counts
    stub: {train: [{exit_code: 1}, {xcom: {accuracy: 0.5}}], probe: {choice: keep_old_model}}
    expect: {not_run: [deploy], state: success}
```

`millrace test FILE --exhaustive` plays every outcome of the decisions and reports tasks that can never run, such as an `all_success` join below a branch.
";

/// What deadlines are.
const DEADLINES: &str = "
## Deadlines

```yaml
deadline:
  name: two hours
  reference: dagrun_queued_at
  interval: 2h
  callback: [{slack: {conn_id: slack, text: \"{{ dag.dag_id }} missed {{ deadline.deadline_time }}\"}}]
```

`deadline` is one map or a list of them. When a run has not ended at `reference` plus `interval`, the notices of `callback` are sent: once for each run, also when the scheduler was down at that instant. The run goes on; `dagrun_timeout` would end it.

- `reference` is `dagrun_queued_at` (when the run was made), `dagrun_logical_date` (`run_after` where a run has none), or a date, `2025-05-04T09:00` (also `{fixed_datetime: …}`), in the zone of the DAG. Behind a date `interval` may be negative: `-2h`. Words as `DeadlineReference.DAGRUN_QUEUED_AT` are understood.
- `name` tells several apart; `deadline_1`, `deadline_2`, … when absent. Templates of the notices see `deadline.name`, `deadline.deadline_time` and `reason` (`deadline`).
- The instants are fixed when a run is made. A clear changes nothing: what was met stays met, what was missed is not told of again.
";

/// What callbacks and `notify` tasks send.
const NOTICES: &str = "
`send` is a list of notices; `on_…_callback` takes the same, and `log: {message}` and `command: {bash_command}` as well. A notice that fails is a warning, never a failed task.

- `email: {to, cc, bcc, subject, text, html, from, reply_to, conn_id, timeout}` over the `smtp` connection `conn_id` (`smtp_default`). Its extra: `from`, `ssl`, `starttls`, `ca_file`. A password is never sent in clear unless `starttls: false` says so.
- `webhook: {conn_id or url, endpoint, json, …}` takes the keys of `http`.
- Templates of callbacks also see `reason`, `exception` and the ended `ti` (`state`, `start_date`, `end_date`, `duration`). For a task `reason` is the occasion: `success`, `failure`, `retry`, `execute`, `skipped`; for a DAG why the run ended: `success`, `task_failure`, `timed_out`, `all_tasks_deadlocked`.
- Callbacks of a task hear what its attempts do, each once. A mark by hand, a skip by a trigger rule or a branch, `dagrun_timeout` and `fail_fast` are not told of as the task's; a mark of a whole run is not told of at all. A run that ends again after a clear or a mark is told of again.
- `slack: {conn_id, text, blocks, channel}` is a webhook with that JSON; a `slackwebhook` connection holds the token as its password.
";

fn kind(kind: KeyKind) -> String {
    match kind {
        KeyKind::Id => "name".to_owned(),
        KeyKind::Text => "text".to_owned(),
        KeyKind::Bool => "true or false".to_owned(),
        KeyKind::Int(low, high) => format!("whole number, {low} to {high}"),
        KeyKind::Number => "number".to_owned(),
        KeyKind::Duration => "duration".to_owned(),
        KeyKind::Instant => "date or instant".to_owned(),
        KeyKind::TextList => "text or list of texts".to_owned(),
        KeyKind::TextMap => "map of texts".to_owned(),
        KeyKind::Word(words) => format!("`{}`", words.join("`, `")),
        KeyKind::Callbacks => "list of callbacks".to_owned(),
        KeyKind::Own => String::new(),
    }
}

fn field_kind(kind: FieldKind) -> String {
    let debug = format!("{kind:?}");
    match kind {
        FieldKind::Text => "text".to_owned(),
        FieldKind::TextOrList => "text or list".to_owned(),
        FieldKind::TextList => "list of texts".to_owned(),
        FieldKind::TextMap => "map of texts".to_owned(),
        FieldKind::Bool => "true or false".to_owned(),
        FieldKind::Int => "whole number".to_owned(),
        FieldKind::Duration => "duration".to_owned(),
        FieldKind::IntList => "number or list".to_owned(),
        FieldKind::Any => "any value".to_owned(),
        FieldKind::Choose => "list of `{when, then}` and a last `{else}`".to_owned(),
        _ => debug.to_lowercase(),
    }
}

fn aliases(names: &[&str]) -> String {
    if names.is_empty() { String::new() } else { format!("`{}`", names.join("`, `")) }
}

fn keys(page: &mut String, title: &str, table: &[Key]) {
    let _ = write!(
        page,
        "\n## {title}\n\n| key | value | meaning | also written |\n|---|---|---|---|\n"
    );
    for key in table.iter().filter(|key| key.support == Support::Read) {
        let (kind, also) = (kind(key.kind), aliases(key.aliases));
        let _ = writeln!(page, "| `{}` | {kind} | {} | {also} |", key.name, key.doc);
    }
    let later: Vec<_> =
        table.iter().filter(|key| key.support != Support::Read).map(|key| key.name).collect();
    if !later.is_empty() {
        let _ = write!(page, "\nKnown, and not read yet: `{}`.\n", later.join("`, `"));
    }
}

fn operators(page: &mut String) {
    page.push_str("\n## Operators\n");
    for spec in OPERATORS {
        let _ =
            write!(page, "\n### `{}`\n\nAlso written: {}.\n", spec.name, aliases(spec.class_names));
        if spec.name == "notify" {
            page.push_str(NOTICES);
        }
        if spec.fields.is_empty() {
            continue;
        }
        page.push_str("\n| key | value | also written | |\n|---|---|---|---|\n");
        for field in spec.fields {
            let note = match field.text {
                TextUse::Plain => "",
                TextUse::File(_) => "or the name of a file",
                TextUse::Shell(_) => "shell text, or the name of a script",
                TextUse::Expression => "an expression",
                TextUse::Secret => "never shown",
            };
            let required = if field.required { "required" } else { "" };
            let note = [required, note].into_iter().filter(|text| !text.is_empty());
            let note = note.collect::<Vec<_>>().join("; ");
            let (kind, also) = (field_kind(field.kind), aliases(field.aliases));
            let _ = writeln!(page, "| `{}` | {kind} | {also} | {note} |", field.name);
        }
    }
}

#[test]
fn the_dag_reference_is_fresh() {
    let mut page = INTRO.to_owned();
    keys(&mut page, "Keys of a DAG", DAG_KEYS);
    keys(&mut page, "Keys of any task", TASK_KEYS);
    keys(&mut page, "Keys of a task group", GROUP_KEYS);
    page.push_str(MAPPED);
    operators(&mut page);
    page.push_str(DEADLINES);
    page.push_str(CASES);
    keys(&mut page, "Keys of a case", CASE_KEYS);
    keys(&mut page, "Keys of a stub", STUB_KEYS);
    keys(&mut page, "Keys of `expect`", EXPECT_KEYS);
    let path = root().join("docs/dag-reference.md");
    if std::env::var_os("MILLRACE_UPDATE").is_some() {
        std::fs::write(&path, &page).expect("written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/dag-reference.md is stale; make it anew with MILLRACE_UPDATE=1 cargo test --test it reference"
    );
}

#[test]
fn the_schema_is_fresh() {
    let mut text = serde_json::to_string_pretty(&millrace_core::dagfile::schema()).expect("JSON");
    text.push('\n');
    let path = root().join("docs/dag.schema.json");
    if std::env::var_os("MILLRACE_UPDATE").is_some() {
        std::fs::write(&path, &text).expect("written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "docs/dag.schema.json is stale; make it anew with MILLRACE_UPDATE=1 cargo test --test it reference"
    );
}
