//! Owns schedules by a fixed interval ("every 30 minutes"), months and years included.
//!
//! Must not know cron or zones: lengths are absolute time, and calendar months are counted in UTC,
//! as Airflow's delta timetables do.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

/// An interval that is not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EveryError {
    /// Zero or negative.
    #[error("a schedule's interval must be longer than zero; write a duration like 30m or 1d")]
    NotPositive,
    /// Finer than the microseconds in which instants are kept.
    #[error("a schedule's interval must be at least one second; write a duration like 30s or 5m")]
    TooShort,
}

/// The time between two runs: calendar months, then a fixed length. Always positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every {
    months: i32,
    length: SignedDuration,
}

impl Every {
    /// A fixed length, at least one second.
    pub fn new(length: SignedDuration) -> Result<Self, EveryError> {
        Self::with_months(0, length)
    }

    /// Calendar months (a year is twelve) and a fixed length on top. Adding months clamps to the
    /// month's last day and goes on from there: Jan 31, Feb 28, Mar 28.
    pub fn with_months(months: i32, length: SignedDuration) -> Result<Self, EveryError> {
        if months < 0 || length.is_negative() || (months == 0 && length.is_zero()) {
            return Err(EveryError::NotPositive);
        }
        if months == 0 && length < SignedDuration::from_secs(1) {
            return Err(EveryError::TooShort);
        }
        Ok(Self { months, length })
    }

    /// The calendar months of the interval.
    pub fn months(&self) -> i32 {
        self.months
    }

    /// The fixed part of the interval.
    pub fn length(&self) -> SignedDuration {
        self.length
    }

    /// One interval later; none at the end of representable time.
    pub fn after(&self, at: Timestamp) -> Option<Timestamp> {
        shift_months(at, self.months)?.checked_add(self.length).ok()
    }

    /// One interval earlier; with months, going back and forth need not lead to the same instant.
    pub fn before(&self, at: Timestamp) -> Option<Timestamp> {
        shift_months(at, self.months.checked_neg()?)?.checked_sub(self.length).ok()
    }

    /// The latest boundary that is not after `at`. A fixed length has its boundaries at multiples
    /// since the epoch; with months they are counted from `anchor`, step by step, since clamping
    /// depends on the path.
    ///
    /// Airflow: `DeltaDataIntervalTimetable._round`.
    pub fn floor(&self, at: Timestamp, anchor: Timestamp) -> Option<Timestamp> {
        if self.months == 0 {
            let length = self.length.as_nanos();
            let nanos = at.as_nanosecond();
            return Timestamp::from_nanosecond(nanos - nanos.rem_euclid(length)).ok();
        }
        let mut boundary = anchor;
        while let Some(next) = self.after(boundary).filter(|next| *next <= at) {
            boundary = next;
        }
        Some(boundary)
    }

    /// The first instant after `after` on the grid that starts at `anchor`.
    pub fn next_on_grid(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        if after < anchor {
            return Some(anchor);
        }
        if self.months == 0 {
            let length = self.length.as_nanos();
            let elapsed = after.as_nanosecond() - anchor.as_nanosecond();
            let steps = elapsed.div_euclid(length) + 1;
            let nanos = anchor.as_nanosecond().checked_add(steps.checked_mul(length)?)?;
            return Timestamp::from_nanosecond(nanos).ok();
        }
        self.after(self.floor(after, anchor)?)
    }

    /// The interval as a schedule's text: `1mo 2d`, `1h 30m`.
    pub fn summary(&self) -> String {
        format!("every {}", self.parts(|number, (short, _)| format!("{number}{short}")).join(" "))
    }

    /// The interval in words: `Every 1 hour, 30 minutes`.
    pub fn describe(&self) -> String {
        let word = |number: i64, (_, long): (&str, &str)| {
            let plural = if number == 1 { "" } else { "s" };
            format!("{number} {long}{plural}")
        };
        match self.parts(word).as_slice() {
            [only] => format!("Every {}", only.strip_prefix("1 ").unwrap_or(only)),
            many => format!("Every {}", many.join(", ")),
        }
    }

    fn parts(&self, show: impl Fn(i64, (&str, &str)) -> String) -> Vec<String> {
        let seconds = self.length.as_secs();
        let numbers = [
            (i64::from(self.months / 12), ("y", "year")),
            (i64::from(self.months % 12), ("mo", "month")),
            (seconds / 86_400, ("d", "day")),
            (seconds / 3_600 % 24, ("h", "hour")),
            (seconds / 60 % 60, ("m", "minute")),
            (seconds % 60, ("s", "second")),
            (i64::from(self.length.subsec_micros()), ("us", "microsecond")),
        ];
        numbers
            .into_iter()
            .filter(|(number, _)| *number != 0)
            .map(|(number, unit)| show(number, unit))
            .collect()
    }
}

fn shift_months(at: Timestamp, months: i32) -> Option<Timestamp> {
    if months == 0 {
        return Some(at);
    }
    let local: DateTime = TimeZone::UTC.to_datetime(at);
    let shifted = local.checked_add(Span::new().try_months(months).ok()?).ok()?;
    TimeZone::UTC.to_timestamp(shifted).ok()
}
