//! Daylight saving as a table, and properties of firings over many zones and expressions.

use jiff::{SignedDuration, Timestamp};

use super::{Bounds, Cron, DstMark, Timetable, zone};

fn timetable(expression: &str, zone_name: &str, data_intervals: bool) -> Timetable {
    Timetable::parse(expression, zone(zone_name).unwrap(), data_intervals).unwrap()
}

/// Local times with their offset, and `>` for a shifted or `2` for a second occurrence.
fn check(expression: &str, zone_name: &str, after: &str, expected: &[&str]) {
    let local = zone(zone_name).unwrap();
    let shown: Vec<String> = timetable(expression, zone_name, false)
        .firings(after.parse().unwrap(), &Bounds::default())
        .take(expected.len())
        .map(|firing| {
            let mark = match firing.mark {
                DstMark::Normal => "",
                DstMark::GapShifted => " >",
                DstMark::OverlapSecond => " 2",
            };
            format!("{}{mark}", firing.at.to_zoned(local.clone()).strftime("%d %H:%M %:z"))
        })
        .collect();
    assert_eq!(shown, expected, "{expression} in {zone_name}");
}

#[test]
fn daylight_saving() {
    let (spring, autumn) = ("2025-03-08T12:00:00Z", "2025-11-02T03:59:00Z");
    let new_york = "America/New_York";
    check("30 2 * * *", new_york, spring, &["09 03:30 -04:00 >", "10 02:30 -04:00"]);
    check("30 1 * * *", new_york, autumn, &["02 01:30 -05:00 2", "03 01:30 -05:00"]);
    check(
        "30 * * * *",
        new_york,
        "2025-03-09T06:00:00Z",
        &["09 01:30 -05:00", "09 03:30 -04:00", "09 04:30 -04:00"],
    );
    check(
        "0 * * * *",
        new_york,
        autumn,
        &["02 00:00 -04:00", "02 01:00 -04:00", "02 01:00 -05:00 2", "02 02:00 -05:00"],
    );
    // Two ticks fall into the gap, and both fire.
    check(
        "15,45 2 * * *",
        new_york,
        spring,
        &["09 03:15 -04:00 >", "09 03:45 -04:00 >", "10 02:15 -04:00"],
    );
    check(
        "0 */2 * * *",
        new_york,
        "2025-03-09T05:00:00Z",
        &["09 03:00 -04:00 >", "09 04:00 -04:00", "09 06:00 -04:00"],
    );
    check(
        "@daily",
        "America/Sao_Paulo",
        "2018-11-03T03:00:00Z",
        &["04 01:00 -02:00 >", "05 00:00 -02:00"],
    );
    check(
        "0 9 * * *",
        "Pacific/Apia",
        "2011-12-29T00:00:00Z",
        &["29 09:00 -10:00", "31 09:00 +14:00", "01 09:00 +14:00"],
    );
    check(
        "0 * * * *",
        "Australia/Lord_Howe",
        "2025-04-05T13:30:00Z",
        &["06 01:00 +11:00", "06 02:00 +10:30", "06 03:00 +10:30"],
    );
}

#[test]
fn firings_keep_to_the_bounds() {
    let check = |timetable: &Timetable, start: &str, end: &str, expected: &[&str]| {
        let bounds = Bounds {
            start: Some(start.parse().unwrap()),
            end: Some(end.parse().unwrap()),
            catchup: false,
        };
        let shown: Vec<String> = timetable
            .firings("2025-01-01T00:00:00Z".parse().unwrap(), &bounds)
            .map(|firing| firing.at.to_string())
            .collect();
        assert_eq!(shown, expected, "{timetable:?}");
    };
    let (start, end) = ("2025-02-01T00:00:00Z", "2025-02-02T00:00:00Z");
    let daily = timetable("@daily", "UTC", false);
    check(&daily, start, end, &["2025-02-01T00:00:00Z", "2025-02-02T00:00:00Z"]);
    let every = super::Every::new(SignedDuration::from_hours(16)).unwrap();
    let every = Timetable::Every { every, data_intervals: false };
    check(&every, start, end, &["2025-02-01T00:00:00Z", "2025-02-01T16:00:00Z"]);
    check(&Timetable::Once, start, end, &["2025-02-01T00:00:00Z"]);
    check(&Timetable::Never, start, end, &[]);
}

/// A small generator of numbers, always the same ones.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}

const ZONES: [&str; 16] = [
    "UTC",
    "Asia/Seoul",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Caracas",
    "Europe/London",
    "Europe/Dublin",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Tehran",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Antarctica/Troll",
];

/// An expression of ordinary fields, and an instant, most often near a change of the clock.
fn random_case(random: &mut Lcg) -> (String, &'static str, Timestamp) {
    let minute = random.pick(&["*", "0", "30", "*/15", "7,37", "59", "15-45/10"]);
    let hour = random.pick(&["*", "*", "0", "1", "2", "3", "*/2", "1-3", "22-2", "0,12,23"]);
    let day = random.pick(&["*", "*", "*", "1", "L", "*/10", "30,31"]);
    let weekday = random.pick(&["*", "*", "*", "0", "1-5", "sun#1", "L6"]);
    let day = if weekday.contains(['#', 'L']) { "*" } else { day };
    let expression = format!("{minute} {hour} {day} * {weekday}");
    let name = ZONES[usize::try_from(random.below(16)).unwrap()];
    let second = 1_000_000_000 + i64::try_from(random.below(900_000_000)).unwrap();
    let at = Timestamp::from_second(second).unwrap();
    let near = zone(name).unwrap().following(at).next().map(|change| change.timestamp());
    let offset = SignedDuration::from_mins(i64::try_from(random.below(360)).unwrap() - 180);
    (expression, name, near.unwrap_or(at) + offset)
}

#[test]
fn firings_increase_and_going_back_meets_the_same() {
    let mut random = Lcg(20_250_821);
    for _ in 0..1_500 {
        let (expression, name, at) = random_case(&mut random);
        let timetable = timetable(&expression, name, false);
        let about = format!("{expression} in {name} from {at}");
        let firings: Vec<_> = timetable.firings(at, &Bounds::default()).take(12).collect();
        assert!(firings[0].at > at, "{about}");
        assert!(firings.is_sorted_by(|left, right| left.at < right.at), "{about}: {firings:?}");
        for pair in firings.windows(2) {
            assert_eq!(timetable.previous(pair[1].at), Some(pair[0]), "{about}: {firings:?}");
        }
        let before = timetable.previous(at).unwrap();
        assert!(before.at < at, "{about}: {before:?}");
    }
}

#[test]
fn intervals_are_never_empty_and_never_end_in_the_future() {
    let mut random = Lcg(7);
    for _ in 0..1_500 {
        let (expression, name, at) = random_case(&mut random);
        let timetable = timetable(&expression, name, true);
        let about = format!("{expression} in {name} at {at}");
        let manual = timetable.manual_interval(at);
        assert!(manual.start < manual.end && manual.end <= at, "{about}: {manual:?}");
        let first = timetable.next_run(None, &Bounds::default(), at).unwrap();
        assert_eq!(first.data_interval, manual, "{about}");
        let mut last = first.data_interval;
        for _ in 0..6 {
            let bounds = Bounds { catchup: true, ..Bounds::default() };
            let run = timetable.next_run(Some(last), &bounds, at).unwrap();
            assert_eq!(run.data_interval.start, last.end, "{about}");
            assert!(run.data_interval.end > last.end, "{about}");
            last = run.data_interval;
        }
    }
}

/// One search of a year that is far away, and many around many changes of the clock, end soon.
#[test]
fn far_firings_are_found() {
    let cron = Cron::parse("0 0 29 2 * 0 2096").unwrap();
    let timetable = Timetable::Cron {
        crons: vec![cron],
        zone: zone("Europe/London").unwrap(),
        data_intervals: false,
    };
    let next = |after: &str| {
        let after = after.parse().unwrap();
        timetable.firings(after, &Bounds::default()).next().map(|firing| firing.at.to_string())
    };
    assert_eq!(next("2050-01-01T00:00:00Z").as_deref(), Some("2096-02-29T00:00:00Z"));
    // croniter gives up after 50 years, and so do we.
    assert_eq!(next("2020-01-01T00:00:00Z"), None);
}
