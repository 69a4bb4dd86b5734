//! Owns what can be wrong with a cron expression, and the words that teach the remedy.
//!
//! Must not parse: it is given the field, the text and the place.

use std::ops::Range;

use super::field::Field;
use crate::suggest::nearest;

/// A cron expression that is refused, and where in its text the reason is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct CronError {
    /// Bytes of the expression as written; the whole expression where no single item is to blame.
    pub span: Range<usize>,
    /// What is wrong.
    pub kind: CronErrorKind,
}

/// What is wrong with a cron expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronErrorKind {
    /// Not 5, 6 or 7 fields.
    #[error(
        "a cron expression has 5 fields (minute hour day-of-month month day-of-week), then \
         optionally second and year, but this one has {found}; {}",
        field_count_advice(*.found)
    )]
    FieldCount {
        /// How many were written.
        found: usize,
    },
    /// `15:30`: a time of day, not a cron expression.
    #[error("{text:?} is a time of day; write \"{minute} {hour} * * *\" for every day at {text}")]
    TimeOfDay {
        /// The text as written.
        text: String,
        /// Its hour.
        hour: u8,
        /// Its minute.
        minute: u8,
    },
    /// `@…` that is no preset.
    #[error("unknown preset {name:?}{}; use one of {}", did_you_mean(*.suggestion), super::preset::names())]
    UnknownPreset {
        /// The text as written.
        name: String,
        /// The nearest preset.
        suggestion: Option<&'static str>,
    },
    /// A number outside of its field.
    #[error("{field} value {value} is out of range; use {}", allowed(*.field))]
    OutOfRange {
        /// The field.
        field: Field,
        /// The number as written.
        value: String,
    },
    /// `/0`.
    #[error("a step of 0 in the {field} field never moves on; use 1 or more, as in \"*/5\"")]
    ZeroStep {
        /// The field.
        field: Field,
    },
    /// Text that is no value, range or step of its field.
    #[error("{field} cannot be {text:?}{}; use {}", name_suggestion(*.field, .text), allowed(*.field))]
    Malformed {
        /// The field.
        field: Field,
        /// The item as read, in lower case.
        text: String,
    },
    /// `?` beside other text, or in a field other than the two day fields.
    #[error(
        "the {field} field cannot hold this \"?\"; it stands alone, in day-of-month or \
         day-of-week, and means \"*\""
    )]
    QuestionMark {
        /// The field.
        field: Field,
    },
    /// `H` and `R`: values that depend on a job's id or on chance.
    #[error(
        "{symbol} in the {field} field would run at a time that nobody can foresee; write the \
         {field} that you want"
    )]
    Unpredictable {
        /// The field.
        field: Field,
        /// The letter, in upper case.
        symbol: char,
    },
    /// `fri#6`.
    #[error("a month has no weekday number {number}; use #1 to #5, or L5 for the last Friday")]
    NthOutOfRange {
        /// The number after `#`.
        number: String,
    },
    /// `mon,wed#2`.
    #[error(
        "day-of-week mixes plain days with \"#\" or \"L\" days; write all of them in one of the \
         two forms, or use two crons: {{cron: [a, b]}}"
    )]
    MixedNth,
    /// `1,15W`.
    #[error(
        "\"W\" stands alone in day-of-month, not in a list or range; use several crons: \
         {{cron: [a, b]}}"
    )]
    NearestWeekdayInList,
    /// Day of month and `#`, `L5` or `W` exclude each other's days; croniter would ignore one.
    #[error(
        "day-of-month {day_of_month:?} and day-of-week {day_of_week:?} cannot be combined: \"#\", \
         \"L\" and \"W\" days are not either-or, and one of the two would be ignored; set one of \
         them to \"*\""
    )]
    DayConflict {
        /// Day of month as written.
        day_of_month: String,
        /// Day of week as written.
        day_of_week: String,
    },
    /// `0 0 31 2 *`.
    #[error("this cron never fires: {reason}; check day-of-month, month and year")]
    NeverFires {
        /// Which days do not exist.
        reason: String,
    },
}

impl CronErrorKind {
    pub(super) fn at(self, span: Range<usize>) -> CronError {
        CronError { span, kind: self }
    }
}

fn field_count_advice(found: usize) -> &'static str {
    match found {
        0 | 1 => "write all five, as in \"0 3 * * *\" for 03:00 every day, or a preset like @daily",
        2..=4 => "add the missing ones, \"*\" means any",
        _ => "remove the fields beyond the seventh",
    }
}

fn allowed(field: Field) -> &'static str {
    match field {
        Field::Minute => "0-59, as in \"5\", \"0,30\", \"10-20\" or \"*/15\"",
        Field::Hour => "0-23, as in \"3\", \"9-17\" or \"*/2\"",
        Field::DayOfMonth => "1-31, L for the last day, or 15W for the weekday nearest to the 15th",
        Field::Month => "1-12 or jan-dec",
        Field::DayOfWeek => "0-7 (0 and 7 are Sunday), sun-sat, fri#2 or L5",
        Field::Second => "0-59",
        Field::Year => "1970-2099",
    }
}

pub(super) fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

fn name_suggestion(field: Field, text: &str) -> String {
    let word = text.trim_matches(|c: char| !c.is_ascii_alphabetic());
    // Full names are the most frequent mistake, and no edit distance finds "mon" in "monday".
    let (names, _) = field.names();
    let full = names.iter().copied().find(|name| word.len() > 3 && word.starts_with(name));
    let close = || if word.len() > 1 { nearest(word, names.iter().copied()) } else { None };
    did_you_mean(full.or_else(close))
}
