//! `expand` of tasks and task groups: over what they are mapped → a [`Mapping`], with the names of
//! tasks that are still to be resolved.
//!
//! An operator's own keys may be mapped, and `env`; a key of every task may not (Airflow: arguments
//! of `BaseOperator`). Must not look at other tasks.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use crate::ids::TaskId;
use crate::mapping::{Expand, MAP_LENGTH_MAX, MappedGroup, Mapping, Source};
use crate::operator::{Config, Field, FieldKind, OperatorSpec, TextUse};
use crate::template::context_names;

use super::fields::{Fields, Owner};
use super::groups::Outline;
use super::keys::{self, TASK_KEYS};
use super::report::Report;
use super::source::Span;
use super::tree::{Entry, Kind, Node};
use super::{config, value};
use crate::suggest::did_you_mean;

/// The key under which a task's result is kept.
const RETURN_VALUE: &str = "return_value";

/// The name of the whole item in templates.
pub(crate) const ITEM: &str = "item";

/// A mapping whose task names are still to be resolved.
#[derive(Debug, Clone)]
pub(crate) struct Drafted {
    mapping: Mapping,
    /// The names as written, in the order of the mapping's sources.
    pub(crate) from: Vec<(String, Span)>,
    /// Where `expand` stands.
    pub(crate) span: Span,
    /// The names that templates see.
    pub(crate) names: Vec<String>,
    /// Whether there may be further names, since a task gives them.
    pub(crate) is_open: bool,
    /// An example of what one instance gets.
    pub(crate) sample: Config,
}

/// One source before its task is resolved.
enum Written {
    Literal(Vec<Value>),
    From { task: String, key: String, span: Span },
}

impl Drafted {
    /// Whether an instance may have a key.
    pub(crate) fn gives(&self, key: &str) -> bool {
        self.is_open || self.sample.contains_key(key)
    }

    /// The mapping, given the tasks that the names mean.
    pub(crate) fn resolved(&self, tasks: &[TaskId]) -> Mapping {
        let mut mapping = self.mapping.clone();
        let mut tasks = tasks.iter();
        let mut name = |source: &mut Source| {
            if let (Source::XCom { task_id, .. }, Some(meant)) = (&mut *source, tasks.next()) {
                task_id.clone_from(meant);
            }
        };
        if let Expand::Product(keys) = &mut mapping.expand {
            keys.values_mut().for_each(&mut name);
        } else if let Expand::Maps(source) = &mut mapping.expand {
            name(source);
        }
        mapping
    }
}

/// Reads `expand` of a task.
pub(crate) fn of_task(
    report: &mut Report<'_>,
    fields: &Fields<'_>,
    spec: &'static OperatorSpec,
    owner: Owner<'_>,
) -> Option<Drafted> {
    let Some(node) = fields.value("expand") else {
        if let Some(field) = fields.field("partial") {
            let message = format!("{owner} has `partial` without `expand`");
            report
                .error(field.key_span, "bad-expand", message)
                .help("add `expand: {key: [a, b]}`, or write the keys of `partial` without it");
        }
        return None;
    };
    let mut reader = Reader { report, keys: Keys::Operator { spec, fields }, owner };
    Some(reader.read(node, None))
}

/// Reads `expand` of every task group, by group.
pub(crate) fn of_groups(report: &mut Report<'_>, outline: &Outline<'_>) -> Vec<Option<Drafted>> {
    let mut found: Vec<Option<Drafted>> = Vec::with_capacity(outline.groups.len());
    for group in &outline.groups {
        let owner = Owner { kind: "task group", name: &group.id };
        let partial = group.partial.map(|node| (node, partial_names(report, node)));
        let Some(node) = group.expand else {
            if let Some((node, _)) = partial {
                let message = format!("{owner} has `partial` without `expand`");
                report
                    .error(node.span.head(), "bad-expand", message)
                    .help("add `expand: {name: [a, b]}`");
            }
            found.push(None);
            continue;
        };
        let outer = outline.around(group.parent).find(|&at| outline.groups[at].expand.is_some());
        if let Some(outer) = outer {
            let message = format!(
                "{owner} is mapped inside the mapped task group \"{}\"",
                outline.groups[outer].id
            );
            report.error(node.span.head(), "bad-expand", message).help(NESTED);
            found.push(None);
            continue;
        }
        let partial = partial.map(|(_, names)| names).unwrap_or_default();
        let mapped = MappedGroup { id: group.id.clone(), partial };
        let mut reader = Reader { report, keys: Keys::Names, owner };
        found.push(Some(reader.read(node, Some(mapped))));
    }
    found
}

/// The names that the templates of a task see beside Airflow's.
pub(crate) fn names(own: Option<&Drafted>, around: Option<&Drafted>) -> ItemNames {
    let mut names = ItemNames::default();
    if own.is_some() {
        names.known.push(ITEM.to_owned());
    }
    if let Some(group) = around {
        names.known.extend(group.names.iter().cloned());
        names.is_open = group.is_open;
    }
    names
}

/// See [`names`].
#[derive(Debug, Default)]
pub(crate) struct ItemNames {
    pub(crate) known: Vec<String>,
    /// Whether there may be others.
    pub(crate) is_open: bool,
}

/// What to do about a mapping inside a mapping (Airflow: not implemented either).
pub(crate) const NESTED: &str =
    "expand over the product instead: `expand: {outer: […], inner: […]}` on the group";

fn partial_names(report: &mut Report<'_>, node: &Node) -> Map<String, Value> {
    let Some(entries) = node.map() else {
        value::wrong(report, "partial", node, "a map of names", "write {name: value}");
        return Map::new();
    };
    for entry in entries {
        check_name(report, entry);
    }
    entries.iter().map(|entry| (entry.key.clone(), plain(entry.value.to_json()))).collect()
}

/// The names of a mapped group are names for templates.
fn check_name(report: &mut Report<'_>, entry: &Entry) {
    let mut chars = entry.key.chars();
    let starts = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let is_word = starts && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    let taken = context_names().contains(&entry.key.as_str()) || entry.key == ITEM;
    if is_word && !taken {
        return;
    }
    let why = if taken { "means something else in templates" } else { "is no name for templates" };
    let message = format!("\"{}\" {why}", entry.key);
    report
        .error(entry.key_span, "bad-expand", message)
        .help("use a word of letters, digits and `_` that templates do not have yet");
}

/// `{"$raw": text}` as the text.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(map) if map.len() == 1 && map.contains_key("$raw") => map["$raw"].clone(),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(key, value)| (key, plain(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        other => other,
    }
}

/// Which keys may be mapped.
enum Keys<'f, 'n> {
    /// Those of an operator that the task has not given beside `expand`.
    Operator { spec: &'static OperatorSpec, fields: &'f Fields<'n> },
    /// Any name.
    Names,
}

struct Reader<'r, 'a, 'f, 'n> {
    report: &'r mut Report<'a>,
    keys: Keys<'f, 'n>,
    owner: Owner<'f>,
}

impl Reader<'_, '_, '_, '_> {
    /// Reads `expand`. A wrong one may give any key: its own message is enough.
    fn read(&mut self, node: &Node, group: Option<MappedGroup>) -> Drafted {
        let before = self.report.found.len();
        let mut drafted = Drafted {
            mapping: Mapping { expand: Expand::Product(IndexMap::new()), group },
            from: Vec::new(),
            span: node.span.head(),
            names: vec![ITEM.to_owned()],
            is_open: false,
            sample: Config::new(),
        };
        if let Some(group) = &drafted.mapping.group {
            drafted.names.extend(group.partial.keys().cloned());
        }
        self.fill(node, &mut drafted);
        if self.report.found[before..].iter().any(crate::diagnostic::Diagnostic::is_error) {
            drafted.is_open = true;
        } else {
            self.check_length(&drafted, node);
        }
        drafted
    }

    fn fill(&mut self, node: &Node, drafted: &mut Drafted) {
        match &node.kind {
            Kind::Map(entries) if entries.iter().any(|entry| entry.key == "xcom") => {
                if let Some(written) = self.xcom_of(entries) {
                    as_maps(written, drafted);
                }
            }
            Kind::Map(entries) if !entries.is_empty() => self.product(entries, drafted),
            Kind::List(items) => {
                let maps = self.literal_maps(items, drafted);
                as_maps(Written::Literal(maps), drafted);
            }
            _ => {
                if let Some((task, key)) = node.text().and_then(from_text) {
                    as_maps(Written::From { task, key, span: node.span }, drafted);
                } else {
                    let message = format!(
                        "`expand` of {} must be a map of keys and lists, not {}",
                        self.owner,
                        node.describe()
                    );
                    self.report.error(node.span.head(), "bad-expand", message).help(
                        "write `expand: {key: [a, b]}`, `expand: {key: {xcom: task}}`, or a list \
                         of maps of keys",
                    );
                }
            }
        }
    }

    /// One key, or several: their product.
    fn product(&mut self, entries: &[Entry], drafted: &mut Drafted) {
        let mut keys = IndexMap::new();
        for entry in entries {
            let Some((key, field)) = self.key(entry) else { continue };
            if keys.contains_key(&key) {
                let message = format!("`{}` means `{key}`, which is already given", entry.key);
                self.report.error(entry.key_span, "duplicate-key", message).help("keep one");
                continue;
            }
            let Some(written) = self.source(&key, field, &entry.value) else { continue };
            let sample = match &written {
                Written::Literal(items) => items.first().cloned(),
                Written::From { .. } => None,
            };
            drafted.sample.insert(key.clone(), sample.unwrap_or_else(|| json!("{{ item }}")));
            drafted.names.push(key.clone());
            keys.insert(key, take(written, drafted));
        }
        drafted.mapping.expand = Expand::Product(keys);
    }

    /// A list of maps of keys (Airflow: `expand_kwargs`).
    fn literal_maps(&mut self, items: &[Node], drafted: &mut Drafted) -> Vec<Value> {
        let mut maps = Vec::with_capacity(items.len());
        for item in items {
            let Some(entries) = item.map() else {
                let message = format!(
                    "`expand` of {} as a list has one map of keys an instance, not {}",
                    self.owner,
                    item.describe()
                );
                self.report
                    .error(value::value_span(item), "bad-expand", message)
                    .help("write `expand: {key: [a, b]}` to map one key");
                continue;
            };
            let mut map = Map::new();
            for entry in entries {
                let Some((key, field)) = self.key(entry) else { continue };
                if let Some(value) = self.element(field, &entry.value) {
                    map.insert(key, value);
                }
            }
            for (key, value) in &map {
                if !drafted.sample.contains_key(key) {
                    drafted.sample.insert(key.clone(), value.clone());
                    drafted.names.push(key.clone());
                }
            }
            maps.push(Value::Object(map));
        }
        let missing = maps.iter().zip(items).find_map(|(map, item)| {
            let lacks = |key: &&String| map.get(key.as_str()).is_none();
            Some((drafted.sample.keys().find(lacks)?.clone(), value::value_span(item)))
        });
        if let Some((key, span)) = missing {
            let message = format!("this map of `expand` lacks `{key}`, which another one has");
            self.report.error(span, "bad-expand", message).help("give every map the same keys");
        }
        maps
    }

    /// The canonical name of a mapped key, with the operator's field; `env` has none.
    fn key(&mut self, entry: &Entry) -> Option<(String, Option<&'static Field>)> {
        let Keys::Operator { spec, fields } = &self.keys else {
            check_name(self.report, entry);
            return Some((entry.key.clone(), None));
        };
        let word = entry.key.as_str();
        let is_meant = |field: &&Field| field.name == word || field.aliases.contains(&word);
        let field = spec.fields.iter().find(is_meant);
        if field.is_none() && word != "env" {
            self.foreign(entry, spec);
            return None;
        }
        let name = field.map_or("env", |field| field.name);
        let fixed = field.is_some_and(|field| {
            field.kind == FieldKind::Choose || field.text == TextUse::Expression
        });
        if fixed {
            let message = format!("`{name}` cannot be mapped: it is decided when the file is read");
            self.report
                .error(entry.key_span, "bad-expand", message)
                .help(format!("write `{name}` beside `expand`; templates in it see `item`"));
            return None;
        }
        if fields.value(name).is_some() {
            let message = format!("`{name}` stands both in `expand` and beside it");
            self.report
                .error(entry.key_span, "bad-expand", message)
                .help("keep one: what all instances share, or what varies");
            return None;
        }
        Some((name.to_owned(), field))
    }

    /// A key that the operator does not have.
    fn foreign(&mut self, entry: &Entry, spec: &'static OperatorSpec) {
        if let Some(key) = keys::find(TASK_KEYS, &entry.key) {
            let message = format!("`{}` belongs to every task and cannot be mapped", key.name);
            self.report
                .error(entry.key_span, "bad-expand", message)
                .help(format!("write `{}` beside `expand`, the same for all instances", key.name));
            return;
        }
        let names = spec.fields.iter().map(|field| field.name).chain(["env"]);
        let hint = did_you_mean(&entry.key, names.clone());
        let message = format!(
            "the operator `{}` of {} has no key \"{}\" to map{hint}",
            spec.name, self.owner, entry.key
        );
        let all: Vec<&str> = names.collect();
        self.report.error(entry.key_span, "unknown-key", message).help(format!(
            "the keys that can be mapped are {}; names for templates come from `expand` of a \
                 task group",
            all.join(", ")
        ));
    }

    /// What one key is mapped over.
    fn source(&mut self, key: &str, field: Option<&'static Field>, node: &Node) -> Option<Written> {
        match &node.kind {
            Kind::List(items) => {
                let read = items.iter().filter_map(|item| self.element(field, item));
                Some(Written::Literal(read.collect()))
            }
            Kind::Map(entries) if entries.iter().any(|entry| entry.key == "xcom") => {
                self.xcom_of(entries)
            }
            Kind::Map(entries) => self.pairs(key, field, node, entries),
            Kind::Scalar(scalar) if from_text(&scalar.text).is_some() => {
                let (task, key) = from_text(&scalar.text)?;
                Some(Written::From { task, key, span: node.span })
            }
            _ => {
                let message = format!(
                    "`{key}` in `expand` must be a list or what a task gives, not {}",
                    node.describe()
                );
                self.report.error(value::value_span(node), "bad-expand", message).help(format!(
                    "write `{key}: [a, b]` or `{key}: {{xcom: task}}`; only what an upstream task \
                     gives can be computed"
                ));
                None
            }
        }
    }

    /// A literal map gives pairs of key and value.
    fn pairs(
        &mut self,
        key: &str,
        field: Option<&'static Field>,
        node: &Node,
        entries: &[Entry],
    ) -> Option<Written> {
        let kind = field.map(|field| field.kind);
        let takes_pairs =
            matches!(kind, Some(FieldKind::Any | FieldKind::TextList | FieldKind::TextOrList))
                || matches!(self.keys, Keys::Names);
        if !takes_pairs {
            let message =
                format!("a map in `expand` gives pairs of key and value, which `{key}` cannot be");
            self.report
                .error(value::value_span(node), "bad-expand", message)
                .help(format!("write a list: `{key}: [{{…}}, {{…}}]` has an element an instance"));
            return None;
        }
        let pair = |entry: &Entry| json!([entry.key, self.plain_of(entry)]);
        Some(Written::Literal(entries.iter().map(pair).collect()))
    }

    fn plain_of(&self, entry: &Entry) -> Value {
        match self.keys {
            Keys::Names => plain(entry.value.to_json()),
            Keys::Operator { .. } => entry.value.to_json(),
        }
    }

    /// One element, checked as the operator checks the key.
    fn element(&mut self, field: Option<&'static Field>, node: &Node) -> Option<Value> {
        match (&self.keys, field) {
            (Keys::Names, _) => Some(plain(node.to_json())),
            (_, Some(field)) => config::one(self.report, field, node),
            (_, None) => {
                let map = config::text_map(self.report, "env", node)?;
                Some(Value::Object(map.into_iter().collect()))
            }
        }
    }

    /// `{xcom: task, key: name}`.
    fn xcom_of(&mut self, entries: &[Entry]) -> Option<Written> {
        let mut task = None;
        let mut key = RETURN_VALUE.to_owned();
        for entry in entries {
            match entry.key.as_str() {
                "xcom" => {
                    task = value::text(self.report, "xcom", &entry.value)
                        .map(|name| (name, entry.value.span));
                }
                "key" => key = value::text(self.report, "key", &entry.value)?,
                other => {
                    let hint = did_you_mean(other, ["xcom", "key"]);
                    let message = format!("unknown key \"{other}\" beside `xcom`{hint}");
                    self.report
                        .error(entry.key_span, "unknown-key", message)
                        .help("write {xcom: task} or {xcom: task, key: name}");
                    return None;
                }
            }
        }
        let (task, span) = task?;
        Some(Written::From { task, key, span })
    }

    /// A list that is too long or empty is legal, and seldom meant.
    fn check_length(&mut self, drafted: &Drafted, node: &Node) {
        match drafted.mapping.literal_count() {
            Some(0) => {
                let message = format!("`expand` of {} is empty: it will be skipped", self.owner);
                self.report
                    .warning(node.span.head(), "empty-value", message)
                    .help("give it at least one element");
            }
            Some(count) if count > u64::from(MAP_LENGTH_MAX) => {
                let message = format!("{} would have {count} instances", self.owner);
                self.report.warning(node.span.head(), "long-expand", message).help(format!(
                    "it fails unless the installation's max_map_length ({MAP_LENGTH_MAX}) allows it"
                ));
            }
            _ => {}
        }
    }
}

/// Instances over maps of keys, which are known to the file or given by a task.
fn as_maps(written: Written, drafted: &mut Drafted) {
    drafted.is_open = matches!(written, Written::From { .. });
    let source = take(written, drafted);
    drafted.mapping.expand = Expand::Maps(source);
}

fn take(written: Written, drafted: &mut Drafted) -> Source {
    match written {
        Written::Literal(items) => Source::Literal(items),
        Written::From { task, key, span } => {
            drafted.from.push((task, span));
            // Replaced when the name is resolved.
            let task_id = TaskId::new("unresolved").expect("a plain word is an id");
            Source::XCom { task_id, key }
        }
    }
}

/// The task and key that a text names: `{{ xcom('task') }}`, `{{ ti.xcom_pull('task') }}`,
/// `task.output` and `XComArg(task)` (dag-factory). None for any other text.
fn from_text(text: &str) -> Option<(String, String)> {
    let text = text.trim();
    let inner = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    let inner = inner.unwrap_or(text).trim();
    let named = |task: &str| Some((task.to_owned(), RETURN_VALUE.to_owned()));
    let is_name = |task: &str| TaskId::new(task).is_ok();
    if let Some(task) = inner.strip_suffix(".output").filter(|task| is_name(task)) {
        return named(task);
    }
    let (function, arguments) = inner.strip_suffix(')')?.split_once('(')?;
    match function {
        "XComArg" if is_name(arguments) => named(arguments),
        "xcom" | "ti.xcom_pull" | "task_instance.xcom_pull" => {
            let mut task = None;
            let mut key = RETURN_VALUE.to_owned();
            for (place, argument) in arguments.split(',').enumerate() {
                let (name, value) = match argument.split_once('=') {
                    Some((name, value)) => (name.trim(), value),
                    None if place == 0 => ("task_id", argument),
                    None if place == 1 && function == "xcom" => ("key", argument),
                    None => return None,
                };
                let value = quoted(value)?;
                match name {
                    "task_id" | "task_ids" => task = Some(value),
                    "key" => value.clone_into(&mut key),
                    _ => return None,
                }
            }
            Some((task.filter(|task| is_name(task))?.to_owned(), key))
        }
        _ => None,
    }
}

/// The text between quotes, without any inside.
fn quoted(text: &str) -> Option<&str> {
    let text = text.trim();
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.contains(['\'', '"', '\\'])).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_name_what_a_task_gives() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let got = from_text(text);
            let got = got.as_ref().map(|(task, key)| (task.as_str(), key.as_str()));
            assert_eq!(got, expected, "{text}");
        };
        check("{{ xcom('list') }}", Some(("list", "return_value")));
        check("{{ xcom(\"g.list\", key='files') }}", Some(("g.list", "files")));
        check("{{ xcom('list', 'files') }}", Some(("list", "files")));
        check("{{ ti.xcom_pull('list') }}", Some(("list", "return_value")));
        check("{{ ti.xcom_pull(task_ids='list', key='k') }}", Some(("list", "k")));
        check("list.output", Some(("list", "return_value")));
        check("{{ list.output }}", Some(("list", "return_value")));
        check("XComArg(list)", Some(("list", "return_value")));
        check("{{ xcom('list') | first }}", None);
        check("{{ xcom(params.task) }}", None);
        check("{{ ti.xcom_pull(task_ids=['a', 'b']) }}", None);
        check("{{ params.list }}", None);
        check("list", None);
    }
}
