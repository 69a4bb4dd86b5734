//! Python's views of a dict: `dict_keys(['a'])`, and the dict's other methods.
//!
//! Owns the views' text and walk; a view shows the dict as it was when it was asked for.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple};
use minijinja::{Error, Value};

use super::args::Args;
use super::growth::bounded;
use super::python_text;

/// Which part of a dict a view shows.
#[derive(Clone, Copy)]
enum Part {
    Keys,
    Values,
    Items,
}

/// A view of a dict's keys, values or pairs.
struct View {
    part: Part,
    entries: Vec<Value>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.part {
            Part::Keys => "dict_keys",
            Part::Values => "dict_values",
            Part::Items => "dict_items",
        };
        write!(f, "{name}({})", python_text::repr(&Value::from(self.entries.clone())))
    }
}

impl Object for View {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.entries.clone())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.entries.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Whether a value is a view of a dict.
pub(crate) fn is_view(value: &Value) -> bool {
    value.downcast_object_ref::<View>().is_some()
}

/// A method of a dict that may not change it; `None` for an unknown one.
pub(crate) fn dict_method(
    map: &Value,
    method: &str,
    values: &[Value],
) -> Result<Option<Value>, Error> {
    let part = match method {
        "keys" => Part::Keys,
        "values" => Part::Values,
        "items" => Part::Items,
        "copy" if values.is_empty() => return Ok(Some(map.clone())),
        _ => return Ok(None),
    };
    Args::new(method, values)?.finish()?;
    bounded(map)?;
    let entries = map
        .try_iter()?
        .checked()
        .map(|key| {
            let key = key?;
            Ok(match part {
                Part::Keys => key,
                Part::Values => map.get_item(&key)?,
                Part::Items => {
                    let item = map.get_item(&key)?;
                    Value::from(Tuple::from([key, item]))
                }
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    Ok(Some(Value::from_object(View { part, entries })))
}
