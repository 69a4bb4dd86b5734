//! Lengths of time: `timedelta`, and pendulum's `Interval` between two date-times.
//!
//! Owns their arithmetic parts and Python's text for them; no calendar units but the interval's.

use std::fmt::Write as _;

use minijinja::Error;

use super::micros_as_secs;
use super::moment::{Moment, Shift};

/// Microseconds of a day.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;
/// Microseconds of an hour.
pub(crate) const HOUR_MICROS: i64 = 3_600_000_000;
/// Microseconds of a minute.
pub(crate) const MINUTE_MICROS: i64 = 60_000_000;
/// Microseconds of a second.
pub(crate) const SECOND_MICROS: i64 = 1_000_000;

/// Python's `timedelta`: whole microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Delta(pub(crate) i64);

impl Delta {
    /// `days` as Python normalises: negative lengths borrow from the day.
    pub(crate) fn days(self) -> i64 {
        self.0.div_euclid(DAY_MICROS)
    }

    /// `seconds`, 0 to 86399.
    pub(crate) fn seconds(self) -> i64 {
        self.0.rem_euclid(DAY_MICROS) / SECOND_MICROS
    }

    /// `microseconds`, 0 to 999999.
    pub(crate) fn microseconds(self) -> i64 {
        self.0.rem_euclid(SECOND_MICROS)
    }

    /// `total_seconds()`.
    pub(crate) fn total_seconds(self) -> f64 {
        micros_as_secs(self.0)
    }

    /// `str()`: `1 day, 2:00:00`, `-1 day, 19:00:00`, `0:00:00.000001`.
    pub(crate) fn text(self) -> String {
        let (days, seconds, micros) = (self.days(), self.seconds(), self.microseconds());
        let mut text = match days {
            0 => String::new(),
            1 | -1 => format!("{days} day, "),
            _ => format!("{days} days, "),
        };
        // Writing to a String cannot fail.
        let _ = write!(text, "{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        if micros != 0 {
            let _ = write!(text, ".{micros:06}");
        }
        text
    }

    /// `repr()`.
    pub(crate) fn repr(self) -> String {
        let mut parts = Vec::new();
        for (name, value) in [
            ("days", self.days()),
            ("seconds", self.seconds()),
            ("microseconds", self.microseconds()),
        ] {
            if value != 0 {
                parts.push(format!("{name}={value}"));
            }
        }
        let inner = if parts.is_empty() { "0".to_string() } else { parts.join(", ") };
        format!("datetime.timedelta({inner})")
    }
}

/// pendulum's `Interval`: from one date-time to another.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    /// Where it begins.
    pub(crate) start: Moment,
    /// Where it ends (before `start` when negative).
    pub(crate) end: Moment,
    micros: i64,
    parts: Parts,
}

/// An interval in calendar units; all have the interval's sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) years: i64,
    pub(crate) months: i64,
    pub(crate) days: i64,
    pub(crate) hours: i64,
    pub(crate) minutes: i64,
    pub(crate) seconds: i64,
    pub(crate) micros: i64,
    /// All days from first to last, as `in_days()`.
    pub(crate) total_days: i64,
}

impl Interval {
    /// The interval from `start` to `end`; `absolute` swaps them if they are reversed.
    pub(crate) fn between(start: &Moment, end: &Moment, absolute: bool) -> Result<Interval, Error> {
        let micros = end.micros_since(start)?;
        let (start, end, micros) = if absolute && micros < 0 {
            (end.clone(), start.clone(), -micros)
        } else {
            (start.clone(), end.clone(), micros)
        };
        let parts = if micros < 0 { negate(split(&end, &start)?) } else { split(&start, &end)? };
        Ok(Interval { start, end, micros, parts })
    }

    /// The length in time.
    pub(crate) fn delta(&self) -> Delta {
        Delta(self.micros)
    }

    /// The interval in calendar units.
    pub(crate) fn parts(&self) -> Parts {
        self.parts
    }

    /// As an amount to add, as pendulum does with `dt + interval`.
    pub(crate) fn shift(&self) -> Shift {
        let parts = self.parts;
        Shift {
            years: parts.years,
            months: parts.months,
            days: parts.days,
            micros: parts.hours * HOUR_MICROS
                + parts.minutes * MINUTE_MICROS
                + parts.seconds * SECOND_MICROS
                + parts.micros,
        }
    }
}

/// Splits `start <= end` into calendar units, both seen in the start's zone.
fn split(start: &Moment, end: &Moment) -> Result<Parts, Error> {
    let (from, to) = match start.zone() {
        // Across zones pendulum compares in UTC; within one it compares wall times.
        Some(zone) if start.zone_name() != end.zone_name() => {
            (start.clone(), end.in_zone(zone.clone())?)
        }
        _ => (start.clone(), end.clone()),
    };
    let (from, to) = (from.wall(), to.wall());
    let mut months = (i64::from(to.year()) - i64::from(from.year())) * 12 + i64::from(to.month())
        - i64::from(from.month());
    let mut anchor = super::moment::shift_wall(from, Shift { months, ..Shift::default() })?;
    if anchor > to {
        months -= 1;
        anchor = super::moment::shift_wall(from, Shift { months, ..Shift::default() })?;
    }
    let rest = micros_between(anchor, to);
    let days = rest.div_euclid(DAY_MICROS);
    let rest = rest.rem_euclid(DAY_MICROS);
    Ok(Parts {
        years: months / 12,
        months: months % 12,
        days,
        hours: rest / HOUR_MICROS,
        minutes: rest / MINUTE_MICROS % 60,
        seconds: rest / SECOND_MICROS % 60,
        micros: rest % SECOND_MICROS,
        total_days: micros_between(from, to).div_euclid(DAY_MICROS),
    })
}

fn micros_between(from: jiff::civil::DateTime, to: jiff::civil::DateTime) -> i64 {
    let length = to.duration_since(from);
    length.as_secs() * SECOND_MICROS + i64::from(length.subsec_micros())
}

fn negate(parts: Parts) -> Parts {
    Parts {
        years: -parts.years,
        months: -parts.months,
        days: -parts.days,
        hours: -parts.hours,
        minutes: -parts.minutes,
        seconds: -parts.seconds,
        micros: -parts.micros,
        total_days: -parts.total_days,
    }
}
