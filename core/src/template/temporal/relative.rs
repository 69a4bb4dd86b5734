//! `dateutil.relativedelta`: steps in calendar units plus fields to set outright.
//!
//! Owns its normalising, its text and how it moves a date-time. It knows no template objects.

use jiff::civil::Weekday;
use minijinja::Error;

use super::delta::{DAY_MICROS, HOUR_MICROS, MINUTE_MICROS, SECOND_MICROS};
use super::fault;
use super::moment::{Fields, Moment, Shift};

/// A `relativedelta`; plural names move, singular names set.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Relative {
    pub(crate) years: i64,
    pub(crate) months: i64,
    pub(crate) days: i64,
    pub(crate) hours: i64,
    pub(crate) minutes: i64,
    pub(crate) seconds: i64,
    pub(crate) microseconds: i64,
    /// `year`, `month`, `day`, `hour`, …: set before moving.
    pub(crate) fields: Fields,
    /// `weekday=MO(n)`: after moving, go to the n-th such day.
    pub(crate) weekday: Option<(Weekday, i64)>,
    /// Days more after February of a leap year.
    pub(crate) leap_days: i64,
}

impl Relative {
    /// Carries seconds into minutes … and months into years, keeping the sign, as dateutil does.
    pub(crate) fn normalised(mut self) -> Relative {
        carry(&mut self.microseconds, &mut self.seconds, 1_000_000);
        carry(&mut self.seconds, &mut self.minutes, 60);
        carry(&mut self.minutes, &mut self.hours, 60);
        carry(&mut self.hours, &mut self.days, 24);
        carry(&mut self.months, &mut self.years, 12);
        self
    }

    /// Sets month and day to a day of the year.
    pub(crate) fn set_year_day(&mut self, day: i64) -> Result<(), Error> {
        const ENDS: [i64; 12] = [31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 366];
        let month = ENDS.iter().position(|end| day <= *end);
        let month = month.ok_or_else(|| fault(format!("there is no day {day} of the year")))?;
        let before = if month == 0 { 0 } else { ENDS[month - 1] };
        self.fields.month = i64::try_from(month + 1).ok();
        self.fields.day = Some(day - before);
        Ok(())
    }

    /// The steps from `earlier` to `later`: months first, as many as fit, then days and time.
    pub(crate) fn between(later: &Moment, earlier: &Moment) -> Result<Relative, Error> {
        let total = |moment: &Moment| {
            i64::from(moment.date().year()) * 12 + i64::from(moment.date().month())
        };
        let mut months = total(later) - total(earlier);
        let is_back = later.micros_since(earlier)? < 0;
        let step = if is_back { 1 } else { -1 };
        loop {
            let moved = Relative { months, ..Relative::default() }.normalised();
            let rest = later.micros_since(&moved.added_to(earlier)?)?;
            if rest == 0 || (rest < 0) == is_back {
                let relative = Relative { microseconds: rest, ..moved };
                return Ok(relative.normalised());
            }
            months += step;
        }
    }

    /// The opposite steps; fields to set stay, as in dateutil.
    pub(crate) fn negated(self) -> Relative {
        Relative {
            years: -self.years,
            months: -self.months,
            days: -self.days,
            hours: -self.hours,
            minutes: -self.minutes,
            seconds: -self.seconds,
            microseconds: -self.microseconds,
            ..self
        }
    }

    /// Both one after the other; the other's set fields win.
    pub(crate) fn combined(self, other: Relative) -> Relative {
        Relative {
            years: self.years + other.years,
            months: self.months + other.months,
            days: self.days + other.days,
            hours: self.hours + other.hours,
            minutes: self.minutes + other.minutes,
            seconds: self.seconds + other.seconds,
            microseconds: self.microseconds + other.microseconds,
            fields: merge(self.fields, other.fields),
            weekday: other.weekday.or(self.weekday),
            leap_days: if other.leap_days == 0 { self.leap_days } else { other.leap_days },
        }
        .normalised()
    }

    /// `n` times the steps.
    pub(crate) fn times(self, factor: i64) -> Relative {
        Relative {
            years: self.years * factor,
            months: self.months * factor,
            days: self.days * factor,
            hours: self.hours * factor,
            minutes: self.minutes * factor,
            seconds: self.seconds * factor,
            microseconds: self.microseconds * factor,
            ..self
        }
        .normalised()
    }

    /// `moment + self`: set the fields, move months with clamping, then days and time.
    pub(crate) fn added_to(&self, moment: &Moment) -> Result<Moment, Error> {
        let date = moment.date();
        let year = self.fields.year.unwrap_or(i64::from(date.year())) + self.years;
        let month = self.fields.month.unwrap_or(i64::from(date.month())) - 1 + self.months;
        let (year, month) = (year + month.div_euclid(12), month.rem_euclid(12) + 1);
        let last = days_in_month(year, month)?;
        let day = self.fields.day.unwrap_or(i64::from(date.day())).min(last);
        let moved = moment.with(Fields {
            year: Some(year),
            month: Some(month),
            day: Some(day),
            ..self.fields
        })?;
        // relativedelta adds a timedelta here, which pendulum counts in absolute seconds.
        let is_leap = jiff::civil::Date::new(i16::try_from(year).unwrap_or(1), 1, 1)
            .is_ok_and(jiff::civil::Date::in_leap_year);
        let leap_days =
            if self.leap_days != 0 && month > 2 && is_leap { self.leap_days } else { 0 };
        let time = leap_days
            .checked_mul(DAY_MICROS)
            .and_then(|leap| leap.checked_add(self.time_micros().ok()?))
            .ok_or_else(|| fault("date value out of range"))?;
        let moved = moved.plus_micros(time)?;
        match self.weekday {
            None => Ok(moved),
            Some((weekday, nth)) => jump(&moved, weekday, nth),
        }
    }

    /// `repr()`: `relativedelta(months=+1, day=1)`.
    pub(crate) fn text(&self) -> String {
        let mut parts = Vec::new();
        for (name, value) in [
            ("years", self.years),
            ("months", self.months),
            ("days", self.days),
            ("hours", self.hours),
            ("minutes", self.minutes),
            ("seconds", self.seconds),
            ("microseconds", self.microseconds),
        ] {
            if value != 0 {
                parts.push(format!("{name}={value:+}"));
            }
        }
        if self.leap_days != 0 {
            parts.push(format!("leapdays={:+}", self.leap_days));
        }
        for (name, value) in [
            ("year", self.fields.year),
            ("month", self.fields.month),
            ("day", self.fields.day),
            ("hour", self.fields.hour),
            ("minute", self.fields.minute),
            ("second", self.fields.second),
            ("microsecond", self.fields.microsecond),
        ] {
            if let Some(value) = value {
                parts.push(format!("{name}={value}"));
            }
        }
        if let Some((weekday, nth)) = self.weekday {
            let names = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
            let at = usize::from(weekday.to_monday_zero_offset().unsigned_abs());
            parts.push(match nth {
                0 => format!("weekday={}", names[at]),
                nth => format!("weekday={}({nth:+})", names[at]),
            });
        }
        format!("relativedelta({})", parts.join(", "))
    }

    fn time_micros(&self) -> Result<i64, Error> {
        let parts = [
            self.days.checked_mul(DAY_MICROS),
            self.hours.checked_mul(HOUR_MICROS),
            self.minutes.checked_mul(MINUTE_MICROS),
            self.seconds.checked_mul(SECOND_MICROS),
            Some(self.microseconds),
        ];
        parts
            .into_iter()
            .try_fold(0_i64, |sum, part| sum.checked_add(part?))
            .ok_or_else(|| fault("date value out of range"))
    }
}

fn carry(low: &mut i64, high: &mut i64, base: i64) {
    *high += *low / base;
    *low %= base;
}

fn merge(first: Fields, second: Fields) -> Fields {
    Fields {
        year: second.year.or(first.year),
        month: second.month.or(first.month),
        day: second.day.or(first.day),
        hour: second.hour.or(first.hour),
        minute: second.minute.or(first.minute),
        second: second.second.or(first.second),
        microsecond: second.microsecond.or(first.microsecond),
    }
}

fn days_in_month(year: i64, month: i64) -> Result<i64, Error> {
    let year = i16::try_from(year).map_err(|_| fault(format!("year {year} is out of range")))?;
    let month = i8::try_from(month).map_err(|_| fault("month must be in 1..12"))?;
    jiff::civil::Date::new(year, month, 1)
        .map(|first| i64::from(first.days_in_month()))
        .map_err(|_| fault("month must be in 1..12"))
}

fn jump(moment: &Moment, weekday: Weekday, nth: i64) -> Result<Moment, Error> {
    let today = moment.date().weekday();
    let weeks = (nth.abs() - 1).max(0) * 7;
    let days = if nth >= 0 {
        i64::from(today.until(weekday)) + weeks
    } else {
        -(i64::from(today.since(weekday)) + weeks)
    };
    moment.plus(Shift { days, ..Shift::default() })
}
