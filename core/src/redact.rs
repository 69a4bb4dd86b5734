//! Masks secrets in texts and in streams of bytes: every secret, in the forms in which programs
//! print it, becomes `***`.
//!
//! Owns the forms ([`forms`]), the search and the overlap between chunks. It must not know where
//! secrets come from, nor print one: [`Redactor`] shows only how many patterns it has. Not masked,
//! since no filter can: a secret printed backwards, letter by letter or encrypted.

mod forms;
mod stream;

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value;

pub use stream::RedactStream;

/// What is seen in place of a secret.
pub const MASK: &str = "***";

/// Shorter texts are not masked: they would blot out half of every log (Airflow: 5).
pub const SECRET_CHARS_MIN: usize = 4;

/// A search for a set of secrets. Cheap to share, costly to build; build it once an attempt.
pub struct Redactor {
    search: Option<AhoCorasick>,
    /// The same patterns in byte order, for the question "may this be the start of one?".
    patterns: Vec<Vec<u8>>,
    longest: usize,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor(*** of {} patterns)", self.patterns.len())
    }
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new(std::iter::empty::<&str>())
    }
}

impl Redactor {
    /// A search for `secrets`; those with fewer than [`SECRET_CHARS_MIN`] characters are left out.
    pub fn new(secrets: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut patterns: Vec<Vec<u8>> = secrets
            .into_iter()
            .flat_map(|secret| forms::of(secret.as_ref()))
            .map(String::into_bytes)
            .collect();
        patterns.sort_unstable();
        patterns.dedup();
        let longest = patterns.iter().map(Vec::len).max().unwrap_or(0);
        // Building can only fail beyond two thousand million states; then nothing may pass.
        let search = (!patterns.is_empty()).then(|| {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&patterns)
                .expect("a few secrets are far below the limits of the automaton")
        });
        Self { search, patterns, longest }
    }

    /// Whether there is nothing to mask.
    pub fn is_empty(&self) -> bool {
        self.search.is_none()
    }

    /// The text with every secret masked.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match &self.search {
            Some(search) if search.is_match(text) => {
                let mut masked = String::with_capacity(text.len());
                search.replace_all_with(text, &mut masked, |_, _, out| {
                    out.push_str(MASK);
                    true
                });
                Cow::Owned(masked)
            }
            _ => Cow::Borrowed(text),
        }
    }

    /// Masks every text in a JSON value, the keys of maps too.
    pub fn redact_value(&self, value: &mut Value) {
        if self.is_empty() {
            return;
        }
        match value {
            Value::String(text) => {
                if let Cow::Owned(masked) = self.redact(text) {
                    *text = masked;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact_value(item)),
            Value::Object(map) => {
                let old = std::mem::take(map);
                for (key, mut item) in old {
                    self.redact_value(&mut item);
                    map.insert(self.redact(&key).into_owned(), item);
                }
            }
            Value::Number(number) => {
                let text = number.to_string();
                if matches!(self.redact(&text), Cow::Owned(_)) {
                    *value = Value::String(MASK.to_owned());
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(secrets: &[&str], text: &str, expected: &str) {
        assert_eq!(Redactor::new(secrets).redact(text), expected, "{text}");
    }

    #[test]
    fn secrets_are_masked_in_the_forms_that_programs_print() {
        let secret = "p@ss w\"rd'1/한";
        check(&[secret], &format!("login {secret}!"), "login ***!");
        check(&[secret], "p%40ss%20w%22rd%271%2F%ED%95%9C.", "***.");
        check(&[secret], "p%40ss%20w%22rd%271%2f%ed%95%9c.", "***.");
        check(&[secret], "p%40ss+w%22rd%271%2F%ED%95%9C.", "***.");
        check(&[secret], &format!("x={}", json!({ "k": secret })), "x={\"k\":\"***\"}");
        check(&[secret], r#"py {"k": "p@ss w\"rd'1/\ud55c"}"#, r#"py {"k": "***"}"#);
        check(&[secret], r#"+ echo 'p@ss w"rd'\''1/한'"#, "+ echo '***'");
        check(&["hunter2hunter2"], "Basic aHVudGVyMmh1bnRlcjI= .", "Basic *** .");
        check(&["root"], "mysql://root:x@h", "mysql://***:x@h");
    }

    #[test]
    fn a_secret_inside_of_base64_is_masked_at_every_offset() {
        use base64::Engine as _;
        for before in ["", "u:", "us:", "use:"] {
            let secret = "correct horse battery";
            let coded =
                base64::engine::general_purpose::STANDARD.encode(format!("{before}{secret}:after"));
            let masked = Redactor::new([secret]).redact(&coded).into_owned();
            assert!(masked.contains(MASK), "{before}: {coded} -> {masked}");
            assert!(masked.len() < 24, "{before}: {masked}");
        }
    }

    #[test]
    fn the_longest_secret_wins_and_short_ones_are_left() {
        check(&["abcd", "abcdefgh"], "abcdefgh abcd", "*** ***");
        check(&["abc", ""], "abc", "abc");
        check(&[], "abc", "abc");
    }

    #[test]
    fn a_secret_of_several_lines_is_masked_line_by_line() {
        let pem = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\nq3VerySecret\n-----END KEY-----\n";
        check(&[pem], "key:\nMIIEpAIBAAKCAQEA\n", "key:\n***\n");
        check(&[pem], pem, "***");
    }

    #[test]
    fn values_are_masked_whole() {
        let redactor = Redactor::new(["hunter22", "12345678"]);
        let mut value = json!({"a": ["x hunter22", 1, 12_345_678], "hunter22": null});
        redactor.redact_value(&mut value);
        assert_eq!(value, json!({"a": ["x ***", 1, "***"], "***": null}));
        assert!(!format!("{redactor:?}").contains("hunter"));
    }
}
