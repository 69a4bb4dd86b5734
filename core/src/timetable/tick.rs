//! Owns the search for a cron's ticks on the naive wall clock, forwards and backwards.
//!
//! Must not know time zones (that is `firing`). Exact to croniter 7.0.0 on naive times.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time, Weekday};

use super::cron::Cron;
use super::field::{Field, FieldSet, Nth};

/// croniter gives up on a year that is further away than this.
const SEARCH_YEARS: i16 = 50;

impl Cron {
    /// The first tick strictly after a wall-clock time; none within 50 years is none.
    pub fn next_tick(&self, after: DateTime) -> Option<DateTime> {
        let from = whole_second(after).checked_add(SignedDuration::from_secs(1)).ok()?;
        let last_year = from.year().checked_add(SEARCH_YEARS)?;
        let mut date = self.day_at_or_after(from.date(), last_year)?;
        if date == from.date() {
            if let Some(time) = self.time_at_or_after(from.time()) {
                return Some(date.to_datetime(time));
            }
            date = self.day_at_or_after(date.tomorrow().ok()?, last_year)?;
        }
        self.time_at_or_after(Time::midnight()).map(|time| date.to_datetime(time))
    }

    /// The last tick strictly before a wall-clock time; none within 50 years is none.
    pub fn previous_tick(&self, before: DateTime) -> Option<DateTime> {
        let from = whole_second(before.checked_sub(SignedDuration::from_nanos(1)).ok()?);
        let first_year = from.year().checked_sub(SEARCH_YEARS)?;
        let mut date = self.day_at_or_before(from.date(), first_year)?;
        if date == from.date() {
            if let Some(time) = self.time_at_or_before(from.time()) {
                return Some(date.to_datetime(time));
            }
            date = self.day_at_or_before(date.yesterday().ok()?, first_year)?;
        }
        self.time_at_or_before(Time::constant(23, 59, 59, 0)).map(|time| date.to_datetime(time))
    }

    pub(super) fn day_at_or_after(&self, from: Date, last_year: i16) -> Option<Date> {
        let mut date = from;
        while date.year() <= last_year {
            let year = value(date.year());
            if !self.years.contains(year) {
                let year = self.years.at_or_after(year + 1, Field::Year)?;
                date = Date::new(i16::try_from(year).ok()?, 1, 1).ok()?;
            } else if !self.months.contains(value(date.month())) {
                date = date.last_of_month().tomorrow().ok()?;
            } else if self.day_matches(date) {
                return Some(date);
            } else {
                date = date.tomorrow().ok()?;
            }
        }
        None
    }

    fn day_at_or_before(&self, from: Date, first_year: i16) -> Option<Date> {
        let mut date = from;
        while date.year() >= first_year {
            let year = value(date.year());
            if !self.years.contains(year) {
                let year = self.years.at_or_before(year.checked_sub(1)?, Field::Year)?;
                date = Date::new(i16::try_from(year).ok()?, 12, 31).ok()?;
            } else if !self.months.contains(value(date.month())) {
                date = date.first_of_month().yesterday().ok()?;
            } else if self.day_matches(date) {
                return Some(date);
            } else {
                date = date.yesterday().ok()?;
            }
        }
        None
    }

    /// The day rule. Either-or when neither day field holds a `*` (Vixie cron); `#`, `L5` and `W`
    /// are not either-or, and `check_day_conflict` has refused where that would surprise.
    fn day_matches(&self, date: Date) -> bool {
        if self.except.binary_search(&date).is_ok() {
            return false;
        }
        let (by_month, by_week) = (self.month_day_matches(date), self.weekday_matches(date));
        if self.days.star || self.weekdays.star {
            by_month && by_week
        } else {
            match (!self.weekdays.nth.is_empty(), self.days.nearest_weekday.is_some()) {
                (true, true) => by_month && by_week,
                (true, false) => by_week,
                (false, true) => by_month,
                (false, false) => by_month || by_week,
            }
        }
    }

    pub(super) fn month_day_matches(&self, date: Date) -> bool {
        if let Some(day) = self.days.nearest_weekday {
            return value(date.day()) == nearest_weekday(date, day);
        }
        self.days.contains(value(date.day()))
            || (self.days.last && date.day() == date.days_in_month())
    }

    pub(super) fn weekday_matches(&self, date: Date) -> bool {
        let weekday = value(date.weekday().to_sunday_zero_offset());
        if self.weekdays.nth.is_empty() {
            return self.weekdays.contains(weekday);
        }
        self.weekdays.nth.iter().any(|(day, nth)| {
            *day == weekday
                && match nth {
                    Nth::Number(number) => (date.day() - 1) / 7 + 1 == i8_from(*number),
                    Nth::Last => date.day() + 7 > date.days_in_month(),
                }
        })
    }

    fn clock(&self) -> [(&FieldSet, Field); 3] {
        [(&self.hours, Field::Hour), (&self.minutes, Field::Minute), (&self.seconds, Field::Second)]
    }

    /// Keeps as much of the given time as matches, raises the next part, and lets the rest start
    /// over at its lowest values.
    fn time_at_or_after(&self, from: Time) -> Option<Time> {
        let (clock, from) = (self.clock(), parts(from));
        for kept in (0..=3).rev() {
            if !(0..kept).all(|part| clock[part].0.contains(from[part])) {
                continue;
            }
            let mut time = from;
            if kept < 3 {
                let (set, field) = clock[kept];
                let Some(raised) = set.at_or_after(from[kept] + 1, field) else { continue };
                time[kept] = raised;
                for part in kept + 1..3 {
                    time[part] = clock[part].0.at_or_after(0, clock[part].1)?;
                }
            }
            return to_time(time);
        }
        None
    }

    /// The mirror image of `time_at_or_after`.
    fn time_at_or_before(&self, from: Time) -> Option<Time> {
        let (clock, from) = (self.clock(), parts(from));
        for kept in (0..=3).rev() {
            if !(0..kept).all(|part| clock[part].0.contains(from[part])) {
                continue;
            }
            let mut time = from;
            if kept < 3 {
                let (set, field) = clock[kept];
                let below = from[kept].checked_sub(1);
                let Some(lowered) = below.and_then(|below| set.at_or_before(below, field)) else {
                    continue;
                };
                time[kept] = lowered;
                for part in kept + 1..3 {
                    time[part] = clock[part].0.at_or_before(u16::MAX, clock[part].1)?;
                }
            }
            return to_time(time);
        }
        None
    }
}

/// The working day nearest to a day of this date's month, without leaving the month; a day beyond
/// the month's end is its last one.
fn nearest_weekday(date: Date, day: u16) -> u16 {
    let last = value(date.days_in_month());
    let day = day.min(last);
    let Ok(target) = Date::new(date.year(), date.month(), i8::try_from(day).unwrap_or(1)) else {
        return day;
    };
    match target.weekday() {
        Weekday::Saturday if day > 1 => day - 1,
        Weekday::Saturday => day + 2,
        Weekday::Sunday if day < last => day + 1,
        Weekday::Sunday => day - 2,
        _ => day,
    }
}

fn whole_second(time: DateTime) -> DateTime {
    time.with().subsec_nanosecond(0).build().unwrap_or(time)
}

fn parts(time: Time) -> [u16; 3] {
    [value(time.hour()), value(time.minute()), value(time.second())]
}

fn to_time([hour, minute, second]: [u16; 3]) -> Option<Time> {
    let part = |value: u16| i8::try_from(value).ok();
    Time::new(part(hour)?, part(minute)?, part(second)?, 0).ok()
}

/// Calendar numbers are small and positive; years before 0 match no field.
pub(super) fn value(number: impl TryInto<u16>) -> u16 {
    number.try_into().unwrap_or(0)
}

fn i8_from(number: u8) -> i8 {
    i8::try_from(number).unwrap_or(i8::MAX)
}
