//! Python's lists and dicts that a template may change, and the methods of every kind of value.
//!
//! Owns the fallback for unknown methods. A list or dict is shared by all that hold it, as in
//! Python, but never comes to hold itself.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::args::{Args, Given};
use super::temporal::fault;
use super::text_methods::{bytes_method, text_method};

/// The most items of a changeable list.
const MAX_LENGTH: usize = 1_000_000;
/// The most keys of a changeable dict.
const MAX_KEYS: usize = 10_000;

/// Adds the method fallback and the changeable literals.
pub(crate) fn register(env: &mut Environment<'_>) {
    env.set_unknown_method_callback(unknown_method);
    env.add_function("__mr_list", |items: Value| -> Result<Value, Error> {
        Ok(new_list(items.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?))
    });
    env.add_function("__mr_dict", |map: Value| -> Result<Value, Error> {
        Ok(new_dict(pairs_of(&map)?))
    });
    env.add_function("dict", |given: Given| -> Result<Value, Error> {
        let values = given.into_values();
        let mut args = Args::new("dict", &values)?;
        let mut pairs = match args.take("mapping")? {
            Some(given) => pairs_or_items(&given)?,
            None => Vec::new(),
        };
        for (key, value) in args.take_all_named()? {
            let key = Value::from(key);
            match pairs.iter_mut().find(|(known, _)| *known == key) {
                Some(pair) => pair.1 = value,
                None => pairs.push((key, value)),
            }
        }
        args.finish()?;
        Ok(new_dict(pairs))
    });
}

/// A list that a template may change.
pub(crate) fn new_list(items: Vec<Value>) -> Value {
    Value::from_object(PyList(Mutex::new(items)))
}

/// A dict that a template may change.
pub(crate) fn new_dict(pairs: Vec<(Value, Value)>) -> Value {
    Value::from_object(PyDict(Mutex::new(pairs)))
}

fn unknown_method(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    // At the end of a list nothing is searched.
    if !matches!(method, "append" | "pop") {
        std::iter::once(value).chain(args).try_for_each(super::work::look_at)?;
    }
    if method == super::slices::METHOD {
        return super::slices::slice(value, args);
    }
    let found = match value.kind() {
        ValueKind::String => text_method(value.as_str().unwrap_or_default(), method, args)?,
        ValueKind::Bytes => bytes_method(value.as_bytes().unwrap_or_default(), method, args)?,
        ValueKind::Seq => list_method(value, method, args)?,
        ValueKind::Map => super::views::dict_method(value, method, args)?,
        ValueKind::Number => number_method(value, method, args)?,
        _ => None,
    };
    match found {
        Some(value) => Ok(value),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    }
}

fn number_method(number: &Value, method: &str, values: &[Value]) -> Result<Option<Value>, Error> {
    let value = match method {
        "is_integer" => {
            Value::from(f64::try_from(number.clone()).is_ok_and(|number| number.fract() == 0.0))
        }
        "bit_length" if number.is_integer() => {
            let size = i128::try_from(number.clone())?.unsigned_abs();
            Value::from(u128::BITS - size.leading_zeros())
        }
        "as_integer_ratio" if number.is_integer() => {
            Value::from(Tuple::from([number.clone(), Value::from(1)]))
        }
        "conjugate" => number.clone(),
        _ => return Ok(None),
    };
    Args::new(method, values)?.finish()?;
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

/// Refuses to put `value` into the list or dict at `holder` if it holds that one already, or is
/// too large: printing such a value has no end.
fn check_put(value: &Value, holder: *const ()) -> Result<(), Error> {
    fn holds(value: &Value, holder: *const ()) -> Result<bool, Error> {
        let own = match (list_of(value), dict_of(value)) {
            (Some(list), _) => std::ptr::from_ref(list).cast(),
            (_, Some(dict)) => std::ptr::from_ref(dict).cast(),
            _ => std::ptr::null(),
        };
        if own == holder {
            return Ok(true);
        }
        let items = match value.kind() {
            ValueKind::Map => pairs_of(value)?.into_iter().map(|(_, item)| item).collect(),
            ValueKind::Seq => value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?,
            _ => Vec::new(),
        };
        for item in items {
            if holds(&item, holder)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Map) {
        return Ok(());
    }
    super::value::check_shape(value)?;
    if holds(value, holder)? {
        return Err(fault("a list or dict cannot be put into itself"));
    }
    Ok(())
}

fn list_of(value: &Value) -> Option<&PyList> {
    value.downcast_object_ref::<PyList>()
}

fn dict_of(value: &Value) -> Option<&PyDict> {
    value.downcast_object_ref::<PyDict>()
}

fn pairs_of(map: &Value) -> Result<Vec<(Value, Value)>, Error> {
    // What answers by name only (`var.value`) has no pairs.
    if map.as_object().is_some_and(|map| map.enumerator_len().is_none()) {
        return Ok(Vec::new());
    }
    map.try_iter()?
        .checked()
        .map(|key| {
            let key = key?;
            let item = map.get_item(&key)?;
            Ok((key, item))
        })
        .collect()
}

/// The pairs of a map, or of a list of pairs.
fn pairs_or_items(value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    if value.kind() == ValueKind::Map {
        return pairs_of(value);
    }
    value
        .try_iter()?
        .checked()
        .map(|pair| {
            let parts = pair?.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
            match <[Value; 2]>::try_from(parts) {
                Ok([key, item]) => Ok((key, item)),
                Err(parts) => Err(fault(format!(
                    "a dict is made of pairs; an item has {} parts",
                    parts.len()
                ))),
            }
        })
        .collect()
}

/// A list of `items` that may be changed where `like` may.
pub(crate) fn list_like(like: &Value, items: Vec<Value>) -> Value {
    if list_of(like).is_some() { new_list(items) } else { Value::from(items) }
}

/// A list that a template may change (`{% do l.append(x) %}`).
struct PyList(Mutex<Vec<Value>>);

impl PyList {
    fn items(&self) -> MutexGuard<'_, Vec<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn extend(&self, added: Vec<Value>) -> Result<(), Error> {
        added.iter().try_for_each(|item| check_put(item, std::ptr::from_ref(self).cast()))?;
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
                self.extend(vec![args.require("object")?])?;
                none
            }
            "extend" => {
                let added = args.require("iterable")?;
                self.extend(added.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?)?;
                none
            }
            "insert" => {
                let at = args.int("index")?.unwrap_or(0);
                let item = args.require("object")?;
                check_put(&item, std::ptr::from_ref(&**self).cast())?;
                let mut items = self.items();
                let at = place(at, items.len());
                items.insert(at, item);
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
                let sorted = super::sequences::sorted(self.items().clone(), reverse)?;
                *self.items() = sorted;
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
        check_put(&value, std::ptr::from_ref(self).cast())?;
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
                    for (key, value) in pairs_or_items(&other)? {
                        self.put(key, value)?;
                    }
                }
                for (key, value) in args.take_all_named()? {
                    self.put(Value::from(key), value)?;
                }
                Value::from(())
            }
            "setdefault" => {
                let key = args.require("key")?;
                let default = args.take("default")?.unwrap_or_else(|| Value::from(()));
                if let Some(value) = self.find(&key) {
                    value
                } else {
                    self.put(key, default.clone())?;
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
            "popitem" => match self.pairs().pop() {
                Some((key, value)) => Value::from(Tuple::from([key, value])),
                None => return Err(fault("popitem(): the dict is empty")),
            },
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
