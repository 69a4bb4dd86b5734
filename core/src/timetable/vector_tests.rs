//! Replays the recorded results of Airflow 3.3.2 and croniter 7.0.0 (`tests/vectors`).
//!
//! `MILLRACE_VECTORS` names another folder of the same files. A case in which Millrace decides
//! otherwise is listed with its reason in `deviations.json`; nothing else may differ.

use std::path::PathBuf;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Bounds, Cron, DataInterval, DstMark, Every, PlannedRun, Timetable, firing, zone};

type Checked = Result<(), String>;

/// The folder of vectors, and whether it is the workspace's own.
#[expect(clippy::disallowed_methods, reason = "a test's setting, not the core's")]
fn folder() -> (PathBuf, bool) {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    match std::env::var_os("MILLRACE_VECTORS") {
        Some(folder) => (PathBuf::from(folder), false),
        None => (own, true),
    }
}

#[expect(clippy::disallowed_methods, reason = "tests read their vectors")]
fn load(name: &str) -> Value {
    let path = folder().0.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// The cases of `name` that are decided otherwise, by id.
fn deviations(name: &str) -> Vec<String> {
    if !folder().0.join("deviations.json").exists() {
        return Vec::new();
    }
    let ids = load("deviations.json")[name].as_object().cloned().unwrap_or_default();
    assert!(ids.values().all(|reason| reason.as_str().is_some_and(|text| text.len() > 10)));
    ids.into_iter().map(|(id, _)| id).collect()
}

/// Checks every case; those that fail must be exactly the listed deviations, at most 2 %. Of a
/// folder without such a list, at most 2 % may fail.
fn check_all<'a>(
    name: &str,
    cases: impl IntoIterator<Item = (String, &'a Value)>,
    check: impl Fn(&Value) -> Checked,
) {
    let mut listed = deviations(name);
    let (mut count, mut failures) = (0, Vec::new());
    for (id, case) in cases {
        count += 1;
        let known = listed.iter().position(|listed| *listed == id);
        match (check(case), known) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => failures.push(format!("{id}: listed as a deviation, but agrees")),
            (Err(_), Some(index)) => drop(listed.swap_remove(index)),
            (Err(reason), None) => failures.push(format!("{id}: {reason}")),
        }
    }
    let report = format!("{name}: {} of {count} differ\n{}", failures.len(), failures.join("\n"));
    println!("{report}");
    assert!(count > 0, "{name} has no cases");
    assert!(deviations(name).len() * 50 <= count, "{name}: more than 2 % deviations");
    let allowed = if folder().1 { 0 } else { count / 50 };
    assert!(failures.len() <= allowed, "{report}");
    assert!(listed.is_empty() || !folder().1, "{name}: deviations for unknown cases {listed:?}");
}

fn check_file(name: &str, check: impl Fn(&Value) -> Checked) {
    let file = load(name);
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(file["count"].as_u64(), u64::try_from(cases.len()).ok(), "{name} is truncated");
    let id = |(index, case): (usize, &Value)| {
        case["id"].as_str().map_or_else(|| index.to_string(), str::to_owned)
    };
    check_all(name, cases.iter().enumerate().map(|(i, case)| (id((i, case)), case)), check);
}

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

fn timetable(case: &Value, data_intervals: bool) -> Timetable {
    Timetable::parse(text(&case["expr"]), recorded_zone(text(&case["tz"])), data_intervals).unwrap()
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
    check_file("cron_next.json", |case| {
        let after = instant(&case["after"]);
        let (trigger, by_interval) = (timetable(case, false), timetable(case, true));
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
    check_file("cron_nocatchup.json", |case| {
        let timetable = timetable(case, text(&case["timetable"]) == "interval");
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
    check_file("cron_manual.json", |case| {
        for (name, data_intervals) in [("trigger", false), ("interval", true)] {
            let at = instant(&case["run_after"]);
            let got = timetable(case, data_intervals).manual_interval(at);
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
    let file = load("cron_dst_main.json");
    let cases = file["cases"].as_array().unwrap();
    let numbered = cases.iter().enumerate().map(|(index, case)| (index.to_string(), case));
    check_all("cron_dst_main.json", numbered, |case| {
        let timetable = timetable(case, true);
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
    check_file("cron_validate.json", |case| {
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
    check_file("delta_next.json", |case| {
        let data_intervals = match text(&case["timetable"]) {
            "delta_trigger" => false,
            "delta_interval" | "delta_data_interval" => true,
            other => return Err(format!("unknown timetable {other}")),
        };
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
    let file = load("croniter_suite.json");
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(file["count"].as_u64(), u64::try_from(cases.len()).ok());
    let numbered = cases.iter().enumerate().map(|(index, case)| (index.to_string(), case));
    check_all("croniter_suite.json", numbered, |case| {
        let mut expression = text(&case["expr"]).to_owned();
        if case["opts"]["second_at_beginning"] == true {
            // An option of croniter that Airflow does not use: the same fields in another order.
            let mut fields: Vec<&str> = expression.split_whitespace().collect();
            let second = fields.remove(0);
            fields.insert(5, second);
            expression = fields.join(" ");
        }
        let parsed = Cron::parse(&expression);
        let calls = case["calls"].as_array().unwrap();
        let Ok(cron) = parsed else {
            // Refused at once, where croniter fails when it is asked for a date.
            return same(&format!("{case}: {parsed:?}"), &calls[0][1]["error"].is_string(), &true);
        };
        if case["tz"].is_string() {
            walk_zoned(case, calls, cron)
        } else {
            walk(case, calls, &cron)
        }
    });
}

fn walk(case: &Value, calls: &[Value], cron: &Cron) -> Checked {
    let mut at: DateTime = text(&case["start"]).parse().unwrap();
    for call in calls {
        let expected: Option<DateTime> = call[1].as_str().map(|time| time.parse().unwrap());
        if call[0] == "prev" && expected == Some(at) {
            // Recorded from `croniter.match`, which asks from one microsecond later.
            at = at.checked_add(SignedDuration::from_micros(1)).unwrap();
        }
        let got = if call[0] == "next" { cron.next_tick(at) } else { cron.previous_tick(at) };
        same(&case.to_string(), &got, &expected)?;
        at = got.unwrap_or(at);
    }
    Ok(())
}

fn walk_zoned(case: &Value, calls: &[Value], cron: Cron) -> Checked {
    let (crons, zone) = ([cron], recorded_zone(text(&case["tz"])));
    let mut at = instant(&case["utc"]);
    for call in calls {
        let expected: Option<Timestamp> = call[1].as_str().map(|time| time.parse().unwrap());
        let got = if call[0] == "next" {
            firing::next(&crons, &zone, at)
        } else {
            firing::previous(&crons, &zone, at)
        };
        let got = got.map(|firing| firing.at);
        same(&case.to_string(), &got, &expected)?;
        at = got.unwrap_or(at);
    }
    Ok(())
}

#[test]
fn croniter_suite_invalid_vectors() {
    let file = load("croniter_suite.json");
    let cases = file["invalid"].as_object().unwrap();
    let cron_errors = cases.iter().filter(|(_, error)| {
        // Errors of Python arguments, not of the expression.
        error[0].as_str().is_some_and(|kind| kind.starts_with("Croniter"))
    });
    let named = cron_errors.map(|(expression, error)| (expression.clone(), error));
    let expressions: Vec<Value> = named.map(|(text, _)| Value::from(text)).collect();
    let numbered = expressions.iter().map(|case| (format!("invalid {}", text(case)), case));
    check_all("croniter_suite.json invalid", numbered, |expression| {
        let parsed = Cron::parse(text(expression));
        same(&format!("{expression}: {parsed:?}"), &parsed.is_err(), &true)?;
        let span = parsed.err().map(|error| error.span).unwrap_or_default();
        same("the span is in the text", &text(expression).get(span).is_some(), &true)
    });
}

/// A firing is marked as shifted exactly if its wall-clock time does not satisfy the expression.
#[test]
fn cron_marks_vectors() {
    let file = load("cron_next.json");
    let cases = file["cases"].as_array().unwrap();
    let numbered = cases.iter().map(|case| (text(&case["id"]).to_owned(), case));
    check_all("cron_next.json marks", numbered, |case| {
        let zone = recorded_zone(text(&case["tz"]));
        let timetable = timetable(case, false);
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
