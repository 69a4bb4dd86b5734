//! Answers for templates that are rendered without a server: from the command's own options, then
//! from the environment, else a visible placeholder. Secrets are masked: what is rendered here is
//! printed.

use std::collections::BTreeMap;

use millrace_core::connection::Connection;
use millrace_core::mapping::{Given, Length};
use millrace_core::render::MASK;
use millrace_core::template::{Answer, Lookup};
use serde_json::Value;

use crate::masking;

/// What is known without a server.
#[derive(Debug, Default)]
pub(crate) struct Offline {
    /// `MILLRACE_VAR_*`, `MILLRACE_CONN_*` and Airflow's.
    pub environment: BTreeMap<String, String>,
    /// `--var`.
    pub variables: BTreeMap<String, String>,
    /// `--xcom`.
    pub xcoms: BTreeMap<String, Value>,
}

impl Offline {
    /// The answer, and whether it is only a placeholder.
    pub(crate) fn answer(&self, lookup: &Lookup) -> (Answer, bool) {
        match lookup {
            Lookup::XCom { task_id, .. } | Lookup::Metrics { task_id } => {
                match self.xcoms.get(task_id) {
                    Some(value) => (Answer::Value(value.clone()), false),
                    None => placeholder(&format!("<{}>", word_of(lookup))),
                }
            }
            // No run, no events: a template goes through none of them.
            Lookup::TriggeringEvents | Lookup::AssetEvents { .. } => (Answer::Missing, false),
            Lookup::Element { task_id, index, .. } => match self.xcoms.get(task_id) {
                Some(value) => {
                    let element = Given(&[(-1, value)]).element(*index);
                    (element.map_or(Answer::Missing, Answer::Value), false)
                }
                None => placeholder(&format!("<{}>", word_of(lookup))),
            },
            Lookup::Length { task_id, .. } => match self.length(task_id) {
                Some(Length::Elements { count, .. }) => (Answer::Value(Value::from(count)), false),
                _ => (Answer::Value(Value::from(1)), true),
            },
            Lookup::Variable { key } => match self.variable(key) {
                Some(text) => (Answer::Value(Value::String(text)), false),
                None => placeholder(&format!("<var:{key}>")),
            },
            Lookup::Connection { conn_id } => match self.connection(conn_id) {
                Some(connection) => (Answer::Connection(Box::new(connection)), false),
                None => (Answer::Connection(Box::new(unknown(conn_id))), true),
            },
        }
    }

    /// How much a task gave to be mapped over.
    pub(crate) fn length(&self, task_id: &str) -> Option<Length> {
        self.xcoms.get(task_id).map(|value| Given(&[(-1, value)]).length())
    }

    fn variable(&self, key: &str) -> Option<String> {
        if let Some(text) = self.variables.get(key) {
            return Some(text.clone());
        }
        let text = self.of_environment("VAR", key)?;
        Some(masking::variable(key, text).to_owned())
    }

    fn connection(&self, conn_id: &str) -> Option<Connection> {
        let mut found = Connection::parse(conn_id, self.of_environment("CONN", conn_id)?).ok()?;
        found.password = found.password.map(|_| MASK.to_owned());
        found.extra = masking::extra(&found.extra);
        Some(found)
    }

    fn of_environment(&self, kind: &str, name: &str) -> Option<&String> {
        let name = name.to_uppercase();
        ["MILLRACE", "AIRFLOW"]
            .iter()
            .find_map(|prefix| self.environment.get(&format!("{prefix}_{kind}_{name}")))
    }
}

/// A lookup as placeholders and messages name it: `xcom:train`.
pub(crate) fn word_of(lookup: &Lookup) -> String {
    match lookup {
        Lookup::XCom { task_id, key, .. } if key == "return_value" => format!("xcom:{task_id}"),
        Lookup::XCom { task_id, key, .. } => format!("xcom:{task_id}.{key}"),
        Lookup::Element { task_id, index, .. } => format!("xcom:{task_id}[{index}]"),
        Lookup::Length { task_id, .. } => format!("length:{task_id}"),
        Lookup::Metrics { task_id } => format!("metrics:{task_id}"),
        Lookup::TriggeringEvents => "triggering_asset_events".to_owned(),
        Lookup::AssetEvents { asset } => format!("inlet_events:{asset}"),
        Lookup::Variable { key } => format!("var:{key}"),
        Lookup::Connection { conn_id } => format!("conn:{conn_id}"),
    }
}

fn placeholder(text: &str) -> (Answer, bool) {
    (Answer::Value(Value::String(text.to_owned())), true)
}

/// A connection whose every field says what it stands for.
fn unknown(conn_id: &str) -> Connection {
    let field = |name: &str| Some(format!("<conn:{conn_id}.{name}>"));
    Connection {
        conn_id: conn_id.to_owned(),
        host: field("host"),
        login: field("login"),
        password: field("password"),
        schema: field("schema"),
        ..Connection::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: &Answer) -> String {
        match answer {
            Answer::Value(Value::String(text)) => text.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_come_before_the_environment_and_secrets_are_masked() {
        let pairs = [
            ("AIRFLOW_VAR_REGION", "seoul"),
            ("MILLRACE_VAR_API_TOKEN", "geheim"),
            ("MILLRACE_CONN_DB", "mysql://root:geheim@127.0.0.1:3306/mlops"),
        ];
        let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mut known = Offline { environment, ..Offline::default() };
        let variable = |known: &Offline, key: &str| {
            text(&known.answer(&Lookup::Variable { key: key.to_owned() }).0)
        };
        assert_eq!(variable(&known, "region"), "seoul");
        assert_eq!(variable(&known, "api_token"), "***");
        assert_eq!(variable(&known, "gone"), "<var:gone>");
        known.variables.insert("region".to_owned(), "busan".to_owned());
        assert_eq!(variable(&known, "region"), "busan");
        let conn = |id: &str| match known.answer(&Lookup::Connection { conn_id: id.to_owned() }).0 {
            Answer::Connection(connection) => connection,
            other => panic!("{other:?}"),
        };
        assert_eq!(conn("db").password.as_deref(), Some("***"));
        assert_eq!(conn("db").host.as_deref(), Some("127.0.0.1"));
        assert_eq!(conn("gone").password.as_deref(), Some("<conn:gone.password>"));
        let (answer, is_placeholder) = known.answer(&Lookup::xcom("train", "return_value"));
        assert_eq!((text(&answer).as_str(), is_placeholder), ("<xcom:train>", true));
    }
}
