//! Tables of which run is planned next.

use jiff::{SignedDuration, Timestamp};

use super::{Bounds, Cron, DataInterval, Every, EveryError, PlannedRun, Timetable, zone};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn exact(at: Timestamp) -> PlannedRun {
    PlannedRun { run_after: at, logical_date: at, data_interval: DataInterval::exact(at) }
}

/// The acceptance table of due dates: 15:00 in Seoul is 06:00 UTC, and so on.
#[test]
fn due_dates_in_seoul() {
    let kst = |day: &str, time: &str| at(&format!("2025-{day}T{time}:00+09:00"));
    let seoul = || zone("Asia/Seoul").unwrap();
    let check = |now: Timestamp, last: Option<&str>, catchup: bool, expected: &str| {
        let bounds = Bounds { start: Some(kst("03-01", "00:00")), end: None, catchup };
        let trigger = Timetable::parse("0 15 * * *", seoul(), false).unwrap();
        let last_tick = last.map(|day| kst(day, "15:00"));
        let expected = kst(expected, "15:00");
        let run = trigger.next_run(last_tick.map(DataInterval::exact), &bounds, now);
        assert_eq!(run, Some(exact(expected)), "trigger at {now} after {last:?}");
        // With data intervals the run starts at the same instant, and is named a day earlier.
        let by_interval = Timetable::parse("0 15 * * *", seoul(), true).unwrap();
        let day = SignedDuration::from_hours(24);
        let last = last_tick.map(|end| DataInterval { start: end - day, end });
        let run = by_interval.next_run(last, &bounds, now).unwrap();
        assert_eq!((run.run_after, run.logical_date), (expected, expected - day), "at {now}");
    };
    check(kst("08-22", "06:23"), None, false, "08-21");
    check(kst("08-22", "15:04"), None, false, "08-22");
    check(kst("08-22", "17:00"), None, false, "08-22");
    check(kst("08-22", "06:23"), Some("08-20"), false, "08-21");
    check(kst("08-22", "06:23"), Some("08-10"), false, "08-21");
    check(kst("08-22", "06:23"), Some("08-10"), true, "08-11");
    check(kst("08-22", "06:23"), Some("08-11"), true, "08-12");
}

#[test]
fn the_end_date_ends_the_runs() {
    let timetable = Timetable::parse("@daily", zone("UTC").unwrap(), false).unwrap();
    let check = |last: &str, expected: Option<&str>| {
        let end = Some(at("2025-01-03T00:00:00Z"));
        let bounds = Bounds { start: None, end, catchup: true };
        let last = Some(DataInterval::exact(at(last)));
        let run = timetable.next_run(last, &bounds, at("2025-06-01T00:00:00Z"));
        assert_eq!(run, expected.map(|day| exact(at(day))));
    };
    check("2025-01-01T00:00:00Z", Some("2025-01-02T00:00:00Z"));
    check("2025-01-02T00:00:00Z", Some("2025-01-03T00:00:00Z"));
    check("2025-01-03T00:00:00Z", None);
}

#[test]
fn timetables_without_a_clock() {
    let now = at("2025-06-01T12:00:00Z");
    let start = at("2025-05-01T00:00:00Z");
    let open = Bounds::default();
    let started = Bounds { start: Some(start), ..open };
    let last = DataInterval { start, end: at("2025-06-01T11:00:00Z") };
    assert_eq!(Timetable::Never.next_run(None, &started, now), None);
    assert_eq!(Timetable::Once.next_run(None, &started, now), Some(exact(start)));
    assert_eq!(Timetable::Once.next_run(None, &open, now), Some(exact(now)));
    assert_eq!(Timetable::Once.next_run(Some(last), &open, now), None);
    let continuous = |last, bounds| {
        Timetable::Continuous.next_run(last, bounds, now).map(|run| run.data_interval)
    };
    assert_eq!(continuous(None, &open), Some(DataInterval::exact(now)));
    assert_eq!(continuous(None, &started), Some(DataInterval { start, end: now }));
    assert_eq!(continuous(Some(last), &started), Some(DataInterval { start: last.end, end: now }));
}

#[test]
fn listed_instants() {
    let days = ["2025-03-01T00:00:00Z", "2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z"];
    let timetable = Timetable::events(days.map(at).to_vec());
    let check = |last: Option<&str>, catchup: bool, now: &str, expected: Option<&str>| {
        let bounds = Bounds { catchup, ..Bounds::default() };
        let last = last.map(|day| DataInterval::exact(at(day)));
        let run = timetable.next_run(last, &bounds, at(now));
        assert_eq!(run, expected.map(|day| exact(at(day))), "{last:?} {now}");
    };
    check(None, true, "2025-02-10T00:00:00Z", Some("2025-01-01T00:00:00Z"));
    check(Some("2025-01-01T00:00:00Z"), true, "2025-02-10T00:00:00Z", Some("2025-02-01T00:00:00Z"));
    check(None, false, "2025-02-10T00:00:00Z", Some("2025-03-01T00:00:00Z"));
    check(Some("2025-03-01T00:00:00Z"), false, "2025-02-10T00:00:00Z", None);
}

#[test]
fn several_crons_are_one_schedule() {
    let crons = ["0 9 * * *", "0 18 * * 1-5", "0 9 * * 1"];
    let crons: Vec<Cron> = crons.iter().map(|text| Cron::parse(text).unwrap()).collect();
    let timetable = Timetable::Cron { crons, zone: zone("UTC").unwrap(), data_intervals: false };
    assert_eq!(timetable.summary(), "0 9 * * *, 0 18 * * 1-5, 0 9 * * 1");
    let now = at("2025-06-02T20:00:00Z");
    let run = |catchup| {
        let bounds = Bounds { start: Some(at("2025-06-01T00:00:00Z")), end: None, catchup };
        timetable.next_run(None, &bounds, now).unwrap().run_after
    };
    assert_eq!(run(true), at("2025-06-01T09:00:00Z"));
    assert_eq!(run(false), at("2025-06-02T18:00:00Z"));
    let between = timetable.runs_between(at("2025-06-01T00:00:00Z"), now);
    let hours: Vec<_> = between.map(|run| run.run_after.strftime("%d %H").to_string()).collect();
    assert_eq!(hours, ["01 09", "02 09", "02 18"]);
}

#[test]
fn intervals_in_words() {
    let check = |months: i32, seconds: i64, summary: &str, words: &str| {
        let every = Every::with_months(months, SignedDuration::from_secs(seconds)).unwrap();
        let timetable = Timetable::Every { every, data_intervals: false };
        assert_eq!(timetable.summary(), summary);
        assert_eq!(timetable.describe(), words);
    };
    check(0, 1_800, "every 30m", "Every 30 minutes");
    check(0, 3_600, "every 1h", "Every hour");
    check(0, 90, "every 1m 30s", "Every 1 minute, 30 seconds");
    check(14, 86_400, "every 1y 2mo 1d", "Every 1 year, 2 months, 1 day");
    assert_eq!(Every::new(SignedDuration::ZERO), Err(EveryError::NotPositive));
    assert_eq!(Every::new(SignedDuration::from_millis(10)), Err(EveryError::TooShort));
    assert_eq!(Every::with_months(-1, SignedDuration::ZERO), Err(EveryError::NotPositive));
}

/// A cron of a single year in the future has no tick before it, and is planned all the same.
#[test]
fn the_first_tick_of_all() {
    let check = |data_intervals: bool, expected: Option<&str>| {
        let utc = zone("UTC").unwrap();
        let timetable = Timetable::parse("0 0 1 * * 0 2030", utc, data_intervals).unwrap();
        let run = timetable.next_run(None, &Bounds::default(), at("2025-06-01T00:00:00Z"));
        assert_eq!(run.map(|run| run.run_after), expected.map(at));
    };
    check(false, Some("2030-01-01T00:00:00Z"));
    check(true, Some("2030-02-01T00:00:00Z"));
}
