//! Python's `range`: prints as `range(0, 3)`, counts and walks as a list.
//!
//! Owns the value only; its length is bounded here.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Rest};
use minijinja::{Environment, Error, Value};

use super::slices::Positions;
use super::temporal::fault;

/// The longest range, as in the engine.
const MAX_RANGE: i64 = 100_000;

/// Adds the function.
pub(crate) fn register(env: &mut Environment<'_>) {
    env.add_function("range", range);
}

/// `range(stop)`, `range(start, stop)`, `range(start, stop, step)`.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands rest arguments by value")]
fn range(values: Rest<Value>) -> Result<Value, Error> {
    let number = |value: &Value| {
        value.as_i64().ok_or_else(|| {
            fault(format!("range() takes whole numbers, not {}", super::ops::type_name(value)))
        })
    };
    let (start, stop, step) = match &values[..] {
        [stop] => (0, number(stop)?, 1),
        [start, stop] => (number(start)?, number(stop)?, 1),
        [start, stop, step] => (number(start)?, number(stop)?, number(step)?),
        _ => return Err(fault("range() takes 1 to 3 whole numbers")),
    };
    if step == 0 {
        return Err(fault("range() step must not be zero"));
    }
    let distance = if step > 0 { stop.saturating_sub(start) } else { start.saturating_sub(stop) };
    let size = i64::try_from(step.unsigned_abs()).unwrap_or(i64::MAX);
    let count = if distance <= 0 { 0 } else { (distance - 1) / size + 1 };
    if count > MAX_RANGE {
        return Err(fault(format!("range() has more than {MAX_RANGE} items")));
    }
    let count = usize::try_from(count).unwrap_or(0);
    Ok(Value::from_object(PyRange { start, stop, step, count }))
}

/// A range of whole numbers.
#[derive(Clone, Copy)]
pub(crate) struct PyRange {
    start: i64,
    stop: i64,
    step: i64,
    count: usize,
}

impl PyRange {
    /// How many numbers it has.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The range of the numbers at these positions.
    pub(crate) fn sliced(&self, positions: Positions) -> Value {
        let at = |position: i64| self.start.saturating_add(position.saturating_mul(self.step));
        let past = positions.start.saturating_add(positions.count.saturating_mul(positions.step));
        Value::from_object(PyRange {
            start: at(positions.start),
            stop: at(past),
            step: self.step.saturating_mul(positions.step),
            count: usize::try_from(positions.count).unwrap_or(0),
        })
    }
}

impl fmt::Debug for PyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.step == 1 {
            write!(f, "range({}, {})", self.start, self.stop)
        } else {
            write!(f, "range({}, {}, {})", self.start, self.stop, self.step)
        }
    }
}

impl Object for PyRange {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = key.as_usize().filter(|index| *index < self.count)?;
        Some(Value::from(self.start + i64::try_from(index).ok()? * self.step))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.count)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
