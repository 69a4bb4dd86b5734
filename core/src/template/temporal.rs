//! Dates, times and lengths of time as templates see them: the pure half, without the engine.
//!
//! Owns pendulum's and `datetime`'s semantics (values, arithmetic, formats). It must not know
//! contexts, lookups or template objects; `template::object` lends these types their methods.

pub(crate) mod calendar;
pub(crate) mod delta;
pub(crate) mod format;
pub(crate) mod humanize;
mod languages;
pub(crate) mod locale;
pub(crate) mod moment;
pub(crate) mod parse;
pub(crate) mod relative;
pub(crate) mod strftime;
pub(crate) mod strptime;

use minijinja::{Error, ErrorKind};

/// A failed operation on dates; the engine adds the place.
pub(crate) fn fault(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// Microseconds as Python's float seconds.
#[expect(clippy::cast_precision_loss, reason = "Python's timestamp() is a float as well")]
pub(crate) fn micros_as_secs(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// A Python number of seconds (or days, …) times its length in microseconds, rounded.
#[expect(clippy::cast_possible_truncation, reason = "bounds are checked first")]
pub(crate) fn scale_to_micros(count: f64, unit_micros: f64) -> Result<i64, Error> {
    let micros = (count * unit_micros).round_ties_even();
    if micros.is_finite() && micros.abs() < 9.0e18 {
        Ok(micros as i64)
    } else {
        Err(fault("length of time is out of range"))
    }
}
