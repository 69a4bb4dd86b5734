//! What a run may be given: defaults, conf, and the JSON Schema that both must keep.
//!
//! A mistake is answered before anything starts, with the path of the value and what was wanted.
//! Must not know where conf comes from.

use std::fmt::Write;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::LocationSegment;
use serde_json::{Map, Value, json};

use crate::dag::Params;
use crate::suggest::nearest;

/// The most findings about one conf.
const PROBLEMS_MAX: usize = 20;

/// One thing that is wrong with a conf.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// Where: `conf.grid.depth[0]`.
    pub path: String,
    /// What is wrong, and what is wanted.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl Params {
    /// The params of a run: the defaults with the keys of `conf` over them (Airflow:
    /// `dag_run_conf_overrides_params`). Further keys of `conf` are kept, as Airflow keeps them,
    /// unless one looks like a misspelt param.
    ///
    /// # Errors
    /// Everything that is wrong, each with its path.
    pub fn merge(&self, conf: &Map<String, Value>) -> Result<Map<String, Value>, Vec<Problem>> {
        let mut merged = Map::new();
        let mut problems = Vec::new();
        for (name, schema) in &self.properties {
            match conf.get(name).or_else(|| self.defaults.get(name)) {
                Some(value) => {
                    problems.extend(check(schema, value, &format!("conf.{name}")));
                    merged.insert(name.clone(), value.clone());
                }
                None => problems.push(Problem {
                    path: format!("conf.{name}"),
                    message: format!("the param \"{name}\" has no default; give it a value"),
                }),
            }
        }
        for (name, value) in conf {
            if self.properties.contains_key(name) {
                continue;
            }
            let free =
                self.properties.keys().map(String::as_str).filter(|p| !conf.contains_key(*p));
            match nearest(name, free) {
                Some(meant) => problems.push(Problem {
                    path: format!("conf.{name}"),
                    message: format!("unknown param \"{name}\"; did you mean \"{meant}\"?"),
                }),
                None => {
                    merged.insert(name.clone(), value.clone());
                }
            }
        }
        problems.truncate(PROBLEMS_MAX);
        if problems.is_empty() { Ok(merged) } else { Err(problems) }
    }

    /// The JSON Schema of the whole params object, for forms and editors; each default stands in
    /// its property.
    pub fn json_schema(&self) -> Value {
        let mut properties = Map::new();
        for (name, schema) in &self.properties {
            let mut schema = match schema {
                Value::Object(schema) => schema.clone(),
                _ => Map::new(),
            };
            if let Some(default) = self.defaults.get(name) {
                schema.insert("default".to_owned(), default.clone());
            }
            properties.insert(name.clone(), Value::Object(schema));
        }
        let required: Vec<&String> =
            self.properties.keys().filter(|name| !self.defaults.contains_key(*name)).collect();
        json!({"type": "object", "properties": properties, "required": required})
    }
}

/// Everything that keeps `value` from being what `schema` wants; `path` is where the value stands.
pub fn check(schema: &Value, value: &Value, path: &str) -> Vec<Problem> {
    if is_free(schema) {
        return Vec::new();
    }
    let validator = match jsonschema::validator_for(schema) {
        Ok(validator) => validator,
        Err(error) => {
            let message = format!("its schema is wrong: {error}");
            return vec![Problem { path: path.to_owned(), message }];
        }
    };
    validator
        .iter_errors(value)
        .take(PROBLEMS_MAX)
        .map(|error| Problem { path: path_of(path, &error), message: message_of(schema, &error) })
        .collect()
}

/// Whether a schema is one, and what is wrong if not.
pub fn check_schema(schema: &Value) -> Result<(), String> {
    if is_free(schema) {
        return Ok(());
    }
    jsonschema::validator_for(schema).map(|_| ()).map_err(|error| {
        let at: Vec<String> = error.instance_path().iter().map(segment).collect();
        if at.is_empty() { error.to_string() } else { format!("{}: {error}", at.join("")) }
    })
}

/// Whether a schema allows anything, so that nothing needs to be compiled.
fn is_free(schema: &Value) -> bool {
    const WORDS: [&str; 5] = ["default", "title", "description", "examples", "$comment"];
    schema.as_object().is_some_and(|map| map.keys().all(|key| WORDS.contains(&key.as_str())))
}

fn segment(segment: LocationSegment<'_>) -> String {
    match segment {
        LocationSegment::Property(name) => format!(".{name}"),
        LocationSegment::Index(index) => format!("[{index}]"),
    }
}

fn path_of(path: &str, error: &ValidationError<'_>) -> String {
    let mut text = path.to_owned();
    for part in error.instance_path() {
        text.push_str(&segment(part));
    }
    text
}

/// The finding in our words where they teach more than the library's.
fn message_of(schema: &Value, error: &ValidationError<'_>) -> String {
    let got = short(error.instance());
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = properties_at(schema, error);
            let mut text = String::new();
            for name in unexpected {
                let separator = if text.is_empty() { "" } else { "; " };
                let hint = nearest(name, known.iter().map(String::as_str))
                    .map_or_else(String::new, |meant| format!("; did you mean \"{meant}\"?"));
                // Writing to a String cannot fail.
                let _ = write!(text, "{separator}unknown key \"{name}\"{hint}");
            }
            text
        }
        ValidationErrorKind::Type { .. } => {
            let wanted = match schema.pointer(error.schema_path().as_str()) {
                Some(Value::String(name)) => name.clone(),
                Some(Value::Array(names)) => {
                    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                    names.join(" or ")
                }
                _ => return error.to_string(),
            };
            format!("{got} is not of the type {wanted}")
        }
        ValidationErrorKind::Maximum { limit } => {
            format!("{got} is more than the maximum of {limit}")
        }
        ValidationErrorKind::Minimum { limit } => {
            format!("{got} is less than the minimum of {limit}")
        }
        ValidationErrorKind::Enum { options } => format!("{got} is none of {options}"),
        ValidationErrorKind::Required { property } => {
            format!("the key {property} is missing")
        }
        ValidationErrorKind::Pattern { pattern } => {
            format!("{got} does not match the pattern `{pattern}`")
        }
        _ => error.to_string(),
    }
}

/// A value in a message, not longer than a line.
fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 {
        return text;
    }
    text.chars().take(60).chain(std::iter::once('…')).collect()
}

/// The property names that the part of the schema to blame allows.
fn properties_at(schema: &Value, error: &ValidationError<'_>) -> Vec<String> {
    let pointer = error.schema_path().as_str();
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    schema
        .pointer(parent)
        .and_then(|part| part.get("properties"))
        .and_then(Value::as_object)
        .map(|map| map.keys().cloned().collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn params() -> Params {
        let grid = json!({
            "type": "object", "additionalProperties": false,
            "properties": {"depth": {"type": "array", "items": {"type": "integer", "maximum": 10}}},
        });
        Params {
            properties: [
                ("model".to_owned(), json!({"type": "string", "pattern": "^[a-z]+$"})),
                ("grid".to_owned(), grid),
                ("day".to_owned(), json!({"type": ["string", "null"]})),
                ("free".to_owned(), json!({})),
            ]
            .into_iter()
            .collect(),
            defaults: json!({"model": "credit", "grid": {"depth": [4, 6]}, "free": 1})
                .as_object()
                .cloned()
                .unwrap_or_default(),
        }
    }

    fn check(conf: &Value, expected: Result<Value, &[&str]>) {
        let conf = conf.as_object().expect("a map").clone();
        match (params().merge(&conf), expected) {
            (Ok(got), Ok(wanted)) => assert_eq!(Value::Object(got), wanted),
            (Err(got), Err(wanted)) => {
                let got: Vec<String> = got.iter().map(ToString::to_string).collect();
                assert_eq!(got, wanted);
            }
            (got, wanted) => panic!("{conf:?}: got {got:?}, wanted {wanted:?}"),
        }
    }

    #[test]
    fn conf_goes_over_the_defaults() {
        check(
            &json!({"day": null, "grid": {"depth": [1]}, "note": "by hand"}),
            Ok(json!({
                "model": "credit", "grid": {"depth": [1]}, "day": null, "free": 1,
                "note": "by hand",
            })),
        );
    }

    #[test]
    fn mistakes_name_their_path() {
        check(
            &json!({"day": "x", "grid": {"dept": [4]}}),
            Err(&["conf.grid: unknown key \"dept\"; did you mean \"depth\"?"]),
        );
        check(
            &json!({"day": "x", "grid": {"depth": ["4"]}}),
            Err(&["conf.grid.depth[0]: \"4\" is not of the type integer"]),
        );
        check(
            &json!({"day": "x", "grid": {"depth": [1, 99]}}),
            Err(&["conf.grid.depth[1]: 99 is more than the maximum of 10"]),
        );
        check(
            &json!({"day": 5, "model": "A"}),
            Err(&[
                "conf.model: \"A\" does not match the pattern `^[a-z]+$`",
                "conf.day: 5 is not of the type string or null",
            ]),
        );
        check(
            &json!({"modle": "b", "day": "x"}),
            Err(&["conf.modle: unknown param \"modle\"; did you mean \"model\"?"]),
        );
        check(&json!({}), Err(&["conf.day: the param \"day\" has no default; give it a value"]));
    }

    #[test]
    fn the_schema_of_a_form() {
        let schema = params().json_schema();
        assert_eq!(schema["required"], json!(["day"]));
        assert_eq!(schema["properties"]["free"], json!({"default": 1}));
        assert_eq!(schema["properties"]["model"]["default"], json!("credit"));
    }
}
