//! `a & (b | c)`: a condition over assets as one text (dag-factory's and Airflow's operators).
//!
//! An operator stands alone between blanks, so that the `&` of a query string is part of its URI.

use crate::asset::AssetCondition;

/// How deep parentheses may nest.
const DEPTH_MAX: usize = 16;

/// Whether a text is meant as a condition.
pub(super) fn is_condition(text: &str) -> bool {
    text.split_whitespace().any(|word| matches!(word, "&" | "|"))
}

/// Reads a condition; `&` binds more than `|`, as in Python.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn parse(text: &str) -> Result<AssetCondition<String>, String> {
    let mut parser = Parser { tokens: tokens(text), next: 0, depth: 0 };
    let condition = parser.any()?;
    match parser.peek() {
        None => Ok(condition),
        Some(")") => Err("there is a `)` too many".to_owned()),
        Some(token) => Err(format!("an `&` or a `|` is missing before \"{token}\"")),
    }
}

/// Words, operators and parentheses; those at the edges of a word count as parentheses.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    for word in text.split_whitespace() {
        let inner = word.trim_start_matches('(');
        tokens.extend(std::iter::repeat_n("(", word.len() - inner.len()));
        let bare = inner.trim_end_matches(')');
        if !bare.is_empty() {
            tokens.push(bare);
        }
        tokens.extend(std::iter::repeat_n(")", inner.len() - bare.len()));
    }
    tokens
}

struct Parser<'t> {
    tokens: Vec<&'t str>,
    next: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&'t str> {
        self.tokens.get(self.next).copied()
    }

    fn take(&mut self, token: &str) -> bool {
        let is_there = self.peek() == Some(token);
        self.next += usize::from(is_there);
        is_there
    }

    fn any(&mut self) -> Result<AssetCondition<String>, String> {
        let mut parts = vec![self.all()?];
        while self.take("|") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { AssetCondition::Any(parts) })
    }

    fn all(&mut self) -> Result<AssetCondition<String>, String> {
        let mut parts = vec![self.one()?];
        while self.take("&") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { AssetCondition::All(parts) })
    }

    fn one(&mut self) -> Result<AssetCondition<String>, String> {
        match self.peek() {
            Some("(") => {
                self.next += 1;
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    return Err(format!("parentheses are nested deeper than {DEPTH_MAX}"));
                }
                let inner = self.any()?;
                self.depth -= 1;
                if self.take(")") { Ok(inner) } else { Err("a `)` is missing".to_owned()) }
            }
            Some(token @ ("&" | "|" | ")")) => {
                Err(format!("an asset is missing before the `{token}`"))
            }
            Some(name) => {
                self.next += 1;
                Ok(AssetCondition::One(name.to_owned()))
            }
            None => Err("an asset is missing at its end".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_as_text() {
        let check = |text: &str, expected: Result<serde_json::Value, &str>| {
            let got = parse(text).map(|found| found.expression(&|name| json!(name)));
            assert_eq!(got, expected.map_err(str::to_owned), "{text}");
        };
        let one = |name: &str| json!({ "asset": name });
        check("a & b & c", Ok(json!({"all": [one("a"), one("b"), one("c")]})));
        check("a & b | c", Ok(json!({"any": [{"all": [one("a"), one("b")]}, one("c")]})));
        check("a & (b | c)", Ok(json!({"all": [one("a"), {"any": [one("b"), one("c")]}]})));
        check("( s3://x/?a=1&b=2 )", Ok(one("s3://x/?a=1&b=2")));
        check("a &", Err("an asset is missing at its end"));
        check("| a", Err("an asset is missing before the `|`"));
        check("(a | b", Err("a `)` is missing"));
        check("a | b)", Err("there is a `)` too many"));
        check("a & b c", Err("an `&` or a `|` is missing before \"c\""));
        check(&"(".repeat(17), Err("parentheses are nested deeper than 16"));
        assert!(is_condition("a & b") && !is_condition("s3://x?a=1&b=2") && !is_condition("a b"));
    }
}
