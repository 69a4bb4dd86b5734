//! Compares cron in zones with croniter's answers, as `tests/oracle/answers.py` writes them.
//!
//! `MILLRACE_ORACLE` names a file of answers; without it the recorded ones are read.
//! `MILLRACE_ORACLE_TZDIR` names the zone data with which they were made; without it the data
//! compiled into the program serves, and the recorded instants lie in the past.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{Cron, CronErrorKind, firing, zone};

/// What croniter said about an expression in a zone at an instant; times are seconds.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "e")]
    expression: String,
    #[serde(rename = "z")]
    zone: String,
    at: i64,
    next: [Option<i64>; 2],
    prev: Option<i64>,
}

/// croniter looks this far for a tick, and no further.
const SECS_OF_50_YEARS: i64 = 50 * 31_557_600;

#[expect(clippy::disallowed_methods, reason = "tests read their answers; the core itself does not")]
fn answers() -> (String, bool) {
    let other = std::env::var_os("MILLRACE_ORACLE").map(PathBuf::from);
    let recorded = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracle/recorded.jsonl");
    let is_recorded = other.is_none();
    let path = other.unwrap_or_else(|| recorded.into());
    let text = std::fs::read_to_string(&path);
    (text.unwrap_or_else(|error| panic!("{}: {error}", path.display())), is_recorded)
}

#[expect(clippy::disallowed_methods, reason = "tests read the zones of their answers")]
fn zone_of(name: &str) -> TimeZone {
    let Some(folder) = std::env::var_os("MILLRACE_ORACLE_TZDIR") else {
        return zone(name).expect("a zone");
    };
    let data = std::fs::read(PathBuf::from(folder).join(name)).expect("a zone's data");
    TimeZone::tzif(name, &data).expect("zone data")
}

/// The answer is ours, or croniter gave up looking.
fn agrees(expected: Option<i64>, got: Option<i64>, from: i64) -> bool {
    match (expected, got) {
        (None, Some(got)) => (got - from).abs() > SECS_OF_50_YEARS,
        (expected, got) => expected == got,
    }
}

fn difference(answer: &Answer, cron: &Cron, zone: &TimeZone) -> Option<String> {
    let crons = std::slice::from_ref(cron);
    let instant = |secs| Timestamp::from_second(secs).expect("in range");
    let next = |secs| firing::next(crons, zone, instant(secs)).map(|firing| firing.at.as_second());
    let first = next(answer.at);
    let second = answer.next[0].and_then(next);
    let previous =
        firing::previous(crons, zone, instant(answer.at)).map(|firing| firing.at.as_second());
    let all_agree = agrees(answer.next[0], first, answer.at)
        && (answer.next[0].is_none() || agrees(answer.next[1], second, answer.at))
        && agrees(answer.prev, previous, answer.at);
    (!all_agree).then(|| {
        format!(
            "{:?} in {} at {}: next {first:?} {second:?}, previous {previous:?}; croniter {:?} {:?}",
            answer.expression, answer.zone, answer.at, answer.next, answer.prev
        )
    })
}

#[test]
fn cron_agrees_with_croniter() {
    let (text, is_recorded) = answers();
    let mut zones: BTreeMap<String, TimeZone> = BTreeMap::new();
    let (mut count, mut never, mut differ) = (0_usize, 0_usize, Vec::new());
    for line in text.lines() {
        let answer: Answer = serde_json::from_str(line).expect("an answer");
        count += 1;
        let cron = match Cron::parse(&answer.expression) {
            Ok(cron) => cron,
            // Refused at once, where croniter looks for 50 years and finds nothing.
            Err(error)
                if matches!(error.kind, CronErrorKind::NeverFires { .. })
                    && answer.next[0].is_none()
                    && answer.prev.is_none() =>
            {
                never += 1;
                continue;
            }
            Err(error) => {
                differ.push(format!("{:?}: {error}", answer.expression));
                continue;
            }
        };
        let zone =
            zones.entry(answer.zone.clone()).or_insert_with(|| zone_of(&answer.zone)).clone();
        differ.extend(difference(&answer, &cron, &zone));
    }
    println!(
        "{count} triples in {} zones, {never} that never fire: {} differ",
        zones.len(),
        differ.len()
    );
    assert!(differ.is_empty(), "{} of {count} differ:\n{}", differ.len(), differ.join("\n"));
    assert!(!is_recorded || count >= 3_000, "the recorded answers are whole: {count}");
}
