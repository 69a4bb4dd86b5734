//! The date-time of templates: pendulum's `DateTime` over jiff.
//!
//! Owns wall-clock and absolute arithmetic with pendulum's daylight-saving rules ("fold" and
//! "gap" below are Python's words). It must not know the template engine's objects, parse
//! formats or read a clock.

use std::sync::OnceLock;

use jiff::civil::{self, Date};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};
use minijinja::Error;

use super::{fault, micros_as_secs};
use crate::timetable::Zones;

/// A date-time as Python knows it: aware (with a zone) or naive, to the microsecond.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    when: When,
    /// Python's `fold`: which of two equal wall times is meant, and to which side a wall time
    /// inside a gap is moved.
    fold: bool,
}

#[derive(Clone, Debug)]
enum When {
    Naive(civil::DateTime),
    Aware(Zoned),
}

/// An amount to add, in pendulum's units; months and years clamp to the month's last day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shift {
    pub(crate) years: i64,
    pub(crate) months: i64,
    pub(crate) days: i64,
    /// Everything from hours down, in microseconds.
    pub(crate) micros: i64,
}

impl Shift {
    /// The same amount backwards.
    pub(crate) fn negated(self) -> Shift {
        Shift { years: -self.years, months: -self.months, days: -self.days, micros: -self.micros }
    }

    fn varies_in_length(self) -> bool {
        self.years != 0 || self.months != 0 || self.days != 0
    }
}

/// The fields that `replace`, `set`, `on` and `at` may change.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fields {
    pub(crate) year: Option<i64>,
    pub(crate) month: Option<i64>,
    pub(crate) day: Option<i64>,
    pub(crate) hour: Option<i64>,
    pub(crate) minute: Option<i64>,
    pub(crate) second: Option<i64>,
    pub(crate) microsecond: Option<i64>,
}

impl Moment {
    /// An instant shown in `zone`.
    pub(crate) fn at_instant(instant: Timestamp, zone: TimeZone) -> Moment {
        let zoned = truncate_to_micros(instant).to_zoned(zone);
        let fold = matches!(
            zoned.time_zone().to_ambiguous_timestamp(zoned.datetime()).offset(),
            AmbiguousOffset::Fold { after, .. } if after == zoned.offset()
        );
        Moment { when: When::Aware(zoned), fold }
    }

    /// An instant in UTC, as every date of the context is given.
    pub(crate) fn utc(instant: Timestamp) -> Moment {
        Moment::at_instant(instant, TimeZone::UTC)
    }

    /// A date-time without a zone.
    pub(crate) fn naive(wall: civil::DateTime) -> Moment {
        Moment { when: When::Naive(wall), fold: false }
    }

    /// A wall time in a zone (or none), resolved as pendulum's `DateTime.create` does: in a gap
    /// it moves forward when `fold`, else back; of two equal wall times `fold` takes the later.
    pub(crate) fn create(
        wall: civil::DateTime,
        zone: Option<&TimeZone>,
        fold: bool,
    ) -> Result<Moment, Error> {
        let Some(zone) = zone else {
            return Ok(Moment { when: When::Naive(wall), fold });
        };
        let zoned = match zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => at_offset(wall, offset, zone)?,
            AmbiguousOffset::Gap { before, after } => {
                // Going forward keeps the offset of before the gap, going back that of after it.
                at_offset(wall, if fold { before } else { after }, zone)?
            }
            AmbiguousOffset::Fold { before, after } => {
                at_offset(wall, if fold { after } else { before }, zone)?
            }
        };
        Ok(Moment { when: When::Aware(zoned), fold })
    }

    /// The wall time.
    pub(crate) fn wall(&self) -> civil::DateTime {
        match &self.when {
            When::Naive(wall) => *wall,
            When::Aware(zoned) => zoned.datetime(),
        }
    }

    /// The calendar date.
    pub(crate) fn date(&self) -> Date {
        self.wall().date()
    }

    /// The zone; `None` when naive.
    pub(crate) fn zone(&self) -> Option<&TimeZone> {
        match &self.when {
            When::Naive(_) => None,
            When::Aware(zoned) => Some(zoned.time_zone()),
        }
    }

    /// The offset from UTC; `None` when naive.
    pub(crate) fn offset(&self) -> Option<Offset> {
        match &self.when {
            When::Naive(_) => None,
            When::Aware(zoned) => Some(zoned.offset()),
        }
    }

    /// The instant; a naive date-time counts as UTC, as the context's zone is.
    pub(crate) fn instant(&self) -> Result<Timestamp, Error> {
        match &self.when {
            When::Aware(zoned) => Ok(zoned.timestamp()),
            When::Naive(wall) => Offset::UTC.to_timestamp(*wall).map_err(out_of_range),
        }
    }

    /// The same instant in another zone.
    pub(crate) fn in_zone(&self, zone: TimeZone) -> Result<Moment, Error> {
        Ok(Moment::at_instant(self.instant()?, zone))
    }

    /// The same wall time without its zone.
    pub(crate) fn without_zone(&self) -> Moment {
        Moment { when: When::Naive(self.wall()), fold: self.fold }
    }

    /// Whole microseconds since 1970.
    pub(crate) fn epoch_micros(&self) -> Result<i64, Error> {
        Ok(self.instant()?.as_microsecond())
    }

    /// Seconds since 1970, with Python's float precision.
    pub(crate) fn epoch_secs(&self) -> Result<f64, Error> {
        Ok(micros_as_secs(self.epoch_micros()?))
    }

    /// The microsecond within the second.
    pub(crate) fn microsecond(&self) -> i32 {
        self.wall().subsec_nanosecond() / 1000
    }

    /// Whether daylight-saving time applies.
    pub(crate) fn is_dst(&self) -> bool {
        match &self.when {
            When::Naive(_) => false,
            When::Aware(zoned) => {
                zoned.time_zone().to_offset_info(zoned.timestamp()).dst().is_dst()
            }
        }
    }

    /// The zone's abbreviation now (`KST`); `None` when naive.
    pub(crate) fn zone_abbreviation(&self) -> Option<String> {
        match &self.when {
            When::Naive(_) => None,
            When::Aware(zoned) => {
                Some(zoned.time_zone().to_offset_info(zoned.timestamp()).abbreviation().to_string())
            }
        }
    }

    /// The zone's name (`Asia/Seoul`, `UTC`, `+09:00`); `None` when naive.
    pub(crate) fn zone_name(&self) -> Option<String> {
        let zone = self.zone()?;
        Some(match zone.iana_name() {
            Some(name) => name.to_string(),
            None if self.offset() == Some(Offset::UTC) => "UTC".to_string(),
            None => super::format::offset_with_colon(self.offset().unwrap_or(Offset::UTC)),
        })
    }

    /// Adds as pendulum's `add` does: years to days move the wall time, hours and below the
    /// instant; together they move the wall time.
    pub(crate) fn plus(&self, shift: Shift) -> Result<Moment, Error> {
        let zone = self.zone().cloned();
        if !shift.varies_in_length()
            && let When::Aware(zoned) = &self.when
        {
            let moved = zoned
                .timestamp()
                .checked_add(SignedDuration::from_micros(shift.micros))
                .map_err(out_of_range)?;
            return Ok(Moment::at_instant(moved, zoned.time_zone().clone()));
        }
        let wall = shift_wall(self.wall(), shift)?;
        Moment::create(wall, zone.as_ref(), true)
    }

    /// Adds a fixed length: of time for an aware date-time, of the clock for a naive one.
    pub(crate) fn plus_micros(&self, micros: i64) -> Result<Moment, Error> {
        self.plus(Shift { micros, ..Shift::default() })
    }

    /// The same date-time with some fields changed; refuses what no calendar has.
    pub(crate) fn with(&self, fields: Fields) -> Result<Moment, Error> {
        let zone = self.zone().cloned();
        Moment::create(replace_fields(self.wall(), fields)?, zone.as_ref(), self.fold)
    }

    /// Python's `fold`: 1 where the wall time is the later of two, and, as pendulum reads dates,
    /// in UTC.
    pub(crate) fn fold(&self) -> bool {
        self.fold || self.zone().is_some_and(|zone| *zone == TimeZone::UTC)
    }

    /// The same wall time in another zone (or none), as `replace(tzinfo=…)`.
    pub(crate) fn with_zone(&self, zone: Option<&TimeZone>) -> Result<Moment, Error> {
        Moment::create(self.wall(), zone, self.fold)
    }

    /// `self - other` in microseconds; naive and aware do not mix (Python: `TypeError`).
    pub(crate) fn micros_since(&self, other: &Moment) -> Result<i64, Error> {
        if self.zone().is_none() != other.zone().is_none() {
            return Err(fault("can't subtract offset-naive and offset-aware datetimes"));
        }
        Ok(self.epoch_micros()? - other.epoch_micros()?)
    }
}

/// The zones of all templates of this process; opening them for each date would parse the zone
/// each time.
static ZONES: OnceLock<Zones> = OnceLock::new();

/// Says which zones the templates of this process know, before the first is rendered: those that
/// its timetables know. Without it they are the ones compiled into the program.
///
/// # Errors
/// The zones, where a template has been rendered already.
pub fn install_zones(zones: Zones) -> Result<(), Zones> {
    ZONES.set(zones)
}

/// Looks a zone up by its IANA name.
pub(crate) fn zone_named(name: &str) -> Result<TimeZone, Error> {
    if name.eq_ignore_ascii_case("utc") {
        return Ok(TimeZone::UTC);
    }
    let zone = ZONES.get_or_init(Zones::bundled).zone(name);
    let zone = zone.map_err(|error| fault(error.to_string()))?;
    // A name is as the database writes it, as pendulum has it.
    match zone.iana_name() {
        Some(known) if known != name => {
            Err(fault(format!("unknown time zone \"{name}\"; did you mean \"{known}\"?")))
        }
        _ => Ok(zone),
    }
}

fn replace_fields(wall: civil::DateTime, fields: Fields) -> Result<civil::DateTime, Error> {
    fn pick<T: TryFrom<i64>>(wanted: Option<i64>, kept: T, name: &str) -> Result<T, Error> {
        match wanted {
            None => Ok(kept),
            Some(value) => {
                T::try_from(value).map_err(|_| fault(format!("{name} {value} is out of range")))
            }
        }
    }
    let nanos = match fields.microsecond {
        None => wall.subsec_nanosecond(),
        Some(micros) if (0..1_000_000).contains(&micros) => {
            i32::try_from(micros * 1000).map_err(|_| fault("microsecond is out of range"))?
        }
        Some(_) => return Err(fault("microsecond must be in 0..999999")),
    };
    civil::DateTime::new(
        pick(fields.year, wall.year(), "year")?,
        pick(fields.month, wall.month(), "month")?,
        pick(fields.day, wall.day(), "day")?,
        pick(fields.hour, wall.hour(), "hour")?,
        pick(fields.minute, wall.minute(), "minute")?,
        pick(fields.second, wall.second(), "second")?,
        nanos,
    )
    .map_err(|_| fault("day is out of range for month, or a field is out of range"))
}

/// Moves a wall time; months clamp to the last day (31 January plus a month is 28 February).
pub(crate) fn shift_wall(wall: civil::DateTime, shift: Shift) -> Result<civil::DateTime, Error> {
    let months = shift
        .years
        .checked_mul(12)
        .and_then(|months| months.checked_add(shift.months))
        .ok_or_else(|| fault("date value out of range"))?;
    // A span has one sign; months and days may have two.
    let months = jiff::Span::new().try_months(months).map_err(out_of_range)?;
    let days = jiff::Span::new().try_days(shift.days).map_err(out_of_range)?;
    wall.checked_add(months)
        .and_then(|wall| wall.checked_add(days))
        .and_then(|wall| wall.checked_add(SignedDuration::from_micros(shift.micros)))
        .map_err(out_of_range)
}

/// Moves a date by whole days.
pub(crate) fn shift_days(date: Date, days: i64) -> Result<Date, Error> {
    let span = jiff::Span::new().try_days(days).map_err(out_of_range)?;
    date.checked_add(span).map_err(out_of_range)
}

fn at_offset(wall: civil::DateTime, offset: Offset, zone: &TimeZone) -> Result<Zoned, Error> {
    Ok(offset.to_timestamp(wall).map_err(out_of_range)?.to_zoned(zone.clone()))
}

fn truncate_to_micros(instant: Timestamp) -> Timestamp {
    let excess = i64::from(instant.subsec_nanosecond() % 1000);
    instant.checked_sub(excess.nanoseconds()).unwrap_or(instant)
}

fn out_of_range(_: jiff::Error) -> Error {
    fault("date value out of range")
}
