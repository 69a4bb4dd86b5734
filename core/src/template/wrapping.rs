//! Text cut, counted and broken into rows: `truncate`, `wordwrap`, `wordcount`, `center`.
//!
//! Owns Python's `textwrap` rules as Jinja2 uses them; lengths count characters.
#![expect(clippy::needless_pass_by_value, reason = "the engine hands values over by value")]

use minijinja::Value;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error};

use super::args::{Args, Given};
use super::growth::bounded;
use super::python_text;
use super::temporal::fault;
use super::text_methods::{Side, lines, pad};

/// Adds the filters.
pub(crate) fn register(env: &mut Environment<'_>) {
    env.add_filter("truncate", truncate);
    env.add_filter("wordwrap", wordwrap);
    env.add_filter("wordcount", wordcount);
    env.add_filter("center", |value: Value, given: Given| {
        refuse_undefined(&value)?;
        let values = given.into_values();
        let mut args = Args::new("center", &values)?;
        let width = args.int("width")?.unwrap_or(80);
        args.finish()?;
        pad(&python_text::text(&value), usize::try_from(width).unwrap_or(0), ' ', Side::Center)
    });
}

fn refuse_undefined(value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(Error::from(minijinja::ErrorKind::UndefinedError));
    }
    bounded(value)
}

/// The number of words: runs of letters, digits and `_`.
fn wordcount(value: Value) -> Result<Value, Error> {
    refuse_undefined(&value)?;
    let text = python_text::text(&value);
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    Ok(Value::from(text.split(|letter| !is_word(letter)).filter(|word| !word.is_empty()).count()))
}

/// `truncate(length=255, killwords=false, end='...', leeway=5)`.
fn truncate(value: Value, given: Given) -> Result<Value, Error> {
    let values = given.into_values();
    let mut args = Args::new("truncate", &values)?;
    let length = args.int("length")?.unwrap_or(255);
    let kills = args.flag("killwords", false)?;
    let end = args.text("end")?.unwrap_or_else(|| "...".to_owned());
    let leeway = args.int("leeway")?.unwrap_or(5);
    args.finish()?;
    let size = |count: i64| usize::try_from(count).unwrap_or(0);
    let (length, room) = (size(length), size(length) + size(leeway));
    let ending = end.chars().count();
    if length < ending {
        return Err(fault(format!("truncate(): expected length >= {ending}, got {length}")));
    }
    let count = match value.kind() {
        ValueKind::String => value.as_str().unwrap_or_default().chars().count(),
        _ => value.len().ok_or_else(|| {
            let kind = super::ops::type_name(&value);
            fault(format!("filter \"truncate\" takes text, not {kind}; make it text: | string"))
        })?,
    };
    if count <= room {
        return Ok(value);
    }
    let Some(text) = value.as_str() else {
        return Err(fault("filter \"truncate\" takes text; make it text: | string"));
    };
    let kept: String = text.chars().take(length - ending).collect();
    if kills {
        return Ok(Value::from(kept + &end));
    }
    let words = kept.rsplit_once(' ').map_or(kept.as_str(), |(words, _)| words);
    Ok(Value::from(format!("{words}{end}")))
}

/// How rows are broken.
struct Wrap {
    width: usize,
    breaks_words: bool,
    breaks_hyphens: bool,
}

/// `wordwrap(width=79, break_long_words=true, wrapstring='\n', break_on_hyphens=true)`.
fn wordwrap(value: Value, given: Given) -> Result<Value, Error> {
    let values = given.into_values();
    let mut args = Args::new("wordwrap", &values)?;
    let width = usize::try_from(args.int("width")?.unwrap_or(79)).unwrap_or(0);
    let breaks_words = args.flag("break_long_words", true)?;
    let joiner = args.text("wrapstring")?.unwrap_or_else(|| "\n".to_owned());
    let breaks_hyphens = args.flag("break_on_hyphens", true)?;
    args.finish()?;
    if width == 0 {
        return Err(fault("wordwrap(): width must be 1 or more"));
    }
    refuse_undefined(&value)?;
    let Some(text) = value.as_str() else {
        let kind = super::ops::type_name(&value);
        return Err(fault(format!("filter \"wordwrap\" takes text, not {kind}")));
    };
    let wrap = Wrap { width, breaks_words, breaks_hyphens };
    let rows: Vec<String> =
        lines(text).into_iter().map(|(line, _)| wrap.rows(line).join(&joiner)).collect();
    Ok(Value::from(rows.join(&joiner)))
}

impl Wrap {
    fn rows(&self, line: &str) -> Vec<String> {
        let mut chunks = self.chunks(line);
        chunks.reverse();
        let mut rows: Vec<String> = Vec::new();
        let is_blank = |chunk: &[char]| chunk.iter().all(|letter| letter.is_whitespace());
        while !chunks.is_empty() {
            let mut row: Vec<Vec<char>> = Vec::new();
            let mut used = 0;
            if !rows.is_empty() && chunks.last().is_some_and(|chunk| is_blank(chunk)) {
                chunks.pop();
            }
            while let Some(chunk) = chunks.pop_if(|chunk| used + chunk.len() <= self.width) {
                used += chunk.len();
                row.push(chunk);
            }
            if chunks.last().is_some_and(|chunk| chunk.len() > self.width) {
                self.break_word(&mut chunks, &mut row, self.width - used);
            }
            if row.last().is_some_and(|chunk| is_blank(chunk)) {
                row.pop();
            }
            if !row.is_empty() {
                rows.push(row.into_iter().flatten().collect());
            }
        }
        rows
    }

    /// Takes as much of the word that is too long as the row has room for.
    fn break_word(&self, chunks: &mut Vec<Vec<char>>, row: &mut Vec<Vec<char>>, room: usize) {
        if !self.breaks_words {
            if row.is_empty() {
                row.extend(chunks.pop());
            }
            return;
        }
        let Some(chunk) = chunks.last_mut() else { return };
        let mut end = room;
        if self.breaks_hyphens && chunk.len() > room {
            let hyphen = chunk[..room].iter().rposition(|letter| *letter == '-').unwrap_or(0);
            if chunk[..hyphen].iter().any(|letter| *letter != '-') {
                end = hyphen + 1;
            }
        }
        let rest = chunk.split_off(end);
        row.push(std::mem::replace(chunk, rest));
    }

    /// Words and the blanks between them; a word with hyphens is several.
    fn chunks(&self, line: &str) -> Vec<Vec<char>> {
        let mut chunks: Vec<Vec<char>> = Vec::new();
        let letters: Vec<char> = line.chars().collect();
        let mut start = 0;
        for at in 1..=letters.len() {
            let ends = at == letters.len()
                || letters[at].is_whitespace() != letters[at - 1].is_whitespace()
                || (self.breaks_hyphens && is_hyphen_break(&letters, start, at));
            if ends {
                chunks.push(letters[start..at].to_vec());
                start = at;
            }
        }
        chunks
    }
}

/// Whether a word may be broken before `at`: after a hyphen between letters, or around a dash.
fn is_hyphen_break(letters: &[char], start: usize, at: usize) -> bool {
    let get = |offset: isize| at.checked_add_signed(offset).and_then(|at| letters.get(at)).copied();
    let is_letter = |letter: Option<char>| letter.is_some_and(|c| c.is_alphabetic() || c == '_');
    let is_word = |letter: Option<char>| {
        letter.is_some_and(|c| {
            c.is_alphanumeric() || matches!(c, '_' | '!' | '"' | '\'' | '&' | '.' | ',' | '?')
        })
    };
    let is_plain_word =
        |letter: Option<char>| letter.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if get(-1) == Some('-') && get(0) != Some('-') {
        let dash_start = letters[..at].iter().rposition(|c| *c != '-').map_or(0, |last| last + 1);
        if at - dash_start >= 2 {
            // A dash of two or more is a piece of its own between words.
            let before = dash_start.checked_sub(1).and_then(|last| letters.get(last)).copied();
            return dash_start == start && is_word(before) && is_plain_word(get(0));
        }
        let before = (is_letter(get(-2)) && is_letter(get(-3)))
            || (is_letter(get(-2)) && get(-3) == Some('-') && is_letter(get(-4)));
        let after =
            is_letter(get(0)) && (is_letter(get(1)) || (get(1) == Some('-') && is_letter(get(2))));
        return before && after;
    }
    if get(0) == Some('-') && get(1) == Some('-') && get(-1) != Some('-') {
        let end = letters[at..].iter().position(|c| *c != '-').map(|length| at + length);
        return is_word(get(-1)) && is_plain_word(end.and_then(|end| letters.get(end)).copied());
    }
    false
}
