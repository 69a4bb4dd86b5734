//! One task: its keys → a [`Task`], and what the graph needs to know of it.
//!
//! Must not look at other tasks.

use indexmap::IndexMap;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::asset::{AssetRef, check_name};
use crate::dag::{Callbacks, Task};
use crate::operator::sensor::{self, Kind as SensorKind};
use crate::operator::{OperatorSpec, Place};
use crate::state::{TriggerRule, WeightRule};

use super::expand::{self, Drafted};
use super::fields::{Fields, Owner};
use super::groups::Draft;
use super::inherit::Whole;
use super::keys::{self, KeyKind, TASK_KEYS};
use super::report::Report;
use super::scalar::Resolved;
use super::source::Span;
use super::tree::Kind;
use super::{
    Context, asset, callback, choose, config, files, lint, requirement, retry_policy,
    template_check, value,
};

/// Seconds between tries when nothing is said (Airflow: `retry_delay`, 300).
const RETRY_DELAY_SECS: f64 = 300.0;

/// The factor of `retry_exponential_backoff: true` (Airflow: 2.0).
const BACKOFF_FACTOR: f64 = 2.0;

/// A task, and the references that are still to be resolved.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) task: Task,
    pub(crate) id_span: Span,
    pub(crate) group: Option<usize>,
    pub(crate) needs: Vec<(String, Span)>,
    /// The setups that a teardown names.
    pub(crate) setups: Vec<(String, Span)>,
    /// Over what it is mapped itself.
    pub(crate) mapped: Option<Drafted>,
    /// The literal ids of `choose`.
    pub(crate) chosen: Vec<(String, Span)>,
    /// Where `trigger_rule` stands, if it does.
    pub(crate) trigger_rule_span: Option<Span>,
}

/// Reads a task. Wrong values are reported and replaced by their defaults, so that the other tasks
/// are checked too.
pub(crate) fn build(
    report: &mut Report<'_>,
    context: &mut Context<'_>,
    draft: &Draft<'_>,
    whole: &Whole<'_>,
    around: Option<&Drafted>,
) -> Built {
    let fields = &whole.fields;
    let owner = Owner { kind: "task", name: draft.id.as_str() };
    let mapped = whole.operator.and_then(|spec| expand::of_task(report, fields, spec, owner));
    context.names.items = expand::names(mapped.as_ref(), around);
    if let (Some(_), Some(group)) = (&mapped, around) {
        let message = format!("{owner} is mapped inside a mapped task group");
        let span = fields.field("expand").map_or(group.span, |field| field.key_span);
        report.error(span, "bad-expand", message).help(expand::NESTED);
    }
    let config = whole
        .operator
        .map(|spec| config::read(report, fields, spec, owner, whole.operator_span, mapped.as_ref()))
        .unwrap_or_default();
    let place = whole
        .operator
        .map_or(Place::Worker, |spec| (spec.place)(&config::with_sample(&config, mapped.as_ref())));
    let teardown = teardown(report, fields);
    let mut reader = Reader { report, fields };
    let operated = Operated { config, place, is_teardown: teardown.is_some() };
    let task = plain_keys(&mut reader, &context.zone, draft, whole, operated);
    let chooses = task.config.contains_key("choose");
    let mut built = Built {
        task,
        id_span: draft.id_span,
        group: draft.group,
        needs: references(report, fields, "needs"),
        setups: teardown.unwrap_or_default(),
        mapped,
        chosen: fields
            .value("choose")
            .filter(|_| chooses)
            .map(choose::target_nodes)
            .unwrap_or_default(),
        trigger_rule_span: fields.field("trigger_rule").map(|field| field.value.span),
    };
    read_asset(&mut built.task);
    built.task.pools = requirement::pools(report, context, fields);
    built.task.resources = requirement::resources(report, fields);
    check_limits(report, fields, &built.task, draft.id_span);
    if let Some(spec) = whole.operator {
        texts(report, context, fields, spec, &mut built.task);
    }
    built
}

/// What decides how the other keys of a task are read.
struct Operated {
    config: Map<String, Value>,
    place: Place,
    is_teardown: bool,
}

/// The keys that every operator has. Pools, resources, mapping and files come later.
fn plain_keys(
    reader: &mut Reader<'_, '_, '_, '_>,
    zone: &TimeZone,
    draft: &Draft<'_>,
    whole: &Whole<'_>,
    operated: Operated,
) -> Task {
    Task {
        task_id: draft.id.clone(),
        task_display_name: reader.text("task_display_name"),
        doc_md: reader.text("doc_md"),
        owner: reader.text("owner").unwrap_or_default(),
        operator: whole.operator.map_or("", |spec| spec.name).to_owned(),
        config: operated.config,
        place: operated.place,
        trigger_rule: reader.trigger_rule(operated.is_teardown),
        retries: reader.count("retries").unwrap_or(0),
        retry_delay_secs: reader.seconds("retry_delay").unwrap_or(RETRY_DELAY_SECS),
        retry_exponential_backoff: reader.backoff(),
        max_retry_delay_secs: reader.seconds("max_retry_delay"),
        no_retry_exit_codes: reader.exit_codes("no_retry_exit_codes"),
        retry_policy: retry_policy::read(reader.report, reader.fields),
        start_date: reader.instant("start_date", zone),
        end_date: reader.instant("end_date", zone),
        execution_timeout_secs: reader.timeout("execution_timeout"),
        depends_on_past: reader.truth("depends_on_past", false)
            || reader.truth("wait_for_downstream", false),
        wait_for_downstream: reader.truth("wait_for_downstream", false),
        wait_for_past_depends_before_skipping: reader
            .truth("wait_for_past_depends_before_skipping", false),
        pools: IndexMap::new(),
        priority_weight: reader.weight(),
        weight_rule: reader.weight_rule(),
        effective_priority: 1,
        queue: reader.text("queue").unwrap_or_else(|| "default".to_owned()),
        resources: IndexMap::new(),
        max_active_tis_per_dag: reader.count("max_active_tis_per_dag"),
        max_active_tis_per_dagrun: reader.count("max_active_tis_per_dagrun"),
        mapping: None,
        map_index_template: reader.text("map_index_template"),
        env: reader.env(),
        append_env: reader.truth("append_env", false),
        env_file: reader.text("env_file"),
        do_xcom_push: reader.truth("do_xcom_push", true),
        multiple_outputs: reader.truth("multiple_outputs", false),
        run_as_user: reader.text("run_as_user"),
        when: reader.expression("when"),
        inlets: asset::list(reader.report, reader.fields, "inlets"),
        outlets: asset::list(reader.report, reader.fields, "outlets"),
        callbacks: callbacks(reader.report, reader.fields),
        is_setup: reader.truth("setup", false),
        is_teardown: operated.is_teardown,
        on_failure_fail_dagrun: reader.truth("on_failure_fail_dagrun", false),
        files: IndexMap::new(),
    }
}

/// What every text of a task is looked at for: files, templates, connections, traps.
fn texts(
    report: &mut Report<'_>,
    context: &mut Context<'_>,
    fields: &Fields<'_>,
    spec: &'static OperatorSpec,
    task: &mut Task,
) {
    requirement::connections(report, context, fields);
    for operator_field in spec.fields {
        let Some(node) = fields.value(operator_field.name) else { continue };
        files::collect(report, context, operator_field, node, &mut task.files);
        lint::check(report, operator_field, node);
    }
    template_check::check_task(report, context, fields, spec);
}

/// A sensor of an asset reads it: so it is known before its first event, and shown with its DAG.
fn read_asset(task: &mut Task) {
    if task.operator != sensor::SPEC.name || sensor::kind(&task.config) != Some(SensorKind::Asset) {
        return;
    }
    let text = task.config.get("asset").and_then(Value::as_str).unwrap_or_default().trim();
    let is_named = !value::is_template(text) && check_name(text).is_ok();
    if is_named && !task.inlets.iter().any(|inlet| inlet.is_called(text)) {
        task.inlets.push(AssetRef::plain(text));
    }
}

/// The operators that start a process in which another account has all it needs.
const OF_ACCOUNTS: &[&str] = &["bash", "branch", "short_circuit"];

fn check_limits(report: &mut Report<'_>, fields: &Fields<'_>, task: &Task, at: Span) {
    let place = |key: &str| fields.field(key).map_or(at, |field| value::value_span(&field.value));
    if task.is_setup && task.is_teardown {
        let message = format!("task \"{}\" is a setup and a teardown at once", task.task_id);
        report.error(at, "bad-value", message).help("keep one of the two keys");
    }
    if task.on_failure_fail_dagrun && !task.is_teardown {
        let message = "`on_failure_fail_dagrun` is for teardowns; any other task's failure counts";
        report
            .error(place("on_failure_fail_dagrun"), "bad-value", message)
            .help("remove the key, or add `teardown: true`");
    }
    if let (Some(start), Some(end)) = (task.start_date, task.end_date)
        && end < start
    {
        let message = "`end_date` is before `start_date`, so that the task would never run";
        report.error(place("end_date"), "bad-date", message).help("correct one of the two");
    }
    let operator = task.operator.as_str();
    let runs_alone = OF_ACCOUNTS.contains(&operator) && task.place == Place::Worker;
    if task.run_as_user.is_some() && !operator.is_empty() && !runs_alone {
        let help = match operator {
            "docker" => "write `user: …`, the account in the container",
            _ => "only the process of a bash command can have another account",
        };
        let message = format!("`run_as_user` means nothing for the operator `{operator}`");
        report.error(place("run_as_user"), "bad-value", message).help(help);
    }
}

fn callbacks(report: &mut Report<'_>, fields: &Fields<'_>) -> Callbacks {
    let mut read =
        |key| fields.value(key).map(|node| callback::read(report, key, node)).unwrap_or_default();
    Callbacks {
        on_success: read("on_success_callback"),
        on_failure: read("on_failure_callback"),
        on_retry: read("on_retry_callback"),
        on_execute: read("on_execute_callback"),
        on_skipped: read("on_skipped_callback"),
    }
}

/// Names of tasks and groups, each with its place.
pub(crate) fn references(
    report: &mut Report<'_>,
    fields: &Fields<'_>,
    key: &str,
) -> Vec<(String, Span)> {
    let Some(node) = fields.value(key) else { return Vec::new() };
    value::texts(report, key, node)
        .unwrap_or_default()
        .into_iter()
        .map(|(name, item)| (name, item.span))
        .collect()
}

/// `teardown: true`, or the setups that it undoes. None when it is no teardown.
fn teardown(report: &mut Report<'_>, fields: &Fields<'_>) -> Option<Vec<(String, Span)>> {
    let node = fields.value("teardown")?;
    match (&node.kind, node.resolved()) {
        (_, Some(Resolved::Bool(value))) => value.then(Vec::new),
        (Kind::List(_) | Kind::Scalar(_), _) => Some(references(report, fields, "teardown")),
        _ => {
            value::wrong(
                report,
                "teardown",
                node,
                "true, or a list of setup tasks",
                "write `teardown: true`",
            );
            None
        }
    }
}

/// Reads single keys of a task by their table.
struct Reader<'r, 'a, 'f, 'n> {
    report: &'r mut Report<'a>,
    fields: &'f Fields<'n>,
}

impl Reader<'_, '_, '_, '_> {
    fn text(&mut self, key: &str) -> Option<String> {
        value::text(self.report, key, self.fields.value(key)?)
    }

    fn truth(&mut self, key: &str, default: bool) -> bool {
        let Some(node) = self.fields.value(key) else { return default };
        value::truth(self.report, key, node).unwrap_or(default)
    }

    fn seconds(&mut self, key: &str) -> Option<f64> {
        value::seconds(self.report, key, self.fields.value(key)?)
    }

    fn instant(&mut self, key: &str, zone: &TimeZone) -> Option<Timestamp> {
        value::at(self.report, key, self.fields.value(key)?, zone)
    }

    /// A limit of time; zero would fail every try.
    fn timeout(&mut self, key: &str) -> Option<f64> {
        let seconds = self.seconds(key)?;
        if seconds == 0.0
            && let Some(node) = self.fields.value(key)
        {
            let message = format!("`{key}` is 0, so that no try could ever succeed");
            self.report
                .error(node.span, "bad-duration", message)
                .help("remove the key for no limit");
            return None;
        }
        Some(seconds)
    }

    fn int(&mut self, key: &str) -> Option<i64> {
        let node = self.fields.value(key)?;
        let limits = match keys::find(TASK_KEYS, key).map(|key| key.kind) {
            Some(KeyKind::Int(least, most)) => (least, most),
            _ => (i64::MIN, i64::MAX),
        };
        value::int(self.report, key, node, limits)
    }

    fn count(&mut self, key: &str) -> Option<u32> {
        self.int(key).and_then(|value| u32::try_from(value).ok())
    }

    fn weight(&mut self) -> i32 {
        self.int("priority_weight").and_then(|value| i32::try_from(value).ok()).unwrap_or(1)
    }

    fn word(&mut self, key: &str) -> Option<&'static str> {
        let node = self.fields.value(key)?;
        match keys::find(TASK_KEYS, key)?.kind {
            KeyKind::Word(words) => value::word(self.report, key, node, words),
            _ => None,
        }
    }

    /// A teardown runs by its own rule (Airflow: `all_done_setup_success`).
    fn trigger_rule(&mut self, is_teardown: bool) -> TriggerRule {
        let default =
            if is_teardown { TriggerRule::AllDoneSetupSuccess } else { TriggerRule::AllSuccess };
        self.word("trigger_rule").and_then(TriggerRule::from_word).unwrap_or(default)
    }

    fn weight_rule(&mut self) -> WeightRule {
        self.word("weight_rule").and_then(WeightRule::from_word).unwrap_or(WeightRule::Downstream)
    }

    /// `true`, `false`, or the factor.
    fn backoff(&mut self) -> f64 {
        let Some(node) = self.fields.value("retry_exponential_backoff") else { return 0.0 };
        if let Some(Resolved::Int(_) | Resolved::Float(_)) = node.resolved() {
            return value::number(self.report, "retry_exponential_backoff", node).unwrap_or(0.0);
        }
        let on = value::truth(self.report, "retry_exponential_backoff", node).unwrap_or(false);
        if on { BACKOFF_FACTOR } else { 0.0 }
    }

    fn exit_codes(&mut self, key: &str) -> Vec<i32> {
        let Some(node) = self.fields.value(key) else { return Vec::new() };
        config::int_list(self.report, key, node).unwrap_or_default()
    }

    fn expression(&mut self, key: &str) -> Option<String> {
        let node = self.fields.value(key)?;
        match node.text() {
            Some(text) => Some(text.to_owned()),
            None => value::text(self.report, key, node),
        }
    }

    /// Variables are templates; a raw one is wrapped, so that rendering gives it back.
    fn env(&mut self) -> IndexMap<String, String> {
        let Some(node) = self.fields.value("env") else { return IndexMap::new() };
        let map = config::text_map(self.report, "env", node).unwrap_or_default();
        map.into_iter()
            .map(|(name, value)| match value {
                serde_json::Value::String(text) => (name, text),
                raw => {
                    let text =
                        raw.get("$raw").and_then(serde_json::Value::as_str).unwrap_or_default();
                    (name, format!("{{% raw %}}{text}{{% endraw %}}"))
                }
            })
            .collect()
    }
}
