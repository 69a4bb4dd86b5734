//! What single keys of tasks mean to a run, each told as a transcript.

use serde_json::{Value, json};

use super::world::{World, dag, goes_on, task};
use crate::dag::{Callback, RetryAction, RetryRule, Task};
use crate::engine::{Event, Order};
use crate::record::{PoolRow, RunKey};
use crate::state::TaskState;
use crate::wire::{AttemptResult, Outcome};

const DATE: &str = "2025-01-02T00:00:00Z";

fn fail(world: &mut World, run: RunKey, task: &str, exit_code: i32, reason: &str) {
    let mut result = AttemptResult::new(world.start(run, task), Outcome::Failed);
    (result.exit_code, result.reason) = (Some(exit_code), Some(reason.to_owned()));
    world.step(Event::Finished(Box::new(result)));
}

#[test]
fn a_retry_policy_decides_before_the_other_keys() {
    let rule = |exit_codes: &[i32], reason: Option<&str>, then, delay_secs| RetryRule {
        exit_codes: exit_codes.to_vec(),
        reason: reason.map(str::to_owned),
        then,
        delay_secs,
    };
    let check = |exit_code, reason: &str, expected: &str, wait: i64| {
        let picky = Task {
            retries: 1,
            no_retry_exit_codes: vec![5, 6],
            retry_policy: vec![
                rule(&[2], None, RetryAction::Fail, None),
                rule(&[5], None, RetryAction::Retry, Some(7.0)),
                rule(&[], Some("refused"), RetryAction::Default, None),
            ],
            ..task("a")
        };
        let mut world = World::new();
        world.load(dag("r", vec![(picky, &[])]));
        let run = world.trigger("r", DATE);
        fail(&mut world, run, "a", exit_code, reason);
        assert_eq!(world.line(run), expected, "exit code {exit_code}, {reason}");
        let ti = &world.rows.tis[&world.ti(run, "a")];
        let secs = ti.retry_at.map_or(0, |at| at.as_second() - world.now.as_second());
        assert_eq!(secs, wait, "exit code {exit_code}, {reason}");
    };
    check(1, "x", "running: a up_for_retry", 300);
    check(2, "x", "failed: a failed", 0);
    check(5, "x", "running: a up_for_retry", 7);
    check(6, "x", "failed: a failed", 0);
    check(6, "connection refused", "failed: a failed", 0);
    check(9, "connection refused", "running: a up_for_retry", 300);
}

#[test]
fn a_task_has_no_part_in_runs_outside_its_dates() {
    let late = Task { start_date: Some("2025-01-03T00:00:00Z".parse().unwrap()), ..task("late") };
    let over = Task { end_date: Some("2025-01-01T00:00:00Z".parse().unwrap()), ..task("over") };
    let mut world = World::new();
    world.load(dag("w", vec![(late, &[]), (over, &[]), (task("b"), &["late", "over"])]));
    let run = world.trigger("w", DATE);
    assert_eq!(world.line(run), "running: late removed, over removed, b queued");
    let reason = world.rows.tis[&world.ti(run, "late")].reason.clone();
    let expected = "it has no part in this run: its `start_date` is 2025-01-03T00:00:00+00:00";
    assert_eq!(reason.as_deref(), Some(expected));
    let third = world.trigger("w", "2025-01-03T00:00:00Z");
    assert_eq!(world.line(third), "running: late queued, over removed, b no_status");
    world.run(third, "late", Outcome::Success);
    world.run(third, "b", Outcome::Success);
    assert_eq!(world.line(third), "success: late success, over removed, b success");
}

#[test]
fn a_skip_may_wait_for_the_past_too() {
    let check = |waits, expected: &str| {
        let careful = Task {
            depends_on_past: true,
            wait_for_past_depends_before_skipping: waits,
            ..task("b")
        };
        let mut world = World::new();
        world.load(dag("p", vec![(task("a"), &[]), (careful, &["a"])]));
        let first = world.trigger("p", "2025-01-01T00:00:00Z");
        let second = world.trigger("p", DATE);
        world.run(second, "a", Outcome::Skipped);
        assert_eq!(world.line(second), expected);
        world.run(first, "a", Outcome::Success);
        world.run(first, "b", Outcome::Success);
        assert_eq!(world.line(second), "success: a skipped, b skipped");
    };
    check(false, "success: a skipped, b skipped");
    check(true, "running: a skipped, b no_status");
}

#[test]
fn every_key_of_an_output_is_an_xcom() {
    let check = |output: Option<Value>, expected: &str, keys: &[&str]| {
        let many = Task { multiple_outputs: true, ..task("a") };
        let mut world = World::new();
        world.load(dag("o", vec![(many, &[])]));
        let run = world.trigger("o", DATE);
        let mut result = AttemptResult::new(world.start(run, "a"), Outcome::Success);
        result.xcoms.extend(output.clone().map(|value| ("return_value".to_owned(), value)));
        let effects = world.step(Event::Finished(Box::new(result)));
        assert_eq!(world.line(run), expected, "{output:?}");
        let mut found: Vec<String> = effects
            .changes
            .iter()
            .filter_map(|change| match change {
                crate::record::Change::XCom(row) => Some(row.key.clone()),
                _ => None,
            })
            .collect();
        found.sort();
        assert_eq!(found, keys, "{output:?}");
    };
    let both = json!({ "accuracy": 0.9, "model": { "name": "m" } });
    check(Some(both), "success: a success", &["accuracy", "model", "return_value"]);
    check(Some(json!({})), "success: a success", &["return_value"]);
    check(Some(json!([1])), "failed: a failed", &["return_value"]);
    check(Some(json!({ "": 1 })), "failed: a failed", &["return_value"]);
    check(None, "failed: a failed", &[]);
}

/// A task of little weight in a pool of one slot, and heavier ones that never end to come: it gets
/// the slot after as long as the difference in weight is worth, and the heavier go first before.
#[test]
fn nobody_starves_behind_heavier_tasks() {
    let check = |weight: i32, quarters: std::ops::RangeInclusive<i64>| {
        let in_pool = |id: &str, weight: i32| Task {
            pools: [("gpu".to_owned(), 1)].into_iter().collect(),
            effective_priority: weight,
            ..task(id)
        };
        let mut world = World::new();
        let row = PoolRow {
            name: "gpu".to_owned(),
            slots: 1,
            description: None,
            include_deferred: false,
        };
        world.order(Order::SetPool { row, actor: None }).expect("a pool");
        let mut heavy = dag("heavy", vec![(in_pool("h", weight), &[])]);
        heavy.max_active_runs = 10_000;
        world.load(heavy);
        world.load(dag("light", vec![(in_pool("l", 1), &[])]));
        let mut last = world.trigger("heavy", "2020-01-01T00:00:00Z");
        let light = world.trigger("light", DATE);
        let mut waited = 0;
        while world.state(light, "l") == TaskState::Scheduled {
            // Always one more heavy task before the slot is free again.
            let date = format!("2021-01-01T00:00:{:02}Z", waited % 60);
            let year = 2021 + waited / 60;
            let next = world.trigger("heavy", &date.replacen("2021", &year.to_string(), 1));
            world.advance(15 * 60);
            world.run(last, "h", Outcome::Success);
            last = next;
            waited += 1;
            assert!(waited < 500, "it starves behind weight {weight}");
        }
        assert!(quarters.contains(&waited), "{waited} quarters behind weight {weight}");
    };
    check(1, 0..=2);
    check(5, 4..=6);
    check(97, 95..=97);
    check(i32::MAX, 95..=97);
}

#[test]
fn on_execute_waits_for_when() {
    let check = |go_on: bool, expected: &[&str]| {
        let hook = || vec![Callback { kind: "log".to_owned(), config: serde_json::Map::new() }];
        let mut loud = Task { when: Some("true".to_owned()), ..task("a") };
        loud.callbacks.on_execute = hook();
        loud.callbacks.on_skipped = hook();
        loud.callbacks.on_success = hook();
        let mut world = World::new();
        world.load(dag("w", vec![(loud, &[])]));
        let run = world.trigger("w", DATE);
        let key = world.start(run, "a");
        assert!(world.rows.notices.is_empty(), "it is only decided yet");
        world.step(goes_on(key, go_on));
        if go_on {
            world.run(run, "a", Outcome::Success);
        }
        let heard: Vec<&str> = world.rows.notices.iter().map(|n| n.occasion.as_str()).collect();
        assert_eq!(heard, expected);
    };
    check(true, &["execute", "success"]);
    check(false, &["skipped"]);
}
