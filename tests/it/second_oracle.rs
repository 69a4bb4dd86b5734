//! A second oracle for cron: the `cron` crate, on expressions that both read alike (decision 1).

use std::str::FromStr;

use chrono::{DateTime, Utc};
use millrace_core::timetable::{Bounds, Timetable};

/// Five fields whose day-of-month or day-of-week is free, with names or ranges that start on Monday
/// spelt as names: there the dialects agree.
const EXPRESSIONS: &[&str] = &[
    "* * * * *",
    "*/5 * * * *",
    "7,37 * * * *",
    "0 15 * * *",
    "30 2-6/2 * * *",
    "0 0 1 * *",
    "0 0 29 2 *",
    "15 10 1,15 1,7 *",
    "0 9 * * MON-FRI",
    "45 23 * * SAT,SUN",
    "0 12 * JAN-MAR *",
    "59 23 31 12 *",
];

#[test]
fn both_give_the_same_instants() {
    let start = DateTime::<Utc>::from_str("2024-02-27T22:58:30Z").expect("an instant");
    let after = jiff::Timestamp::from_second(start.timestamp()).expect("an instant");
    let bounds = Bounds { start: None, end: None, catchup: true };
    for expression in EXPRESSIONS {
        let ours = Timetable::parse(expression, jiff::tz::TimeZone::UTC, false).expect("it reads");
        let theirs = cron::Schedule::from_str(&format!("0 {expression}")).expect("it reads");
        let ours: Vec<i64> =
            ours.firings(after, &bounds).take(60).map(|firing| firing.at.as_second()).collect();
        let theirs: Vec<i64> = theirs.after(&start).take(60).map(|at| at.timestamp()).collect();
        let both = ours.len().min(theirs.len());
        assert!(both >= 8, "{expression}: {both} firings");
        assert_eq!(ours[..both], theirs[..both], "{expression}");
    }
}
