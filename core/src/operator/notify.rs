//! `notify`: sends notices as a task (Airflow: `EmailOperator`, `SlackWebhookOperator`), and the
//! settings of every kind of notice, which callbacks share.
//!
//! Must not send anything.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::sql::one_or_many;
use super::{Field, FieldKind, OperatorSpec, http, on_worker};

/// The kinds of notices, each with its other spellings.
pub const KINDS: &[(&str, &[&str])] =
    &[("log", &[]), ("webhook", &["slack", "http"]), ("email", &["smtp"]), ("command", &["bash"])];

/// The kinds that a `notify` task sends: a log line or a command is a task of its own.
const SENT: &[&str] = &["webhook", "email"];

/// What a webhook takes beside the keys of `http`: they become its JSON, as Slack wants it.
pub const MESSAGE_KEYS: &[&str] =
    &["text", "blocks", "attachments", "channel", "username", "icon_emoji"];

const EMAIL_KEYS: &[&str] = &[
    "to",
    "cc",
    "bcc",
    "subject",
    "text",
    "body",
    "html",
    "html_content",
    "from",
    "from_email",
    "reply_to",
    "conn_id",
    "smtp_conn_id",
    "timeout",
];

const FORM: &str = "write `send: [{email: {to: …, subject: …, text: …}}]` or `[{slack: {conn_id: …, \
                    text: …}}]` or `[{webhook: {…}}]`";

/// The line of `notify` in the table of operators.
pub const SPEC: OperatorSpec = OperatorSpec {
    name: "notify",
    class_names: &["notify_operator"],
    fields: &[Field::new("send", FieldKind::Any).required()],
    place: on_worker,
    check: |config| match notices(config.get("send").unwrap_or(&Value::Null)) {
        Ok(_) => Vec::new(),
        Err(problem) => vec![("send", problem)],
    },
};

/// A notice of a task: its kind and its settings.
pub type Notice = (&'static str, Map<String, Value>);

/// The settings of an e-mail, rendered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailConfig {
    /// Who gets it: addresses, also several in one text with commas or semicolons.
    #[serde(deserialize_with = "one_or_many")]
    pub to: Vec<String>,
    /// Who gets a copy.
    #[serde(default, deserialize_with = "one_or_many")]
    pub cc: Vec<String>,
    /// Who gets a copy that the others do not see.
    #[serde(default, deserialize_with = "one_or_many")]
    pub bcc: Vec<String>,
    /// The subject; line breaks become blanks.
    #[serde(default)]
    pub subject: Option<String>,
    /// The text for readers without HTML.
    #[serde(default, alias = "body")]
    pub text: Option<String>,
    /// The HTML.
    #[serde(default, alias = "html_content")]
    pub html: Option<String>,
    /// The sender, instead of the connection's.
    #[serde(default, alias = "from_email")]
    pub from: Option<String>,
    /// Where answers go.
    #[serde(default, deserialize_with = "one_or_many")]
    pub reply_to: Vec<String>,
    /// The `smtp` connection.
    #[serde(default = "smtp_default", alias = "smtp_conn_id")]
    pub conn_id: String,
    /// The limit of one delivery in seconds.
    #[serde(default = "timeout_secs")]
    pub timeout: f64,
}

fn smtp_default() -> String {
    "smtp_default".to_owned()
}

fn timeout_secs() -> f64 {
    30.0
}

/// The kind that a word means.
pub fn kind_of(word: &str) -> Option<&'static str> {
    KINDS
        .iter()
        .find(|(kind, others)| *kind == word || others.contains(&word))
        .map(|(kind, _)| *kind)
}

/// The settings that a kind knows.
pub fn keys_of(kind: &str) -> Vec<&'static str> {
    match kind {
        "email" => EMAIL_KEYS.to_vec(),
        "webhook" => {
            let of_http = http::SPEC.fields.iter();
            of_http
                .flat_map(|field| std::iter::once(field.name).chain(field.aliases.iter().copied()))
                .chain(MESSAGE_KEYS.iter().copied())
                .collect()
        }
        "log" => vec!["message"],
        "command" => vec!["command", "bash_command"],
        _ => Vec::new(),
    }
}

/// What is wrong with the settings of a notice beside unknown keys.
pub fn problem_of(kind: &str, settings: &Map<String, Value>) -> Option<&'static str> {
    let has = |key: &str| settings.get(key).is_some_and(|value| !value.is_null());
    match kind {
        "email" if !has("to") => Some("an e-mail needs `to`"),
        "webhook" if !has("conn_id") && !has("http_conn_id") && !has("url") => {
            Some("a webhook needs `conn_id` or `url`")
        }
        "command" if !has("command") && !has("bash_command") => Some("a command needs `command`"),
        _ => None,
    }
}

/// The notices of a `notify` task, rendered or not: kinds with their settings.
///
/// # Errors
/// What is wrong, for people.
pub fn notices(send: &Value) -> Result<Vec<Notice>, String> {
    let items = match send {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let found: Vec<_> = items.iter().map(notice).collect::<Result<_, _>>()?;
    if found.is_empty() { Err(format!("`send` is empty; {FORM}")) } else { Ok(found) }
}

fn notice(item: &Value) -> Result<Notice, String> {
    let one = item.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next());
    let Some((word, Value::Object(settings))) = one else {
        return Err(format!("each notice of `send` is one map with one kind; {FORM}"));
    };
    let Some(kind) = kind_of(word).filter(|kind| SENT.contains(kind)) else {
        return Err(format!("`send` does not know the kind \"{word}\"; {FORM}"));
    };
    let known = keys_of(kind);
    if let Some(key) = settings.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("`{word}` has no \"{key}\"; it knows {}", known.join(", ")));
    }
    match problem_of(kind, settings) {
        Some(problem) => Err(problem.to_owned()),
        None => Ok((kind, settings.clone())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn notices_of_a_task() {
        let check = |send: Value, expected: Result<&[&str], &str>| {
            let got = notices(&send);
            let kinds = got.as_ref().map(|found| found.iter().map(|(k, _)| *k).collect::<Vec<_>>());
            match expected {
                Ok(expected) => assert_eq!(kinds, Ok(expected.to_vec()), "{send}"),
                Err(part) => {
                    let problem = got.expect_err("a problem");
                    assert!(problem.contains(part), "{send}: {problem}");
                }
            }
        };
        check(json!({"email": {"to": "a@b.example"}}), Ok(&["email"]));
        check(
            json!([{"slack": {"conn_id": "s", "text": "hi"}}, {"smtp": {"to": ["a@b.example"]}}]),
            Ok(&["webhook", "email"]),
        );
        check(json!([]), Err("`send` is empty"));
        check(json!("a@b.example"), Err("one map with one kind"));
        check(json!({"email": {"to": "a"}, "slack": {}}), Err("one map with one kind"));
        check(json!({"command": {"command": "rm"}}), Err("does not know the kind \"command\""));
        check(json!({"email": {"subject": "x"}}), Err("needs `to`"));
        check(json!({"email": {"to": "a", "sbject": "x"}}), Err("has no \"sbject\""));
    }
}
