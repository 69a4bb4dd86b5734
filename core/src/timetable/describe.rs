//! Owns the words for a cron expression: "At 03:00, only on Monday".
//!
//! Must not decide when a cron fires. The words are those that Airflow's UI shows; where it shows
//! none (seconds, years, croniter's own aliases) the text is empty. Works on the text and not on
//! the parsed sets, since "every 5 minutes" and the list of those minutes read differently.

use super::cron::{Cron, split_fields};

const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const ORDINALS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];
const THROUGH: &str = ", {0} through {1}";

/// The expression in words; empty where there are none. Two restricted day fields are described
/// one by one, joined by "(or)".
pub(super) fn describe(cron: &Cron) -> String {
    let fields: Vec<&str> =
        split_fields(cron.summary()).into_iter().map(|(_, text)| text).collect();
    let [minute, hour, day, month, weekday] = fields[..] else { return String::new() };
    let words = |day, weekday| Parts::new([minute, hour, day, month, weekday]).describe();
    let either_or = day != "*" && weekday != "*";
    let text = if either_or {
        words(day, "*").zip(words("*", weekday)).map(|(day, week)| format!("{day} (or) {week}"))
    } else {
        words(day, weekday)
    };
    text.unwrap_or_default()
}

/// The five fields, rewritten so that equal meanings have one spelling.
struct Parts {
    minute: String,
    hour: String,
    day: String,
    month: String,
    weekday: String,
}

impl Parts {
    fn new([minute, hour, day, month, weekday]: [&str; 5]) -> Self {
        let from_start = |text: &str, start: &str| {
            if text.starts_with(start) { text.replace(start, "*/") } else { text.to_owned() }
        };
        let minute = from_start(minute, "0/");
        let mut hour = from_start(hour, "0/");
        // "every 5 minutes" within one hour is described as between that hour's start and end.
        if minute.contains(['*', '/']) && !hour.contains(['*', '-', ',', '/']) {
            hour = format!("{hour}-{hour}");
        }
        let month = numbered(&from_start(month, "1/"), &MONTHS, 1);
        let weekday = from_start(&weekday.replace('?', "*"), "1/");
        let weekday = numbered(&sunday_as_zero(&weekday), &DAYS, 0);
        Self {
            minute: one_step_is_any(minute),
            hour: one_step_is_any(hour),
            day: one_step_is_any(from_start(&day.replace('?', "*"), "1/")),
            month: open_step(one_step_is_any(month), 12),
            weekday: open_step(one_step_is_any(weekday), 6),
        }
    }

    fn describe(&self) -> Option<String> {
        let text = [self.time()?, self.days()?, self.weekdays()?, self.months()?].concat();
        let text = text
            .replace(", every minute", "")
            .replace(", every hour", "")
            .replace(", every day", "");
        let text = text.strip_suffix(", ").or(text.strip_suffix(',')).unwrap_or(&text);
        let first = text.chars().next()?;
        Some(format!("{}{}", first.to_uppercase(), &text[first.len_utf8()..]))
    }

    fn time(&self) -> Option<String> {
        let special = |text: &str| text.contains(['/', '-', ',', '*']);
        let (minute, hour) = (self.minute.as_str(), self.hour.as_str());
        if !special(minute) && !special(hour) {
            return Some(format!("At {}", clock(hour, minute)?));
        }
        if minute.contains('-') && !minute.contains(',') && !special(hour) {
            let (from, to) = minute.split_once('-')?;
            return Some(format!(
                "Every minute between {} and {}",
                clock(hour, from)?,
                clock(hour, to)?
            ));
        }
        if hour.contains(',') && !hour.contains('-') && !special(minute) {
            let times: Option<Vec<String>> =
                hour.split(',').map(|hour| clock(hour, minute)).collect();
            let times = times?;
            let (last, others) = times.split_last()?;
            return Some(format!("At {} and {last}", others.join(", ")));
        }
        let parts = [self.minutes()?, self.hours()?];
        Some(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "))
    }

    fn minutes(&self) -> Option<String> {
        let hour_range = self.hour.contains('-') && !self.hour.contains(['/', ',']);
        let on = move |text: &str| {
            if text == "0" && !hour_range {
                String::new()
            } else {
                "at {0} minutes past the hour".into()
            }
        };
        Words {
            any: "every minute",
            one: &|text| Some(text.to_owned()),
            step: &|step| format!("every {step} minutes"),
            between: "minutes {0} through {1} past the hour",
            on: &on,
        }
        .of(&self.minute)
    }

    fn hours(&self) -> Option<String> {
        Words {
            any: "every hour",
            one: &|text| clock(text, "0"),
            step: &|step| format!("every {step} hours"),
            between: "between {0} and {1}",
            on: &|_| "at {0}".into(),
        }
        .of(&self.hour)
    }

    fn days(&self) -> Option<String> {
        let day = self.day.as_str();
        if day == "L" {
            return Some(", on the last day of the month".into());
        }
        if let Some(number) = nearest_weekday(day) {
            return Some(if number == 1 {
                ", on the first weekday of the month".into()
            } else {
                format!(", on the weekday nearest day {number} of the month")
            });
        }
        if day == "*" && self.weekday != "*" {
            return Some(String::new());
        }
        Words {
            any: ", every day",
            one: &|text| Some(text.to_owned()),
            step: &|step| {
                if step == "1" { ", every day".into() } else { format!(", every {step} days") }
            },
            between: ", between day {0} and {1} of the month",
            on: &|_| ", on day {0} of the month".into(),
        }
        .of(day)
    }

    fn months(&self) -> Option<String> {
        Words {
            any: "",
            one: &|text| {
                let index = text.parse::<usize>().ok()?.checked_sub(1)?;
                MONTHS.get(index).map(|name| (*name).to_owned())
            },
            step: &|step| format!(", every {step} months"),
            between: THROUGH,
            on: &|_| ", only in {0}".into(),
        }
        .of(&self.month)
    }

    fn weekdays(&self) -> Option<String> {
        if self.weekday == "*" {
            return Some(String::new());
        }
        if let Some((days, step)) = self.weekly_rhythm() {
            return Some(format!(", every {step} weeks{}", rhythm_days(days)?));
        }
        let day_restricted = self.day != "*";
        let on = move |text: &str| {
            if let Some((_, number)) = text.split_once('#') {
                let ordinal =
                    number.parse::<usize>().ok().and_then(|n| ORDINALS.get(n.wrapping_sub(1)));
                format!(", on the {} {{0}} of the month", ordinal.unwrap_or(&""))
            } else if text.contains('L') {
                ", on the last {0} of the month".into()
            } else if day_restricted {
                ", or on {0}".into()
            } else {
                ", only on {0}".into()
            }
        };
        Words {
            any: ", every day",
            one: &day_name,
            step: &|step| format!(", every {step} days of the week"),
            between: THROUGH,
            on: &on,
        }
        .of(&self.weekday)
    }

    /// A step over a list of days, or over fewer days than itself, is a rhythm of weeks: "every 2
    /// weeks, only on Friday". The days and the step, if it is one.
    fn weekly_rhythm(&self) -> Option<(&str, &str)> {
        let (days, step) = self.weekday.split_once('/')?;
        let number: i64 = step.parse().ok()?;
        if days.contains(',') {
            return Some((days, step));
        }
        let (from, to) = days.split_once('-')?;
        let (first, last): (i64, i64) = (from.parse().ok()?, to.parse().ok()?);
        // A Sunday written as 7 has become 0, which ends a range as 7 does.
        let size = if last == 0 { 7 } else { last } - first + 1;
        (number >= size).then_some((days, step))
    }
}

fn rhythm_days(days: &str) -> Option<String> {
    match days.split_once('-') {
        // An end of Saturday comes from a single day with a step, which has no written end.
        Some((from, "6")) if !days.contains(',') => Some(format!(", only on {}", day_name(from)?)),
        Some(_) if !days.contains(',') => between(days, THROUGH, &day_name),
        _ => Words {
            any: "",
            one: &day_name,
            step: &|step| format!(", every {step} days of the week"),
            between: THROUGH,
            on: &|_| ", only on {0}".into(),
        }
        .of(days),
    }
}

/// How one field speaks. In the phrases, `{0}` and `{1}` stand for values.
struct Words<'a> {
    any: &'a str,
    one: &'a dyn Fn(&str) -> Option<String>,
    step: &'a dyn Fn(&str) -> String,
    between: &'a str,
    /// The phrase around a value or a list, by the field's text.
    on: &'a dyn Fn(&str) -> String,
}

impl Words<'_> {
    fn of(&self, text: &str) -> Option<String> {
        if text.is_empty() {
            return Some(String::new());
        }
        if text == "*" {
            return Some(self.any.to_owned());
        }
        if text.contains(',') {
            return Some((self.on)(text).replace("{0}", &self.list(text)?));
        }
        match (text.split_once('/'), text.contains('-')) {
            (Some((base, step)), _) => self.stepped(base, step),
            (None, true) => between(text, self.between, self.one),
            (None, false) => Some((self.on)(text).replace("{0}", &(self.one)(text)?)),
        }
    }

    fn list(&self, text: &str) -> Option<String> {
        let items: Vec<&str> = text.split(',').collect();
        let mut words = String::new();
        for (index, item) in items.iter().enumerate() {
            let last = index == items.len() - 1;
            match (index, last, items.len()) {
                (0, ..) => {}
                (_, _, 2) => words.push_str(" and "),
                (_, true, _) => words.push_str(", and "),
                _ => words.push_str(", "),
            }
            words.push_str(&self.item(item)?);
        }
        Some(words)
    }

    fn item(&self, item: &str) -> Option<String> {
        let Some((base, step)) = item.split_once('/') else {
            return if item.contains('-') {
                Some(between(item, THROUGH, self.one)?.replace(", ", ""))
            } else {
                (self.one)(item)
            };
        };
        let words = (self.step)(step);
        let words = words.strip_prefix(", ").unwrap_or(&words);
        Some(if base.contains('-') {
            format!("{words}, {}", between(base, THROUGH, self.one)?.replace(", ", ""))
        } else if base == "*" {
            words.to_owned()
        } else {
            format!("{words}, starting {}", (self.one)(base)?)
        })
    }

    fn stepped(&self, base: &str, step: &str) -> Option<String> {
        let words = (self.step)(step);
        Some(if base.contains('-') {
            let range = between(base, self.between, self.one)?;
            let comma = if range.starts_with(", ") { "" } else { ", " };
            format!("{words}{comma}{range}")
        } else if base.contains('*') {
            words
        } else {
            let start = (self.on)(base).replace("{0}", &(self.one)(base)?);
            format!("{words}, starting {}", start.replace(", ", ""))
        })
    }
}

fn between(text: &str, phrase: &str, one: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut ends = text.split('-');
    let (from, to) = (one(ends.next()?)?, one(ends.next()?)?);
    // The last hour of a range lasts to its end.
    Some(phrase.replace("{0}", &from).replace("{1}", &to.replace(":00", ":59")))
}

fn clock(hour: &str, minute: &str) -> Option<String> {
    Some(format!("{:02}:{:02}", hour.parse::<u32>().ok()?, minute.parse::<u32>().ok()?))
}

fn day_name(text: &str) -> Option<String> {
    let day = text.split_once('#').map_or(text, |(day, _)| day).replace('L', "");
    DAYS.get(day.parse::<usize>().ok()?).map(|name| (*name).to_owned())
}

fn nearest_weekday(day: &str) -> Option<u16> {
    let digits = day.strip_suffix('W').or_else(|| day.strip_prefix('W'))?;
    digits.parse().ok()
}

/// Replaces three-letter names by their numbers; the rest becomes upper case.
fn numbered(text: &str, names: &[&str], first: usize) -> String {
    let upper = text.to_uppercase();
    names.iter().enumerate().fold(upper, |text, (index, name)| {
        text.replace(&name[..3].to_uppercase(), &(index + first).to_string())
    })
}

/// Writes a Sunday of 7 as 0; the number behind `#` is no day.
fn sunday_as_zero(text: &str) -> String {
    let mut previous = None;
    let mut fixed = String::with_capacity(text.len());
    for letter in text.chars() {
        let is_day = !matches!(previous, Some('#' | '/'));
        fixed.push(if letter == '7' && is_day { '0' } else { letter });
        previous = Some(letter);
    }
    fixed
}

fn one_step_is_any(text: String) -> String {
    if text == "*/1" { "*".to_owned() } else { text }
}

/// Closes an open step of months or weekdays at the field's end: `3/2` is `3-12/2`.
fn open_step(text: String, end: u8) -> String {
    match text.split_once('/') {
        Some((start, step)) if !text.contains(['*', '-', ',']) => format!("{start}-{end}/{step}"),
        _ => text,
    }
}
