//! Tuples whose parts have names: groups of `groupby`, `isocalendar()`, `timetuple()`.
//!
//! Owns their text and both ways to their parts.

use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use super::python_text;

/// A tuple with names; printed as a plain tuple where it has no name itself.
pub(crate) struct NamedTuple {
    name: Option<&'static str>,
    fields: Vec<(&'static str, Value)>,
}

impl NamedTuple {
    /// The tuple of these parts.
    pub(crate) fn value(name: Option<&'static str>, fields: Vec<(&'static str, Value)>) -> Value {
        Value::from_object(NamedTuple { name, fields })
    }
}

/// Whether Python has a tuple there.
pub(crate) fn is_tuple(value: &Value) -> bool {
    value.is_tuple() || value.downcast_object_ref::<NamedTuple>().is_some()
}

/// The text of a named tuple; `None` for a plain one and for anything else.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    let tuple = value.downcast_object_ref::<NamedTuple>()?;
    let name = tuple.name?;
    let parts: Vec<String> = tuple
        .fields
        .iter()
        .map(|(field, value)| format!("{field}={}", python_text::repr(value)))
        .collect();
    Some(format!("{name}({})", parts.join(", ")))
}

impl fmt::Debug for NamedTuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fields.iter().map(|(_, value)| value)).finish()
    }
}

impl Object for NamedTuple {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        if let Some(name) = key.as_str() {
            return self
                .fields
                .iter()
                .find(|(field, _)| *field == name)
                .map(|(_, value)| value.clone());
        }
        self.fields.get(key.as_usize()?).map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.fields.len())
    }
}
