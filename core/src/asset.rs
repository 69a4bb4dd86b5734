//! Assets: what tasks write and read, and the condition under which a DAG starts from them.
//!
//! Plain data and the one predicate ([`AssetCondition::holds`]) by which the engine decides,
//! `explain` explains and the API shows. Which asset a name means is the engine's to say.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The group of assets that name none (Airflow: `asset`).
pub const DEFAULT_GROUP: &str = "asset";

/// The longest name and the longest URI, in characters.
pub const ASSET_CHARS_MAX: usize = 500;

/// The largest extra of an asset or of an event, in bytes of JSON.
pub const EXTRA_BYTES_MAX: usize = 65_536;

/// How a schedule by assets is shown (Airflow: `Asset`).
pub const SCHEDULE_TEXT: &str = "Asset";

/// How it is described (Airflow: `Triggered by assets`).
pub const SCHEDULE_WORDS: &str = "Triggered by assets";

/// An asset as a DAG file names it. Plain text is a name, or the URI of an asset that has a name
/// elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssetRef {
    /// What it is called.
    pub name: String,
    /// Where it is, when that is another text (Airflow: the URI is the name when it is not given).
    pub uri: Option<String>,
    /// Its group.
    pub group: Option<String>,
    /// What else is known of it.
    pub extra: Option<Map<String, Value>>,
}

impl AssetRef {
    /// An asset of which nothing but one text is known.
    pub fn plain(name: impl Into<String>) -> Self {
        Self { name: name.into(), uri: None, group: None, extra: None }
    }

    /// Where it is.
    pub fn uri(&self) -> &str {
        self.uri.as_deref().unwrap_or(&self.name)
    }

    /// Its group, also when none is named.
    pub fn group(&self) -> &str {
        self.group.as_deref().unwrap_or(DEFAULT_GROUP)
    }

    /// Whether somebody means it by this text.
    pub fn is_called(&self, text: &str) -> bool {
        self.name == text || self.uri() == text
    }
}

/// When a DAG starts, in terms of assets that have changed since its last start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AssetCondition<A> {
    /// This one.
    One(A),
    /// All of them (Airflow: `AssetAll`).
    All(Vec<AssetCondition<A>>),
    /// Any of them (Airflow: `AssetAny`).
    Any(Vec<AssetCondition<A>>),
}

impl<A> AssetCondition<A> {
    /// Whether it holds, given which assets have changed.
    pub fn holds(&self, has_changed: &impl Fn(&A) -> bool) -> bool {
        match self {
            Self::One(asset) => has_changed(asset),
            Self::All(parts) => parts.iter().all(|part| part.holds(has_changed)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(has_changed)),
        }
    }

    /// Its assets from left to right; one that is named twice comes twice.
    pub fn assets(&self) -> Vec<&A> {
        match self {
            Self::One(asset) => vec![asset],
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::assets).collect(),
        }
    }

    /// The same condition over something else.
    pub fn map<B>(&self, change: &mut impl FnMut(&A) -> B) -> AssetCondition<B> {
        let mut all = |parts: &[Self]| parts.iter().map(|part| part.map(change)).collect();
        match self {
            Self::All(parts) => AssetCondition::All(all(parts)),
            Self::Any(parts) => AssetCondition::Any(all(parts)),
            Self::One(asset) => AssetCondition::One(change(asset)),
        }
    }

    /// The condition as JSON (Airflow: `asset_expression`); `show` makes what stands below
    /// `"asset"`.
    pub fn expression(&self, show: &impl Fn(&A) -> Value) -> Value {
        let all = |parts: &[Self]| parts.iter().map(|part| part.expression(show)).collect();
        let all = |parts: &[Self]| Value::Array(all(parts));
        match self {
            Self::One(asset) => json!({ "asset": show(asset) }),
            Self::All(parts) => json!({ "all": all(parts) }),
            Self::Any(parts) => json!({ "any": all(parts) }),
        }
    }
}

/// What is wrong with the name or the URI of an asset, and what to do about it.
///
/// # Errors
/// The text of the complaint: `what; what to do`.
pub fn check_name(text: &str) -> Result<(), String> {
    let chars = text.chars().count();
    if text.trim().is_empty() {
        return Err("an asset has an empty name; name it by what it is or where it is, such as \
             `model://churn`"
            .to_owned());
    }
    if chars > ASSET_CHARS_MAX {
        return Err(format!(
            "the name of an asset has {chars} characters; at most {ASSET_CHARS_MAX} are allowed"
        ));
    }
    if text.contains("{{") || text.contains("{%") {
        return Err(
            "the name of an asset is no template; write what changes from run to run into \
             the event's extra, with $MILLRACE_ASSETS"
                .to_owned(),
        );
    }
    if text != text.trim() || text.chars().any(char::is_control) {
        return Err(
            "the name of an asset begins or ends with a blank, or has a control character; \
             remove it"
                .to_owned(),
        );
    }
    let authority = text.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
    if authority.is_some_and(|part| part.split_once('@').is_some_and(|(who, _)| who.contains(':')))
    {
        return Err(
            "the URI of an asset has a password; remove it, the URI is an identifier that \
             everybody sees"
                .to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mislead_are_refused() {
        let check = |text: &str, expected: Option<&str>| match (check_name(text), expected) {
            (Ok(()), None) => {}
            (Err(got), Some(part)) => assert!(got.contains(part), "{text}: {got}"),
            (got, expected) => panic!("{text}: {got:?}, not {expected:?}"),
        };
        check("model", None);
        check("model://churn", None);
        check("s3://bucket/a?b=1&c=2", None);
        check("ssh://me@host/x", None);
        check("모델", None);
        check("", Some("empty"));
        check("  ", Some("empty"));
        check(" a", Some("blank"));
        check("a\nb", Some("control"));
        check("s3://{{ ds }}", Some("no template"));
        check("postgres://me:secret@db/x", Some("password"));
        check(&"x".repeat(501), Some("501"));
    }

    #[test]
    fn conditions_nest() {
        use AssetCondition::{All, Any, One};
        let condition = All(vec![One("a"), Any(vec![One("b"), One("c")])]);
        let holds = |changed: &[&str]| condition.holds(&|asset| changed.contains(asset));
        for (changed, expected) in [
            (&[][..], false),
            (&["a"], false),
            (&["b", "c"], false),
            (&["a", "c"], true),
            (&["a", "b", "c"], true),
        ] {
            assert_eq!(holds(changed), expected, "{changed:?}");
        }
        assert_eq!(condition.assets(), [&"a", &"b", &"c"]);
        let expected = json!({"all": [{"asset": "a"}, {"any": [{"asset": "b"}, {"asset": "c"}]}]});
        assert_eq!(condition.expression(&|asset| json!(asset)), expected);
    }
}
