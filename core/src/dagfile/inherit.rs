//! What a task takes in: the templates of `extends`, and the `default_args` around it.
//!
//! A task's own keys win over its templates' (maps merge key by key, lists replace), those over
//! the `default_args` of its groups from inside out, and those over the DAG's (as in Airflow, maps
//! are replaced there). Must not read values.

use crate::operator::{self, OperatorSpec};

use super::fields::{self, Fields, Owner};
use super::groups::{Draft, Outline};
use super::report::Report;
use super::source::Span;
use super::tree::{Entry, Kind, Node};
use super::value;
use crate::suggest::{did_you_mean, nearest};

/// The words for `operator`.
const OPERATOR_WORDS: &[&str] = &["operator", "type", "uses"];

/// Operators of Airflow that are known here and cannot run yet.
const LATER: &[(&str, &[&str])] = &[
    ("notify", &["EmailOperator", "SlackAPIPostOperator", "SlackWebhookOperator"]),
    ("deploy", &[]),
    ("kubernetes", &["KubernetesPodOperator"]),
    ("swarm", &["DockerSwarmOperator"]),
    ("slurm", &[]),
    ("ray", &[]),
    ("spark", &["SparkSubmitOperator"]),
];

/// All that tasks of one DAG can take in.
#[derive(Debug, Default)]
pub(crate) struct Sources<'a> {
    /// The DAG's `templates`.
    pub(crate) templates: &'a [Entry],
    /// The DAG's `default_args`.
    pub(crate) defaults: &'a [Entry],
}

/// The keys of a task with all that it takes in.
#[derive(Debug)]
pub(crate) struct Whole<'a> {
    pub(crate) fields: Fields<'a>,
    pub(crate) operator: Option<&'static OperatorSpec>,
    /// Where the operator is named; the task's name when nowhere.
    pub(crate) operator_span: Span,
}

/// Reads the keys of a draft.
pub(crate) fn whole<'a>(
    report: &mut Report<'_>,
    sources: &Sources<'a>,
    outline: &Outline<'a>,
    draft: &Draft<'a>,
) -> Whole<'a> {
    let mut layers = vec![draft.entries];
    let mut path = Vec::new();
    extend(report, sources.templates, draft.entries, &mut path, &mut layers);
    let around: Vec<&'a [Entry]> = outline
        .around(draft.group)
        .filter_map(|group| outline.groups[group].defaults?.map())
        .chain(std::iter::once(sources.defaults))
        .collect();
    let named = layers.iter().chain(&around).find_map(|layer| operator_entry(layer));
    let operator = if let Some(entry) = named {
        find_operator(report, &entry.value)
    } else {
        let message = format!("task \"{}\" has no `operator`", draft.id);
        report
            .error(draft.id_span, "missing-key", message)
            .help(format!("add `operator: …`, one of {}", operator_names().join(", ")));
        None
    };
    let owner = Owner { kind: "task", name: draft.id.as_str() };
    let mut layers = layers.into_iter();
    let own = layers.next().unwrap_or_default();
    let mut whole = fields::read_task(report, own, operator, owner);
    for layer in layers {
        let mut below = fields::read_task(report, layer, operator, owner);
        below.remove("extends");
        whole.extend(below);
    }
    for defaults in around {
        let mut quiet = Report::new(report.source);
        let mut read = fields::read_defaults(&mut quiet, defaults, &[], owner);
        if std::ptr::eq(defaults, sources.defaults) {
            // They are the DAG's own there.
            read.remove("start_date");
            read.remove("end_date");
        }
        whole.inherit(&read);
        if let Some(spec) = operator {
            whole.inherit(&fields::defaults_of_operator(report, defaults, spec));
        }
    }
    let operator_span = named.map_or(draft.id_span, |entry| entry.value.span);
    Whole { fields: whole, operator, operator_span }
}

/// The short names of all operators.
pub(crate) fn operator_names() -> Vec<&'static str> {
    operator::OPERATORS.iter().map(|spec| spec.name).collect()
}

fn operator_entry(entries: &[Entry]) -> Option<&Entry> {
    entries
        .iter()
        .find(|entry| OPERATOR_WORDS.contains(&entry.key.as_str()) && !entry.value.is_null())
}

fn find_operator(report: &mut Report<'_>, node: &Node) -> Option<&'static OperatorSpec> {
    let word = value::text(report, "operator", node)?;
    if let Some(spec) = operator::find(&word) {
        if spec.name != word {
            report
                .note(
                    node.span,
                    "alias",
                    format!("`{word}` is read as the operator `{}`", spec.name),
                )
                .help(format!("write `operator: {}`", spec.name));
        }
        return Some(spec);
    }
    let last = word.rsplit('.').next().unwrap_or(&word);
    let later = LATER
        .iter()
        .find(|(name, classes)| *name == word || classes.iter().any(|class| last.ends_with(class)));
    if let Some((name, _)) = later {
        report
            .error(
                node.span,
                "not-supported",
                format!("the operator `{name}` is not supported yet"),
            )
            .help(format!("the operators are {}", operator_names().join(", ")));
        return None;
    }
    let classes = operator::OPERATORS.iter().flat_map(|spec| spec.class_names.iter().copied());
    let meant = nearest(last, operator_names().into_iter().chain(classes)).and_then(operator::find);
    let hint = meant.map_or_else(String::new, |spec| format!("; did you mean \"{}\"?", spec.name));
    report
        .error(node.span, "unknown-operator", format!("unknown operator \"{word}\"{hint}"))
        .help(format!("the operators are {}", operator_names().join(", ")));
    None
}

/// Adds the entries of the templates that `entries` extends, nearest first: of several the last
/// wins, and a template's own templates come behind it.
fn extend<'a>(
    report: &mut Report<'_>,
    templates: &'a [Entry],
    entries: &'a [Entry],
    path: &mut Vec<&'a str>,
    layers: &mut Vec<&'a [Entry]>,
) {
    let Some(node) = entries.iter().find(|entry| entry.key == "extends").map(|entry| &entry.value)
    else {
        return;
    };
    if node.is_null() {
        return;
    }
    for (name, item) in value::texts(report, "extends", node).unwrap_or_default().iter().rev() {
        let Some(template) = templates.iter().find(|entry| entry.key == *name) else {
            let names = templates.iter().map(|entry| entry.key.as_str());
            let hint = did_you_mean(name, names);
            report
                .error(
                    item.span,
                    "unknown-template",
                    format!("there is no template \"{name}\"{hint}"),
                )
                .help("define it in the DAG's `templates`");
            continue;
        };
        if path.contains(&template.key.as_str()) {
            let names = path.join(" → ");
            let message = format!("templates extend each other: {names} → {}", template.key);
            report.error(item.span, "extends-cycle", message).help("remove one `extends`");
            continue;
        }
        let Kind::Map(body) = &template.value.kind else {
            value::wrong(
                report,
                &template.key,
                &template.value,
                "a map of task keys",
                "write the keys below it",
            );
            continue;
        };
        layers.push(body);
        path.push(&template.key);
        extend(report, templates, body, path, layers);
        path.pop();
    }
}
