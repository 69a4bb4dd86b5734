//! The keys of one map, by canonical name: aliases resolved, unknown ones answered, layers merged.
//!
//! Must not read values.

use std::borrow::Cow;

use crate::operator::{Field as OperatorField, OPERATORS, OperatorSpec};

use super::keys::{self, Key, Support, TASK_KEYS};
use super::report::Report;
use super::source::Span;
use super::tree::{Entry, Kind, Node};
use crate::suggest::did_you_mean;

/// One key of a map, by its canonical name.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'static str,
    pub(crate) key_span: Span,
    pub(crate) value: Cow<'a, Node>,
}

/// The keys of one map.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields<'a> {
    list: Vec<Field<'a>>,
}

impl<'a> Fields<'a> {
    /// The key as it is there, also when its value is null.
    pub(crate) fn field(&self, name: &str) -> Option<&Field<'a>> {
        self.list.iter().find(|field| field.name == name)
    }

    /// The value of a key; none when it is absent or null.
    pub(crate) fn value(&self, name: &str) -> Option<&Node> {
        self.field(name).map(|field| &*field.value).filter(|value| !value.is_null())
    }

    /// The value of a key that was not merged; none when it is absent or null.
    pub(crate) fn node(&self, name: &str) -> Option<&'a Node> {
        match self.field(name)?.value {
            Cow::Borrowed(node) if !node.is_null() => Some(node),
            _ => None,
        }
    }

    /// Adds the keys of `below` that are not there; what is there wins.
    pub(crate) fn inherit(&mut self, below: &Self) {
        for field in &below.list {
            if self.field(field.name).is_none() {
                self.list.push(field.clone());
            }
        }
    }

    /// Adds the keys of `below`; maps that both have are merged key by key.
    pub(crate) fn extend(&mut self, below: Self) {
        for field in below.list {
            match self.list.iter_mut().find(|own| own.name == field.name) {
                None => self.list.push(field),
                Some(own) if own.value.map().is_some() && field.value.map().is_some() => {
                    own.value = Cow::Owned(merge(&own.value, &field.value));
                }
                Some(_) => {}
            }
        }
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, name: &str) {
        self.list.retain(|field| field.name != name);
    }

    /// Adds a key that was written as `written`; a second spelling of one key is an error.
    fn push(&mut self, report: &mut Report<'_>, field: Field<'a>, written: &str) {
        if self.field(field.name).is_some() {
            let message = if written == field.name {
                format!("`{written}` is already given in another spelling")
            } else {
                format!("`{written}` means `{}`, which is already given", field.name)
            };
            report.error(field.key_span, "duplicate-key", message).help("keep one of them");
            return;
        }
        if written != field.name {
            report
                .note(field.key_span, "alias", format!("`{written}` is read as `{}`", field.name))
                .help(format!("write `{}`", field.name));
        }
        self.list.push(field);
    }
}

/// `over` with what `below` has more, maps inside likewise; lists and scalars are replaced.
pub(crate) fn merge(over: &Node, below: &Node) -> Node {
    let (Kind::Map(own), Kind::Map(more)) = (&over.kind, &below.kind) else {
        return over.clone();
    };
    let mut entries: Vec<Entry> = own.clone();
    for entry in more {
        match entries.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => known.value = merge(&known.value, &entry.value),
            None => entries.push(entry.clone()),
        }
    }
    Node { span: over.span, kind: Kind::Map(entries) }
}

/// A DAG's body with what `default:` has more; a key in another spelling is the same key.
pub(crate) fn merge_dag(body: &Node, default: &Node) -> Node {
    let canonical = |word: &str| keys::find(keys::DAG_KEYS, word).map(|key| key.name);
    let (Kind::Map(own), Kind::Map(more)) = (&body.kind, &default.kind) else {
        return body.clone();
    };
    let respelt = |entry: &&Entry| {
        let name = canonical(&entry.key);
        name.is_some() && own.iter().any(|o| o.key != entry.key && canonical(&o.key) == name)
    };
    let rest = more.iter().filter(|entry| !respelt(entry)).cloned().collect();
    merge(body, &Node { span: default.span, kind: Kind::Map(rest) })
}

/// Whose keys a map has, for messages: `task "extract"`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) kind: &'static str,
    pub(crate) name: &'a str,
}

impl std::fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.name.is_empty() {
            f.write_str(self.kind)
        } else {
            write!(f, "{} \"{}\"", self.kind, self.name)
        }
    }
}

/// Reads the keys of a DAG or a group by their table.
pub(crate) fn read<'a>(
    report: &mut Report<'_>,
    entries: &'a [Entry],
    table: &'static [Key],
    owner: Owner<'_>,
) -> Fields<'a> {
    let mut fields = Fields::default();
    for entry in entries {
        match keys::find(table, &entry.key) {
            Some(key) => common(report, &mut fields, key, entry, owner),
            None if entry.key.starts_with("x-") => {}
            None => unknown(report, entry, owner, None, keys::names(table)),
        }
    }
    fields
}

/// Reads the keys of a task: those of every task, and its operator's. Without an operator (it is
/// unknown) nobody can say which keys it would have.
pub(crate) fn read_task<'a>(
    report: &mut Report<'_>,
    entries: &'a [Entry],
    operator: Option<&'static OperatorSpec>,
    owner: Owner<'_>,
) -> Fields<'a> {
    let mut fields = Fields::default();
    read_task_into(report, &mut fields, entries, operator, owner);
    fields
}

fn read_task_into<'a>(
    report: &mut Report<'_>,
    fields: &mut Fields<'a>,
    entries: &'a [Entry],
    operator: Option<&'static OperatorSpec>,
    owner: Owner<'_>,
) {
    for entry in entries {
        if entry.key.starts_with("x-") {
            continue;
        }
        if let ("with" | "partial", Kind::Map(inner)) = (entry.key.as_str(), &entry.value.kind) {
            read_task_into(report, fields, inner, operator, owner);
            if entry.key == "partial"
                && let Some(key) = keys::find(TASK_KEYS, "partial")
            {
                common(report, fields, key, entry, owner);
            }
        } else if let Some(key) = keys::find(TASK_KEYS, &entry.key) {
            common(report, fields, key, entry, owner);
        } else if let Some(field) = operator.and_then(|spec| operator_field(spec, &entry.key)) {
            let read = Field {
                name: field.name,
                key_span: entry.key_span,
                value: Cow::Borrowed(&entry.value),
            };
            fields.push(report, read, &entry.key);
        } else if let Some(spec) = operator {
            foreign_to_operator(report, entry, spec, owner);
        }
    }
}

/// Reads `default_args`: any key of a task or of an operator. Those of other operators are left
/// out by whoever inherits (Airflow: default_args reach the arguments that an operator has).
pub(crate) fn read_defaults<'a>(
    report: &mut Report<'_>,
    entries: &'a [Entry],
    hoisted: &[&str],
    owner: Owner<'_>,
) -> Fields<'a> {
    let mut fields = Fields::default();
    for entry in entries {
        if hoisted.contains(&entry.key.as_str()) || entry.key.starts_with("x-") {
            continue;
        }
        if matches!(entry.key.as_str(), "expand" | "partial") {
            let message = format!("`{}` belongs to a task or a task group", entry.key);
            report
                .error(entry.key_span, "bad-expand", message)
                .help(format!("remove it from {owner}"));
            continue;
        }
        if let Some(key) = keys::find(TASK_KEYS, &entry.key) {
            common(report, &mut fields, key, entry, owner);
            continue;
        }
        let known = OPERATORS.iter().any(|spec| operator_field(spec, &entry.key).is_some());
        if !known {
            let names = OPERATORS.iter().flat_map(|spec| spec.fields).map(|field| field.name);
            unknown(report, entry, owner, None, keys::names(TASK_KEYS).chain(names));
        }
    }
    fields
}

/// The entries of `default_args` that an operator has, by its canonical names.
pub(crate) fn defaults_of_operator<'a>(
    report: &mut Report<'_>,
    entries: &'a [Entry],
    operator: &'static OperatorSpec,
) -> Fields<'a> {
    let mut fields = Fields::default();
    for entry in entries {
        if keys::find(TASK_KEYS, &entry.key).is_none()
            && let Some(field) = operator_field(operator, &entry.key)
        {
            let read = Field {
                name: field.name,
                key_span: entry.key_span,
                value: Cow::Borrowed(&entry.value),
            };
            fields.push(report, read, &entry.key);
        }
    }
    fields
}

fn operator_field(spec: &'static OperatorSpec, word: &str) -> Option<&'static OperatorField> {
    spec.fields.iter().find(|field| field.name == word || field.aliases.contains(&word))
}

/// Takes in a key of a table, by what becomes of it.
fn common<'a>(
    report: &mut Report<'_>,
    fields: &mut Fields<'a>,
    key: &'static Key,
    entry: &'a Entry,
    owner: Owner<'_>,
) {
    match key.support {
        Support::Silent => {}
        Support::Foreign(instead) => {
            report
                .warning(
                    entry.key_span,
                    "no-meaning",
                    format!("`{}` means nothing here", entry.key),
                )
                .help(instead);
        }
        Support::Later if is_off(&entry.value) => {}
        Support::Later => {
            report
                .error(
                    entry.key_span,
                    "not-supported",
                    format!("`{}` is not supported yet", entry.key),
                )
                .help(format!("{}; remove it from {owner}", key.doc));
        }
        Support::Read => {
            if entry.value.is_blank() && key.name != "schedule" {
                report
                    .warning(entry.key_span, "empty-value", format!("`{}` has no value", entry.key))
                    .help(
                        "give it one, or remove the key; write `null` to say that it is meant so",
                    );
            }
            let field = Field {
                name: key.name,
                key_span: entry.key_span,
                value: Cow::Borrowed(&entry.value),
            };
            fields.push(report, field, &entry.key);
        }
    }
}

/// Whether a key that is not supported is switched off anyway.
fn is_off(value: &Node) -> bool {
    value.is_null() || value.text() == Some("false")
}

fn unknown<'n>(
    report: &mut Report<'_>,
    entry: &Entry,
    owner: Owner<'_>,
    spec: Option<&OperatorSpec>,
    names: impl Iterator<Item = &'n str>,
) {
    let hint = did_you_mean(&entry.key, names);
    let help = match spec.filter(|spec| !spec.fields.is_empty()) {
        _ if !hint.is_empty() => "correct the spelling, or remove the key".to_owned(),
        Some(spec) => format!("the keys of `{}` are {}", spec.name, own_keys(spec)),
        None => "remove it, or see the DAG reference for the keys there are".to_owned(),
    };
    report
        .error(
            entry.key_span,
            "unknown-key",
            format!("unknown key \"{}\" in {owner}{hint}", entry.key),
        )
        .help(help);
}

fn own_keys(spec: &OperatorSpec) -> String {
    spec.fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ")
}

/// A key that neither every task nor this operator has; perhaps another operator has it.
fn foreign_to_operator(
    report: &mut Report<'_>,
    entry: &Entry,
    spec: &'static OperatorSpec,
    owner: Owner<'_>,
) {
    let others: Vec<&str> = OPERATORS
        .iter()
        .filter(|other| operator_field(other, &entry.key).is_some())
        .map(|other| other.name)
        .collect();
    if others.is_empty() {
        let own = spec
            .fields
            .iter()
            .flat_map(|field| std::iter::once(field.name).chain(field.aliases.iter().copied()));
        unknown(report, entry, owner, Some(spec), own.chain(keys::names(TASK_KEYS)));
        return;
    }
    let message = format!(
        "the operator `{}` of {owner} has no key \"{}\"; `{}` {}",
        spec.name,
        entry.key,
        others.join("`, `"),
        if others.len() == 1 { "has" } else { "have" }
    );
    let help = if spec.fields.is_empty() {
        format!("`{}` has no keys of its own; remove it or change the operator", spec.name)
    } else {
        format!("the keys of `{}` are {}", spec.name, own_keys(spec))
    };
    report.error(entry.key_span, "unknown-key", message).help(help);
}
