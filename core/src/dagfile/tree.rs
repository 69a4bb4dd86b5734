//! A YAML document as a tree that remembers where everything stands.
//!
//! Plain data: aliases and merges are already resolved, and every key is a text. Must not know
//! which keys a DAG has.

use serde_json::{Map as JsonMap, Number, Value};

use super::scalar::{Resolved, resolve};
use super::source::Span;

/// One value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Scalar(Scalar),
    /// `!raw text` or `{$raw: text}`: a text that is no template.
    Raw(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A scalar as written.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// How a scalar is written; only plain ones can be anything but text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
    /// `|`: every line of the text is a line of the file.
    Literal,
    /// `>`: lines were joined.
    Folded,
}

/// One key of a map and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

impl Node {
    /// The value of a plain `null`, `~` or nothing at all.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.resolved(), Some(Resolved::Null))
    }

    /// Whether there is nothing at all behind the key, not even `null`.
    pub(crate) fn is_blank(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(s) if s.style == Style::Plain && s.text.is_empty())
    }

    /// What a scalar means; none for the rest.
    pub(crate) fn resolved(&self) -> Option<Resolved> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(resolve(scalar)),
            _ => None,
        }
    }

    /// The text of a scalar as written: `3.10` stays `3.10`.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(&scalar.text),
            Kind::Raw(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a map.
    pub(crate) fn map(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a key of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.map()?.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The value in words, for "…, not …".
    pub(crate) fn describe(&self) -> String {
        let short = |text: &str| {
            let mut cut: String = text.chars().take(40).collect();
            if cut.len() < text.len() {
                cut.push('…');
            }
            cut
        };
        match &self.kind {
            Kind::Raw(text) => format!("the text \"{}\"", short(text)),
            Kind::List(items) if items.is_empty() => "an empty list".to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(entries) if entries.is_empty() => "an empty map".to_owned(),
            Kind::Map(_) => "a map".to_owned(),
            Kind::Scalar(scalar) => match resolve(scalar) {
                Resolved::Null => "nothing (null)".to_owned(),
                Resolved::Bool(value) => format!("the truth value {value}"),
                Resolved::Int(_) | Resolved::Float(_) => {
                    format!("the number {}", short(&scalar.text))
                }
                Resolved::Text => format!("the text \"{}\"", short(&scalar.text)),
            },
        }
    }

    /// The value as JSON; a raw text becomes `{"$raw": text}`.
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Raw(text) => {
                let mut map = JsonMap::new();
                map.insert("$raw".to_owned(), Value::String(text.clone()));
                Value::Object(map)
            }
            Kind::Scalar(scalar) => match resolve(scalar) {
                Resolved::Null => Value::Null,
                Resolved::Bool(value) => Value::Bool(value),
                Resolved::Int(value) => Value::Number(value.into()),
                Resolved::Float(value) => Number::from_f64(value)
                    .map_or_else(|| Value::String(scalar.text.clone()), Value::Number),
                Resolved::Text => Value::String(scalar.text.clone()),
            },
            Kind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Map(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect(),
            ),
        }
    }
}
