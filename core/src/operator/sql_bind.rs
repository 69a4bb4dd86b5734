//! Finds the parameters of a statement: `?` and `%s` for a list, `:name` and `%(name)s` for a map.
//! In PostgreSQL `?` is an operator (of jsonb), so that there a list has `%s`.
//!
//! Only the places are found here; whoever runs the statement decides how a value gets there. A
//! value never becomes SQL text by this module.

use serde_json::Value;

use super::sql_split::{Dialect, Piece, pieces};

/// A piece of a statement with parameters.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound<'t> {
    /// Text as it is.
    Text(&'t str),
    /// A parameter's value.
    Value(&'t Value),
}

/// Takes a statement apart at its parameters. A statement without any takes none.
///
/// # Errors
/// Too few or too many values in a list, a name that the map does not have, or parameters that
/// are neither a list nor a map.
pub fn bind<'t>(
    statement: &'t str,
    dialect: Dialect,
    parameters: &'t Value,
) -> Result<Vec<Bound<'t>>, String> {
    let mut bound = Vec::new();
    let mut used = 0;
    for (piece, range) in pieces(statement, dialect) {
        let text = &statement[range];
        if piece != Piece::Code {
            bound.push(Bound::Text(text));
            continue;
        }
        let mut from = 0;
        let mut at = 0;
        while at < text.len() {
            let Some((size, place)) = place(text, at, dialect) else {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
                continue;
            };
            bound.push(Bound::Text(&text[from..at]));
            match place {
                Place::Percent => bound.push(Bound::Text("%")),
                place => {
                    bound.push(Bound::Value(value(place, parameters, used)?));
                    used += 1;
                }
            }
            at += size;
            from = at;
        }
        bound.push(Bound::Text(&text[from..]));
    }
    match parameters {
        Value::Array(values) if used > 0 && values.len() != used => {
            Err(format!("the statement has {used} parameters, `parameters` has {}", values.len()))
        }
        _ => Ok(bound),
    }
}

enum Place<'t> {
    Next,
    Named(&'t str),
    Percent,
}

fn place(text: &str, at: usize, dialect: Dialect) -> Option<(usize, Place<'_>)> {
    let rest = &text[at..];
    if rest.starts_with('?') && dialect != Dialect::Postgres {
        return Some((1, Place::Next));
    }
    if rest.starts_with("%%") {
        return Some((2, Place::Percent));
    }
    if rest.starts_with("%s") && !rest[2..].starts_with(is_name) {
        return Some((2, Place::Next));
    }
    if let Some(inner) = rest.strip_prefix("%(") {
        let end = inner.find(")s")?;
        return inner[..end].chars().all(is_name).then(|| (end + 4, Place::Named(&inner[..end])));
    }
    // Not `::` (a cast), not `:=` (an assignment), not in the middle of a word.
    let name = rest.strip_prefix(':')?;
    let size = name.find(|c| !is_name(c)).unwrap_or(name.len());
    let before = text[..at].chars().next_back();
    let starts = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
    (starts && !before.is_some_and(|c| c == ':' || is_name(c)))
        .then(|| (size + 1, Place::Named(&name[..size])))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn value<'t>(place: Place<'_>, parameters: &'t Value, used: usize) -> Result<&'t Value, String> {
    match (place, parameters) {
        (Place::Named(name), Value::Object(map)) => {
            map.get(name).ok_or_else(|| format!("`parameters` has no \"{name}\""))
        }
        (Place::Next | Place::Percent, Value::Array(values)) => values.get(used).ok_or_else(|| {
            format!("the statement has more parameters than the {} given", values.len())
        }),
        (Place::Named(name), _) => {
            Err(format!("the statement has the parameter \"{name}\"; `parameters` must be a map"))
        }
        (Place::Next | Place::Percent, _) => {
            Err("the statement has parameters without names; `parameters` must be a list"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(statement: &str, parameters: &Value, expected: Result<&str, &str>) {
        let got = bind(statement, Dialect::MySql, parameters).map(|pieces| {
            let text = |piece: &Bound<'_>| match piece {
                Bound::Text(text) => (*text).to_owned(),
                Bound::Value(value) => format!("<{value}>"),
            };
            pieces.iter().map(text).collect::<String>()
        });
        assert_eq!(got.as_deref().map_err(String::as_str), expected, "{statement}");
    }

    #[test]
    fn places_are_found_outside_of_quotes() {
        check("a = ? and b = %s", &json!([1, "x"]), Ok("a = <1> and b = <\"x\">"));
        check("a = :x and b = %(y)s", &json!({"x": 1, "y": null}), Ok("a = <1> and b = <null>"));
        check("'? :x %s' -- ? :x\n", &json!({}), Ok("'? :x %s' -- ? :x\n"));
        check("x::int, @a := 1, t:x", &json!({"x": 1}), Ok("x::int, @a := 1, t:x"));
        check("5 %% ?", &json!([2]), Ok("5 % <2>"));
        check("no place", &json!([1, 2]), Ok("no place"));
        check("?", &json!([1, 2]), Err("the statement has 1 parameters, `parameters` has 2"));
        check("? ?", &json!([1]), Err("the statement has more parameters than the 1 given"));
        check(":a", &json!({"b": 1}), Err("`parameters` has no \"a\""));
        check(
            "?",
            &json!({"b": 1}),
            Err("the statement has parameters without names; `parameters` must be a list"),
        );
    }
}
