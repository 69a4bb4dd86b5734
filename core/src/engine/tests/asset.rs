//! Assets: who writes, who starts, what a run consumes, and that no event is lost or counts twice.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, json};

use super::outcomes::Lcg;
use super::world::{World, at, dag, dag_id, decision, task};
use crate::asset::{AssetCondition, AssetRef};
use crate::dag::{Dag, Task};
use crate::engine::{Event, Order};
use crate::record::{AssetKey, RunKey};
use crate::state::{RunState, RunType, TaskState, TriggeredBy};
use crate::timetable::Timetable;
use crate::wait::{AssetWait, Condition as WaitCondition};
use crate::wire::{AttemptResult, Demand, Outcome};

type Condition = AssetCondition<AssetRef>;

fn one(name: &str) -> Condition {
    Condition::One(AssetRef::plain(name))
}

fn all(names: &[&str]) -> Condition {
    Condition::All(names.iter().map(|name| one(name)).collect())
}

fn any(names: &[&str]) -> Condition {
    Condition::Any(names.iter().map(|name| one(name)).collect())
}

fn writer(name: &str, outlets: &[&str]) -> Dag {
    let outlets = outlets.iter().map(|name| AssetRef::plain(*name)).collect();
    dag(name, vec![(Task { outlets, ..task("write") }, &[])])
}

fn reader(name: &str, condition: Condition) -> Dag {
    Dag { assets: Some(condition), ..dag(name, vec![(task("read"), &[])]) }
}

fn world_of(dags: Vec<Dag>) -> World {
    let mut world = World::new();
    for dag in dags {
        world.load(dag);
    }
    world
}

fn asset(world: &World, name: &str) -> AssetKey {
    let found = world.rows.assets.values().find(|row| row.name == name || row.uri == name);
    found.unwrap_or_else(|| panic!("no asset {name}")).id
}

fn report(world: &mut World, name: &str) {
    let asset = asset(world, name);
    let order = Order::AssetEvent { asset, extra: Map::new(), actor: Some("ann".to_owned()) };
    world.order(order).expect("an event");
}

fn pause(world: &mut World, dag: &str, is_paused: bool) {
    world.order(Order::Pause { dag_id: dag_id(dag), is_paused, actor: None }).expect("a pause");
}

/// Every consumption, `dag asset after..last`, and what waits.
fn told(world: &World) -> String {
    let name = |asset| &world.rows.assets[asset].name;
    let consumed = world.rows.asset_runs.iter().map(|row| {
        format!("{} {} {}..{}", row.dag_id, name(&row.asset), row.after_event, row.last_event)
    });
    let waiting = world.rows.asset_queues.values().filter_map(|row| {
        Some(format!("{} has {} {}", row.dag_id, name(&row.asset), row.last_event?))
    });
    consumed.chain(waiting).collect::<Vec<_>>().join(", ")
}

/// The runs that assets started, oldest first.
fn started(world: &World, dag: &str) -> Vec<RunKey> {
    let is_started = |run: &&crate::record::RunRow| {
        run.dag_id == *dag && run.run_type == RunType::AssetTriggered
    };
    world.rows.runs.values().filter(is_started).map(|run| run.id).collect()
}

fn write(world: &mut World, dag: &str) -> RunKey {
    let date = world.now.to_string();
    let run = world.trigger(dag, &date);
    world.run(run, "write", Outcome::Success);
    world.advance(1);
    run
}

#[test]
fn training_starts_deployment() {
    let mut world = world_of(vec![writer("ct", &["model"]), reader("cd", all(&["model"]))]);
    let run = world.trigger("ct", "2025-01-01T00:00:00Z");
    let key = world.start(run, "write");
    let mut result = AttemptResult::new(key, Outcome::Success);
    result.assets.insert("model".to_owned(), json!({"version": 3}));
    result.assets.insert("another".to_owned(), json!({"version": 4}));
    world.step(Event::Finished(Box::new(result.clone())));
    assert_eq!(told(&world), "cd model 0..1");
    let event = &world.rows.asset_events[&1];
    assert_eq!(event.extra["version"], 3);
    let source = event.source.as_ref().expect("a task");
    let source = format!("{}.{} [{}]", source.dag_id, source.task_id, source.map_index);
    assert_eq!(source, "ct.write [-1]");
    let [run] = started(&world, "cd")[..] else { panic!("one run") };
    let row = &world.rows.runs[&run];
    assert_eq!(row.run_id.as_str(), "asset_triggered__2025-01-01T00:00:00+00:00_KTCrorTV");
    assert_eq!((row.logical_date, row.data_interval_start), (None, None));
    assert_eq!((row.run_after, row.triggered_by), (world.now, TriggeredBy::Asset));
    assert_eq!(world.line(run), "running: read queued");
    // The same result again, by a worker that did not hear the answer, changes nothing.
    assert!(world.step(Event::Finished(Box::new(result))).fenced);
    assert_eq!(world.rows.asset_events.len(), 1);
}

#[test]
fn only_a_success_of_the_task_itself_is_an_event() {
    let check = |finish: &dyn Fn(&mut World, RunKey), expected: usize| {
        let outlets = vec![AssetRef::plain("a"), AssetRef::plain("b"), AssetRef::plain("a")];
        let writes = Task { outlets, retries: 1, retry_delay_secs: 1.0, ..task("write") };
        let mut world = world_of(vec![dag("w", vec![(writes, &[])])]);
        let run = world.trigger("w", "2025-01-01T00:00:00Z");
        finish(&mut world, run);
        assert_eq!(world.rows.asset_events.len(), expected);
    };
    check(&|world, run| world.run(run, "write", Outcome::Success), 2);
    check(&|world, run| world.run(run, "write", Outcome::Skipped), 0);
    check(&|world, run| world.run(run, "write", Outcome::FailedForGood), 0);
    check(&|world, run| world.mark(run, "write", TaskState::Success), 0);
    let retried = |world: &mut World, run| {
        world.run(run, "write", Outcome::Failed);
        world.advance(5);
        world.run(run, "write", Outcome::Success);
    };
    check(&retried, 2);
    let nothing = Task { outlets: vec![AssetRef::plain("a")], ..decision("nothing", "empty") };
    let mut world = world_of(vec![reader("r", all(&["a"])), dag("w", vec![(nothing, &[])])]);
    world.trigger("w", "2025-01-01T00:00:00Z");
    assert_eq!(told(&world), "r a 0..1", "an empty task writes too");
}

#[test]
fn many_events_make_one_run() {
    let mut world =
        world_of(vec![writer("a", &["a"]), writer("b", &["b"]), reader("r", all(&["a", "b"]))]);
    write(&mut world, "a");
    write(&mut world, "a");
    write(&mut world, "a");
    assert_eq!(told(&world), "r has a 3");
    let reasons = |world: &World| -> Vec<String> {
        let found = world.engine.explain_dag(&dag_id("r"), world.now).expect("a dag");
        found.into_iter().map(|reason| format!("{}: {}", reason.code, reason.text)).collect()
    };
    let expected = [
        "asset_arrived: asset \"a\" has come",
        "asset_missing: asset \"b\" has not come since the last run",
    ];
    assert_eq!(reasons(&world), expected);
    world.restart();
    assert_eq!(reasons(&world), expected);
    let at = world.now;
    write(&mut world, "b");
    assert_eq!(told(&world), "r a 0..3, r b 0..4");
    let [run] = started(&world, "r")[..] else { panic!("one run") };
    assert_eq!(world.rows.runs[&run].run_after, at, "when the last of them came");
    write(&mut world, "b");
    assert_eq!(told(&world), "r a 0..3, r b 0..4, r has b 5");
}

#[test]
fn any_of_them_is_enough() {
    let condition = Condition::All(vec![one("a"), any(&["b", "c"])]);
    let mut world = world_of(vec![reader("r", condition), reader("s", any(&["b", "c"]))]);
    report(&mut world, "b");
    assert_eq!(told(&world), "s b 0..1, r has b 1");
    report(&mut world, "c");
    report(&mut world, "a");
    assert_eq!(told(&world), "s b 0..1, s c 0..2, r a 0..3, r b 0..1, r c 0..2");
    assert_eq!(started(&world, "r").len(), 1);
}

#[test]
fn events_do_not_count_for_a_paused_dag() {
    let mut world = world_of(vec![reader("r", all(&["a", "b"]))]);
    report(&mut world, "a");
    pause(&mut world, "r", true);
    report(&mut world, "b");
    report(&mut world, "a");
    assert_eq!(told(&world), "r has a 1");
    let reasons = world.engine.explain_dag(&dag_id("r"), world.now).expect("a dag");
    assert_eq!(reasons[0].code, "dag_paused");
    pause(&mut world, "r", false);
    assert_eq!(told(&world), "r has a 1", "what came meanwhile did not count");
    report(&mut world, "b");
    // As in Airflow the run is given what happened since the one before it.
    assert_eq!(told(&world), "r a 0..1, r b 0..4");
}

#[test]
fn a_full_dag_gathers_until_a_run_ends() {
    let mut world = world_of(vec![Dag { max_active_runs: 1, ..reader("r", all(&["a"])) }]);
    report(&mut world, "a");
    let first = started(&world, "r")[0];
    report(&mut world, "a");
    report(&mut world, "a");
    assert_eq!(told(&world), "r a 0..1, r has a 3");
    let reasons = world.engine.explain_dag(&dag_id("r"), world.now).expect("a dag");
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(codes, ["max_active_runs", "asset_arrived"]);
    world.restart();
    world.run(first, "read", Outcome::Success);
    assert_eq!(told(&world), "r a 0..1, r a 1..3");
}

#[test]
fn a_dag_that_writes_what_starts_it_goes_round() {
    let mut dag = Dag { max_active_runs: 1, ..writer("loop", &["a"]) };
    dag.assets = Some(all(&["a"]));
    let mut world = world_of(vec![dag]);
    write(&mut world, "loop");
    for round in 1..4 {
        let run = *started(&world, "loop").last().expect("a run");
        assert_eq!(started(&world, "loop").len(), round);
        world.run(run, "write", Outcome::Success);
        assert_eq!(world.run_state(run), RunState::Success);
    }
}

#[test]
fn beside_a_schedule_both_start_runs() {
    let timetable = Timetable::parse("0 1 * * *", jiff::tz::TimeZone::UTC, false).expect("a cron");
    let dag = Dag { timetable, catchup: false, ..reader("r", all(&["a"])) };
    let mut world = world_of(vec![dag]);
    let of = |world: &World, kind| world.rows.runs.values().filter(|r| r.run_type == kind).count();
    let scheduled = of(&world, RunType::Scheduled);
    report(&mut world, "a");
    assert_eq!((of(&world, RunType::AssetTriggered), told(&world).as_str()), (1, "r a 0..1"));
    report(&mut world, "a");
    world.advance(3600);
    assert_eq!(of(&world, RunType::AssetTriggered), 2);
    assert_eq!(of(&world, RunType::Scheduled), scheduled + 1);
    assert_eq!(world.now, at("2025-01-01T01:00:00Z"));
}

/// Whichever file is read first, `model` and its URI are one asset.
#[test]
fn a_name_and_its_uri_mean_the_same() {
    let declared = AssetRef {
        uri: Some("s3://b/m".to_owned()),
        group: Some("models".to_owned()),
        ..AssetRef::plain("model")
    };
    let mut writes = writer("w", &[]);
    writes.tasks[0].outlets = vec![declared];
    let dags = [writes, reader("by_uri", all(&["s3://b/m"])), reader("by_name", all(&["model"]))];
    for order in [[0, 1, 2], [1, 0, 2], [1, 2, 0], [2, 1, 0]] {
        let mut world = world_of(order.map(|index| dags[index].clone()).to_vec());
        write(&mut world, "w");
        let (by_uri, by_name) = (started(&world, "by_uri"), started(&world, "by_name"));
        assert_eq!((by_uri.len(), by_name.len()), (1, 1), "{order:?}");
        let model = world.rows.asset_events[&1].asset;
        let row = &world.rows.assets[&model];
        assert_eq!((row.name.as_str(), row.uri.as_str()), ("model", "s3://b/m"));
        assert_eq!(row.group, "models");
        for references in world.rows.references.values() {
            assert!(references.iter().all(|reference| reference.asset == model), "{order:?}");
        }
    }
}

#[test]
fn what_a_dag_waits_for_follows_its_file() {
    let mut world = world_of(vec![reader("r", all(&["a", "b"]))]);
    report(&mut world, "a");
    world.load(reader("r", all(&["b", "c"])));
    assert_eq!(told(&world), "", "what it no longer waits for is dropped");
    world.load(reader("r", all(&["a", "b"])));
    report(&mut world, "b");
    assert_eq!(told(&world), "r has b 2", "an event of before does not count again");
    report(&mut world, "a");
    assert_eq!(told(&world), "r a 1..3, r b 0..2");
    world.step(Event::DagGone(dag_id("r")));
    assert!(world.rows.references[&dag_id("r")].is_empty());
    report(&mut world, "a");
    assert_eq!(started(&world, "r").len(), 1, "a DAG that is gone starts nothing");
    assert_eq!(world.engine.explain_dag(&dag_id("r"), world.now).unwrap()[0].code, "dag_gone");
}

#[test]
fn a_queue_can_be_cleared() {
    let mut world = world_of(vec![reader("r", all(&["a", "b"])), reader("s", all(&["a", "c"]))]);
    let clear = |dag: Option<&str>, asset, before| Order::ClearAssetQueue {
        dag_id: dag.map(dag_id),
        asset,
        before,
        actor: None,
    };
    report(&mut world, "a");
    assert_eq!(told(&world), "r has a 1, s has a 1");
    let early = Some(world.now);
    assert_eq!(world.order(clear(None, None, early)).unwrap()["cleared"], 0);
    assert_eq!(world.order(clear(Some("r"), None, None)).unwrap()["cleared"], 1);
    assert_eq!(told(&world), "s has a 1");
    world.restart();
    assert_eq!(told(&world), "s has a 1");
    let a = asset(&world, "a");
    assert_eq!(world.order(clear(None, Some(a), None)).unwrap()["cleared"], 1);
    report(&mut world, "b");
    assert_eq!(told(&world), "r has b 2");
    let unknown = Order::AssetEvent { asset: 99, extra: Map::new(), actor: None };
    assert!(world.order(unknown).is_err());
}

/// What the queues should do, said as plainly as possible.
#[derive(Default)]
struct Model {
    paused: BTreeSet<&'static str>,
    waiting: BTreeMap<&'static str, BTreeSet<&'static str>>,
    runs: BTreeMap<&'static str, usize>,
}

/// The DAGs of the random test, each with its condition once more as a function.
type Holds = fn(&BTreeSet<&'static str>) -> bool;

fn readers() -> Vec<(&'static str, Condition, Holds)> {
    vec![
        ("all", all(&["a", "b", "c"]), |w| ["a", "b", "c"].iter().all(|name| w.contains(name))),
        ("any", any(&["a", "b"]), |w| w.contains("a") || w.contains("b")),
        ("one", all(&["c"]), |w| w.contains("c")),
        ("mixed", Condition::All(vec![one("a"), any(&["b", "d"])]), |w| {
            w.contains("a") && (w.contains("b") || w.contains("d"))
        }),
        ("other", Condition::Any(vec![all(&["a", "d"]), all(&["b", "c"])]), |w| {
            (w.contains("a") && w.contains("d")) || (w.contains("b") && w.contains("c"))
        }),
    ]
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const ACTIVE_MAX: usize = 2;

#[test]
fn random_events_are_neither_lost_nor_counted_twice() {
    for seed in 0..40 {
        let mut random = Lcg(seed);
        let readers = readers();
        let mut world = World::new();
        for (name, condition, _) in &readers {
            let most = u32::try_from(ACTIVE_MAX).unwrap();
            world.load(Dag { max_active_runs: most, ..reader(name, condition.clone()) });
        }
        let mut model = Model::default();
        for _ in 0..120 {
            let (name, ..) = readers[random.below(readers.len())];
            match random.below(10) {
                0..=5 => {
                    let written = NAMES[random.below(NAMES.len())];
                    report(&mut world, written);
                    for (reader, condition, _) in &readers {
                        let waits = condition.assets().iter().any(|asset| asset.name == written);
                        if waits && !model.paused.contains(reader) {
                            model.waiting.entry(reader).or_default().insert(written);
                        }
                    }
                }
                6 => {
                    pause(&mut world, name, true);
                    model.paused.insert(name);
                }
                7 => {
                    pause(&mut world, name, false);
                    model.paused.remove(name);
                }
                _ => end_one(&mut world, name, &model),
            }
            settle(&mut model, &readers, &world);
            if random.below(4) == 0 {
                world.restart();
            }
            for (reader, ..) in &readers {
                let expected = model.runs.get(reader).copied().unwrap_or(0);
                assert_eq!(started(&world, reader).len(), expected, "seed {seed}: {reader}");
            }
        }
        consumed_once(&world);
        assert!(world.rows.asset_runs.len() > 20, "seed {seed}");
    }
}

/// Ends the oldest run of a DAG, if its task can run.
fn end_one(world: &mut World, name: &str, model: &Model) {
    let is_open = |run: &RunKey| world.run_state(*run) == RunState::Running;
    let open = started(world, name).into_iter().find(is_open);
    if let Some(run) = open.filter(|_| !model.paused.contains(name)) {
        world.run(run, "read", Outcome::Success);
    }
}

fn settle(model: &mut Model, readers: &[(&'static str, Condition, Holds)], world: &World) {
    for (name, _, holds) in readers {
        let waiting = model.waiting.entry(name).or_default();
        let runs = model.runs.entry(name).or_default();
        let ended = started(world, name)
            .into_iter()
            .filter(|run| world.run_state(*run).is_terminal())
            .count();
        if !model.paused.contains(name) && *runs - ended < ACTIVE_MAX && holds(waiting) {
            waiting.clear();
            *runs += 1;
        }
    }
}

/// What the runs of a DAG consumed of an asset is one stretch after the other, without gaps.
fn consumed_once(world: &World) {
    let mut ends: BTreeMap<_, i64> = BTreeMap::new();
    for row in &world.rows.asset_runs {
        let end = ends.entry((row.dag_id.clone(), row.asset)).or_insert(0);
        assert_eq!(row.after_event, *end, "{} {}", row.dag_id, row.asset);
        assert!(row.last_event > row.after_event);
        assert_eq!(world.rows.asset_events[&row.last_event].asset, row.asset);
        *end = row.last_event;
    }
    for row in world.rows.asset_queues.values() {
        let end = ends.get(&(row.dag_id.clone(), row.asset)).copied().unwrap_or(0);
        assert_eq!(row.after_event, end);
    }
}

/// A DAG with a sensor of an asset, waiting for an event since an instant.
fn sensing(world: &mut World, name: &str, asset: &str, after: &str) -> RunKey {
    let wait = super::world::sensor("wait", json!({ "asset": asset }));
    let wait = Task { inlets: vec![AssetRef::plain(asset)], ..wait };
    world.load(dag(name, vec![(wait, &[]), (task("next"), &["wait"])]));
    let run = world.trigger(name, "2025-01-01T00:00:00Z");
    let key = world.start(run, "wait");
    let mut result = AttemptResult::new(key, Outcome::Deferred);
    let wanted = AssetWait { asset: asset.to_owned(), after: at(after) };
    let condition = Box::new(WaitCondition::Asset(wanted));
    result.demand = Some(Box::new(Demand::Wait { condition, timeout_secs: Some(3600.0) }));
    world.step(Event::Finished(Box::new(result)));
    run
}

#[test]
fn a_sensor_waits_for_an_event_since_an_instant() {
    let check = |uses: &str, after: &str, restarts: bool, expected: [&str; 3]| {
        let mut world = world_of(vec![writer("w", &["model"])]);
        world.now = at("2025-01-01T01:00:00Z");
        report(&mut world, "model");
        world.now = at("2025-01-01T02:00:00Z");
        let run = sensing(&mut world, "s", uses, after);
        let line = |world: &World| world.line(run).replace("running: ", "");
        assert_eq!(line(&world), expected[0], "{uses} {after}");
        if restarts {
            world.restart();
            assert_eq!(line(&world), expected[0], "{uses} {after} after a restart");
        }
        world.advance(60);
        if uses == "model" {
            report(&mut world, "model");
            assert_eq!(line(&world), expected[1], "{uses} {after}");
        }
        world.advance(3600);
        assert_eq!(line(&world), expected[2], "{uses} {after}");
    };
    let waits = "wait deferred, next no_status";
    let met = "wait success, next queued";
    let over = "failed: wait failed, next upstream_failed";
    for restarts in [false, true] {
        check("model", "2025-01-01T00:00:00Z", restarts, [met; 3]);
        check("model", "2025-01-01T01:00:00Z", restarts, [met; 3]);
        check("model", "2025-01-01T01:00:01Z", restarts, [waits, met, met]);
        check("model", "2025-01-01T03:00:00Z", restarts, [waits, waits, over]);
        check("other", "2025-01-01T00:00:00Z", restarts, [waits, waits, over]);
    }
}

#[test]
fn a_success_wakes_every_sensor_of_its_outlet() {
    let outlet = AssetRef { uri: Some("s3://m".to_owned()), ..AssetRef::plain("model") };
    let write = Task { outlets: vec![outlet], ..task("write") };
    let mut world = world_of(vec![dag("w", vec![(write, &[])])]);
    let since = "2025-01-01T00:00:00Z";
    let by_name = sensing(&mut world, "by_name", "model", since);
    let by_uri = sensing(&mut world, "by_uri", "s3://m", since);
    let cleared = sensing(&mut world, "cleared", "model", since);
    world.clear(cleared, crate::engine::Selection::default()).expect("a clear");
    let run = world.trigger("w", since);
    world.run(run, "write", Outcome::Success);
    for run in [by_name, by_uri] {
        assert_eq!(world.line(run), "running: wait success, next queued");
    }
    assert_eq!(world.line(cleared), "running: wait queued#2, next no_status");
    let reason = world.rows.tis[&world.ti(by_uri, "wait")].reason.clone();
    assert_eq!(reason.as_deref(), Some("asset \"s3://m\" had event 1 at 2025-01-01T00:00:00Z"));
}

#[test]
fn a_sensor_of_an_asset_is_explained() {
    let mut world = World::new();
    let run = sensing(&mut world, "s", "model", "2025-01-01T00:00:30Z");
    let workers = crate::engine::Workers { serving: 0, free_slots: 0 };
    let mut check = |expected: &str| {
        let found = world.engine.explain(world.ti(run, "wait"), workers, world.now);
        let text = found.expect("in memory").remove(0).text;
        let head = "it waits for an event of asset \"model\" since 2025-01-01T00:00:30Z; ";
        assert_eq!(text, format!("{head}{expected}"));
        report(&mut world, "model");
    };
    check("it has had none");
    check("its last was at 2025-01-01T00:00:00Z");
}
