//! `cases:` → [`Case`]s: the tests of a file, every name in them checked.
//!
//! Must not play them: that is `crate::cases`.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::asset::AssetRef;
use crate::cases::{Case, Ending, Expect, Stub, Target, Try, Wanted};
use crate::connection::Connection;
use crate::dag::{Params, Task};
use crate::mapping::Expand;
use crate::operator;
use crate::state::{RunState, TaskState};

use super::fields::Fields;
use super::keys::{self, CASE_KEYS, ENDINGS, EXPECT_KEYS, Key, RUN_STATES, STUB_KEYS};
use super::report::Report;
use super::scalar::Resolved;
use super::source::Span;
use super::task::Built;
use super::tree::{Entry, Kind, Node};
use super::value;
use crate::suggest::did_you_mean;

const FORM: &str = "write `- name: …` with `date`, `stub` and `expect` below it";

/// What cases are about.
pub(crate) struct Subject<'a> {
    pub(crate) built: &'a [Built],
    pub(crate) params: Option<&'a Params>,
    pub(crate) zone: &'a TimeZone,
    /// The assets that start the DAG.
    pub(crate) assets: Vec<&'a AssetRef>,
}

/// Reads the cases of a DAG.
pub(crate) fn read(
    report: &mut Report<'_>,
    fields: &Fields<'_>,
    subject: &Subject<'_>,
) -> Vec<Case> {
    let Some(node) = fields.value("cases") else { return Vec::new() };
    let Kind::List(items) = &node.kind else {
        value::wrong(report, "cases", node, "a list", FORM);
        return Vec::new();
    };
    let mut reader = Reader { report, subject };
    let mut cases: Vec<Case> = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let Some(entries) = item.map() else {
            value::wrong(reader.report, "cases", item, "a list of maps", FORM);
            continue;
        };
        let case = reader.case(item, entries, at + 1);
        if let Some(other) = cases.iter().find(|other| other.name == case.name) {
            let (line, _) = reader.report.source.position(other.place.start);
            let message = format!("a second case \"{}\"", case.name);
            let span = Span::new(case.place.start, case.place.end);
            let help = format!("the first is at line {line}; give one of them another name");
            reader.report.error(span, "duplicate-id", message).help(help);
        }
        cases.push(case);
    }
    cases
}

struct Reader<'r, 'a, 's> {
    report: &'r mut Report<'a>,
    subject: &'s Subject<'s>,
}

impl<'s> Reader<'_, '_, 's> {
    fn case(&mut self, item: &Node, entries: &[Entry], number: usize) -> Case {
        let name = item.get("name").filter(|node| !node.is_null());
        let mut case = Case {
            name: format!("case {number}"),
            place: name.map_or(item.span.head(), |node| node.span).into(),
            date: None,
            conf: Map::new(),
            variables: BTreeMap::new(),
            connections: BTreeMap::new(),
            assets: Vec::new(),
            stubs: BTreeMap::new(),
            expect: Expect::default(),
        };
        if let Some(name) = name.and_then(|node| value::text(self.report, "name", node)) {
            case.name = name;
        }
        for entry in self.known(entries, "a case", CASE_KEYS) {
            let node = &entry.value;
            match entry.key.as_str() {
                "date" => {
                    case.date = value::at(self.report, "date", node, self.subject.zone);
                }
                "params" | "conf" => case.conf.extend(self.conf(&entry.key, node)),
                "variables" => case.variables = self.variables(node),
                "connections" => case.connections = self.connections(node),
                "assets" => case.assets = self.assets(node),
                "stub" => case.stubs = self.stubs(node),
                "expect" => case.expect = self.expect(node),
                _ => {}
            }
        }
        let expects = &case.expect;
        let is_empty = expects.tasks.is_empty()
            && expects.counts.is_empty()
            && expects.run.is_none()
            && expects.rendered.is_empty()
            && expects.xcoms.is_empty();
        if is_empty && !self.report.failed() {
            let span = Span::new(case.place.start, case.place.end);
            self.report
                .warning(
                    span,
                    "no-expectation",
                    format!("the case \"{}\" expects nothing", case.name),
                )
                .help(
                    "add `expect: {success: [a], skipped: [b]}`, else it passes whatever happens",
                );
        }
        case
    }

    /// The entries with a known key and a value; the others are reported.
    fn known<'n>(
        &mut self,
        entries: &'n [Entry],
        owner: &str,
        table: &'static [Key],
    ) -> Vec<&'n Entry> {
        let names = || keys::names(table);
        let mut known = Vec::new();
        for entry in entries {
            if names().any(|name| name == entry.key) {
                if !entry.value.is_null() {
                    known.push(entry);
                }
            } else if !entry.key.starts_with("x-") {
                let hint = did_you_mean(&entry.key, names());
                let message = format!("unknown key \"{}\" in {owner}{hint}", entry.key);
                let help = format!("the keys are {}", names().collect::<Vec<_>>().join(", "));
                self.report.error(entry.key_span, "unknown-key", message).help(help);
            }
        }
        known
    }

    fn map<'n>(&mut self, key: &str, node: &'n Node, help: &str) -> &'n [Entry] {
        let entries = node.map();
        if entries.is_none() {
            value::wrong(self.report, key, node, "a map", help);
        }
        entries.unwrap_or_default()
    }

    /// The task of a name; others are reported with the nearest.
    fn task(&mut self, name: &str, span: Span) -> Option<&'s Built> {
        let built = self.subject.built;
        if let Some(found) = built.iter().find(|built| built.task.task_id == *name) {
            return Some(found);
        }
        let ids = || built.iter().map(|built| built.task.task_id.as_str());
        let below = |id: &&str| id.rsplit('.').next() == Some(name);
        let hint = match ids().find(below) {
            Some(whole) => format!("; did you mean \"{whole}\"?"),
            None => did_you_mean(name, ids()),
        };
        self.report
            .error(span, "unknown-task", format!("unknown task \"{name}\"{hint}"))
            .help("cases name tasks of their own DAG, those of a group as `group.task`");
        None
    }

    /// A task, or `task[2]` of a mapped one.
    fn target(&mut self, name: &str, span: Span) -> Option<(Target, &'s Built)> {
        let inner = name.strip_suffix(']').and_then(|name| name.split_once('['));
        let Some((name, index)) = inner else {
            let built = self.task(name, span)?;
            return Some((Target::whole(built.task.task_id.clone()), built));
        };
        let Ok(index) = index.trim().parse::<u32>() else {
            self.report
                .error(span, "bad-value", format!("\"{index}\" is no item of \"{name}\""))
                .help("write its map_index, as in `task[2]`; the first is 0");
            return None;
        };
        let built = self.task(name, span)?;
        if built.task.mapping.is_none() {
            self.report
                .error(span, "bad-value", format!("\"{name}\" is not mapped and has no items"))
                .help("write its name alone");
            return None;
        }
        Some((Target { task_id: built.task.task_id.clone(), map_index: Some(index) }, built))
    }

    /// The events that start the run: names, or extras by name.
    fn assets(&mut self, node: &Node) -> Vec<(AssetRef, Map<String, Value>)> {
        const HELP: &str =
            "write `assets: [name]`, or `assets: {name: {version: 3}}` with its extra";
        let named: Vec<(&str, Span, Map<String, Value>)> = match &node.kind {
            Kind::Map(entries) => entries
                .iter()
                .map(|entry| {
                    let extra = match entry.value.to_json() {
                        Value::Object(extra) => extra,
                        _ => Map::new(),
                    };
                    (entry.key.as_str(), entry.key_span, extra)
                })
                .collect(),
            Kind::List(items) => items
                .iter()
                .filter_map(|item| Some((item.text()?, item.span, Map::new())))
                .collect(),
            _ => Vec::new(),
        };
        if named.is_empty() {
            value::wrong(self.report, "assets", node, "a list or a map", HELP);
        }
        let known = &self.subject.assets;
        let mut found = Vec::new();
        for (name, span, extra) in named {
            if let Some(asset) = known.iter().find(|asset| asset.is_called(name)) {
                found.push(((*asset).clone(), extra));
                continue;
            }
            let hint = did_you_mean(name, known.iter().map(|asset| asset.name.as_str()));
            let message = format!("the schedule has no asset \"{name}\"{hint}");
            self.report
                .error(span, "unknown-asset", message)
                .help("name assets of the DAG's `schedule: {assets: …}`");
        }
        found
    }

    /// What the run is given, checked against the params.
    fn conf(&mut self, key: &str, node: &Node) -> Map<String, Value> {
        let entries = self.map(key, node, "write `name: value` below it");
        let conf: Map<String, Value> =
            entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect();
        let Some(params) = self.subject.params else { return conf };
        for problem in params.merge(&conf).err().unwrap_or_default() {
            let name = problem.path.trim_start_matches("conf.");
            let name = name.split(['.', '[']).next().unwrap_or(name);
            let entry = entries.iter().find(|entry| entry.key == name);
            let span = entry.map_or(node.span.head(), |entry| value::value_span(&entry.value));
            self.report
                .error(span, "bad-conf", problem.to_string())
                .help("a run with this would be refused");
        }
        conf
    }

    fn variables(&mut self, node: &Node) -> BTreeMap<String, String> {
        let entries = self.map("variables", node, "write `key: text` below it");
        let text = |entry: &Entry| match entry.value.text() {
            Some(text) => text.to_owned(),
            // As `var.json` reads it.
            None => entry.value.to_json().to_string(),
        };
        entries.iter().map(|entry| (entry.key.clone(), text(entry))).collect()
    }

    fn connections(&mut self, node: &Node) -> BTreeMap<String, Connection> {
        const HELP: &str = "write `id: mysql://user:password@host:3306/schema` below it";
        let mut found = BTreeMap::new();
        for entry in self.map("connections", node, HELP) {
            let text = match &entry.value.kind {
                Kind::Map(_) => entry.value.to_json().to_string(),
                _ => value::text(self.report, &entry.key, &entry.value).unwrap_or_default(),
            };
            match Connection::parse(&entry.key, &text) {
                Ok(connection) => {
                    found.insert(entry.key.clone(), connection);
                }
                Err(error) => {
                    let span = value::value_span(&entry.value);
                    self.report.error(span, "bad-connection", error.to_string()).help(HELP);
                }
            }
        }
        found
    }

    fn stubs(&mut self, node: &Node) -> BTreeMap<Target, Stub> {
        const HELP: &str = "write `task: {xcom: …}` or `task: {state: failed}`";
        let mut stubs = BTreeMap::new();
        for entry in self.map("stub", node, HELP) {
            let Some((id, task)) = self.target(&entry.key, entry.key_span) else { continue };
            let operator = task.task.operator.clone();
            let nodes = match &entry.value.kind {
                Kind::List(tries) if !tries.is_empty() => tries.as_slice(),
                _ => std::slice::from_ref(&entry.value),
            };
            let mut stub = Stub::default();
            for node in nodes {
                match node.map() {
                    Some(entries) => stub.tries.push(self.tried(entries, &operator)),
                    None => value::wrong(self.report, &entry.key, node, "a map", HELP),
                }
            }
            if !stub.tries.is_empty() {
                stubs.insert(id, stub);
            }
        }
        stubs
    }

    fn tried(&mut self, entries: &[Entry], operator: &str) -> Try {
        let mut tried = Try::default();
        for entry in self.known(entries, "a stub", STUB_KEYS) {
            let node = &entry.value;
            match entry.key.as_str() {
                "state" => {
                    let word = value::word(self.report, "state", node, ENDINGS);
                    tried.state = word.map(|word| match word {
                        "failed" => Ending::Failed,
                        "skipped" => Ending::Skipped,
                        _ => Ending::Success,
                    });
                }
                "exit_code" => {
                    let code = value::int(self.report, "exit_code", node, (0, 255));
                    tried.exit_code = code.and_then(|code| i32::try_from(code).ok());
                }
                "xcom" => {
                    tried.xcoms.insert("return_value".to_owned(), node.to_json());
                }
                "xcoms" => {
                    let more = self.map("xcoms", node, "write `key: value` below it");
                    tried.xcoms.extend(more.iter().map(|e| (e.key.clone(), e.value.to_json())));
                }
                "metrics" => {
                    let more = self.map("metrics", node, "write `name: number` below it");
                    tried.metrics.extend(more.iter().map(|e| (e.key.clone(), e.value.to_json())));
                }
                "choice" => tried.choice = self.choice(entry, operator),
                "go_on" => {
                    self.only_of(entry, operator, &["short_circuit", "latest_only", "approval"]);
                    tried.go_on = value::truth(self.report, "go_on", node);
                }
                _ => {}
            }
        }
        if let (Some(_), Some(_)) = (tried.state, tried.exit_code)
            && let Some(entry) = entries.iter().find(|entry| entry.key == "exit_code")
        {
            self.report
                .error(entry.key_span, "bad-value", "`state` and `exit_code` exclude each other")
                .help("keep one; an exit code says itself how the task ends");
        }
        tried
    }

    fn choice(&mut self, entry: &Entry, operator: &str) -> Option<Vec<String>> {
        self.only_of(entry, operator, &["branch", "approval"]);
        if let Kind::List(items) = &entry.value.kind
            && items.is_empty()
        {
            return Some(Vec::new());
        }
        let texts = value::texts(self.report, "choice", &entry.value)?;
        let mut chosen = Vec::with_capacity(texts.len());
        for (name, node) in texts {
            chosen.push(self.task(&name, node.span)?.task.task_id.to_string());
        }
        Some(chosen)
    }

    /// Reports a key of a stub that the task's operator has no use for.
    fn only_of(&mut self, entry: &Entry, operator: &str, operators: &[&str]) {
        if !operator.is_empty() && !operators.contains(&operator) {
            let message =
                format!("`{}` is for {}, not {operator}", entry.key, operators.join(", "));
            self.report
                .error(entry.key_span, "bad-value", message)
                .help("say what the task gives with `xcom`, or how it ends with `state`");
        }
    }

    fn expect(&mut self, node: &Node) -> Expect {
        let mut expect = Expect::default();
        let entries = self.map("expect", node, "write `success: [a], skipped: [b]` below it");
        for entry in self.known(entries, "`expect`", EXPECT_KEYS) {
            let node = &entry.value;
            match entry.key.as_str() {
                "state" => {
                    let word = value::word(self.report, "state", node, RUN_STATES);
                    let state = word.and_then(RunState::from_word);
                    expect.run = state.map(|state| (state, node.span.into()));
                }
                "rendered" => self.rendered(node, &mut expect),
                "count" => self.counts(node, &mut expect),
                "xcom" => {
                    for entry in self.map("xcom", node, "write `task: value` below it") {
                        if let Some((id, _)) = self.target(&entry.key, entry.key_span) {
                            let place = value::value_span(&entry.value).into();
                            expect.xcoms.push((id, entry.value.to_json(), place));
                        }
                    }
                }
                word => {
                    let wanted = TaskState::from_word(word).map_or(Wanted::NotRun, Wanted::State);
                    self.states(word, node, wanted, &mut expect);
                }
            }
        }
        expect
    }

    fn states(&mut self, word: &str, node: &Node, wanted: Wanted, expect: &mut Expect) {
        let is_empty = matches!(&node.kind, Kind::List(items) if items.is_empty());
        if is_empty || matches!(node.resolved(), Some(Resolved::Null)) {
            return;
        }
        for (name, item) in value::texts(self.report, word, node).unwrap_or_default() {
            let Some((id, _)) = self.target(&name, item.span) else { continue };
            if let Some((_, other, _)) = expect.tasks.iter().find(|(known, ..)| *known == id) {
                let message =
                    format!("\"{id}\" is expected to be {} and {word} at once", other.as_str());
                self.report.error(item.span, "bad-value", message).help("keep one of the two");
                continue;
            }
            expect.tasks.push((id, wanted, item.span.into()));
        }
    }

    fn counts(&mut self, node: &Node, expect: &mut Expect) {
        for entry in self.map("count", node, "write `task: 3` below it") {
            let Some(task) = self.task(&entry.key, entry.key_span) else { continue };
            let id = task.task.task_id.clone();
            if task.task.mapping.is_none() {
                self.report
                    .error(entry.key_span, "bad-value", format!("\"{id}\" is not mapped"))
                    .help("only a task with `expand`, or of a group with it, has items");
                continue;
            }
            let count = value::int(self.report, &entry.key, &entry.value, (0, 1_000_000));
            if let Some(count) = count.and_then(|count| u32::try_from(count).ok()) {
                expect.counts.push((id, count, value::value_span(&entry.value).into()));
            }
        }
    }

    fn rendered(&mut self, node: &Node, expect: &mut Expect) {
        const HELP: &str = "write `task: {bash_command: …}` below it";
        for entry in self.map("rendered", node, HELP) {
            let Some((id, task)) = self.target(&entry.key, entry.key_span) else { continue };
            let mut known: Vec<&str> = task.task.config.keys().map(String::as_str).collect();
            known.extend(keys_of_items(&task.task));
            for field in self.map(&entry.key, &entry.value, HELP) {
                if !known.contains(&field.key.as_str()) && field.key != "env" {
                    let hint = did_you_mean(&field.key, known.iter().copied());
                    let message = format!("task \"{id}\" has no key \"{}\"{hint}", field.key);
                    self.report
                        .error(field.key_span, "unknown-key", message)
                        .help("`rendered` names keys that the task has");
                    continue;
                }
                let place = value::value_span(&field.value).into();
                let wanted = field.value.to_json();
                expect.rendered.push((id.clone(), field.key.clone(), wanted, place));
            }
        }
    }
}

/// The keys that a mapped task has from its items.
fn keys_of_items(task: &Task) -> Vec<&str> {
    match task.mapping.as_ref().map(|mapping| &mapping.expand) {
        Some(Expand::Product(keys)) => keys.keys().map(String::as_str).collect(),
        Some(Expand::Maps(_)) => {
            let spec = operator::find(&task.operator);
            spec.map(|spec| spec.fields.iter().map(|field| field.name).collect())
                .unwrap_or_default()
        }
        None => Vec::new(),
    }
}
