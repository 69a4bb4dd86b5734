//! Planned runs when the scheduler is late by milliseconds, by hours, or paused: every timetable.

use jiff::{SignedDuration, Timestamp};

use super::world::{World, at, dag, dag_id, task};
use crate::dag::Dag;
use crate::engine::{Event, Order};
use crate::record::RunKey;
use crate::timetable::{Every, Timetable, zone};
use crate::wire::Outcome;

const NOON: &str = "2025-01-01T12:00:00Z";

fn scheduled(timetable: Timetable, catchup: bool) -> Dag {
    let start = at("2025-01-01T00:00:00Z");
    let dag = dag("s", vec![(task("a"), &[])]);
    Dag { timetable, start_date: Some(start), catchup, ..dag }
}

fn every(minutes: i64) -> Timetable {
    let every = Every::new(SignedDuration::from_mins(minutes)).expect("an interval");
    Timetable::Every { every, data_intervals: false }
}

fn hourly(data_intervals: bool) -> Timetable {
    Timetable::parse("0 * * * *", zone("UTC").expect("a zone"), data_intervals).expect("a cron")
}

fn events(instants: &[&str]) -> Timetable {
    Timetable::events(instants.iter().map(|text| at(text)).collect())
}

fn world_at(now: &str, dag: Dag) -> World {
    let mut world = World::new();
    world.now = at(now);
    world.load(dag);
    world
}

/// Ends every run, so that the limit of runs does not matter.
fn finish(world: &mut World) {
    let open: Vec<RunKey> = world.engine.runs().map(|run| run.id).collect();
    for run in open {
        world.run(run, "a", Outcome::Success);
    }
}

/// Goes to the next instant at which something is due, and so much later.
fn late(world: &mut World, by: SignedDuration) {
    world.now =
        world.engine.wake_at().expect("something is due").checked_add(by).expect("in range");
    world.step(Event::Tick);
    finish(world);
}

/// The logical dates of all runs, without what all have in common.
fn dates(world: &World) -> Vec<String> {
    let date = |at: Timestamp| at.to_string().replace("2025-01-01T", "").replace('Z', "");
    world.rows.runs.values().filter_map(|run| run.logical_date).map(date).collect()
}

#[test]
fn a_delay_of_milliseconds_moves_no_date() {
    let check = |timetable: Timetable, catchup, expected: &[&str]| {
        let mut world = world_at(NOON, scheduled(timetable.clone(), catchup));
        finish(&mut world);
        let made = dates(&world).len();
        for turn in 0..3 {
            late(&mut world, SignedDuration::from_millis(7));
            if turn == 1 {
                world.restart();
            }
        }
        assert_eq!(dates(&world)[made..], *expected, "{timetable:?}");
    };
    check(every(30), false, &["12:30:00", "13:00:00", "13:30:00"]);
    check(hourly(false), false, &["13:00:00", "14:00:00", "15:00:00"]);
    // With intervals the date is the beginning of the hour that has just ended.
    check(hourly(true), false, &["12:00:00", "13:00:00", "14:00:00"]);
    let listed = events(&["2025-01-01T13:00:00Z", "2025-01-01T14:10:00Z", "2025-01-01T20:00:00Z"]);
    check(listed.clone(), false, &["13:00:00", "14:10:00", "20:00:00"]);
    check(listed, true, &["13:00:00", "14:10:00", "20:00:00"]);
}

#[test]
fn what_came_while_nobody_planned() {
    let check = |timetable: Timetable, expected: &[&str]| {
        let mut world = world_at(NOON, scheduled(timetable.clone(), false));
        finish(&mut world);
        let made = dates(&world).len();
        world.now = at("2025-01-01T15:10:00Z");
        world.restart();
        finish(&mut world);
        world.step(Event::Tick);
        finish(&mut world);
        assert_eq!(dates(&world)[made..], *expected, "{timetable:?}");
    };
    // One run for all that was missed, as for a cron.
    check(every(30), &["15:10:00"]);
    check(hourly(false), &["15:00:00"]);
    check(hourly(true), &["14:00:00"]);
    // The listed instant that was waited for; those behind it are passed over.
    check(events(&["2025-01-01T13:00:00Z", "2025-01-01T14:00:00Z"]), &["13:00:00"]);
}

#[test]
fn what_came_while_it_was_paused() {
    let check = |timetable: Timetable, catchup, expected: &[&str]| {
        let mut world = world_at(NOON, scheduled(timetable.clone(), catchup));
        finish(&mut world);
        let pause = |is_paused| Order::Pause { dag_id: dag_id("s"), is_paused, actor: None };
        world.order(pause(true)).expect("a pause");
        let made = dates(&world).len();
        world.now = at("2025-01-01T15:10:00Z");
        world.step(Event::Tick);
        assert_eq!(dates(&world).len(), made, "{timetable:?}: nothing while it is paused");
        world.order(pause(false)).expect("known");
        finish(&mut world);
        assert_eq!(dates(&world)[made..], *expected, "{timetable:?}");
    };
    check(every(30), false, &["15:10:00"]);
    check(hourly(false), false, &["15:00:00"]);
    let listed = events(&["2025-01-01T13:00:00Z", "2025-01-01T14:00:00Z"]);
    check(listed.clone(), false, &[]);
    check(listed, true, &["13:00:00", "14:00:00"]);
}

#[test]
fn another_schedule_counts_at_once() {
    let mut world = world_at(NOON, scheduled(every(30), false));
    finish(&mut world);
    world.now = at("2025-01-01T12:10:00Z");
    world.load(scheduled(events(&["2025-01-01T12:20:00Z", "2025-01-01T13:00:00Z"]), false));
    late(&mut world, SignedDuration::from_millis(1));
    assert_eq!(dates(&world).last().map(String::as_str), Some("12:20:00"));
}

#[test]
fn once_and_continuous() {
    let mut world = world_at(NOON, scheduled(Timetable::Once, false));
    assert_eq!(dates(&world), ["00:00:00"], "at the start date, although that is past");
    finish(&mut world);
    world.restart();
    world.load(scheduled(Timetable::Once, true));
    assert_eq!(dates(&world).len(), 1, "never again, also not for another version");

    let mut world = world_at(NOON, scheduled(Timetable::Continuous, false));
    assert_eq!(dates(&world), ["00:00:00"], "its first interval begins at the start date");
    world.advance(60);
    assert_eq!(dates(&world).len(), 1, "one at a time");
    finish(&mut world);
    assert_eq!(dates(&world), ["00:00:00", "12:00:00"], "the next begins where the last ended");
    let last = world.rows.runs.values().next_back().expect("a run");
    assert_eq!(last.data_interval_end, Some(at("2025-01-01T12:01:00Z")));
    let ended = Dag { end_date: Some(at(NOON)), ..scheduled(Timetable::Continuous, false) };
    world.load(ended);
    finish(&mut world);
    assert_eq!(dates(&world).len(), 2, "nothing behind the end date");
}

#[test]
fn the_end_date_holds_for_what_is_due() {
    let check = |timetable: Timetable, expected: &[&str]| {
        let end_date = Some(at("2025-01-01T13:00:00Z"));
        let mut world = world_at(NOON, Dag { end_date, ..scheduled(timetable, false) });
        finish(&mut world);
        let made = dates(&world).len();
        while world.engine.wake_at().is_some() {
            late(&mut world, SignedDuration::from_millis(7));
        }
        assert_eq!(dates(&world)[made..], *expected);
    };
    check(every(30), &["12:30:00", "13:00:00"]);
    check(hourly(false), &["13:00:00"]);
    check(events(&["2025-01-01T12:30:00Z", "2025-01-01T13:30:00Z"]), &["12:30:00"]);
}
