//! The table of operators: what each is called, which keys it takes, and where it runs.
//!
//! One line here, one file below and one file in the worker make an operator. The second pass of
//! `dagfile` checks a task's own keys against [`OperatorSpec::fields`]; the worker renders
//! [`crate::dag::Task::config`] and reads it as the typed struct of the operator's module.
//! Nothing here runs anything.

pub mod approval;
pub mod bash;
pub mod branch;
pub mod docker;
pub mod empty;
pub mod http;
pub mod latest_only;
pub mod notify;
pub mod python;
pub mod sensor;
pub mod short_circuit;
pub mod sql;
pub mod sql_bind;
pub mod sql_split;
pub mod trigger_dag;

/// Every operator that a DAG file may name.
pub const OPERATORS: &[&OperatorSpec] = &[
    &bash::SPEC,
    &sql::SPEC,
    &docker::SPEC,
    &http::SPEC,
    &python::SPEC,
    &branch::SPEC,
    &short_circuit::SPEC,
    &empty::SPEC,
    &latest_only::SPEC,
    &notify::SPEC,
    &sensor::SPEC,
    &trigger_dag::SPEC,
    &approval::SPEC,
];

/// A task's operator keys by canonical name.
pub type Config = serde_json::Map<String, serde_json::Value>;

/// Pairs of the offending key (or `operator`) and what is wrong with it.
pub type Problems = Vec<(&'static str, String)>;

/// What the core knows of an operator.
#[derive(Debug)]
pub struct OperatorSpec {
    /// The word in `operator:`.
    pub name: &'static str,
    /// Other words accepted: Airflow's class paths (the part after the last dot is enough).
    pub class_names: &'static [&'static str],
    /// The keys of a task that belong to this operator.
    pub fields: &'static [Field],
    /// Where an attempt runs, given its config.
    pub place: fn(&Config) -> Place,
    /// What the table of fields cannot say, e.g. "exactly one of `choose` and `bash_command`":
    /// pairs of the offending key (or `operator`) and the message.
    pub check: fn(&Config) -> Problems,
}

/// Where an attempt of a task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// On a worker, with a slot.
    Worker,
    /// In the scheduler: a decision over templates and states, no process, no slot.
    Scheduler,
}

/// One key of an operator.
#[derive(Debug)]
pub struct Field {
    /// The canonical key.
    pub name: &'static str,
    /// Other spellings, accepted with a note.
    pub aliases: &'static [&'static str],
    /// What its value may be.
    pub kind: FieldKind,
    /// Whether a task without it is an error.
    pub required: bool,
    /// How its text is treated.
    pub text: TextUse,
}

/// The shape of a field's value, before rendering. Wherever a number or a truth value is wanted, a
/// template that renders to one is accepted too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// One text.
    Text,
    /// A text or a list of texts.
    TextOrList,
    /// A list of texts.
    TextList,
    /// A map of texts (numbers and truth values become text).
    TextMap,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A number, or any text.
    NumberOrText,
    /// A number.
    Number,
    /// A size of memory: bytes, or a text such as `512m`.
    Size,
    /// One of some words.
    Word(&'static [&'static str]),
    /// A duration (`5m`, seconds, ISO 8601, `{minutes: 5}`), normalised to seconds.
    Duration,
    /// A list of whole numbers, or one.
    IntList,
    /// Any YAML value.
    Any,
    /// The `choose:` list of a branch.
    Choose,
}

/// How the text of a field is treated when it is read and rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextUse {
    /// A template.
    Plain,
    /// A template, and when it ends in one of these, the name of a file that is one.
    File(&'static [&'static str]),
    /// A shell script (or a file of one): run input is quoted for the shell when rendered.
    Shell(&'static [&'static str]),
    /// An expression that is evaluated, not text that is rendered.
    Expression,
    /// A template whose rendered text is a secret: never shown, never logged.
    Secret,
}

impl Field {
    /// A plain optional template field.
    pub const fn new(name: &'static str, kind: FieldKind) -> Self {
        Self { name, aliases: &[], kind, required: false, text: TextUse::Plain }
    }

    /// The same field, required.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same field with other spellings.
    #[must_use]
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// The same field, its text treated as `text`.
    #[must_use]
    pub const fn text(mut self, text: TextUse) -> Self {
        self.text = text;
        self
    }
}

/// The operator of a word: its name, a class name, or a dotted class path that ends in one.
pub fn find(word: &str) -> Option<&'static OperatorSpec> {
    let last = word.rsplit('.').next().unwrap_or(word);
    OPERATORS.iter().copied().find(|spec| spec.name == word || spec.class_names.contains(&last))
}

/// No further check.
pub(crate) fn no_check(_: &Config) -> Problems {
    Vec::new()
}

/// Always on a worker.
pub(crate) fn on_worker(_: &Config) -> Place {
    Place::Worker
}

/// Always in the scheduler.
pub(crate) fn in_scheduler(_: &Config) -> Place {
    Place::Scheduler
}

/// On a worker when the task has a command, else in the scheduler.
pub(crate) fn worker_if_command(config: &Config) -> Place {
    if config.contains_key("bash_command") { Place::Worker } else { Place::Scheduler }
}

/// Exactly one of two keys must be there.
pub(crate) fn one_of(config: &Config, first: &'static str, second: &'static str) -> Problems {
    match (config.contains_key(first), config.contains_key(second)) {
        (true, true) => {
            vec![(second, format!("`{first}` and `{second}` exclude each other; keep one"))]
        }
        (false, false) => vec![("operator", format!("needs `{first}` or `{second}`"))],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_class_paths_find_their_operator() {
        let check = |word: &str, expected: Option<&str>| {
            assert_eq!(find(word).map(|spec| spec.name), expected, "{word}");
        };
        check("bash", Some("bash"));
        check("airflow.providers.standard.operators.bash.BashOperator", Some("bash"));
        check("SQLExecuteQueryOperator", Some("sql"));
        check("BranchPythonOperator", Some("branch"));
        check("bahs", None);
    }

    #[test]
    fn field_names_are_unique_in_an_operator() {
        for spec in OPERATORS {
            let mut seen = std::collections::BTreeSet::new();
            for field in spec.fields {
                for name in std::iter::once(&field.name).chain(field.aliases) {
                    assert!(seen.insert(*name), "{}.{name} twice", spec.name);
                }
            }
        }
    }
}
