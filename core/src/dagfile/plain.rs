//! YAML that is no DAG: files of variables, connections and pools.
//!
//! The same reader, limits and words as for DAG files; values keep their text where a number would
//! lose some of it (`007`, `3.10`).

use serde_json::{Map, Value};

use super::report::Report;
use super::scalar::Resolved;
use super::source::Source;
use super::tree::{Kind, Node};
use super::{compose, split};
use crate::diagnostic::Diagnostic;

/// The map in a text: YAML, or JSON.
///
/// # Errors
/// What is wrong, at its place. The line itself is not shown: it may hold a secret.
pub fn plain_map(name: &str, text: &str) -> Result<Map<String, Value>, Box<Diagnostic>> {
    // JSON may be indented with tabs, which YAML may not.
    if let Ok(Value::Object(map)) = serde_json::from_str(text) {
        return Ok(map);
    }
    let source = Source::new(name, text);
    let mut report = Report::new(&source);
    let span = split::documents(text).into_iter().next().unwrap_or_default();
    let root = compose::compose(&mut report, span);
    if let Some(wrong) = report.found.iter().find(|found| found.is_error()) {
        return Err(hidden(wrong.clone()));
    }
    if let Some(Value::Object(map)) = root.map(|root| value(&root)) {
        return Ok(map);
    }
    let found = report.error(span.head(), "wrong-type", "the file holds no map of names");
    Err(hidden(found.clone()))
}

fn hidden(mut found: Diagnostic) -> Box<Diagnostic> {
    found.snippet = None;
    Box::new(found)
}

/// A value as YAML.
///
/// # Errors
/// The writer's words.
pub fn to_yaml(value: &Value) -> Result<String, String> {
    serde_saphyr::to_string(value).map_err(|error| error.to_string())
}

fn value(node: &Node) -> Value {
    match &node.kind {
        Kind::List(items) => items.iter().map(value).collect(),
        Kind::Map(entries) => {
            entries.iter().map(|entry| (entry.key.clone(), value(&entry.value))).collect()
        }
        Kind::Raw(text) => Value::String(text.clone()),
        Kind::Scalar(scalar) => {
            let plain = node.to_json();
            let is_number = matches!(node.resolved(), Some(Resolved::Int(_) | Resolved::Float(_)));
            let written = plain.to_string();
            if is_number && written != scalar.text {
                return Value::String(scalar.text.clone());
            }
            plain
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn maps_are_read_from_yaml_and_json() {
        let check = |text: &str, expected: Value| {
            let found = plain_map("x.yaml", text).map(Value::Object);
            assert_eq!(found.as_ref().ok(), Some(&expected), "{text}: {found:?}");
        };
        check(
            "a: 1\nb: 007\nc: 3.10\nd: {e: [x, 2.5]}\n",
            json!({"a": 1, "b": "007", "c": "3.10", "d": {"e": ["x", 2.5]}}),
        );
        check("{\n\t\"a\": null\n}", json!({"a": null}));
        for (wrong, place) in
            [("a: 1\nb: [\n", "x.yaml:"), ("- a\n", "x.yaml:1:1"), ("a: x\na: y\n", "x.yaml:2:1")]
        {
            let found = plain_map("x.yaml", wrong).expect_err(wrong);
            assert!(found.to_string().starts_with(place) && found.snippet.is_none(), "{found}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let value =
            json!({"a": "yes", "b": "1:30", "c": "x\ny", "d": null, "e": "007", "f": "#no"});
        let text = to_yaml(&value).expect("YAML");
        assert_eq!(plain_map("x", &text).map(Value::Object).ok(), Some(value), "{text}");
    }
}
