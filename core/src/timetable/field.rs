//! Owns one field of a cron expression: its grammar and the set of values it means.
//!
//! Must not know how fields work together (that is `cron`) or what time it is. The grammar is
//! croniter 7's, with its oddities where they change which minutes match: an equal range (`5-5`)
//! is the whole cycle, `59/15` is one value, ranges wrap, Sunday is 0 and 7.

use std::fmt;
use std::ops::Range;

use super::cron_error::{CronError, CronErrorKind};

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The fields of a cron expression in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// First field, 0-59.
    Minute,
    /// Second field, 0-23.
    Hour,
    /// Third field, 1-31, `L`, `15W` or `?`.
    DayOfMonth,
    /// Fourth field, 1-12 or `jan`-`dec`.
    Month,
    /// Fifth field, 0-7 (Sunday is 0 and 7), `sun`-`sat`, `fri#2`, `L5` or `?`.
    DayOfWeek,
    /// Optional sixth field, 0-59.
    Second,
    /// Optional seventh field, 1970-2099.
    Year,
}

impl Field {
    /// All fields in written order.
    pub(super) const ALL: [Field; 7] = [
        Field::Minute,
        Field::Hour,
        Field::DayOfMonth,
        Field::Month,
        Field::DayOfWeek,
        Field::Second,
        Field::Year,
    ];

    /// The lowest and highest value, both allowed.
    pub fn bounds(self) -> (u16, u16) {
        match self {
            Field::Minute | Field::Second => (0, 59),
            Field::Hour => (0, 23),
            Field::DayOfMonth => (1, 31),
            Field::Month => (1, 12),
            Field::DayOfWeek => (0, 6),
            Field::Year => (1970, 2099),
        }
    }

    /// How many different values the field has.
    pub(super) fn size(self) -> usize {
        let (low, high) = self.bounds();
        usize::from(high - low) + 1
    }

    /// The three-letter names that the field accepts, with the value of the first.
    pub(super) fn names(self) -> (&'static [&'static str], u16) {
        match self {
            Field::Month => (&MONTHS, 1),
            Field::DayOfWeek => (&WEEKDAYS, 0),
            _ => (&[], 0),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Field::Minute => "minute",
            Field::Hour => "hour",
            Field::DayOfMonth => "day-of-month",
            Field::Month => "month",
            Field::DayOfWeek => "day-of-week",
            Field::Second => "second",
            Field::Year => "year",
        })
    }
}

/// Which of a month's equal weekdays is meant: `fri#2` or `L5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Nth {
    /// The first to fifth such day of the month.
    Number(u8),
    /// The last such day of the month.
    Last,
}

/// The values of one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSet {
    /// `*` (or `?`) is among the items, so every value matches.
    pub(super) star: bool,
    /// `L` in the day of month is among the items.
    pub(super) last: bool,
    /// Explicit values, ascending and without duplicates.
    pub(super) values: Vec<u16>,
    /// `fri#2` and `L5`, as (weekday, which one).
    pub(super) nth: Vec<(u16, Nth)>,
    /// `15W`: the weekday nearest to this day of the month.
    pub(super) nearest_weekday: Option<u16>,
}

impl FieldSet {
    /// The field of an expression that does not write it: any value.
    pub(super) fn any() -> Self {
        Self { star: true, ..Self::default() }
    }

    /// A field with one value.
    pub(super) fn single(value: u16) -> Self {
        Self { values: vec![value], ..Self::default() }
    }

    /// Whether the field is nothing but `*`. Airflow asks this of the hour field to decide
    /// between its two daylight-saving rules.
    pub(super) fn is_only_star(&self) -> bool {
        self.star && self.values.is_empty() && !self.last
    }

    /// Whether a plain value matches, without `L`, `#` and `W`.
    pub(super) fn contains(&self, value: u16) -> bool {
        self.star || self.values.binary_search(&value).is_ok()
    }

    /// The lowest matching value that is not below `value`.
    pub(super) fn at_or_after(&self, value: u16, field: Field) -> Option<u16> {
        let (low, high) = field.bounds();
        if self.star {
            return (value <= high).then_some(value.max(low));
        }
        let index = self.values.partition_point(|have| *have < value);
        self.values.get(index).copied()
    }

    /// The highest matching value that is not above `value`.
    pub(super) fn at_or_before(&self, value: u16, field: Field) -> Option<u16> {
        let (low, high) = field.bounds();
        if self.star {
            return (value >= low).then_some(value.min(high));
        }
        let index = self.values.partition_point(|have| *have <= value);
        index.checked_sub(1).and_then(|index| self.values.get(index).copied())
    }

    /// croniter turns a field with as many items as it has values into `*`, where that does not
    /// take part in the day rule. The count includes `L`, as croniter's does.
    pub(super) fn widen_when_full(&mut self, field: Field) {
        if self.values.len() + usize::from(self.last) + usize::from(self.star) == field.size() {
            self.star = true;
            self.last = false;
            self.values.clear();
        }
    }
}

/// Reads one field. `text` is lowercase and free of whitespace; `offset` is where it starts in the
/// whole expression, so that errors point at the item and not at the field.
pub(super) fn parse(field: Field, text: &str, offset: usize) -> Result<FieldSet, CronError> {
    let span = offset..offset + text.len();
    refuse_hashed(field, text, &span)?;
    if text.contains('?') {
        if text != "?" || !matches!(field, Field::DayOfMonth | Field::DayOfWeek) {
            return Err(CronErrorKind::QuestionMark { field }.at(span));
        }
        return Ok(FieldSet::any());
    }
    let mut set = FieldSet::default();
    let mut start = offset;
    let items = text.split(',').count();
    for item in text.split(',') {
        let reader = Item { field, text: item, span: start..start + item.len() };
        reader.read_into(&mut set, items)?;
        start += item.len() + 1;
    }
    set.values.sort_unstable();
    set.values.dedup();
    set.nth.sort_unstable();
    set.nth.dedup();
    Ok(set)
}

/// `R` would be another time at each evaluation and `H` needs a job id: both are refused, Airflow
/// accepts the first and so runs at a different minute after every restart.
fn refuse_hashed(field: Field, text: &str, span: &Range<usize>) -> Result<(), CronError> {
    let symbol = if text.starts_with('r') { 'R' } else { 'H' };
    match text.strip_prefix(['h', 'r']) {
        Some(rest) if rest.is_empty() || rest.starts_with(['(', '/']) => {
            Err(CronErrorKind::Unpredictable { field, symbol }.at(span.clone()))
        }
        _ => Ok(()),
    }
}

/// One item of a field's comma-separated list.
struct Item<'a> {
    field: Field,
    text: &'a str,
    span: Range<usize>,
}

impl Item<'_> {
    fn read_into(&self, set: &mut FieldSet, items: usize) -> Result<(), CronError> {
        if self.field == Field::DayOfWeek
            && let Some((days, nth)) = self.split_nth()?
        {
            let mut plain = FieldSet::default();
            self.read_plain(days, &mut plain)?;
            set.nth.extend(plain.values.iter().map(|day| (*day, nth)));
            set.values.extend(plain.values);
            return Ok(());
        }
        if self.field == Field::DayOfMonth
            && let Some(day) = self.nearest_weekday()
        {
            if items > 1 {
                return Err(self.error(CronErrorKind::NearestWeekdayInList));
            }
            if !(1..=31).contains(&day) {
                let value = self.text.trim_matches('w').to_owned();
                return Err(self.error(CronErrorKind::OutOfRange { field: self.field, value }));
            }
            set.nearest_weekday = Some(day);
            set.values.push(day);
            return Ok(());
        }
        self.read_plain(self.text, set)
    }

    /// Splits `fri#2`, `mon-fri#1` and `l5` into the days and which of them; numbers may not be a
    /// range here, as in croniter.
    fn split_nth(&self) -> Result<Option<(&str, Nth)>, CronError> {
        if let Some(day) = self.text.strip_prefix('l')
            && !day.is_empty()
            && is_digits(day)
        {
            return Ok(Some((day, Nth::Last)));
        }
        let Some((days, number)) = self.text.rsplit_once('#') else { return Ok(None) };
        let numeric_range = days.contains('-') && days.contains(|c: char| c.is_ascii_digit());
        if numeric_range || days.contains(['/', '*']) || !is_digits(number) {
            return Err(self.malformed());
        }
        match number.parse::<u8>() {
            Ok(number @ 1..=5) => Ok(Some((days, Nth::Number(number)))),
            _ => Err(self.error(CronErrorKind::NthOutOfRange { number: number.to_owned() })),
        }
    }

    /// The day of `15w` or `w15`, also one that no month has.
    fn nearest_weekday(&self) -> Option<u16> {
        let digits = self.text.strip_suffix('w').or_else(|| self.text.strip_prefix('w'))?;
        is_digits(digits).then(|| digits.parse().unwrap_or(u16::MAX))
    }

    /// Reads `*`, a value, a range, and either with a step.
    fn read_plain(&self, text: &str, set: &mut FieldSet) -> Result<(), CronError> {
        let (base, step) = match text.split_once('/') {
            Some((base, step)) => (base, Some(self.step(step)?)),
            None => (text, None),
        };
        let (low, high) = self.field.bounds();
        match (base, step) {
            ("*", None) => set.star = true,
            ("l", None) if self.field == Field::DayOfMonth => set.last = true,
            ("*", Some(step)) => self.fill(set, low, high, step)?,
            (base, _) if base.starts_with('-') => {
                return Err(self.error(CronErrorKind::OutOfRange {
                    field: self.field,
                    value: base.to_owned(),
                }));
            }
            (base, step) => match (base.split_once('-'), step) {
                (Some((from, to)), step) => {
                    let (from, to) = (self.value(from)?, self.range_end(to)?);
                    let (from, to) = if from == to { (low, high) } else { (from, to) };
                    self.fill(set, from, to, step.unwrap_or(1))?;
                }
                (None, Some(step)) => {
                    let from = self.value(base)?;
                    self.fill(set, from, high, step)?;
                }
                (None, None) => {
                    let value = self.value(base)?;
                    self.fill(set, value, value, 1)?;
                }
            },
        }
        Ok(())
    }

    /// Adds every `step`-th value from `from` to `to`. A range that ends before it starts goes on
    /// at the field's lowest value; where the step then lands is croniter's arithmetic.
    fn fill(&self, set: &mut FieldSet, from: u16, to: u16, step: usize) -> Result<(), CronError> {
        let (low, high) = self.field.bounds();
        if from < low {
            return Err(self.out_of_range(from));
        }
        if from <= to {
            set.values.extend((from..=to).step_by(step));
            return Ok(());
        }
        let before = set.values.len();
        set.values.extend((from..=high).step_by(step));
        let reached = set.values[before..].last().copied().unwrap_or(from);
        let left = usize::from(high - reached);
        let wraps = usize::from(reached - low) + step > self.field.size() && left < step;
        let skip = if wraps { step - left } else { 0 };
        set.values.extend((low..=to).skip(skip).step_by(step));
        Ok(())
    }

    fn step(&self, text: &str) -> Result<usize, CronError> {
        if !is_digits(text) {
            return Err(self.malformed());
        }
        // A step beyond every field's size selects the first value only, however large it is.
        match text.parse::<usize>().unwrap_or(usize::from(u16::MAX)).min(usize::from(u16::MAX)) {
            0 => Err(self.error(CronErrorKind::ZeroStep { field: self.field })),
            step => Ok(step),
        }
    }

    fn range_end(&self, text: &str) -> Result<u16, CronError> {
        if self.field == Field::DayOfMonth && text == "l" {
            return Ok(self.field.bounds().1);
        }
        self.value(text)
    }

    /// A number or a name. Zero is let through for `fill` to judge, since a wrapping range may
    /// end at it.
    fn value(&self, text: &str) -> Result<u16, CronError> {
        let (names, first) = self.field.names();
        if let Some(index) = names.iter().position(|name| *name == text) {
            return Ok(first + u16::try_from(index).unwrap_or_default());
        }
        if !is_digits(text) {
            return Err(self.malformed());
        }
        let value = text.parse::<u16>().unwrap_or(u16::MAX);
        if self.field == Field::DayOfWeek && value == 7 {
            return Ok(0);
        }
        if value > self.field.bounds().1 {
            return Err(
                self.error(CronErrorKind::OutOfRange { field: self.field, value: text.to_owned() })
            );
        }
        Ok(value)
    }

    fn malformed(&self) -> CronError {
        self.error(CronErrorKind::Malformed { field: self.field, text: self.text.to_owned() })
    }

    fn out_of_range(&self, value: u16) -> CronError {
        self.error(CronErrorKind::OutOfRange { field: self.field, value: value.to_string() })
    }

    fn error(&self, kind: CronErrorKind) -> CronError {
        kind.at(self.span.clone())
    }
}

/// Whether the text is a number in ASCII digits; other scripts' digits are no cron numbers.
fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
