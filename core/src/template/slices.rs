//! Python's slices, `value[start:stop:step]`: the target of `rewrite`.
//!
//! Owns which positions a slice takes and what kind of value it gives: text of text, a list of a
//! list, a tuple of a tuple, a range of a range. What cannot be sliced is undefined, as in Jinja2.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, Value};

use super::growth::bounded;
use super::ranges::PyRange;
use super::temporal::fault;

/// The name of the method that slices are rewritten to.
pub(crate) const METHOD: &str = "__mr_slice";

/// The positions of a slice, as Python's `slice.indices()` has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Positions {
    /// The first position.
    pub(crate) start: i64,
    /// How far from one to the next; never 0.
    pub(crate) step: i64,
    /// How many.
    pub(crate) count: i64,
}

impl Positions {
    /// The positions among `len` items.
    fn among(
        len: usize,
        start: Option<i64>,
        stop: Option<i64>,
        step: Option<i64>,
    ) -> Result<Positions, Error> {
        let step = step.unwrap_or(1);
        if step == 0 {
            return Err(fault("slice step cannot be zero"));
        }
        let len = i64::try_from(len).unwrap_or(i64::MAX);
        let (least, most) = if step > 0 { (0, len) } else { (-1, len - 1) };
        let place = |index: i64| {
            let index = if index < 0 { index.saturating_add(len) } else { index };
            index.clamp(least, most)
        };
        let (first, last) = if step > 0 { (least, most) } else { (most, least) };
        let (start, stop) = (start.map_or(first, place), stop.map_or(last, place));
        let distance = if step > 0 { stop - start } else { start - stop };
        let size = i64::try_from(step.unsigned_abs()).unwrap_or(i64::MAX);
        let count = if distance <= 0 { 0 } else { (distance - 1) / size + 1 };
        Ok(Positions { start, step, count })
    }

    fn pick<T: Clone>(self, items: &[T]) -> Vec<T> {
        (0..self.count)
            .filter_map(|nth| usize::try_from(self.start + nth * self.step).ok())
            .filter_map(|at| items.get(at).cloned())
            .collect()
    }
}

/// `value[start:stop:step]`; the arguments are none where the slice leaves them out.
pub(crate) fn slice(value: &Value, args: &[Value]) -> Result<Value, Error> {
    let [start, stop, step] = args else { return Err(fault("a slice takes three positions")) };
    let position = |given: &Value| match i64::try_from(given.clone()) {
        _ if given.is_none() => Some(None),
        // Beyond 64 bits is beyond any end.
        Err(_) if given.is_integer() => {
            Some(Some(if given < &Value::from(0) { i64::MIN } else { i64::MAX }))
        }
        found => found.ok().map(Some),
    };
    let (Some(start), Some(stop), Some(step)) = (position(start), position(stop), position(step))
    else {
        return Ok(Value::UNDEFINED);
    };
    let among = |len: usize| Positions::among(len, start, stop, step);
    if let Some(range) = value.downcast_object_ref::<PyRange>() {
        return Ok(range.sliced(among(range.len())?));
    }
    Ok(match value.kind() {
        ValueKind::String => {
            let letters: Vec<char> = value.as_str().unwrap_or_default().chars().collect();
            Value::from(among(letters.len())?.pick(&letters).into_iter().collect::<String>())
        }
        ValueKind::Bytes => {
            let bytes = value.as_bytes().unwrap_or_default();
            Value::from_bytes(among(bytes.len())?.pick(bytes))
        }
        ValueKind::Iterable if super::views::is_view(value) => Value::UNDEFINED,
        ValueKind::Seq | ValueKind::Iterable => {
            bounded(value)?;
            let items = value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
            let picked = among(items.len())?.pick(&items);
            if super::named_tuple::is_tuple(value) {
                Value::from(Tuple::from(picked))
            } else {
                super::containers::list_like(value, picked)
            }
        }
        _ => Value::UNDEFINED,
    })
}
