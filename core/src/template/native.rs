//! Python literals in text, for `render_template_as_native_obj`.
//!
//! Owns the part of `ast.literal_eval` that JSON can hold; anything else is no literal.

use serde_json::{Map, Number, Value};

/// How deep lists may be nested.
const MAX_DEPTH: usize = 64;

/// The value of a Python literal; `None` when the text is none, as Jinja2 then keeps the text.
pub(crate) fn literal(text: &str) -> Option<Value> {
    // Python refuses a literal that begins with blanks (unexpected indent).
    let mut reader = Reader { rest: text.trim_end() };
    let value = reader.value(0)?;
    reader.skip_end();
    if !reader.rest.starts_with(',') {
        return reader.rest.is_empty().then_some(value);
    }
    // Values with commas between them are a tuple without its brackets.
    let mut items = vec![value];
    while reader.take(',') {
        reader.skip_end();
        if reader.rest.is_empty() {
            break;
        }
        items.push(reader.value(0)?);
        reader.skip_end();
    }
    reader.rest.is_empty().then_some(Value::Array(items))
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.rest.chars().next()? {
            '[' => self.items(']', depth).map(|(items, _)| Value::Array(items)),
            '(' => {
                let (mut items, commas) = self.items(')', depth)?;
                if items.len() == 1 && !commas { items.pop() } else { Some(Value::Array(items)) }
            }
            '{' => self.map(depth),
            '\'' | '"' => self.texts().map(Value::String),
            'r' | 'R' | 'u' | 'U' if self.rest[1..].starts_with(['\'', '"']) => {
                self.texts().map(Value::String)
            }
            _ => self.word(),
        }
    }

    fn items(&mut self, close: char, depth: usize) -> Option<(Vec<Value>, bool)> {
        self.rest = &self.rest[1..];
        let (mut items, mut commas) = (Vec::new(), false);
        loop {
            self.skip_blanks();
            if self.take(close) {
                return Some((items, commas));
            }
            items.push(self.value(depth + 1)?);
            self.skip_blanks();
            if self.take(',') {
                commas = true;
            } else if !self.rest.starts_with(close) {
                return None;
            }
        }
    }

    fn map(&mut self, depth: usize) -> Option<Value> {
        self.rest = &self.rest[1..];
        let mut map = Map::new();
        loop {
            self.skip_blanks();
            if self.take('}') {
                return Some(Value::Object(map));
            }
            let key = match self.value(depth + 1)? {
                Value::String(key) => key,
                Value::Number(number) => number.to_string(),
                _ => return None,
            };
            self.skip_blanks();
            if !self.take(':') {
                return None;
            }
            self.skip_blanks();
            let value = self.value(depth + 1)?;
            map.insert(key, value);
            self.skip_blanks();
            if !self.take(',') && !self.rest.starts_with('}') {
                return None;
            }
        }
    }

    /// One text, or several side by side, which are one.
    fn texts(&mut self) -> Option<String> {
        let mut out = self.text()?;
        loop {
            let here = self.rest;
            self.skip_blanks();
            if !self.rest.starts_with(['\'', '"']) {
                self.rest = here;
                return Some(out);
            }
            out.push_str(&self.text()?);
        }
    }

    fn text(&mut self) -> Option<String> {
        let is_raw = self.rest.starts_with(['r', 'R']);
        let mut chars = self.rest.trim_start_matches(['r', 'R', 'u', 'U']).chars();
        let quote = chars.next()?;
        let mut out = String::new();
        while let Some(next) = chars.next() {
            match next {
                '\\' if is_raw => {
                    out.push('\\');
                    out.push(chars.next()?);
                }
                '\\' => match chars.next()? {
                    mark @ ('x' | 'u' | 'U') => {
                        let digits = match mark {
                            'x' => 2,
                            'u' => 4,
                            _ => 8,
                        };
                        let code: String = chars.by_ref().take(digits).collect();
                        let code = u32::from_str_radix(&code, 16).ok()?;
                        out.push(char::from_u32(code)?);
                    }
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'r' => out.push('\r'),
                    escaped @ ('\\' | '\'' | '"') => out.push(escaped),
                    _ => return None,
                },
                '\n' => return None,
                next if next == quote => {
                    self.rest = chars.as_str();
                    return Some(out);
                }
                next => out.push(next),
            }
        }
        None
    }

    fn word(&mut self) -> Option<Value> {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-')))
            .unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        let value = match word {
            "None" => Value::Null,
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            _ => Value::Number(number(word)?),
        };
        self.rest = &self.rest[end..];
        Some(value)
    }

    /// Skips blanks and a comment, at the end of a value.
    fn skip_end(&mut self) {
        self.skip_blanks();
        if self.rest.starts_with('#') {
            self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

fn number(word: &str) -> Option<Number> {
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    // Python refuses 007, and so keeps ids and dates as text.
    let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole
        && digits.len() > 1
        && digits.starts_with('0')
        && digits.bytes().any(|byte| byte != b'0')
    {
        return None;
    }
    if let Some(number) = other_base(word, digits) {
        return Some(number);
    }
    if digits.contains('_') {
        let is_well = digits.split('_').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        });
        return if is_well { self::number(&word.replace('_', "")) } else { None };
    }
    if whole {
        return word.strip_prefix('+').unwrap_or(word).parse::<i64>().ok().map(Number::from);
    }
    Number::from_f64(word.parse().ok()?)
}

/// `0x1f`, `0o17`, `0b101`.
fn other_base(word: &str, digits: &str) -> Option<Number> {
    let (base, rest) = match digits.get(..2)?.to_ascii_lowercase().as_str() {
        "0x" => (16, &digits[2..]),
        "0o" => (8, &digits[2..]),
        "0b" => (2, &digits[2..]),
        _ => return None,
    };
    let value = i64::from_str_radix(&rest.replace('_', ""), base).ok()?;
    Some(Number::from(if word.starts_with('-') { -value } else { value }))
}
