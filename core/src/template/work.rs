//! How much one render may work through: fuel counts instructions, not what one of them does.
//!
//! Owns the meter of the render that runs on this thread. Whatever looks at a whole text or list
//! asks it first. It must not know what is done with the value.

use std::cell::Cell;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::ranges::PyRange;

/// Parts of nested values that all steps of one render together may look at.
const WORK_MAX: usize = 2_000_000;
/// Text is worked through so much faster,
const BYTES_A_PART: usize = 16;
/// and so are the items of a list when what is inside of them is not looked at.
const ITEMS_A_PART: usize = 2;

thread_local! {
    /// What is left of the render on this thread; nothing is counted outside of one.
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Puts back what was left of the render around this one, also after a panic.
struct Around(Option<usize>);

impl Drop for Around {
    fn drop(&mut self) {
        LEFT.set(self.0);
    }
}

/// Runs a render with a meter of its own.
pub(crate) fn metered<T>(render: impl FnOnce() -> T) -> T {
    let _around = Around(LEFT.replace(Some(WORK_MAX)));
    render()
}

/// Counts that a whole text or list, without what is inside of its items, is looked at. In a map
/// and in a range nothing is searched one by one.
///
/// # Errors
/// When the render has worked through too much.
pub(crate) fn look_at(value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Seq if value.downcast_object_ref::<PyRange>().is_none() => {
            spend(value.len().unwrap_or(0) / ITEMS_A_PART)
        }
        _ => look_at_text(value),
    }
}

/// Counts that a whole text is looked at; nothing for what is no text.
///
/// # Errors
/// When the render has worked through too much.
pub(crate) fn look_at_text(value: &Value) -> Result<(), Error> {
    spend(value.as_str().map_or(0, str::len) / BYTES_A_PART)
}

/// Counts so many parts.
///
/// # Errors
/// When the render has worked through too much.
pub(crate) fn spend(parts: usize) -> Result<(), Error> {
    let Some(left) = LEFT.get() else { return Ok(()) };
    // The error of fuel that ran out says what to do.
    let left = left.checked_sub(parts).ok_or_else(|| Error::from(ErrorKind::OutOfFuel))?;
    LEFT.set(Some(left));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_render_has_its_own_meter() {
        assert!(spend(usize::MAX).is_ok(), "nothing is counted outside");
        metered(|| {
            assert!(spend(WORK_MAX - 1).is_ok());
            metered(|| assert!(spend(WORK_MAX).is_ok() && spend(1).is_err()));
            assert!(look_at(&Value::from("x".repeat(BYTES_A_PART))).is_ok());
            assert!(look_at(&Value::from(vec![1; ITEMS_A_PART])).is_err());
            assert!(look_at_text(&Value::from(vec![1; 100])).is_ok(), "no text");
            assert!(look_at(&Value::from(1)).is_ok());
        });
    }
}
