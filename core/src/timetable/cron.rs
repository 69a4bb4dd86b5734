//! Owns a whole cron expression: reading it, and refusing what cannot be meant.
//!
//! Must not search for ticks (that is `tick`), nor know time zones (`firing`) or runs (`plan`). Exact to croniter 7.0.0 as Airflow 3.3
//! uses it: 5 to 7 fields, the sixth is seconds and the seventh years; day of month and day of
//! week match either-or when both are restricted.

use std::sync::Arc;

use jiff::civil::Date;

use super::cron_error::{CronError, CronErrorKind};
use super::field::{self, Field, FieldSet};
use super::preset::{self, Preset};
use super::tick::value;

/// A valid cron expression that fires at least once between 1970 and 2099.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: String,
    expression: String,
    pub(super) minutes: FieldSet,
    pub(super) hours: FieldSet,
    pub(super) days: FieldSet,
    pub(super) months: FieldSet,
    pub(super) weekdays: FieldSet,
    pub(super) seconds: FieldSet,
    pub(super) years: FieldSet,
    /// Ticks are looked for in steps of seconds: there is a sixth field.
    has_seconds: bool,
    /// Days without ticks, ascending.
    pub(super) except: Arc<[Date]>,
}

impl Cron {
    /// Reads an expression or a preset that stands for one (`@daily`, any case).
    ///
    /// Refused beyond what croniter refuses: `R`, expressions that never fire, and day rules of
    /// which croniter would ignore a part.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let expression = match preset::find(text) {
            Some(Preset::Cron(expression)) => expression,
            Some(Preset::Once | Preset::Continuous) | None => text,
        };
        let lower = expression.to_ascii_lowercase();
        let fields = split_fields(&lower);
        if !(5..=7).contains(&fields.len()) {
            return Err(field_count_error(text, fields.len()));
        }
        let mut sets = Vec::with_capacity(Field::ALL.len());
        for (field, (offset, text)) in Field::ALL.into_iter().zip(&fields) {
            sets.push(field::parse(field, text, *offset)?);
        }
        widen_full_fields(&mut sets, &fields);
        let mut sets = sets.into_iter();
        let mut next = |missing: fn() -> FieldSet| sets.next().unwrap_or_else(missing);
        let cron = Self {
            text: text.to_owned(),
            expression: expression.to_owned(),
            minutes: next(FieldSet::any),
            hours: next(FieldSet::any),
            days: next(FieldSet::any),
            months: next(FieldSet::any),
            weekdays: next(FieldSet::any),
            seconds: next(|| FieldSet::single(0)),
            years: next(FieldSet::any),
            has_seconds: fields.len() > 5,
            except: Arc::default(),
        };
        cron.check_weekday_mix(&fields)?;
        cron.check_day_conflict(&fields)?;
        cron.check_fires(&fields)?;
        Ok(cron)
    }

    /// Has no ticks on some days: holidays. Ascending and without duplicates. A cron with data
    /// intervals has longer ones there.
    pub fn leave_out(&mut self, days: &[Date]) {
        self.except = days.into();
    }

    /// The text as the author wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The cron fields: the text, or what its preset stands for.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The schedule as Airflow shows it: the six presets that Airflow itself knows, in lower case,
    /// are replaced by their expression; everything else is as written.
    pub fn summary(&self) -> &str {
        if preset::REPLACED.contains(&self.text.as_str()) { &self.expression } else { &self.text }
    }

    /// Whether the hour field is `*`, so that every real hour has its firings, also one that
    /// daylight saving repeats. Airflow: `_covers_every_hour`.
    pub fn covers_every_hour(&self) -> bool {
        self.hours.is_only_star()
    }

    /// Whether the expression writes seconds (six or seven fields).
    pub fn has_seconds(&self) -> bool {
        self.has_seconds
    }

    fn check_weekday_mix(&self, fields: &[(usize, &str)]) -> Result<(), CronError> {
        let set = &self.weekdays;
        let plain = |day: &u16| !set.nth.iter().any(|(nth_day, _)| nth_day == day);
        let mixed = !set.nth.is_empty() && set.values.iter().any(plain);
        // croniter lets a list of as many items as there are days pass.
        if mixed && set.values.len() + usize::from(set.star) != Field::DayOfWeek.size() {
            return Err(CronErrorKind::MixedNth.at(span_of(fields, 4..5)));
        }
        Ok(())
    }

    /// croniter ignores the day of month beside `#` and `L5`, and the day of week beside `W`, or
    /// fails to find a date at all. That is only harmless where the ignored field would not have
    /// excluded a day: `1-7` beside `mon#1`.
    fn check_day_conflict(&self, fields: &[(usize, &str)]) -> Result<(), CronError> {
        if self.days.star || self.weekdays.star {
            return Ok(());
        }
        let excluded: fn(bool, bool) -> bool =
            match (!self.weekdays.nth.is_empty(), self.days.nearest_weekday.is_some()) {
                (false, false) => return Ok(()),
                (true, false) => |by_month, by_week| by_week && !by_month,
                (false, true) => |by_month, by_week| by_month && !by_week,
                (true, true) => |by_month, by_week| by_month != by_week,
            };
        // 28 years hold every pairing of month length and weekday that can occur.
        let mut date = Date::constant(2000, 1, 1);
        while date.year() < 2028 {
            if self.months.contains(value(date.month()))
                && excluded(self.month_day_matches(date), self.weekday_matches(date))
            {
                return Err(CronErrorKind::DayConflict {
                    day_of_month: fields[2].1.to_owned(),
                    day_of_week: fields[4].1.to_owned(),
                }
                .at(span_of(fields, 2..5)));
            }
            let Ok(tomorrow) = date.tomorrow() else { break };
            date = tomorrow;
        }
        Ok(())
    }

    fn check_fires(&self, fields: &[(usize, &str)]) -> Result<(), CronError> {
        if self.day_at_or_after(Date::constant(1970, 1, 1), 2099).is_some() {
            return Ok(());
        }
        let year = fields.get(6).map_or_else(String::new, |(_, year)| format!(" and year {year}"));
        let (day, month, weekday) = (fields[2].1, fields[3].1, fields[4].1);
        let nth = !self.weekdays.nth.is_empty();
        let on = if nth { format!(" on {weekday}") } else { String::new() };
        let reason = format!("no date has day-of-month {day} in month {month}{year}{on}");
        Err(CronErrorKind::NeverFires { reason }.at(span_of(fields, 2..fields.len())))
    }
}

#[cfg(test)]
impl Cron {
    /// croniter's expanded fields, as text.
    pub(super) fn expanded(&self) -> Vec<Vec<String>> {
        let mut all = vec![&self.minutes, &self.hours, &self.days, &self.months, &self.weekdays];
        let count = super::cron::split_fields(&self.expression.to_ascii_lowercase()).len();
        all.extend([&self.seconds, &self.years]);
        let items = |set: &&FieldSet| {
            let star = set.star.then(|| "*".to_owned());
            let values = set.values.iter().map(u16::to_string);
            star.into_iter().chain(values).chain(set.last.then(|| "l".to_owned())).collect()
        };
        all.iter().take(count).map(items).collect()
    }
}

/// Fields with their byte offsets; only ASCII whitespace separates, as in croniter.
pub(super) fn split_fields(text: &str) -> Vec<(usize, &str)> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c');
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(is_space);
        if rest.is_empty() {
            return fields;
        }
        let end = rest.find(is_space).unwrap_or(rest.len());
        fields.push((text.len() - rest.len(), &rest[..end]));
        rest = &rest[end..];
    }
}

fn field_count_error(text: &str, found: usize) -> CronError {
    let name = text.trim();
    let kind = if name.starts_with('@') {
        CronErrorKind::UnknownPreset { name: name.to_owned(), suggestion: preset::suggest(name) }
    } else if let Some((hour, minute)) = time_of_day(name) {
        CronErrorKind::TimeOfDay { text: name.to_owned(), hour, minute }
    } else {
        CronErrorKind::FieldCount { found }
    };
    kind.at(0..text.len())
}

/// Hour and minute of `15:30`.
fn time_of_day(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some((hour, minute))
}

/// croniter reads a field that lists all its values as `*`. A day field stays as it is unless the
/// other one's text holds a `*`, so that the either-or rule sees what was written.
fn widen_full_fields(sets: &mut [FieldSet], fields: &[(usize, &str)]) {
    let holds_star = |index: usize| fields[index].1.contains('*');
    for (index, (set, field)) in sets.iter_mut().zip(Field::ALL).enumerate() {
        let other_day = match index {
            2 => holds_star(4),
            4 => holds_star(2),
            _ => true,
        };
        if other_day {
            set.widen_when_full(field);
        }
    }
}

fn span_of(fields: &[(usize, &str)], which: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let (first, last) = (fields[which.start], fields[which.end - 1]);
    first.0..last.0 + last.1.len()
}
