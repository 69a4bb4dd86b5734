//! Python's methods of text and bytes.
//!
//! Owns their arguments and results; positions count characters. Dates and numbers are elsewhere.

use minijinja::value::Tuple;
use minijinja::{Error, Value};

use super::args::Args;
use super::growth::{bounded, check_replacement};
use super::python_text;
use super::temporal::fault;

/// The longest text that padding may make.
const MAX_LENGTH: usize = 1_000_000;

/// Where padding leaves the text.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    /// Padding on the right.
    Left,
    /// Padding on the left.
    Right,
    /// Padding on both sides.
    Center,
}

/// A method of text; `None` for an unknown one.
pub(crate) fn text_method(
    text: &str,
    method: &str,
    values: &[Value],
) -> Result<Option<Value>, Error> {
    match method {
        "format" => return super::braces::format(text, values).map(Some),
        "format_map" => {
            let mut args = Args::new(method, values)?;
            let map = args.require("map")?;
            args.finish()?;
            return super::braces::format_map(text, &map).map(Some);
        }
        _ => {}
    }
    let mut args = Args::new(method, values)?;
    let value = match asked(text, method) {
        Some(answer) => Value::from(answer),
        None => match changed(text, method, &mut args)? {
            Some(changed) => Value::from(changed),
            None => match found(text, method, &mut args)? {
                Some(value) => value,
                None => match parts(text, method, &mut args)? {
                    Some(value) => value,
                    None => return Ok(None),
                },
            },
        },
    };
    args.finish()?;
    Ok(Some(value))
}

/// A method of bytes; `None` for an unknown one.
pub(crate) fn bytes_method(
    bytes: &[u8],
    method: &str,
    values: &[Value],
) -> Result<Option<Value>, Error> {
    let mut args = Args::new(method, values)?;
    let value = match method {
        "decode" => {
            encoding(&mut args)?;
            let text = std::str::from_utf8(bytes).map_err(|_| fault("the bytes are not UTF-8"))?;
            Value::from(text)
        }
        "hex" => {
            use std::fmt::Write as _;
            let mut digits = String::with_capacity(bytes.len() * 2);
            for byte in bytes {
                // Writing to a String cannot fail.
                let _ = write!(digits, "{byte:02x}");
            }
            Value::from(digits)
        }
        _ => return Ok(None),
    };
    args.finish()?;
    Ok(Some(value))
}

/// The `is…` questions.
fn asked(text: &str, method: &str) -> Option<bool> {
    let all = |test: fn(char) -> bool| !text.is_empty() && text.chars().all(test);
    let cased = |wanted: fn(char) -> bool, other: fn(char) -> bool| {
        text.chars().any(wanted) && !text.chars().any(other)
    };
    Some(match method {
        "isalnum" => all(char::is_alphanumeric),
        "isalpha" => all(char::is_alphabetic),
        "isascii" => text.is_ascii(),
        "isdecimal" => all(|c| c.is_numeric() && is_decimal(c)),
        "isdigit" => all(|c| c.is_numeric() && (is_decimal(c) || is_raised_digit(c))),
        "isnumeric" => all(char::is_numeric),
        "isidentifier" => is_identifier(text),
        "islower" => cased(char::is_lowercase, char::is_uppercase),
        "isupper" => cased(char::is_uppercase, char::is_lowercase),
        "isspace" => all(char::is_whitespace),
        "istitle" => text.chars().any(is_cased) && titled(text) == text,
        "isprintable" => text.chars().all(python_text::is_printable),
        _ => return None,
    })
}

/// Methods that give another text.
fn changed(text: &str, method: &str, args: &mut Args<'_>) -> Result<Option<String>, Error> {
    Ok(Some(match method {
        "upper" => text.to_uppercase(),
        "lower" => text.to_lowercase(),
        "casefold" => text.to_lowercase().replace('ß', "ss"),
        "swapcase" => text.chars().map(swapped).collect(),
        "title" => titled(text),
        "capitalize" => {
            let mut letters = text.chars();
            let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
            first + &letters.as_str().to_lowercase()
        }
        "strip" | "lstrip" | "rstrip" => {
            let chars = args.text("chars")?;
            stripped(text, method, chars.as_deref()).to_owned()
        }
        "zfill" => zfill(text, width(args)?)?,
        "ljust" | "rjust" | "center" => {
            let width = width(args)?;
            let fill = args.text("fillchar")?.unwrap_or_else(|| " ".to_owned());
            let mut letters = fill.chars();
            let (Some(fill), None) = (letters.next(), letters.next()) else {
                return Err(args.fault("\"fillchar\" must be one character"));
            };
            let side = match method {
                "ljust" => Side::Left,
                "rjust" => Side::Right,
                _ => Side::Center,
            };
            pad(text, width, fill, side)?
        }
        "removeprefix" => {
            let prefix = args.require_text("prefix")?;
            text.strip_prefix(prefix.as_str()).unwrap_or(text).to_owned()
        }
        "removesuffix" => {
            let suffix = args.require_text("suffix")?;
            text.strip_suffix(suffix.as_str()).unwrap_or(text).to_owned()
        }
        "replace" => {
            let (from, to) = (args.require_text("old")?, args.require_text("new")?);
            let count = args.int("count")?;
            check_replacement(text, &from, &to)?;
            match count.and_then(|count| usize::try_from(count).ok()) {
                Some(count) => text.replacen(&from, &to, count),
                None => text.replace(&from, &to),
            }
        }
        "expandtabs" => {
            let size = args.int("tabsize")?.unwrap_or(8).clamp(0, 100);
            expanded(text, usize::try_from(size).unwrap_or(0))
        }
        "join" => joined(text, args)?,
        "translate" => translated(text, &args.require("table")?)?,
        _ => return Ok(None),
    }))
}

/// Methods that look for a text, between two positions if these are given.
fn found(text: &str, method: &str, args: &mut Args<'_>) -> Result<Option<Value>, Error> {
    if !matches!(
        method,
        "find" | "rfind" | "index" | "rindex" | "count" | "startswith" | "endswith"
    ) {
        return Ok(None);
    }
    let wanted = args.require("sub")?;
    let Some((part, start)) = between(text, args)? else {
        return Ok(Some(match method {
            "startswith" | "endswith" => Value::from(false),
            "count" => Value::from(0),
            "find" | "rfind" => Value::from(-1),
            _ => return Err(fault("substring not found")),
        }));
    };
    let text_of = |value: &Value| {
        value.as_str().map(str::to_owned).ok_or_else(|| {
            let kind = super::ops::type_name(value);
            fault(format!("{method}(): takes text, not {kind}"))
        })
    };
    if matches!(method, "startswith" | "endswith") {
        let wanted: Vec<String> = if super::named_tuple::is_tuple(&wanted) {
            wanted.try_iter()?.map(|item| text_of(&item)).collect::<Result<_, _>>()?
        } else {
            vec![text_of(&wanted)?]
        };
        return Ok(Some(Value::from(wanted.iter().any(|wanted| match method {
            "startswith" => part.starts_with(wanted.as_str()),
            _ => part.ends_with(wanted.as_str()),
        }))));
    }
    let wanted = text_of(&wanted)?;
    let at = match method {
        "count" if wanted.is_empty() => return Ok(Some(Value::from(part.chars().count() + 1))),
        "count" => return Ok(Some(Value::from(part.matches(wanted.as_str()).count()))),
        "find" | "index" => part.find(wanted.as_str()),
        _ => part.rfind(wanted.as_str()),
    };
    match at {
        Some(at) => Ok(Some(Value::from(start + part[..at].chars().count()))),
        None if method.ends_with("find") => Ok(Some(Value::from(-1))),
        None => Err(fault("substring not found")),
    }
}

/// The text between the positions `start` and `end`, and where it starts; none beyond the end.
fn between<'t>(text: &'t str, args: &mut Args<'_>) -> Result<Option<(&'t str, usize)>, Error> {
    let (start, end) = (args.int("start")?, args.int("end")?);
    if start.is_none() && end.is_none() {
        return Ok(Some((text, 0)));
    }
    let length = text.chars().count();
    let place = |index: i64| {
        let at = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
        if index < 0 { length.saturating_sub(at) } else { at }
    };
    let (start, end) = (start.map_or(0, place), end.map_or(length, place).min(length));
    if start > end {
        return Ok(None);
    }
    let offset = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(offset, _)| offset);
    Ok(Some((&text[offset(start)..offset(end)], start)))
}

/// Methods that give the parts of a text, or its bytes.
fn parts(text: &str, method: &str, args: &mut Args<'_>) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "split" => split(text, args)?,
        "rsplit" => rsplit(text, args)?,
        "splitlines" => {
            let keeps = args.flag("keepends", false)?;
            lines(text)
                .into_iter()
                .map(|(line, end)| if keeps { format!("{line}{end}") } else { line.to_owned() })
                .map(Value::from)
                .collect()
        }
        "partition" | "rpartition" => {
            let separator = args.require_text("sep")?;
            if separator.is_empty() {
                return Err(args.fault("empty separator"));
            }
            partition(text, &separator, method == "partition")
        }
        "encode" => {
            encoding(args)?;
            Value::from_bytes(text.as_bytes().to_vec())
        }
        "maketrans" => {
            let (from, to) = (args.require_text("from")?, args.require_text("to")?);
            if from.chars().count() != to.chars().count() {
                return Err(args.fault("the two texts must have as many characters"));
            }
            let code = |letter: char| Value::from(u32::from(letter));
            let pairs = from.chars().zip(to.chars()).map(|(a, b)| (code(a), code(b)));
            super::containers::new_dict(pairs.collect())
        }
        _ => return Ok(None),
    }))
}

/// Reads the arguments of `encode` and `decode`, which know UTF-8 alone.
fn encoding(args: &mut Args<'_>) -> Result<(), Error> {
    let name = args.text("encoding")?.unwrap_or_else(|| "utf-8".to_owned());
    args.text("errors")?;
    if matches!(name.to_ascii_lowercase().as_str(), "utf-8" | "utf8" | "utf_8") {
        return Ok(());
    }
    Err(args.fault(&format!("encoding \"{name}\" is not offered; use utf-8")))
}

fn stripped<'t>(text: &'t str, method: &str, chars: Option<&str>) -> &'t str {
    let drops = |letter: char| match chars {
        Some(chars) => chars.contains(letter),
        None => letter.is_whitespace(),
    };
    match method {
        "strip" => text.trim_matches(drops),
        "lstrip" => text.trim_start_matches(drops),
        _ => text.trim_end_matches(drops),
    }
}

fn joined(separator: &str, args: &mut Args<'_>) -> Result<String, Error> {
    let items = args.require("iterable")?;
    bounded(&items)?;
    let mut out = String::new();
    for (index, item) in items.try_iter()?.checked().enumerate() {
        let item = item?;
        let Some(text) = item.as_str() else {
            let kind = super::ops::type_name(&item);
            return Err(fault(format!(
                "join(): item {index} is no text but {kind}; use the filter: | join('…')"
            )));
        };
        super::growth::check_growth(out.len() + separator.len() + text.len())?;
        if index > 0 {
            out.push_str(separator);
        }
        out.push_str(text);
    }
    Ok(out)
}

fn translated(text: &str, table: &Value) -> Result<String, Error> {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        let found = table.get_item(&Value::from(u32::from(letter)))?;
        match (found.as_str(), u32::try_from(found.clone())) {
            _ if found.is_undefined() => out.push(letter),
            _ if found.is_none() => {}
            (Some(text), _) => out.push_str(text),
            (None, Ok(code)) => out.extend(char::from_u32(code)),
            (None, Err(_)) => return Err(fault("translate(): the table holds no characters")),
        }
        super::growth::check_growth(out.len())?;
    }
    Ok(out)
}

/// The lines of a text, each with what ends it.
pub(crate) fn lines(text: &str) -> Vec<(&str, &str)> {
    let is_end = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_end) {
        let (line, tail) = rest.split_at(at);
        let size = if tail.starts_with("\r\n") {
            2
        } else {
            tail.chars().next().map_or(0, char::len_utf8)
        };
        found.push((line, &tail[..size]));
        rest = &tail[size..];
    }
    if !rest.is_empty() {
        found.push((rest, ""));
    }
    found
}

fn width(args: &mut Args<'_>) -> Result<usize, Error> {
    Ok(usize::try_from(args.int("width")?.unwrap_or(0)).unwrap_or(0))
}

/// Pads to a width counted in characters.
pub(crate) fn pad(text: &str, width: usize, fill: char, side: Side) -> Result<String, Error> {
    if width > MAX_LENGTH {
        return Err(fault(format!("a width of more than {MAX_LENGTH} is refused")));
    }
    let missing = width.saturating_sub(text.chars().count());
    let left = match side {
        Side::Left => 0,
        Side::Right => missing,
        // Python puts the odd space on the left when the width is odd.
        Side::Center => missing / 2 + (missing & width & 1),
    };
    let fill_of = |count: usize| std::iter::repeat_n(fill, count).collect::<String>();
    Ok(format!("{}{text}{}", fill_of(left), fill_of(missing - left)))
}

fn zfill(text: &str, width: usize) -> Result<String, Error> {
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (&text[..1], digits),
        None => ("", text),
    };
    Ok(format!("{sign}{}", pad(digits, width.saturating_sub(sign.len()), '0', Side::Right)?))
}

fn partition(text: &str, separator: &str, first: bool) -> Value {
    let split = if first { text.split_once(separator) } else { text.rsplit_once(separator) };
    let (head, middle, tail) = match split {
        Some((head, tail)) => (head, separator, tail),
        None if first => (text, "", ""),
        None => ("", "", text),
    };
    Value::from(Tuple::from([Value::from(head), Value::from(middle), Value::from(tail)]))
}

/// `split(sep=None, maxsplit=-1)`.
fn split(text: &str, args: &mut Args<'_>) -> Result<Value, Error> {
    let (separator, count) = separation(args)?;
    if let Some(separator) = &separator {
        return Ok(text.splitn(count, separator.as_str()).map(Value::from).collect());
    }
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).filter(|_| parts.len() + 1 < count);
        let (word, more) = match end {
            Some(end) => rest.split_at(end),
            // The last part keeps its blanks where the count ends the splitting.
            None if parts.len() + 1 >= count => (rest, ""),
            None => (rest.trim_end(), ""),
        };
        parts.push(Value::from(word));
        rest = more.trim_start();
    }
    Ok(Value::from(parts))
}

/// `rsplit(sep=None, maxsplit=-1)`.
fn rsplit(text: &str, args: &mut Args<'_>) -> Result<Value, Error> {
    let (separator, count) = separation(args)?;
    let mut parts: Vec<&str> = Vec::new();
    if let Some(separator) = &separator {
        parts.extend(text.rsplitn(count, separator.as_str()));
    } else {
        let mut rest = text.trim_end();
        while !rest.is_empty() {
            let last = rest.char_indices().rev().find(|(_, c)| c.is_whitespace());
            let start = last.filter(|_| parts.len() + 1 < count);
            let (more, word) = match start {
                Some((at, blank)) => (&rest[..at], &rest[at + blank.len_utf8()..]),
                None if parts.len() + 1 >= count => ("", rest),
                None => ("", rest.trim_start()),
            };
            parts.push(word);
            rest = more.trim_end();
        }
    }
    parts.reverse();
    Ok(parts.into_iter().map(Value::from).collect())
}

/// The separator, none for blanks, and the most parts.
fn separation(args: &mut Args<'_>) -> Result<(Option<String>, usize), Error> {
    let separator = args.text("sep")?;
    if separator.as_deref() == Some("") {
        return Err(args.fault("empty separator"));
    }
    let limit = args.int("maxsplit")?.and_then(|limit| usize::try_from(limit).ok());
    Ok((separator, limit.map_or(usize::MAX, |limit| limit.saturating_add(1))))
}

/// Each run of letters with a capital first, as Python's `title`: an apostrophe ends a run.
fn titled(text: &str) -> String {
    let mut after_letter = false;
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if after_letter {
            out.extend(letter.to_lowercase());
        } else {
            out.extend(letter.to_uppercase());
        }
        after_letter = is_cased(letter);
    }
    out
}

fn expanded(text: &str, size: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for letter in text.chars() {
        match letter {
            '\t' => {
                let blanks = if size == 0 { 0 } else { size - column % size };
                out.extend(std::iter::repeat_n(' ', blanks));
                column += blanks;
            }
            '\n' | '\r' => {
                out.push(letter);
                column = 0;
            }
            letter => {
                out.push(letter);
                column += 1;
            }
        }
    }
    out
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn swapped(c: char) -> char {
    if c.is_lowercase() {
        c.to_uppercase().next().unwrap_or(c)
    } else {
        c.to_lowercase().next().unwrap_or(c)
    }
}

/// Letters that have an upper and a lower form; only these begin or continue a word of a title.
fn is_cased(letter: char) -> bool {
    letter.is_lowercase() || letter.is_uppercase()
}

/// A digit of some script's decimal numbers.
fn is_decimal(letter: char) -> bool {
    letter.is_ascii_digit()
        || matches!(letter,
            '\u{660}'..='\u{669}' | '\u{6f0}'..='\u{6f9}' | '\u{966}'..='\u{96f}'
            | '\u{e50}'..='\u{e59}' | '\u{ff10}'..='\u{ff19}')
}

/// A digit above or below the line, or in a circle.
fn is_raised_digit(letter: char) -> bool {
    matches!(letter, '²' | '³' | '¹' | '\u{2070}' | '\u{2074}'..='\u{2079}'
        | '\u{2080}'..='\u{2089}' | '\u{2460}'..='\u{2468}')
}
