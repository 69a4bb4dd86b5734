//! Values of the other dialects → values of ours: marked values, typed objects, outputs of tasks.
//!
//! Must not know keys.

use super::super::report::Report;
use super::super::tree::{Entry, Kind, Node, Scalar, Style};
use super::super::value::is_template;
use super::Dialect;
use crate::ids::TaskId;

/// Rewrites values, and remembers which tasks they take from.
pub(super) struct Values<'r, 'a, 'n> {
    pub(super) report: &'r mut Report<'a>,
    pub(super) dialect: Dialect,
    /// The names of all tasks.
    pub(super) tasks: &'n [String],
    /// The tasks whose results were asked for.
    pub(super) inputs: Vec<String>,
}

impl Values<'_, '_, '_> {
    /// A value with everything in it rewritten.
    pub(super) fn value(&mut self, node: &Node) -> Node {
        let kind = match &node.kind {
            Kind::Map(entries) => return self.map(node, entries),
            Kind::List(items) => Kind::List(items.iter().map(|item| self.value(item)).collect()),
            Kind::Scalar(scalar) => return self.scalar(node, scalar),
            Kind::Raw(written) if !is_template(written) => return text(node, written.clone()),
            Kind::Raw(written) => Kind::Raw(written.clone()),
        };
        Node { span: node.span, kind }
    }

    fn scalar(&mut self, node: &Node, scalar: &Scalar) -> Node {
        match self.dialect {
            // In Airflow's YAML a text is no template unless it is marked as one.
            Dialect::Airflow if is_template(&scalar.text) => {
                Node { span: node.span, kind: Kind::Raw(scalar.text.clone()) }
            }
            Dialect::DagFactory => {
                let named = scalar.text.strip_suffix(".output").or(scalar.text.strip_prefix('+'));
                match named.filter(|name| self.tasks.iter().any(|task| task == name)) {
                    Some(name) => self.output(node, name, None),
                    None => node.clone(),
                }
            }
            Dialect::Airflow => node.clone(),
        }
    }

    /// What a task gave.
    fn output(&mut self, node: &Node, task: &str, key: Option<&str>) -> Node {
        let task = tidy(task);
        self.inputs.push(task.clone());
        let key = key.filter(|key| *key != "return_value");
        let key = key.map(|key| format!(", key='{key}'")).unwrap_or_default();
        text(node, format!("{{{{ xcom('{task}'{key}) }}}}"))
    }

    fn map(&mut self, node: &Node, entries: &[Entry]) -> Node {
        if let [entry] = entries {
            match entry.key.as_str() {
                "$t" | "$template" => return entry.value.clone(),
                "$raw" if entry.value.text().is_some_and(|text| !is_template(text)) => {
                    return text(node, entry.value.text().unwrap_or_default().to_owned());
                }
                "$raw" | "$const" => {
                    return match entry.value.text().filter(|text| is_template(text)) {
                        Some(text) => Node { span: node.span, kind: Kind::Raw(text.to_owned()) },
                        None => entry.value.clone(),
                    };
                }
                "$x" | "$xcom" => return self.input(node, &entry.value),
                _ => {}
            }
        }
        if self.dialect == Dialect::Airflow
            && let Some(entry) = entries.iter().find(|entry| entry.key.starts_with('$'))
        {
            let message = format!("the marker `{}` cannot be carried over", entry.key);
            self.report
                .warning(entry.key_span, "not-carried", message)
                .help("the markers are `$t`, `$x` and `$const`, each alone in its map");
            return text(node, String::new());
        }
        if let Some(Kind::List(items)) = node.get("__join__").map(|items| &items.kind) {
            let parts: Vec<Node> = items.iter().map(|item| self.value(item)).collect();
            if let Some(parts) = parts.iter().map(Node::text).collect::<Option<Vec<_>>>() {
                return text(node, parts.concat());
            }
        }
        if let Some(kind) = node.get("__type__").and_then(Node::text) {
            return self.typed(node, kind, entries);
        }
        let rewritten = entries
            .iter()
            .map(|entry| Entry { value: self.value(&entry.value), ..entry.clone() })
            .collect();
        Node { span: node.span, kind: Kind::Map(rewritten) }
    }

    /// `{$x: task}` and `{$x: {task: …, key: …}}`.
    fn input(&mut self, node: &Node, value: &Node) -> Node {
        let of = |words: &[&str]| words.iter().find_map(|word| value.get(word)?.text());
        let (task, key) = match value.text() {
            Some(task) => (Some(task), None),
            None => (of(&["task", "task_id", "id", "from"]), of(&["key"])),
        };
        if let Some(task) = task {
            return self.output(node, task, key);
        }
        self.report
            .warning(node.span, "not-carried", "this input cannot be carried over")
            .help("write `{{ xcom('task') }}`");
        text(node, String::new())
    }

    /// An asset: its address alone where there is no more to say.
    fn asset(&mut self, node: &Node, entries: &[Entry]) -> Node {
        if let [only] = entries {
            return only.value.clone();
        }
        let mut kept = Vec::new();
        for old in entries {
            match old.key.as_str() {
                "name" => kept.push(Entry { key: "asset".to_owned(), ..old.clone() }),
                "uri" | "group" | "extra" => kept.push(old.clone()),
                key => {
                    let message = format!("`{key}` of an asset cannot be carried over");
                    self.report
                        .warning(old.key_span, "not-carried", message)
                        .help("a `sensor` task can wait for what is outside of the DAGs");
                }
            }
        }
        match kept.as_slice() {
            [only] => only.value.clone(),
            _ => Node { span: node.span, kind: Kind::Map(kept) },
        }
    }

    /// dag-factory's objects of Python classes, as far as they are plain data.
    fn typed(&mut self, node: &Node, kind: &str, entries: &[Entry]) -> Node {
        let rest: Vec<Entry> = entries
            .iter()
            .filter(|entry| entry.key != "__type__")
            .map(|entry| Entry { value: self.value(&entry.value), ..entry.clone() })
            .collect();
        let of = |key: &str| rest.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        let number = |key: &str| of(key).and_then(Node::text).and_then(|t| t.parse::<u32>().ok());
        match kind.rsplit('.').next().unwrap_or(kind) {
            "timedelta" => return Node { span: node.span, kind: Kind::Map(rest) },
            "datetime" | "date" | "DateTime" => {
                if let (Some(year), Some(month), Some(day)) =
                    (number("year"), number("month"), number("day"))
                {
                    let (hour, minute) =
                        (number("hour").unwrap_or(0), number("minute").unwrap_or(0));
                    let date = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:00");
                    return text(node, date);
                }
            }
            "Asset" | "Dataset" if of("uri").or_else(|| of("name")).is_some() => {
                return self.asset(node, &rest);
            }
            _ => {}
        }
        self.report
            .warning(
                node.span.head(),
                "not-carried",
                format!("an object of the Python class {kind}"),
            )
            .help("objects of Python cannot be made here; write the value itself");
        text(node, String::new())
    }
}

/// A name that may stand for a task here: other characters become `_`.
pub(super) fn tidy(name: &str) -> String {
    if TaskId::new(name).is_ok() {
        return name.to_owned();
    }
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name: String = name.chars().map(|c| if is_fine(c) { c } else { '_' }).collect();
    name.trim_end_matches('_').trim_start_matches(['-', '.']).replace("..", "_")
}

/// A text at the place of a node.
pub(super) fn text(node: &Node, text: String) -> Node {
    Node { span: node.span, kind: Kind::Scalar(Scalar { text, style: Style::Quoted }) }
}
