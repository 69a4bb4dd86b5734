//! Tables of what the cron grammar accepts, refuses and says.

use super::{Cron, Timetable, zone};
use jiff::tz::TimeZone;

/// Checks the message, and the part of the text that it points at.
fn refused(text: &str, at: &str, message: &str) {
    let error = Cron::parse(text).expect_err(text);
    assert_eq!(error.to_string(), message, "{text}");
    assert_eq!(&text[error.span.clone()], at, "{text}: {:?}", error.span);
}

#[test]
fn refusals_name_field_value_range_and_place() {
    refused(
        "60 * * * *",
        "60",
        "minute value 60 is out of range; use 0-59, as in \"5\", \"0,30\", \"10-20\" or \"*/15\"",
    );
    refused(
        "0 3,24 * * *",
        "24",
        "hour value 24 is out of range; use 0-23, as in \"3\", \"9-17\" or \"*/2\"",
    );
    refused(
        "*/0 * * * *",
        "*/0",
        "a step of 0 in the minute field never moves on; use 1 or more, as in \"*/5\"",
    );
    refused(
        "0 0 * * monday",
        "monday",
        "day-of-week cannot be \"monday\"; did you mean \"mon\"?; use 0-7 (0 and 7 are Sunday), \
         sun-sat, fri#2 or L5",
    );
    refused(
        "0 0 * Jna *",
        "Jna",
        "month cannot be \"jna\"; did you mean \"jan\"?; use 1-12 or jan-dec",
    );
    refused(
        "0 0 1,15W * *",
        "15W",
        "\"W\" stands alone in day-of-month, not in a list or range; use several crons: \
         {cron: [a, b]}",
    );
    refused(
        "R * * * *",
        "R",
        "R in the minute field would run at a time that nobody can foresee; write the minute \
         that you want",
    );
    refused(
        "0 0 31 2 *",
        "31 2 *",
        "this cron never fires: no date has day-of-month 31 in month 2; check day-of-month, \
         month and year",
    );
    refused(
        "* * * *",
        "* * * *",
        "a cron expression has 5 fields (minute hour day-of-month month day-of-week), then \
         optionally second and year, but this one has 4; add the missing ones, \"*\" means any",
    );
    refused(
        "@dayly",
        "@dayly",
        "unknown preset \"@dayly\"; did you mean \"@daily\"?; use one of @hourly @daily @weekly \
         @monthly @quarterly @yearly @midnight @annually @once @continuous",
    );
    refused(
        "0 0 15 * fri#2",
        "15 * fri#2",
        "day-of-month \"15\" and day-of-week \"fri#2\" cannot be combined: \"#\", \"L\" and \"W\" \
         days are not either-or, and one of the two would be ignored; set one of them to \"*\"",
    );
}

#[test]
fn presets_in_any_case_are_their_expressions() {
    let check = |preset: &str, expression: &str| {
        let cron = Cron::parse(preset).expect(preset);
        assert_eq!(cron.expression(), expression);
        assert_eq!(cron.text(), preset);
    };
    check("@hourly", "0 * * * *");
    check("@Daily", "0 0 * * *");
    check("@midnight", "0 0 * * *");
    check("@WEEKLY", "0 0 * * 0");
    check("@monthly", "0 0 1 * *");
    check("@quarterly", "0 0 1 */3 *");
    check("@yearly", "0 0 1 1 *");
    check("@annually", "0 0 1 1 *");
    let parse = |text| Timetable::parse(text, TimeZone::UTC, false);
    assert_eq!(parse("@once"), Ok(Timetable::Once));
    assert_eq!(parse("@Continuous"), Ok(Timetable::Continuous));
}

/// Ticks of naive time, both ways.
#[test]
fn ticks_on_the_wall_clock() {
    let check = |text: &str, from: &str, next: &str, previous: &str| {
        let cron = Cron::parse(text).expect(text);
        let from = from.parse().expect(from);
        let shown = |tick: Option<jiff::civil::DateTime>| {
            tick.map_or_else(|| "none".to_owned(), |tick| tick.to_string())
        };
        assert_eq!(shown(cron.next_tick(from)), next, "{text} after {from}");
        assert_eq!(shown(cron.previous_tick(from)), previous, "{text} before {from}");
    };
    check("0 0 29 2 *", "2023-01-01T00:00", "2024-02-29T00:00:00", "2020-02-29T00:00:00");
    check("59/15 * * * *", "2024-01-01T00:00", "2024-01-01T00:59:00", "2023-12-31T23:59:00");
    check("0 22-2 * * *", "2024-01-01T03:00", "2024-01-01T22:00:00", "2024-01-01T02:00:00");
    check("0 0 1,L * *", "2024-02-10T00:00", "2024-02-29T00:00:00", "2024-02-01T00:00:00");
    check("0 0 * * L5", "2024-05-31T00:00", "2024-06-28T00:00:00", "2024-04-26T00:00:00");
    check("0 0 15W * *", "2024-06-14T12:00", "2024-07-15T00:00:00", "2024-06-14T00:00:00");
    check("0 0 13 * fri", "2024-09-13T00:00", "2024-09-20T00:00:00", "2024-09-06T00:00:00");
    check("0 0 * * * 0 2020", "2024-01-01T00:00", "none", "2020-12-31T00:00:00");
    check("* * * * * */20", "2024-01-01T00:00:20.5", "2024-01-01T00:00:40", "2024-01-01T00:00:20");
}

#[test]
fn unknown_zones_are_answered_with_the_nearest() {
    let check = |name: &str, message: &str| {
        assert_eq!(zone(name).expect_err(name).to_string(), message);
    };
    check(
        "Asia/Seuol",
        "unknown time zone \"Asia/Seuol\"; did you mean \"Asia/Seoul\"?; use an IANA name like \
         \"Asia/Seoul\" or \"UTC\"",
    );
    for (name, suggestion) in [
        ("KST", "Asia/Seoul"),
        ("Seoul", "Asia/Seoul"),
        ("new york", "America/New_York"),
        ("Europe/Berlni", "Europe/Berlin"),
    ] {
        assert_eq!(zone(name).expect_err(name).suggestion.as_deref(), Some(suggestion));
    }
    assert_eq!(zone("Not/Anything/Like/It").expect_err("unknown").suggestion, None);
    assert_eq!(zone("asia/seoul").expect("case is ignored").iana_name(), Some("Asia/Seoul"));
    assert_eq!(zone("utc"), Ok(TimeZone::UTC));
}
