//! Python's `layout % values`.
//!
//! Owns the reading of `%(name)-08.3f` and which values each letter takes; `format_spec` writes
//! the numbers.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::format_spec::{Spec, bounded_width};
use super::growth::{bounded, check_growth};
use super::names::plain_value;
use super::python_text;
use super::temporal::fault;

/// The values that a layout uses one by one, or by name.
struct Values {
    items: Vec<Value>,
    next: usize,
    map: Option<Value>,
}

impl Values {
    fn next(&mut self) -> Result<Value, Error> {
        let item = self.items.get(self.next).cloned();
        self.next += 1;
        item.ok_or_else(|| fault("the layout before % asks for more values than there are"))
    }

    fn named(&self, name: &str) -> Result<Value, Error> {
        let Some(map) = &self.map else {
            return Err(fault(format!("%({name}) takes a dict after the %")));
        };
        let found = map.get_item(&Value::from(name))?;
        if found.is_undefined() {
            return Err(fault(format!("the dict after % has no \"{name}\"")));
        }
        Ok(found)
    }
}

/// One `%…` of a layout.
#[derive(Default)]
struct Directive {
    name: Option<String>,
    is_left: bool,
    has_zeros: bool,
    sign: Option<char>,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

/// `layout % right`.
pub(crate) fn percent(layout: &str, right: &Value) -> Result<Value, Error> {
    let kind = right.kind();
    let is_tuple = super::named_tuple::is_tuple(right);
    // A list is no tuple to `%`: it is one value, and may stay unused.
    let may_stay = matches!(kind, ValueKind::Map | ValueKind::Seq) && !is_tuple;
    let items = if is_tuple {
        right.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?
    } else {
        vec![right.clone()]
    };
    let map = (kind == ValueKind::Map).then(|| right.clone());
    printf(layout, items, map, may_stay)
}

/// `layout | format(…)`: values in order, or by name.
pub(crate) fn printf(
    layout: &str,
    items: Vec<Value>,
    map: Option<Value>,
    may_stay: bool,
) -> Result<Value, Error> {
    items.iter().try_for_each(bounded)?;
    bounded(&Value::from(layout))?;
    let mut values = Values { items, next: 0, map };
    let mut out = String::with_capacity(layout.len());
    let mut letters = layout.chars();
    while let Some(letter) = letters.next() {
        if letter == '%' {
            directive(&mut letters, &mut values, &mut out)?;
            check_growth(out.len())?;
        } else {
            out.push(letter);
        }
    }
    if values.next < values.items.len() && !may_stay {
        return Err(fault("not all values after % are used by the layout before it"));
    }
    Ok(Value::from(out))
}

fn directive(
    letters: &mut std::str::Chars<'_>,
    values: &mut Values,
    out: &mut String,
) -> Result<(), Error> {
    let incomplete = || fault("a % at the end of the layout has no letter; write %% for a percent");
    let mut found = Directive::default();
    let mut letter = letters.next().ok_or_else(incomplete)?;
    if letter == '(' {
        let (name, rest) = letters.as_str().split_once(')').ok_or_else(incomplete)?;
        found.name = Some(name.to_owned());
        *letters = rest.chars();
        letter = letters.next().ok_or_else(incomplete)?;
    }
    loop {
        match letter {
            '-' => found.is_left = true,
            '0' => found.has_zeros = true,
            '#' => found.alternate = true,
            '+' => found.sign = Some('+'),
            ' ' => found.sign = found.sign.or(Some(' ')),
            _ => break,
        }
        letter = letters.next().ok_or_else(incomplete)?;
    }
    if let Some(width) = count(&mut letter, letters, values)? {
        found.is_left |= width < 0;
        found.width = bounded_width(usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX))?;
    }
    if letter == '.' {
        letter = letters.next().ok_or_else(incomplete)?;
        let places = count(&mut letter, letters, values)?.unwrap_or(0);
        found.precision = Some(bounded_width(usize::try_from(places).unwrap_or(0))?);
    }
    if matches!(letter, 'h' | 'l' | 'L') {
        letter = letters.next().ok_or_else(incomplete)?;
    }
    if letter == '%' {
        out.push('%');
        return Ok(());
    }
    let value = match &found.name {
        Some(name) => values.named(name)?,
        None => values.next()?,
    };
    if value.is_undefined() {
        return Err(fault("an undefined value is used after %"));
    }
    out.push_str(&found.written(letter, &value)?);
    Ok(())
}

/// A width or precision: digits, or `*` for the next value.
fn count(
    letter: &mut char,
    letters: &mut std::str::Chars<'_>,
    values: &mut Values,
) -> Result<Option<i64>, Error> {
    let incomplete = || fault("a % at the end of the layout has no letter; write %% for a percent");
    if *letter == '*' {
        let value = values.next()?;
        *letter = letters.next().ok_or_else(incomplete)?;
        return i64::try_from(value).map(Some).map_err(|_| fault("* takes a whole number"));
    }
    let mut number = None;
    while let Some(digit) = letter.to_digit(10) {
        let so_far: i64 = number.unwrap_or(0);
        number = Some(so_far.saturating_mul(10).saturating_add(i64::from(digit)));
        *letter = letters.next().ok_or_else(incomplete)?;
    }
    Ok(number)
}

impl Directive {
    fn written(&self, letter: char, value: &Value) -> Result<String, Error> {
        let spec = self.spec(letter);
        let text_spec =
            Spec { fill: ' ', align: Some(if self.is_left { '<' } else { '>' }), ..spec };
        match letter {
            's' => Ok(text_spec.text(&python_text::text(value))),
            'r' => Ok(text_spec.text(&python_text::repr(value))),
            'a' => Ok(text_spec.text(&python_text::ascii(value))),
            'c' => {
                let letter = match plain_value(value).as_str() {
                    Some(text) if text.chars().count() == 1 => text.to_owned(),
                    None if value.is_integer() || value.kind() == ValueKind::Bool => {
                        Spec { kind: Some('c'), ..Spec::default() }
                            .whole(i128::try_from(value.clone())?)?
                    }
                    _ => return Err(fault("%c takes one character or its number")),
                };
                Ok(Spec { precision: None, ..text_spec }.text(&letter))
            }
            'd' | 'i' | 'u' => Ok(self.whole(spec, "", &whole_digits(value)?)),
            'x' | 'X' | 'o' => {
                let number = match value.kind() {
                    ValueKind::Bool => i128::from(value.is_true()),
                    ValueKind::Number if value.is_integer() => i128::try_from(value.clone())?,
                    _ => return Err(wrong(letter, "a whole number", value)),
                };
                let digits = Spec { kind: Some(letter), ..Spec::default() }.whole(number)?;
                let prefix = match letter {
                    _ if !self.alternate => "",
                    'x' => "0x",
                    'X' => "0X",
                    _ => "0o",
                };
                Ok(self.whole(spec, prefix, &digits))
            }
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
                let number = match value.kind() {
                    ValueKind::Bool => f64::from(u8::from(value.is_true())),
                    ValueKind::Number => f64::try_from(value.clone())?,
                    _ => return Err(wrong(letter, "a number", value)),
                };
                Spec { kind: Some(letter), ..spec }.float(number)
            }
            other => Err(fault(format!(
                "%{other} is no directive; write %% for a percent, or %s for a value's text"
            ))),
        }
    }

    fn spec(&self, letter: char) -> Spec {
        let zeros = self.has_zeros && !self.is_left && !matches!(letter, 's' | 'r' | 'a' | 'c');
        Spec {
            fill: if zeros { '0' } else { ' ' },
            align: Some(match (self.is_left, zeros) {
                (true, _) => '<',
                (false, true) => '=',
                (false, false) => '>',
            }),
            sign: self.sign.unwrap_or('-'),
            alternate: self.alternate,
            width: self.width,
            grouping: None,
            precision: self.precision,
            kind: None,
        }
    }

    /// A whole number from its digits, with at least as many as the precision says.
    fn whole(&self, spec: Spec, prefix: &str, digits: &str) -> String {
        let (sign, digits) = match (digits.strip_prefix('-'), spec.sign) {
            (Some(digits), _) => ("-", digits),
            (None, '+') => ("+", digits),
            (None, ' ') => (" ", digits),
            (None, _) => ("", digits),
        };
        let missing = self.precision.unwrap_or(0).saturating_sub(digits.len());
        let digits = format!("{}{digits}", "0".repeat(missing));
        let gap = spec.width.saturating_sub(sign.len() + prefix.len() + digits.len());
        match spec.align {
            Some('<') => format!("{sign}{prefix}{digits}{}", " ".repeat(gap)),
            Some('=') => format!("{sign}{prefix}{}{digits}", "0".repeat(gap)),
            _ => format!("{}{sign}{prefix}{digits}", " ".repeat(gap)),
        }
    }
}

/// The digits of a number without its fraction.
fn whole_digits(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Bool => Ok(u8::from(value.is_true()).to_string()),
        ValueKind::Number if value.is_integer() => Ok(value.to_string()),
        ValueKind::Number => {
            let number = f64::try_from(value.clone())?.trunc();
            if number.is_finite() {
                Ok(format!("{:.0}", number + 0.0))
            } else {
                Err(fault("%d takes a number that has an end"))
            }
        }
        _ => Err(wrong('d', "a number", value)),
    }
}

fn wrong(letter: char, takes: &str, value: &Value) -> Error {
    fault(format!("%{letter} takes {takes}, not {}", super::ops::type_name(value)))
}
