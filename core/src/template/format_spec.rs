//! Python's format specification, `[[fill]align][sign][#][0][width][grouping][.precision][type]`.
//!
//! Owns numbers and text as `format(value, spec)` writes them; `printf` writes its own through the
//! same numbers. A width is memory, and bounded here.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::names::plain_value;
use super::object::Temporal;
use super::python_text;
use super::temporal::fault;
use super::value::python_float;

/// The widest field and the most digits after the point.
const MAX_WIDTH: usize = 999;

/// A specification, read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    /// What pads.
    pub(crate) fill: char,
    /// `<`, `>`, `^` or `=`; the kind of value decides where it is left out.
    pub(crate) align: Option<char>,
    /// `+`, `-` or a blank.
    pub(crate) sign: char,
    /// `#`: a prefix, or zeros that are kept.
    pub(crate) alternate: bool,
    /// The least number of characters.
    pub(crate) width: usize,
    /// `,` or `_` between groups of digits.
    pub(crate) grouping: Option<char>,
    /// Digits after the point, or characters of text.
    pub(crate) precision: Option<usize>,
    /// The last letter.
    pub(crate) kind: Option<char>,
}

impl Default for Spec {
    fn default() -> Spec {
        Spec {
            fill: ' ',
            align: None,
            sign: '-',
            alternate: false,
            width: 0,
            grouping: None,
            precision: None,
            kind: None,
        }
    }
}

impl Spec {
    fn read(text: &str) -> Result<Spec, Error> {
        let wrong = || fault(format!("\"{text}\" is no format specification"));
        let mut spec = Spec::default();
        let mut rest: Vec<char> = text.chars().rev().collect();
        let is_align = |c: Option<&char>| matches!(c, Some('<' | '>' | '^' | '='));
        let len = rest.len();
        if len >= 2 && is_align(rest.get(len - 2)) {
            spec.fill = rest.pop().unwrap_or(' ');
            spec.align = rest.pop();
        } else if is_align(rest.last()) {
            spec.align = rest.pop();
        }
        spec.sign = rest.pop_if(|c| matches!(c, '+' | '-' | ' ')).unwrap_or('-');
        spec.alternate = rest.pop_if(|c| *c == '#').is_some();
        if rest.pop_if(|c| *c == '0').is_some() {
            if spec.align.is_none() {
                spec.fill = '0';
                spec.align = Some('=');
            } else if spec.fill == ' ' {
                spec.fill = '0';
            }
        }
        spec.width = digits(&mut rest)?.unwrap_or(0);
        spec.grouping = rest.pop_if(|c| matches!(c, ',' | '_'));
        if rest.pop_if(|c| *c == '.').is_some() {
            spec.precision = Some(digits(&mut rest)?.ok_or_else(wrong)?);
        }
        spec.kind = rest.pop();
        if rest.is_empty() { Ok(spec) } else { Err(wrong()) }
    }

    /// `text` at its width; `sign` stays in front of padding that is aligned by `=`.
    fn padded(&self, sign: &str, text: &str, align: char) -> String {
        let missing = self.width.saturating_sub(sign.chars().count() + text.chars().count());
        let fill = |count: usize| std::iter::repeat_n(self.fill, count).collect::<String>();
        match self.align.unwrap_or(align) {
            '<' => format!("{sign}{text}{}", fill(missing)),
            '^' => format!("{}{sign}{text}{}", fill(missing / 2), fill(missing - missing / 2)),
            '=' => format!("{sign}{}{text}", fill(missing)),
            _ => format!("{}{sign}{text}", fill(missing)),
        }
    }

    fn sign_of(&self, is_negative: bool) -> &'static str {
        match (is_negative, self.sign) {
            (true, _) => "-",
            (false, '+') => "+",
            (false, ' ') => " ",
            _ => "",
        }
    }

    /// A text, cut to its precision.
    pub(crate) fn text(&self, text: &str) -> String {
        let kept: String = match self.precision {
            Some(count) => text.chars().take(count).collect(),
            None => text.to_owned(),
        };
        self.padded("", &kept, '<')
    }

    /// A whole number.
    pub(crate) fn whole(&self, number: i128) -> Result<String, Error> {
        let size = number.unsigned_abs();
        let (digits, prefix) = match self.kind {
            None | Some('d' | 'n') => (size.to_string(), ""),
            Some('x') => (format!("{size:x}"), "0x"),
            Some('X') => (format!("{size:X}"), "0X"),
            Some('o') => (format!("{size:o}"), "0o"),
            Some('b') => (format!("{size:b}"), "0b"),
            Some('c') => {
                let letter = u32::try_from(number).ok().and_then(char::from_u32);
                let letter = letter.ok_or_else(|| fault("%c takes a character's number"))?;
                return Ok(self.padded("", &letter.to_string(), '<'));
            }
            #[expect(clippy::cast_precision_loss, reason = "as Python makes a float of an int")]
            Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%') => return self.float(number as f64),
            Some(other) => return Err(unknown_kind(other, "int")),
        };
        if self.precision.is_some() {
            return Err(fault("a whole number takes no precision in a format"));
        }
        let sign = self.sign_of(number < 0);
        let prefix = if self.alternate { prefix } else { "" };
        let group = if matches!(self.kind, Some('x' | 'X' | 'o' | 'b')) { 4 } else { 3 };
        Ok(self.number(&format!("{sign}{prefix}"), &digits, "", group))
    }

    /// A number with a fraction.
    pub(crate) fn float(&self, number: f64) -> Result<String, Error> {
        let sign = self.sign_of(number.is_sign_negative() && !number.is_nan());
        let size = number.abs();
        let kind = self.kind.unwrap_or(' ');
        let precision = self.precision;
        let text = match kind {
            ' ' if precision.is_none() => python_float(size),
            _ if !size.is_finite() => {
                let mark = if kind == '%' { "%" } else { "" };
                format!("{}{mark}", python_float(size))
            }
            ' ' => general(size, precision.unwrap_or(6), self.alternate, true),
            'f' | 'F' => {
                let point = if precision == Some(0) && self.alternate { "." } else { "" };
                format!("{size:.*}{point}", precision.unwrap_or(6))
            }
            '%' => format!("{:.*}%", precision.unwrap_or(6), size * 100.0),
            'e' | 'E' => exponential(size, precision.unwrap_or(6)),
            'g' | 'G' | 'n' => general(size, precision.unwrap_or(6), self.alternate, false),
            other => return Err(unknown_kind(other, "float")),
        };
        let text = if matches!(kind, 'E' | 'F' | 'G') { text.to_ascii_uppercase() } else { text };
        let whole = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (whole, rest) = text.split_at(whole);
        Ok(self.number(sign, whole, rest, 3))
    }

    /// A number's digits in groups, at their width: zeros before them are grouped as well.
    fn number(&self, sign: &str, whole: &str, rest: &str, group: usize) -> String {
        let Some(mark) = self.grouping.filter(|_| !whole.is_empty()) else {
            return self.padded(sign, &format!("{whole}{rest}"), '>');
        };
        let mut digits = whole.to_owned();
        let mut text = grouped(&digits, mark, group);
        let taken = sign.len() + rest.len();
        while self.fill == '0'
            && self.align == Some('=')
            && text.chars().count() + taken < self.width
        {
            digits.insert(0, '0');
            text = grouped(&digits, mark, group);
        }
        self.padded(sign, &format!("{text}{rest}"), '>')
    }
}

/// `format(value, spec)`.
pub(crate) fn formatted(value: &Value, spec: &str) -> Result<String, Error> {
    if spec.is_empty() {
        return Ok(python_text::text(value));
    }
    if let Some(temporal) = Temporal::of(value) {
        return temporal.formatted(spec);
    }
    let plain = plain_value(value);
    let read = Spec::read(spec)?;
    match plain.kind() {
        ValueKind::Bool => read.whole(i128::from(plain.is_true())),
        ValueKind::Number => match i128::try_from(plain.clone()) {
            Ok(number) if plain.is_integer() => read.whole(number),
            _ => read.float(f64::try_from(plain)?),
        },
        ValueKind::String => {
            let is_text = read.kind.is_none_or(|kind| kind == 's')
                && read.grouping.is_none()
                && (read.align != Some('=') || read.fill == '0');
            if !is_text {
                return Err(fault(format!("\"{spec}\" is no format of text")));
            }
            let align = read.align.filter(|align| *align != '=');
            let text = plain.as_str().unwrap_or_default();
            Ok(Spec { align, ..read }.text(text))
        }
        _ => Err(fault(format!(
            "a value of type {} takes no format specification; make it text first: | string",
            super::ops::type_name(value)
        ))),
    }
}

/// Refuses what would be wider than a field may be.
pub(crate) fn bounded_width(width: usize) -> Result<usize, Error> {
    if width > MAX_WIDTH {
        return Err(fault(format!("a format width of more than {MAX_WIDTH} is refused")));
    }
    Ok(width)
}

/// The digits at the end of `rest`, which is backwards.
fn digits(rest: &mut Vec<char>) -> Result<Option<usize>, Error> {
    let mut number = None;
    while let Some(digit) = rest.last().and_then(|c| c.to_digit(10)) {
        let so_far: usize = number.unwrap_or(0);
        number = Some(bounded_width(so_far * 10 + digit as usize)?);
        rest.pop();
    }
    Ok(number)
}

/// `1.5e+03`.
fn exponential(size: f64, precision: usize) -> String {
    let text = format!("{size:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// C's `%g`; `with_point` keeps one digit after the point, as a float without a type has.
fn general(size: f64, precision: usize, alternate: bool, with_point: bool) -> String {
    let precision = precision.max(1);
    let scientific = exponential(size, precision - 1);
    let exponent: i64 =
        scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let limit = i64::try_from(precision).unwrap_or(i64::MAX) - i64::from(with_point);
    let trimmed = |digits: &str| {
        if digits.contains('.') && !alternate {
            digits.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            digits.to_owned()
        }
    };
    if exponent < -4 || exponent >= limit {
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        return format!("{}e{exponent}", trimmed(digits));
    }
    let places = i64::try_from(precision).unwrap_or(i64::MAX) - 1 - exponent;
    let text = trimmed(&format!("{size:.*}", usize::try_from(places).unwrap_or(0)));
    match text.contains('.') {
        false if with_point => format!("{text}.0"),
        false if alternate => format!("{text}."),
        _ => text,
    }
}

fn grouped(digits: &str, mark: char, group: usize) -> String {
    let mut out = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(group) {
            out.push(mark);
        }
        out.push(digit);
    }
    out
}

fn unknown_kind(kind: char, of: &str) -> Error {
    fault(format!("unknown format code \"{kind}\" for a value of type {of}"))
}
