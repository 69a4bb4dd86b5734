//! Lengths of time: `timedelta`, and pendulum's `Interval` between two date-times.
//!
//! Owns their arithmetic parts and Python's text for them; no calendar units but the interval's.

use std::cmp::Ordering;
use std::fmt::Write as _;

use minijinja::Error;

use super::moment::{Moment, Shift};
use super::{format, micros_as_secs};

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
    /// Whether it is of two dates, midnight to midnight.
    is_of_dates: bool,
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
        Ok(Interval { start, end, micros, parts, is_of_dates: false })
    }

    /// The length in time.
    pub(crate) fn delta(&self) -> Delta {
        Delta(self.micros)
    }

    /// The interval in calendar units.
    pub(crate) fn parts(&self) -> Parts {
        self.parts
    }

    /// `str()`: `<Interval [from -> to]>`.
    pub(crate) fn text(&self) -> String {
        let (start, end) = (format::plain(&self.start), format::plain(&self.end));
        if self.is_of_dates {
            let date = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
            return format!("<Interval [{} -> {}]>", date(&start), date(&end));
        }
        format!("<Interval [{start} -> {end}]>")
    }

    /// The same interval, of two dates.
    pub(crate) fn of_dates(self) -> Interval {
        Interval { is_of_dates: true, ..self }
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

/// Splits `start <= end` into calendar units, as pendulum counts: in UTC across zones or within
/// one day, else by the wall; days that are missing are taken from the month before the last.
fn split(start: &Moment, end: &Moment) -> Result<Parts, Error> {
    if end.micros_since(start)? == 0 {
        return Ok(Parts::default());
    }
    let total_days = day_number(end.wall()) - day_number(start.wall());
    let in_one_zone = start.zone().is_none() || start.zone_name() == end.zone_name();
    let (from, to) = if in_one_zone && (total_days != 0 || start.zone().is_none()) {
        (start.wall(), end.wall())
    } else {
        let utc = |moment: &Moment| moment.in_zone(jiff::tz::TimeZone::UTC).map(|m| m.wall());
        (utc(start)?, utc(end)?)
    };
    let (mut days, time) = match clock_micros(to) - clock_micros(from) {
        time if time < 0 => (-1, time + DAY_MICROS),
        time => (0, time),
    };
    let (mut years, mut months) = (
        i64::from(to.year()) - i64::from(from.year()),
        i64::from(to.month()) - i64::from(from.month()),
    );
    days += i64::from(to.day()) - i64::from(from.day());
    if days < 0 {
        let in_month = i64::from(to.date().days_in_month());
        let before = to
            .date()
            .first_of_month()
            .yesterday()
            .map_err(|_| super::fault("date value out of range"))?;
        // Leap years are those of the earlier month's own year.
        let in_last = i64::from(before.days_in_month());
        match days.cmp(&(in_month - in_last)) {
            Ordering::Less => days += in_last.max(i64::from(from.day())),
            Ordering::Equal => {
                days = 0;
                months += 1;
            }
            Ordering::Greater => days += in_last,
        }
        months -= 1;
    }
    if months < 0 {
        months += 12;
        years -= 1;
    }
    Ok(Parts {
        years,
        months,
        days,
        hours: time / HOUR_MICROS,
        minutes: time / MINUTE_MICROS % 60,
        seconds: time / SECOND_MICROS % 60,
        micros: time % SECOND_MICROS,
        total_days,
    })
}

fn day_number(wall: jiff::civil::DateTime) -> i64 {
    jiff::civil::date(1, 1, 1).duration_until(wall.date()).as_hours() / 24
}

/// Microseconds since midnight.
fn clock_micros(wall: jiff::civil::DateTime) -> i64 {
    i64::from(wall.hour()) * HOUR_MICROS
        + i64::from(wall.minute()) * MINUTE_MICROS
        + i64::from(wall.second()) * SECOND_MICROS
        + i64::from(wall.subsec_nanosecond() / 1000)
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
