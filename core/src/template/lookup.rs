//! What a template asks of the outside: XCom values, metrics, variables and connections.
//!
//! The core cannot fetch. A render carries the answers ([`Lookups`]); one that is not there ends
//! it with the list of questions, the shell fetches them and renders again. No I/O here.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connection::Connection;

/// A question to the shell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lookup {
    /// `ti.xcom_pull(…)` of one task; `map_index: None` asks for the unmapped value, or for the
    /// list of all mapped ones.
    XCom {
        /// The task that gave the value.
        task_id: String,
        /// `return_value` unless named.
        key: String,
        /// One mapped instance.
        map_index: Option<i64>,
        /// Another DAG's value.
        dag_id: Option<String>,
        /// Another run's value.
        run_id: Option<String>,
        /// Whether earlier runs may answer.
        include_prior_dates: bool,
    },
    /// One element of what a mapped task is expanded over (see [`crate::mapping`]).
    Element {
        /// The task that gave the list or map.
        task_id: String,
        /// Its key.
        key: String,
        /// The element's place, from 0.
        index: u32,
    },
    /// How many elements that is.
    Length {
        /// The task that gave the list or map.
        task_id: String,
        /// Its key.
        key: String,
    },
    /// `metrics('task')`: the task's metrics as a map.
    Metrics {
        /// The task that gave them.
        task_id: String,
    },
    /// `var.value.KEY` or `var.json.KEY`: the variable's text.
    Variable {
        /// The variable's key.
        key: String,
    },
    /// `triggering_asset_events`: the asset events that the run consumed, as a list of assets,
    /// each with its `events`.
    TriggeringEvents,
    /// `inlet_events[…]`: an asset with its newest `events`, oldest first.
    AssetEvents {
        /// Its name or URI.
        asset: String,
    },
    /// `conn.ID`.
    Connection {
        /// The connection's id.
        conn_id: String,
    },
}

impl Lookup {
    /// The plain XCom of a task in this run.
    pub fn xcom(task_id: impl Into<String>, key: impl Into<String>) -> Lookup {
        Lookup::XCom {
            task_id: task_id.into(),
            key: key.into(),
            map_index: None,
            dag_id: None,
            run_id: None,
            include_prior_dates: false,
        }
    }
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lookup::XCom { task_id, key, .. } => write!(f, "xcom \"{key}\" of task \"{task_id}\""),
            Lookup::Element { task_id, index, .. } => {
                write!(f, "element {index} of task \"{task_id}\"")
            }
            Lookup::Length { task_id, .. } => write!(f, "the length of task \"{task_id}\""),
            Lookup::Metrics { task_id } => write!(f, "metrics of task \"{task_id}\""),
            Lookup::Variable { key } => write!(f, "variable \"{key}\""),
            Lookup::TriggeringEvents => write!(f, "the asset events that started the run"),
            Lookup::AssetEvents { asset } => write!(f, "events of asset \"{asset}\""),
            Lookup::Connection { conn_id } => write!(f, "connection \"{conn_id}\""),
        }
    }
}

/// An answer.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// An XCom value, metrics, or a variable's text (as a JSON string).
    Value(Value),
    /// A connection.
    Connection(Box<Connection>),
    /// There is none: XCom gives none, a variable or connection is an error unless defaulted.
    Missing,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A variable's text may be a secret.
            Answer::Value(_) => f.write_str("Value(***)"),
            Answer::Connection(connection) => {
                f.debug_tuple("Connection").field(connection).finish()
            }
            Answer::Missing => f.write_str("Missing"),
        }
    }
}

/// The answers known to a render, and the environment that `env('NAME')` reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lookups {
    #[serde(with = "as_pairs")]
    answers: BTreeMap<Lookup, Answer>,
    /// What `env('NAME')` may read; only what the shell chose to pass.
    env: Environment,
}

/// Environment variables by name; their values never print.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Environment(BTreeMap<String, String>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Lookups {
    /// No answers.
    pub fn new() -> Lookups {
        Lookups::default()
    }

    /// Adds or replaces an answer.
    pub fn insert(&mut self, lookup: Lookup, answer: Answer) {
        self.answers.insert(lookup, answer);
    }

    /// The answer, if known.
    pub fn get(&self, lookup: &Lookup) -> Option<&Answer> {
        self.answers.get(lookup)
    }

    /// Lets `env('NAME')` read a value.
    pub fn insert_env(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.env.0.insert(name.into(), value.into());
    }

    /// The value of an environment variable, if passed.
    pub fn env(&self, name: &str) -> Option<&str> {
        self.env.0.get(name).map(String::as_str)
    }

    /// Those of `wanted` that have no answer yet, each once, in order.
    pub fn missing_of(&self, wanted: impl IntoIterator<Item = Lookup>) -> Vec<Lookup> {
        let mut missing = Vec::new();
        for lookup in wanted {
            if !self.answers.contains_key(&lookup) && !missing.contains(&lookup) {
                missing.push(lookup);
            }
        }
        missing
    }
}

/// JSON has no maps with structured keys: answers travel as a list of pairs.
mod as_pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::{Answer, Lookup};

    pub(super) fn serialize<S: Serializer>(
        answers: &BTreeMap<Lookup, Answer>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        answers.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Lookup, Answer>, D::Error> {
        Ok(Vec::<(Lookup, Answer)>::deserialize(deserializer)?.into_iter().collect())
    }
}
