//! Values of the other dialects → values of ours: marked values, typed objects, outputs of tasks.
//!
//! Must not know keys.

use super::super::report::Report;
use super::super::tree::{Entry, Kind, Node, Scalar, Style};
use super::super::value::is_template;
use super::Dialect;

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
        self.inputs.push(task.to_owned());
        let key = key.filter(|key| *key != "return_value");
        let key = key.map(|key| format!(", key='{key}'")).unwrap_or_default();
        text(node, format!("{{{{ xcom('{task}'{key}) }}}}"))
    }

    fn map(&mut self, node: &Node, entries: &[Entry]) -> Node {
        if let [entry] = entries {
            match entry.key.as_str() {
                "$t" => return entry.value.clone(),
                "$const" => {
                    return match entry.value.text().filter(|text| is_template(text)) {
                        Some(text) => Node { span: node.span, kind: Kind::Raw(text.to_owned()) },
                        None => entry.value.clone(),
                    };
                }
                "$x" => return self.input(node, &entry.value),
                _ => {}
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
            "Asset" | "Dataset" => {
                if let Some(uri) = of("uri").or_else(|| of("name")) {
                    return uri.clone();
                }
            }
            "CronTriggerTimetable" | "CronDataIntervalTimetable" => {
                if let Some(cron) = of("cron").or_else(|| of("args")) {
                    return cron.clone();
                }
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

/// A text at the place of a node.
pub(super) fn text(node: &Node, text: String) -> Node {
    Node { span: node.span, kind: Kind::Scalar(Scalar { text, style: Style::Quoted }) }
}
