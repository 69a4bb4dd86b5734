//! What a plain scalar means: YAML 1.2's core schema, and nothing of YAML 1.1's surprises.
//!
//! `on`, `off`, `yes` and `no` are texts, `1:30` is a text, a date is a text; the readers of keys
//! say so where it matters. Must not know any key.

use super::tree::{Scalar, Style};

/// What a scalar is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Resolved {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text,
}

/// Reads a scalar by the core schema.
pub(crate) fn resolve(scalar: &Scalar) -> Resolved {
    if scalar.style != Style::Plain {
        return Resolved::Text;
    }
    match scalar.text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "true" | "True" | "TRUE" => return Resolved::Bool(true),
        "false" | "False" | "FALSE" => return Resolved::Bool(false),
        _ => {}
    }
    let starts_like_a_number =
        scalar.text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    if !starts_like_a_number {
        return Resolved::Text;
    }
    number(&scalar.text).unwrap_or(Resolved::Text)
}

fn number(text: &str) -> Option<Resolved> {
    if let Some(hex) = text.strip_prefix("0x") {
        return digits(hex, 16);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(octal, 8);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return match text.parse() {
            Ok(value) => Some(Resolved::Int(value)),
            Err(_) => text.parse().ok().map(Resolved::Float),
        };
    }
    is_float(unsigned).then(|| text.parse().ok().map(Resolved::Float)).flatten()
}

fn digits(text: &str, radix: u32) -> Option<Resolved> {
    if text.is_empty() || text.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(text, radix).ok().map(Resolved::Int)
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some((whole, part)) => {
            all_digits(whole) && all_digits(part) && !(whole.is_empty() && part.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_ok = exponent.is_none_or(|exponent| {
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !unsigned.is_empty() && all_digits(unsigned)
    });
    mantissa_ok && exponent_ok
}

/// The truth value that YAML 1.1 saw in a word which is only a text in YAML 1.2.
pub(crate) fn yaml_1_1_bool(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_schema() {
        let check = |text: &str, expected| {
            let scalar = Scalar { text: text.to_owned(), style: Style::Plain };
            assert_eq!(resolve(&scalar), expected, "{text:?}");
            let quoted = Scalar { text: text.to_owned(), style: Style::Quoted };
            assert_eq!(resolve(&quoted), Resolved::Text, "quoted {text:?}");
        };
        for text in ["", "~", "null", "Null"] {
            check(text, Resolved::Null);
        }
        check("true", Resolved::Bool(true));
        check("FALSE", Resolved::Bool(false));
        check("12", Resolved::Int(12));
        check("-3", Resolved::Int(-3));
        check("+4", Resolved::Int(4));
        check("0x1F", Resolved::Int(31));
        check("0o17", Resolved::Int(15));
        check("010", Resolved::Int(10));
        check("3.10", Resolved::Float(3.1));
        check("1e3", Resolved::Float(1000.0));
        check(".5", Resolved::Float(0.5));
        check("99999999999999999999", Resolved::Float(1e20));
        for text in [
            "on",
            "off",
            "yes",
            "no",
            "1:30",
            "2025-01-01",
            "1_000",
            "0x",
            "-",
            ".",
            "1e",
            "+-1",
            "0x-1",
            "12ab",
            "1.2.3",
            "nan",
            "infinity",
            ".inf",
        ] {
            check(text, Resolved::Text);
        }
    }
}
