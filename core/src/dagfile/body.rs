//! One DAG: its keys → a [`Dag`], tasks and edges included.
//!
//! Must not read files or clocks; everything from outside is in the [`Context`].

use indexmap::IndexMap;
use jiff::tz::TimeZone;

use crate::asset::AssetCondition;
use crate::dag::{Callbacks, Dag, Deadline};
use crate::ids::DagId;
use crate::state::RunType;
use crate::timetable::{Timetable, zone_name};

use super::fields::{self, Fields, Owner};
use super::graph::{self, Wiring};
use super::groups::Outline;
use super::inherit::{self, Sources};
use super::keys::{self, DAG_KEYS, KeyKind};
use super::report::Report;
use super::schedule::Schedule;
use super::source::Span;
use super::template_check::{self, Names};
use super::tree::{Entry, Node};
use super::{
    Context, TaskPlaces, asset, callback, cases, config, deadline, expand, param, requirement,
    schedule, task, value,
};
use crate::suggest::did_you_mean;

/// Keys of a DAG that dag-factory files put into `default_args`.
const HOISTED: &[&str] = &["start_date", "end_date", "timezone"];

/// The most runs and tasks at once when nothing is said (Airflow: 16).
const ACTIVE_MAX: u32 = 16;

/// Reads a DAG. None when it has errors; the report says which.
pub(crate) fn read(
    report: &mut Report<'_>,
    context: &mut Context<'_>,
    dag_id: Option<DagId>,
    body: &Node,
    at: Span,
) -> Option<Dag> {
    let entries = body.map().unwrap_or_default();
    let name = dag_id.as_ref().map_or("", DagId::as_str);
    let fields = fields::read(report, entries, DAG_KEYS, Owner { kind: "DAG", name });
    let defaults = default_args(report, &fields);
    let mut reader = Reader { report, fields: &fields, defaults };
    let zone = reader.zone(context);
    context.zone = zone.clone();
    let schedule = reader.schedule(context, &zone);
    let mut dag = reader.dag(dag_id, schedule, &zone);
    let sources = Sources { templates: reader.map("templates"), defaults };
    let outline = Outline::read(report, fields.node("tasks"), fields.node("task_groups"));
    context.names = Names {
        macros: names(&fields, "macros"),
        params: names(&fields, "params"),
        tasks: outline.drafts.iter().map(|draft| draft.id.to_string()).collect(),
        ..Names::default()
    };
    let mapped_groups = expand::of_groups(report, &outline);
    let mut built: Vec<task::Built> = Vec::with_capacity(outline.drafts.len());
    for draft in &outline.drafts {
        let whole = inherit::whole(report, &sources, &outline, draft);
        let around = outline.around(draft.group).find_map(|group| mapped_groups[group].as_ref());
        built.push(task::build(report, context, draft, &whole, around));
    }
    context.names.items = expand::ItemNames::default();
    let empty = outline.drafts.is_empty() && !report.failed();
    if empty {
        let span = fields.field("tasks").map_or(at, |field| field.key_span);
        report
            .error(span, "no-tasks", "the DAG has no tasks")
            .help("add `tasks:` with at least one task, such as `hello: {operator: bash, bash_command: echo hello}`");
    }
    template_check::check_dag(report, context, &fields);
    requirement::connections(report, context, &fields);
    let wiring = Wiring::new(report, &outline, &built, &mapped_groups);
    let cyclic = wiring.find_cycle(report, &built);
    wiring.set_mappings(&mut built, &mapped_groups);
    wiring.check_choices(report, &mut built);
    if dag.as_ref().is_some_and(|dag| dag.fail_fast) {
        graph::check_fail_fast(report, &built);
    }
    context.places = TaskPlaces::of(&built);
    let params = dag.as_ref().map(|dag| &dag.params);
    let condition = dag.as_ref().and_then(|dag| dag.assets.as_ref());
    let assets = condition.map(AssetCondition::assets).unwrap_or_default();
    let subject = cases::Subject { built: &built, params, zone: &zone, assets };
    context.cases = cases::read(report, &fields, &subject);
    if cyclic || report.failed() {
        return None;
    }
    if let Some(dag) = &mut dag {
        dag.graph = wiring.graph();
        dag.groups = outline.task_groups();
        dag.tasks = built.into_iter().map(|built| built.task).collect();
        asset::warn_of_circle(report, &fields, dag.assets.as_ref(), &dag.tasks);
        wiring.prioritise(&mut dag.tasks);
        for task in &mut dag.tasks {
            if task.owner.is_empty() {
                task.owner.clone_from(&dag.owner);
            }
        }
    }
    dag
}

/// The names below a key of the DAG.
fn names(fields: &Fields<'_>, key: &str) -> Vec<String> {
    let entries = fields.value(key).and_then(Node::map).unwrap_or_default();
    entries.iter().map(|entry| entry.key.clone()).collect()
}

/// The entries of `default_args`, checked once for all tasks.
fn default_args<'a>(report: &mut Report<'_>, fields: &Fields<'a>) -> &'a [Entry] {
    let Some(node) = fields.node("default_args") else { return &[] };
    let Some(entries) = node.map() else {
        value::wrong(report, "default_args", node, "a map of task keys", "write the keys below it");
        return &[];
    };
    let owner = Owner { kind: "default_args", name: "" };
    fields::read_defaults(report, entries, HOISTED, owner);
    entries
}

struct Reader<'r, 'a, 'f, 'n> {
    report: &'r mut Report<'a>,
    fields: &'f Fields<'n>,
    defaults: &'n [Entry],
}

impl<'n> Reader<'_, '_, '_, 'n> {
    /// The value of a key, or of the same key in `default_args`.
    fn hoisted(&self, key: &str) -> Option<&Node> {
        let below =
            || self.defaults.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        self.fields.value(key).or_else(below).filter(|node| !node.is_null())
    }

    fn zone(&mut self, context: &Context<'_>) -> TimeZone {
        let node = self.hoisted("timezone").cloned();
        let name = match &node {
            Some(node) => value::text(self.report, "timezone", node),
            None => None,
        };
        match context.known.zones.zone(name.as_deref().unwrap_or(context.known.default_timezone)) {
            Ok(zone) => zone,
            Err(error) => {
                let (message, help) = value::advice(&error.to_string());
                let help =
                    help.unwrap_or_else(|| "use an IANA name like \"Asia/Seoul\"".to_owned());
                let span = node.map_or(Span::default(), |node| node.span);
                self.report.error(span, "unknown-zone", message).help(help);
                TimeZone::UTC
            }
        }
    }

    fn schedule(&mut self, context: &mut Context<'_>, zone: &TimeZone) -> Schedule {
        let data_intervals = self.truth("data_intervals", false);
        let Some(field) = self.fields.field("schedule") else { return Schedule::default() };
        schedule::read(self.report, context, &field.value, zone, data_intervals)
    }

    /// The DAG without its tasks.
    fn dag(&mut self, dag_id: Option<DagId>, schedule: Schedule, zone: &TimeZone) -> Option<Dag> {
        let by_time = schedule.timetable != Timetable::Never;
        let scheduled = by_time || schedule.assets.is_some();
        let params = match self.fields.value("params") {
            Some(node) => param::read(self.report, node, scheduled),
            None => crate::dag::Params::default(),
        };
        let max_active_runs = self.active_runs(&schedule.timetable);
        let start_date = self.instant("start_date", zone);
        let end_date = self.instant("end_date", zone);
        let catchup = self.truth("catchup", false);
        self.check_dates(start_date, end_date, catchup && by_time);
        self.check_events(&schedule.timetable, start_date, end_date);
        let owner = self.text("owner").or_else(|| self.default_owner()).unwrap_or_default();
        Some(Dag {
            dag_display_name: self.text("dag_display_name"),
            description: self.text("description"),
            doc_md: self.text("doc_md"),
            owner,
            tags: self.tags(),
            schedule_text: schedule.text,
            timetable: schedule.timetable,
            assets: schedule.assets,
            timezone: zone_name(zone),
            start_date,
            end_date,
            catchup,
            max_active_runs,
            max_active_tasks: self.count("max_active_tasks", ACTIVE_MAX),
            max_consecutive_failed_dag_runs: self.count("max_consecutive_failed_dag_runs", 0),
            dagrun_timeout_secs: self.timeout("dagrun_timeout"),
            fail_fast: self.truth("fail_fast", false),
            is_paused_upon_creation: self.optional_truth("is_paused_upon_creation"),
            allowed_run_types: self.run_types(),
            params,
            macros: self.macros(),
            render_template_as_native_obj: self.truth("render_template_as_native_obj", false),
            callbacks: Callbacks {
                on_success: self.callbacks("on_success_callback"),
                on_failure: self.callbacks("on_failure_callback"),
                ..Callbacks::default()
            },
            deadlines: self.deadlines(zone),
            tasks: Vec::new(),
            groups: Vec::new(),
            graph: petgraph::graph::DiGraph::new(),
            dag_id: dag_id?,
        })
    }

    /// `@continuous` has one run at a time (Airflow: `ContinuousTimetable`).
    fn active_runs(&mut self, timetable: &Timetable) -> u32 {
        let continuous = *timetable == Timetable::Continuous;
        let most = self.count("max_active_runs", if continuous { 1 } else { ACTIVE_MAX });
        if continuous
            && most > 1
            && let Some(field) = self.fields.field("max_active_runs")
        {
            let message = "`@continuous` has one run at a time";
            self.report
                .error(value::value_span(&field.value), "bad-value", message)
                .help("write `max_active_runs: 1`, or remove the key");
        }
        most
    }

    fn check_dates(
        &mut self,
        start: Option<jiff::Timestamp>,
        end: Option<jiff::Timestamp>,
        catches_up: bool,
    ) {
        if let (Some(start), Some(end), Some(node)) =
            (start, end, self.hoisted("end_date").cloned())
            && end < start
        {
            let message = "`end_date` is before `start_date`, so that nothing would ever run";
            self.report.error(node.span, "bad-date", message).help("correct one of the two");
        }
        let given = self.hoisted("start_date").is_some();
        if catches_up
            && !given
            && let Some(field) = self.fields.field("catchup")
        {
            self.report
                .error(field.key_span, "missing-key", "`catchup: true` without a `start_date`")
                .help(
                    "add the date from which runs are to be made up for: `start_date: 2025-01-01`",
                );
        }
    }

    /// Listed dates of which none lies between the start and the end never run.
    fn check_events(
        &mut self,
        timetable: &Timetable,
        start: Option<jiff::Timestamp>,
        end: Option<jiff::Timestamp>,
    ) {
        let Timetable::Events { instants } = timetable else { return };
        let is_in = |at: &jiff::Timestamp| {
            start.is_none_or(|start| *at >= start) && end.is_none_or(|end| *at <= end)
        };
        if instants.iter().any(is_in) || self.report.failed() {
            return;
        }
        let Some(field) = self.fields.field("schedule") else { return };
        let message = "none of the `events` lies between `start_date` and `end_date`, so that \
                       nothing would ever run";
        self.report
            .error(value::value_span(&field.value), "bad-schedule", message)
            .help("correct the dates");
    }

    fn default_owner(&mut self) -> Option<String> {
        let entry = self.defaults.iter().find(|entry| entry.key == "owner")?;
        if entry.value.is_null() {
            return None;
        }
        value::text(self.report, "owner", &entry.value)
    }

    fn map(&mut self, key: &str) -> &'n [Entry] {
        let Some(node) = self.fields.node(key) else { return &[] };
        let Some(entries) = node.map() else {
            value::wrong(self.report, key, node, "a map", "write `name: {…}`");
            return &[];
        };
        entries
    }

    fn text(&mut self, key: &str) -> Option<String> {
        value::text(self.report, key, self.fields.value(key)?)
    }

    fn truth(&mut self, key: &str, default: bool) -> bool {
        self.optional_truth(key).unwrap_or(default)
    }

    fn optional_truth(&mut self, key: &str) -> Option<bool> {
        value::truth(self.report, key, self.fields.value(key)?)
    }

    fn count(&mut self, key: &str, default: u32) -> u32 {
        let Some(node) = self.fields.value(key) else { return default };
        let limits = match keys::find(DAG_KEYS, key).map(|key| key.kind) {
            Some(KeyKind::Int(least, most)) => (least, most),
            _ => (0, i64::from(u32::MAX)),
        };
        let read = value::int(self.report, key, node, limits);
        read.and_then(|value| u32::try_from(value).ok()).unwrap_or(default)
    }

    fn timeout(&mut self, key: &str) -> Option<f64> {
        let node = self.fields.value(key)?;
        let seconds = value::seconds(self.report, key, node)?;
        if seconds == 0.0 {
            let message = format!("`{key}` is 0, so that no run could ever succeed");
            self.report
                .error(node.span, "bad-duration", message)
                .help("remove the key for no limit");
        }
        Some(seconds)
    }

    fn instant(&mut self, key: &str, zone: &TimeZone) -> Option<jiff::Timestamp> {
        let node = self.hoisted(key)?.clone();
        value::at(self.report, key, &node, zone)
    }

    fn tags(&mut self) -> Vec<String> {
        let Some(node) = self.fields.value("tags") else { return Vec::new() };
        let mut tags: Vec<String> = Vec::new();
        for (tag, item) in value::texts(self.report, "tags", node).unwrap_or_default() {
            let chars = tag.chars().count();
            if chars == 0 || chars > 100 {
                let message = format!("a tag has 1 to 100 characters, this one {chars}");
                self.report.error(item.span, "bad-value", message).help("shorten it");
            } else if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        tags
    }

    fn run_types(&mut self) -> Option<Vec<RunType>> {
        let node = self.fields.value("allowed_run_types")?;
        let mut types = Vec::new();
        for (word, item) in value::texts(self.report, "allowed_run_types", node)? {
            match RunType::from_word(&word) {
                Some(kind) if types.contains(&kind) => {}
                Some(kind) => types.push(kind),
                None => {
                    let words = RunType::ALL.iter().map(|kind| kind.as_str());
                    let hint = did_you_mean(&word, words.clone());
                    let message = format!("unknown run type \"{word}\"{hint}");
                    self.report
                        .error(value::value_span(item), "unknown-word", message)
                        .help(format!("one of {}", words.collect::<Vec<_>>().join(", ")));
                }
            }
        }
        if types.is_empty() && !self.report.failed() {
            let message = "`allowed_run_types` is empty, so that nothing could ever run";
            self.report
                .error(value::value_span(node), "bad-value", message)
                .help("remove the key to allow all");
        }
        Some(types)
    }

    fn macros(&mut self) -> IndexMap<String, String> {
        let Some(node) = self.fields.value("macros") else { return IndexMap::new() };
        let map = config::text_map(self.report, "macros", node).unwrap_or_default();
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

    fn deadlines(&mut self, zone: &TimeZone) -> Vec<Deadline> {
        let Some(node) = self.fields.value("deadline") else { return Vec::new() };
        deadline::read(self.report, node, zone)
    }

    fn callbacks(&mut self, key: &str) -> Vec<crate::dag::Callback> {
        let Some(node) = self.fields.value(key) else { return Vec::new() };
        callback::read(self.report, key, node)
    }
}
