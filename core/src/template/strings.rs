//! Python's methods of text, lists, dicts and numbers that the engine does not bring.
//!
//! Owns the fallback for unknown methods, and the lists and dicts that a template may change.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::args::Args;
use super::temporal::fault;

/// The longest text that padding may make, and the most items of a changeable list.
const MAX_LENGTH: usize = 1_000_000;
/// The most keys of a changeable dict.
const MAX_KEYS: usize = 10_000;

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

/// Adds the method fallback and the changeable literals.
pub(crate) fn register(env: &mut Environment<'_>) {
    env.set_unknown_method_callback(unknown_method);
    env.add_function("__mr_list", |items: Value| -> Result<Value, Error> {
        let items = items
            .try_iter()?
            .checked()
            .map(|item| frozen(&item?))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Value::from_object(PyList(Mutex::new(items))))
    });
    env.add_function("__mr_dict", |map: Value| -> Result<Value, Error> {
        Ok(Value::from_object(PyDict(Mutex::new(pairs_of(&map)?))))
    });
}

fn unknown_method(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let found = match value.kind() {
        ValueKind::String => text_method(value.as_str().unwrap_or_default(), method, args)?,
        ValueKind::Seq => list_method(value, method, args)?,
        ValueKind::Map if method == "copy" && args.is_empty() => Some(value.clone()),
        ValueKind::Number if method == "is_integer" => Some(Value::from(
            f64::try_from(value.clone()).is_ok_and(|number| number.fract() == 0.0),
        )),
        _ => None,
    };
    match found {
        Some(value) => Ok(value),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    }
}

fn text_method(text: &str, method: &str, values: &[Value]) -> Result<Option<Value>, Error> {
    let mut args = Args::new(method, values)?;
    let value = match method {
        "zfill" => Value::from(zfill(text, width(&mut args)?)?),
        "ljust" | "rjust" | "center" => {
            let width = width(&mut args)?;
            let fill = args.text("fillchar")?.and_then(|fill| fill.chars().next()).unwrap_or(' ');
            let side = match method {
                "ljust" => Side::Left,
                "rjust" => Side::Right,
                _ => Side::Center,
            };
            Value::from(pad(text, width, fill, side)?)
        }
        "removeprefix" => {
            let prefix = args.require_text("prefix")?;
            Value::from(text.strip_prefix(prefix.as_str()).unwrap_or(text))
        }
        "removesuffix" => {
            let suffix = args.require_text("suffix")?;
            Value::from(text.strip_suffix(suffix.as_str()).unwrap_or(text))
        }
        "partition" | "rpartition" => {
            let separator = args.require_text("sep")?;
            partition(text, &separator, method == "partition")
        }
        "rsplit" => rsplit(text, &mut args)?,
        "index" | "rindex" => {
            let wanted = args.require_text("sub")?;
            let at = if method == "index" { text.find(&wanted) } else { text.rfind(&wanted) };
            let at = at.ok_or_else(|| fault("substring not found"))?;
            Value::from(text[..at].chars().count())
        }
        "swapcase" => Value::from(text.chars().map(swapped).collect::<String>()),
        "casefold" => Value::from(text.to_lowercase().replace('ß', "ss")),
        "title" => Value::from(titled(text)),
        "istitle" => Value::from(text.chars().any(char::is_alphabetic) && titled(text) == text),
        "isidentifier" => Value::from(is_identifier(text)),
        "isprintable" => Value::from(text.chars().all(super::python_text::is_printable)),
        "split" if args.has_named("maxsplit") || args.has_named("sep") => split(text, &mut args)?,
        "isdecimal" => Value::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())),
        "expandtabs" => {
            let size = args.int("tabsize")?.unwrap_or(8).clamp(0, 100);
            Value::from(expanded(text, usize::try_from(size).unwrap_or(0)))
        }
        "encode" => Value::from_bytes(text.as_bytes().to_vec()),
        "format" => {
            super::growth::check_format(text, values)?;
            if let Some(filled) = super::braces::filled(text, values)? {
                use minijinja::formatting::{FormatStyle, format};
                return format(FormatStyle::StrFormat, &filled, values)
                    .map(|text| Some(text.into()));
            }
            return Ok(None);
        }
        "join" => {
            values.iter().try_for_each(super::growth::bounded)?;
            return Ok(None);
        }
        "replace" => {
            if let [from, to, ..] = values
                && let (Some(from), Some(to)) = (from.as_str(), to.as_str())
            {
                super::growth::check_replacement(text, from, to)?;
            }
            return Ok(None);
        }
        _ => return Ok(None),
    };
    args.finish()?;
    Ok(Some(value))
}

fn list_method(list: &Value, method: &str, values: &[Value]) -> Result<Option<Value>, Error> {
    let mut args = Args::new(method, values)?;
    let value = match method {
        "index" => {
            let wanted = args.require("value")?;
            let mut items = list.try_iter()?;
            let at = items.position(|item| item == wanted);
            Value::from(at.ok_or_else(|| fault("the value is not in the list"))?)
        }
        "copy" => list.clone(),
        "append" | "extend" | "insert" | "pop" | "remove" | "clear" | "sort" | "reverse" => {
            return Err(fault(format!(
                "this list cannot be changed with {method}(); make one in the template: {{% set l = [] %}}"
            )));
        }
        _ => return Ok(None),
    };
    args.finish()?;
    Ok(Some(value))
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

fn rsplit(text: &str, args: &mut Args<'_>) -> Result<Value, Error> {
    let separator = args.text("sep")?;
    let limit = args.int("maxsplit")?.and_then(|limit| usize::try_from(limit).ok());
    let count = limit.map_or(usize::MAX, |limit| limit.saturating_add(1));
    let mut parts: Vec<&str> = match &separator {
        Some(separator) => text.rsplitn(count, separator.as_str()).collect(),
        None => text
            .trim()
            .rsplitn(count, char::is_whitespace)
            .filter(|part| !part.is_empty())
            .collect(),
    };
    parts.reverse();
    Ok(parts.into_iter().map(Value::from).collect())
}

/// `split(sep=None, maxsplit=-1)`.
fn split(text: &str, args: &mut Args<'_>) -> Result<Value, Error> {
    let separator = args.text("sep")?;
    let limit = args.int("maxsplit")?.and_then(|limit| usize::try_from(limit).ok());
    let count = limit.map_or(usize::MAX, |limit| limit.saturating_add(1));
    if let Some(separator) = &separator {
        return Ok(text.splitn(count, separator.as_str()).map(Value::from).collect());
    }
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).filter(|_| parts.len() + 1 < count);
        let (word, more) = rest.split_at(end.unwrap_or(rest.len()));
        parts.push(Value::from(word));
        rest = more.trim_start();
    }
    Ok(Value::from(parts))
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
        after_letter = letter.is_alphabetic();
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

/// Copies changeable lists and dicts into fixed ones: nothing can then contain itself.
fn frozen(value: &Value) -> Result<Value, Error> {
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Map) {
        return Ok(value.clone());
    }
    super::value::check_shape(value)?;
    copied(value)
}

fn copied(value: &Value) -> Result<Value, Error> {
    if value.is_tuple() {
        return Ok(value.clone());
    }
    match value.kind() {
        ValueKind::Seq => value
            .try_iter()?
            .checked()
            .map(|item| copied(&item?))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::from),
        ValueKind::Map if value.as_object().is_some_and(|map| map.enumerator_len().is_some()) => {
            Ok(pairs_of(value)?.into_iter().collect())
        }
        _ => Ok(value.clone()),
    }
}

fn pairs_of(map: &Value) -> Result<Vec<(Value, Value)>, Error> {
    map.try_iter()?
        .checked()
        .map(|key| {
            let key = key?;
            let item = copied(&map.get_item(&key)?)?;
            Ok((key, item))
        })
        .collect()
}

/// A list that a template may change (`{% do l.append(x) %}`).
struct PyList(Mutex<Vec<Value>>);

impl PyList {
    fn items(&self) -> MutexGuard<'_, Vec<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn extend(&self, added: Vec<Value>) -> Result<(), Error> {
        let mut items = self.items();
        if items.len() + added.len() > MAX_LENGTH {
            return Err(fault(format!("a list has more than {MAX_LENGTH} items")));
        }
        items.extend(added);
        Ok(())
    }
}

impl fmt::Debug for PyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.items().iter()).finish()
    }
}

impl Object for PyList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.items().get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        // A snapshot: the list may change while it is walked.
        Enumerator::Iter(Box::new(self.items().clone().into_iter()))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.items().len())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        values: &[Value],
    ) -> Result<Value, Error> {
        let mut args = Args::new(method, values)?;
        let none = Value::from(());
        let value = match method {
            "append" => {
                let item = frozen(&args.require("object")?)?;
                self.extend(vec![item])?;
                none
            }
            "extend" => {
                let added = args.require("iterable")?;
                let added = added
                    .try_iter()?
                    .checked()
                    .map(|item| frozen(&item?))
                    .collect::<Result<Vec<_>, _>>()?;
                self.extend(added)?;
                none
            }
            "insert" => {
                let at = args.int("index")?.unwrap_or(0);
                let item = frozen(&args.require("object")?)?;
                let at = place(at, self.items().len());
                self.items().insert(at, item);
                none
            }
            "pop" => {
                let at = args.int("index")?.unwrap_or(-1);
                let mut items = self.items();
                let at = place(at, items.len());
                if at >= items.len() {
                    return Err(fault("pop index out of range"));
                }
                items.remove(at)
            }
            "remove" => {
                let wanted = args.require("value")?;
                let mut items = self.items();
                let at = items.iter().position(|item| *item == wanted);
                items.remove(at.ok_or_else(|| fault("the value is not in the list"))?);
                none
            }
            "clear" => {
                self.items().clear();
                none
            }
            "sort" => {
                let reverse = args.take_named("reverse")?.is_some_and(|flag| flag.is_true());
                let mut items = self.items();
                items.sort();
                if reverse {
                    items.reverse();
                }
                none
            }
            "reverse" => {
                self.items().reverse();
                none
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        };
        args.finish()?;
        Ok(value)
    }
}

fn place(index: i64, len: usize) -> usize {
    if index < 0 {
        len.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX))
    } else {
        usize::try_from(index).unwrap_or(usize::MAX).min(len)
    }
}

/// A dict that a template may change (`{% do d.update({…}) %}`).
struct PyDict(Mutex<Vec<(Value, Value)>>);

impl PyDict {
    fn pairs(&self) -> MutexGuard<'_, Vec<(Value, Value)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: &Value) -> Option<Value> {
        self.pairs().iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    }

    fn put(&self, key: Value, value: Value) -> Result<(), Error> {
        let mut pairs = self.pairs();
        let full = pairs.len() >= MAX_KEYS;
        match pairs.iter_mut().find(|(known, _)| *known == key) {
            Some(pair) => pair.1 = value,
            None if full => {
                return Err(fault(format!(
                    "a dict changed in a template has more than {MAX_KEYS} keys"
                )));
            }
            None => pairs.push((key, value)),
        }
        Ok(())
    }
}

impl fmt::Debug for PyDict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.pairs().iter().map(|(key, value)| (key, value))).finish()
    }
}

impl Object for PyDict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.find(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.pairs().iter().map(|(key, _)| key.clone()).collect())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        values: &[Value],
    ) -> Result<Value, Error> {
        let mut args = Args::new(method, values)?;
        let value = match method {
            "update" => {
                if let Some(other) = args.take("other")? {
                    super::value::check_shape(&other)?;
                    for (key, value) in pairs_of(&other)? {
                        self.put(key, value)?;
                    }
                }
                Value::from(())
            }
            "setdefault" => {
                let key = args.require("key")?;
                let default = args.take("default")?.unwrap_or_else(|| Value::from(()));
                if let Some(value) = self.find(&key) {
                    value
                } else {
                    self.put(key, frozen(&default)?)?;
                    default
                }
            }
            "pop" => {
                let key = args.require("key")?;
                let default = args.take("default")?;
                let mut pairs = self.pairs();
                match pairs.iter().position(|(known, _)| *known == key) {
                    Some(at) => pairs.remove(at).1,
                    None => default.ok_or_else(|| fault(format!("no key {key:?} in the dict")))?,
                }
            }
            "clear" => {
                self.pairs().clear();
                Value::from(())
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        };
        args.finish()?;
        Ok(value)
    }
}
