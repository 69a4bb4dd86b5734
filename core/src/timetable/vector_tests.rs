//! Replays the recorded results of Airflow 3.3.2 and croniter 7.0.0 (`tests/vectors`).
//!
//! Where Airflow's own result runs backwards or ends in the future around a change of the clock,
//! ours need only be sane there; every other difference is listed (`crate::vectors`).

use std::path::PathBuf;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Bounds, Cron, DataInterval, DstMark, Every, PlannedRun, Timetable, firing, zone};
use crate::vectors::{Checked, judge, judge_file, judge_file_by, read};

fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, expected: &T) -> Checked {
    if got == expected {
        return Ok(());
    }
    Err(format!("{what}\n  got      {got:?}\n  expected {expected:?}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn instant(value: &Value) -> Timestamp {
    text(value).parse().unwrap()
}

fn instants(value: &Value) -> Vec<Timestamp> {
    value.as_array().unwrap().iter().map(instant).collect()
}

fn interval(value: &Value) -> DataInterval {
    DataInterval { start: instant(&value[0]), end: instant(&value[1]) }
}

fn intervals(value: &Value) -> Vec<DataInterval> {
    value.as_array().unwrap().iter().map(interval).collect()
}

fn timetable(case: &Value, data_intervals: bool) -> Result<Timetable, String> {
    Timetable::parse(text(&case["expr"]), recorded_zone(text(&case["tz"])), data_intervals)
        .map_err(|error| format!("{}: {error}", case["expr"]))
}

/// The zone as it was when the vectors were recorded (tzdata 2025b): Morocco has changed its
/// rules since, the other zones of the vectors have not.
#[expect(clippy::disallowed_methods, reason = "tests read their vectors")]
fn recorded_zone(name: &str) -> TimeZone {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/tzdata-2025b");
    match std::fs::read(path.join(name)) {
        Ok(data) => TimeZone::tzif(name, &data).unwrap(),
        Err(_) => zone(name).unwrap(),
    }
}

/// The first runs with catchup, each planned after the one before it.
fn catchup(timetable: &Timetable, start: Timestamp, count: usize) -> Vec<PlannedRun> {
    let bounds = Bounds { start: Some(start), end: None, catchup: true };
    let mut runs: Vec<PlannedRun> = Vec::new();
    for _ in 0..count {
        let last = runs.last().map(|run| run.data_interval);
        runs.extend(timetable.next_run(last, &bounds, start));
    }
    runs
}

fn spans(runs: &[PlannedRun]) -> Vec<DataInterval> {
    assert!(runs.iter().all(|run| run.run_after == run.data_interval.end));
    runs.iter().map(|run| run.data_interval).collect()
}

#[test]
fn cron_next_vectors() {
    judge_file("cron_next.json", |case| {
        let after = instant(&case["after"]);
        let (trigger, by_interval) = (timetable(case, false)?, timetable(case, true)?);
        let about = format!("{} in {} after {after}", case["expr"], case["tz"]);
        let next: Vec<Timestamp> =
            trigger.firings(after, &Bounds::default()).take(5).map(|firing| firing.at).collect();
        same(&format!("next, {about}"), &next, &instants(&case["next5"]))?;
        let previous = trigger.previous(after).map(|firing| firing.at);
        let recorded = instant(&case["prev1"]);
        if recorded < after {
            same(&format!("previous, {about}"), &previous, &Some(recorded))?;
        } else {
            // In a gap or an overlap, Airflow's previous firing is not before the question.
            same(&format!("previous, {about}"), &previous.is_some_and(|at| at < after), &true)?;
        }
        let runs: Vec<Timestamp> =
            catchup(&trigger, after, 5).iter().map(|run| run.logical_date).collect();
        same(&format!("catchup, {about}"), &runs, &instants(&case["trigger_catchup5"]))?;
        let runs = spans(&catchup(&by_interval, after, 5));
        same(&format!("intervals, {about}"), &runs, &intervals(&case["interval_catchup5"]))
    });
}

#[test]
fn cron_nocatchup_vectors() {
    judge_file("cron_nocatchup.json", |case| {
        let timetable = timetable(case, text(&case["timetable"]) == "interval")?;
        let optional = |value: &Value| (!value.is_null()).then(|| instant(value));
        let bounds = Bounds { start: optional(&case["start_date"]), end: None, catchup: false };
        let last = case["last_interval"].is_array().then(|| interval(&case["last_interval"]));
        let expect = &case["expect"];
        let expected = (!expect.is_null()).then(|| PlannedRun {
            run_after: instant(&expect["run_after"]),
            logical_date: instant(&expect["logical_date"]),
            data_interval: interval(&expect["data_interval"]),
        });
        let run = timetable.next_run(last, &bounds, instant(&case["now"]));
        same(&case.to_string(), &run, &expected)
    });
}

#[test]
fn cron_manual_vectors() {
    judge_file("cron_manual.json", |case| {
        for (name, data_intervals) in [("trigger", false), ("interval", true)] {
            let at = instant(&case["run_after"]);
            let got = timetable(case, data_intervals)?.manual_interval(at);
            let recorded = interval(&case[name]);
            if data_intervals && (recorded.start == recorded.end || recorded.end > at) {
                // In a gap or an overlap, Airflow's interval is empty or ends in the future.
                same(&case.to_string(), &(got.start < got.end && got.end <= at), &true)?;
            } else {
                same(&case.to_string(), &got, &recorded)?;
            }
        }
        Ok(())
    });
}

#[test]
fn cron_dst_main_vectors() {
    let id = |case: &Value| format!("{} {} {}", case["kind"], case["expr"], case["tz"]);
    judge_file_by("cron_dst_main.json", id, |case| {
        let timetable = timetable(case, true)?;
        let expected = &case["expected"];
        match text(&case["kind"]) {
            "manual" => {
                let got = timetable.manual_interval(instant(&case["run_after"]));
                same(&case.to_string(), &got, &interval(expected))
            }
            "no_catchup_first_run" => {
                let now = instant(&case["now"]);
                let bounds = Bounds {
                    start: case["start_date"].is_string().then(|| instant(&case["start_date"])),
                    ..Bounds::default()
                };
                let got = timetable.next_run(None, &bounds, now).map(|run| run.data_interval);
                same(&case.to_string(), &got, &Some(interval(expected)))
            }
            "catchup_sequence" => {
                let expected = intervals(expected);
                let runs = catchup(&timetable, instant(&case["start_date"]), expected.len());
                same(&case.to_string(), &spans(&runs), &expected)
            }
            kind => Err(format!("unknown kind {kind}")),
        }
    });
}

#[test]
fn cron_validate_vectors() {
    let id = |case: &Value| text(&case["expr"]).to_owned();
    judge_file_by("cron_validate.json", id, |case| {
        let cron = Cron::parse(text(&case["expr"]));
        // An expression that Airflow accepts and then cannot evaluate is refused here at once.
        let valid = case["valid"] == true && case["runtime_error"].is_null();
        same(&format!("{case}: {cron:?}"), &cron.is_ok(), &valid)?;
        let Ok(cron) = cron else { return Ok(()) };
        let fields: Vec<Vec<String>> = serde_json::from_value(case["fields"].clone()).unwrap();
        same(&format!("{case}"), &cron.expanded(), &fields)?;
        same(&format!("{case}"), &cron.summary(), &text(&case["normalized"]))?;
        let timetable =
            Timetable::Cron { crons: vec![cron], zone: TimeZone::UTC, data_intervals: false };
        same(&format!("{case}"), &timetable.describe().as_str(), &text(&case["description"]))
    });
}

/// `PT1H`, `P1D`, `PT90S`, or a relative delta: `rd:months=1,days=1`.
fn every(delta: &str) -> Every {
    let Some(parts) = delta.strip_prefix("rd:") else {
        let span: jiff::Span = delta.parse().unwrap();
        let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).unwrap();
        return Every::new(length).unwrap();
    };
    let (mut months, mut seconds) = (0, 0);
    for part in parts.split(',') {
        let (unit, number) = part.split_once('=').unwrap();
        let number: i32 = number.parse().unwrap();
        match unit {
            "years" => months += 12 * number,
            "months" => months += number,
            "weeks" => seconds += 7 * 86_400 * i64::from(number),
            "days" => seconds += 86_400 * i64::from(number),
            "hours" => seconds += 3_600 * i64::from(number),
            "minutes" => seconds += 60 * i64::from(number),
            "seconds" => seconds += i64::from(number),
            unit => panic!("unknown unit {unit}"),
        }
    }
    Every::with_months(months, SignedDuration::from_secs(seconds)).unwrap()
}

#[test]
fn delta_next_vectors() {
    judge_file("delta_next.json", |case| {
        let data_intervals = text(&case["timetable"]) != "delta_trigger";
        let timetable = Timetable::Every { every: every(text(&case["delta"])), data_intervals };
        let start = instant(&case["start_date"]);
        let triple =
            |run: PlannedRun| vec![run.data_interval.start, run.data_interval.end, run.run_after];
        let runs: Vec<_> = catchup(&timetable, start, 5).into_iter().map(triple).collect();
        let expected: Vec<_> = case["catchup5"].as_array().unwrap().iter().map(instants).collect();
        same(&format!("catchup, {case}"), &runs, &expected)?;
        for (key, expected) in case.as_object().unwrap() {
            if let Some(now) = key.strip_prefix("nocatchup_at_") {
                let bounds = Bounds { start: Some(start), ..Bounds::default() };
                let run = timetable.next_run(None, &bounds, now.parse().unwrap()).map(triple);
                let expected = (!expected.is_null()).then(|| instants(expected));
                same(&format!("{key}, {case}"), &run, &expected)?;
            } else if let Some(at) = key.strip_prefix("manual_at_") {
                let got = timetable.manual_interval(at.parse().unwrap());
                same(&format!("{key}, {case}"), &got, &interval(expected))?;
            }
        }
        Ok(())
    });
}

#[test]
fn croniter_suite_vectors() {
    let test = |case: &Value| text(&case["test"]).rsplit("::").next().unwrap().to_owned();
    let id = |case: &Value| {
        format!("{}: {} from {}", test(case), text(&case["expr"]), text(&case["start"]))
    };
    judge_file_by("croniter_suite.json", id, |case| {
        let mut expression = text(&case["expr"]).to_owned();
        if case["opts"]["second_at_beginning"] == true {
            // An option of croniter that Airflow does not use: the same fields in another order.
            let mut fields: Vec<&str> = expression.split_whitespace().collect();
            let second = fields.remove(0);
            fields.insert(5, second);
            expression = fields.join(" ");
        }
        let calls = case["calls"].as_array().unwrap();
        let parsed: Result<Vec<Cron>, _> =
            day_rules(&expression, &case["opts"]).iter().map(|one| Cron::parse(one)).collect();
        let Ok(crons) = parsed else {
            // Refused at once, where croniter fails when it is asked for a date.
            return same(&format!("{case}: {parsed:?}"), &calls[0][1]["error"].is_string(), &true);
        };
        if case["tz"].is_string() {
            walk_zoned(case, calls, &crons)
        } else {
            walk(case, calls, &crons)
        }
    });
}

/// The expressions whose common ticks are meant: one, or two where an option of croniter that
/// Airflow does not use asks for both day fields at once.
fn day_rules(expression: &str, options: &Value) -> Vec<String> {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let starred = |index: usize| fields.get(index).is_some_and(|field| field.starts_with('*'));
    let vixie = options["implement_cron_bug"] == true && (starred(2) || starred(4));
    if fields.len() < 5 || !(vixie || options["day_or"] == false) {
        return vec![expression.to_owned()];
    }
    let without = |index: usize| {
        let mut fields = fields.clone();
        fields[index] = "*";
        fields.join(" ")
    };
    vec![without(4), without(2)]
}

/// The next tick that all expressions have in common.
fn common_tick(crons: &[Cron], at: DateTime, forwards: bool) -> Option<DateTime> {
    let tick = |cron: &Cron, at| if forwards { cron.next_tick(at) } else { cron.previous_tick(at) };
    let mut at = at;
    loop {
        let ticks: Vec<DateTime> =
            crons.iter().map(|cron| tick(cron, at)).collect::<Option<_>>()?;
        let (first, last) = (*ticks.iter().min()?, *ticks.iter().max()?);
        if first == last {
            return Some(first);
        }
        // None of them has a tick before the furthest one that another could share.
        let nano = SignedDuration::from_nanos(1);
        at = if forwards { last.checked_sub(nano) } else { first.checked_add(nano) }.ok()?;
    }
}

fn walk(case: &Value, calls: &[Value], crons: &[Cron]) -> Checked {
    let mut at: DateTime = text(&case["start"]).parse().unwrap();
    for call in calls {
        let expected: Option<DateTime> = call[1].as_str().map(|time| time.parse().unwrap());
        if call[0] == "prev" && expected == Some(at) {
            // Recorded from `croniter.match`, which asks from one microsecond later.
            at = at.checked_add(SignedDuration::from_micros(1)).unwrap();
        }
        let got = common_tick(crons, at, call[0] == "next");
        same(&case.to_string(), &got, &expected)?;
        at = got.unwrap_or(at);
    }
    Ok(())
}

fn walk_zoned(case: &Value, calls: &[Value], crons: &[Cron]) -> Checked {
    let zone = recorded_zone(text(&case["tz"]));
    let mut at = instant(&case["utc"]);
    for call in calls {
        let expected: Option<Timestamp> = call[1].as_str().map(|time| time.parse().unwrap());
        let got = if call[0] == "next" {
            firing::next(crons, &zone, at)
        } else {
            firing::previous(crons, &zone, at)
        };
        let got = got.map(|firing| firing.at);
        same(&case.to_string(), &got, &expected)?;
        at = got.unwrap_or(at);
    }
    Ok(())
}

#[test]
fn croniter_suite_invalid_vectors() {
    let file = read("croniter_suite.json");
    let cases = file["invalid"].as_object().unwrap();
    let cron_errors = cases.iter().filter(|(_, error)| {
        // Errors of Python arguments, not of the expression.
        error[0].as_str().is_some_and(|kind| kind.starts_with("Croniter"))
    });
    let named = cron_errors.map(|(expression, error)| (expression.clone(), error));
    let expressions: Vec<Value> = named.map(|(text, _)| Value::from(text)).collect();
    let numbered = expressions.iter().map(|case| (format!("invalid {}", text(case)), case));
    judge("croniter_suite.json invalid", numbered, |expression| {
        let parsed = Cron::parse(text(expression));
        same(&format!("{expression}: {parsed:?}"), &parsed.is_err(), &true)?;
        let span = parsed.err().map(|error| error.span).unwrap_or_default();
        same("the span is in the text", &text(expression).get(span).is_some(), &true)
    });
}

/// A firing is marked as shifted exactly if its wall-clock time does not satisfy the expression.
#[test]
fn cron_marks_vectors() {
    let file = read("cron_next.json");
    let cases = file["cases"].as_array().unwrap();
    let numbered = cases.iter().map(|case| (text(&case["id"]).to_owned(), case));
    judge("cron_next.json marks", numbered, |case| {
        let zone = recorded_zone(text(&case["tz"]));
        let timetable = timetable(case, false)?;
        let Timetable::Cron { crons, .. } = &timetable else { return Err("no cron".into()) };
        for firing in timetable.firings(instant(&case["after"]), &Bounds::default()).take(5) {
            let local = zone.to_datetime(firing.at);
            let before = local.checked_sub(SignedDuration::from_nanos(1)).unwrap();
            let on_pattern = crons[0].next_tick(before) == Some(local);
            same(&case.to_string(), &(firing.mark == DstMark::GapShifted), &!on_pattern)?;
        }
        Ok(())
    });
}
