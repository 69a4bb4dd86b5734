//! Why a task instance or a run is where it is, with the operands.
//!
//! Computed from the predicates by which the engine itself decides, so it cannot disagree.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::apply::Held;
use super::deadline::explain_deadlines;
use super::evaluate::{Outlook, outlook};
use super::lane::Lane;
use super::layout::DECISION_PROFILE;
use super::lifecycle::{runs_max, seconds_between};
use super::mapping::mapped;
use super::past::PastGate;
use super::run::Run;
use super::{DagEntry, Engine};
use crate::backfill::Hold;
use crate::operator::Place;
use crate::record::{RunKey, TiKey};
use crate::state::{RunState, TaskState};

/// The most holders of a limit that are named.
const HOLDERS_MAX: usize = 10;

/// One reason.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// A word for programs: `upstream`, `pool_full`, `retry_delay` …
    pub code: &'static str,
    /// A sentence for people.
    pub text: String,
    /// What the sentence is made of.
    pub operands: Value,
    /// What to do about it, where there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// What the shell knows of the workers that serve a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workers {
    /// How many serve it.
    pub serving: u32,
    /// How many more attempts they can take.
    pub free_slots: u32,
}

impl Reason {
    pub(super) fn new(code: &'static str, text: impl Into<String>, operands: Value) -> Self {
        Self { code, text: text.into(), operands, help: None }
    }
}

impl Engine {
    /// Why a task instance in memory is in its state; `workers` are those of its queue.
    pub fn explain(&self, ti: TiKey, workers: Workers, now: Timestamp) -> Option<Vec<Reason>> {
        let &(key, slot) = self.tis.get(&ti)?;
        let run = self.runs.get(&key)?;
        let row = run.ti(slot).row();
        Some(match row.state {
            TaskState::NoStatus if run.cell.state() != RunState::Running => {
                self.explain_run(key, now)?
            }
            TaskState::NoStatus => self.why_not_scheduled(run, slot),
            TaskState::Scheduled => self.why_not_queued(run, slot, now),
            TaskState::Queued => vec![why_not_running(run, slot, workers)],
            TaskState::UpForReschedule | TaskState::Deferred | TaskState::AwaitingInput => {
                self.why_waiting(run, slot, now)
            }
            TaskState::UpForRetry => vec![until("retry_delay", "retry", row.retry_at, now)],
            TaskState::Running => {
                let worker = row.worker.as_deref().unwrap_or_default();
                vec![Reason::new(
                    "running",
                    format!("it runs on {worker}, try {}", row.try_number),
                    json!({ "worker": worker, "try_number": row.try_number }),
                )]
            }
            state => {
                let text = row.reason.clone().unwrap_or_else(|| format!("it is {state}"));
                vec![Reason::new(state.as_str(), text, json!({ "state": state }))]
            }
        })
    }

    /// Why a run in memory is in its state.
    pub fn explain_run(&self, key: RunKey, now: Timestamp) -> Option<Vec<Reason>> {
        let run = self.runs.get(&key)?;
        let row = run.cell.row();
        let entry = self.dags.get(&row.dag_id)?;
        let deadlines = explain_deadlines(row, now);
        if row.state != RunState::Queued {
            let text = row.reason.clone().unwrap_or_else(|| format!("the run is {}", row.state));
            let reason = Reason::new(row.state.as_str(), text, json!({ "state": row.state }));
            return Some(std::iter::once(reason).chain(deadlines).collect());
        }
        let mut reasons = deadlines;
        if entry.row.is_paused {
            let text = format!("dag \"{}\" is paused", row.dag_id);
            reasons.push(Reason::new("dag_paused", text, json!({ "dag_id": row.dag_id })));
        }
        if row.run_after > now {
            reasons.push(until("run_after", "the run starts", Some(row.run_after), now));
        }
        if run.in_lane.is_some() {
            reasons.extend(why_lane(entry));
            return Some(reasons);
        }
        reasons.extend(self.why_no_more_runs(entry, entry.running.len()));
        Some(reasons)
    }

    /// The limit of a DAG's runs, when so many reach it.
    pub(super) fn why_no_more_runs(&self, entry: &DagEntry, count: usize) -> Option<Reason> {
        let most = runs_max(entry);
        if count >= most {
            let holders: Vec<&str> = entry
                .running
                .iter()
                .filter_map(|other| self.run(*other))
                .map(|row| row.run_id.as_str())
                .take(HOLDERS_MAX)
                .collect();
            let text =
                format!("max_active_runs {}/{most}: {}", entry.running.len(), holders.join(", "));
            let operands = json!({
                "running": entry.running.len(), "max_active_runs": most, "runs": holders,
            });
            return Some(Reason::new("max_active_runs", text, operands));
        }
        None
    }

    fn why_not_scheduled(&self, run: &Run, slot: u32) -> Vec<Reason> {
        let (Some(task), Some(node)) = (run.task(slot), run.node(slot)) else { return Vec::new() };
        let outlook = outlook(run, slot);
        if outlook == Outlook::Runs
            && mapped(run, slot, self.config.max_map_length) == Outlook::Waits
        {
            let text = "it waits for the length of what it is expanded over";
            return vec![Reason::new("mapping", text, json!({ "task_id": task.task_id }))];
        }
        let past = self.held_by_past(run, slot, &outlook);
        if past.is_some() || outlook == Outlook::Runs {
            return past.map(why_past).into_iter().collect();
        }
        let open = |code: &'static str, tasks: &[u32], what: &str| {
            let slots = run.related_to(slot, tasks);
            let open = slots.filter(|&slot| !run.ti(slot).state().is_terminal());
            // Of many items only some are named.
            let named = open.take(HOLDERS_MAX).map(|slot| {
                let row = run.ti(slot).row();
                let text = format!("{what} \"{}\" is {}", run.name(slot), row.state);
                let mut operands =
                    json!({ "task_id": row.task_id, "state": row.state, "ti": row.id });
                if row.map_index >= 0 {
                    operands["map_index"] = json!(row.map_index);
                }
                Reason::new(code, text, operands)
            });
            named.collect::<Vec<_>>()
        };
        let mut reasons = open("upstream", &node.upstream, "upstream");
        let indirect = |tasks: &[u32]| -> Vec<u32> {
            tasks.iter().copied().filter(|up| !node.upstream.contains(up)).collect()
        };
        reasons.extend(open("decision", &indirect(&node.deciders), "the decision"));
        reasons.extend(open("setup", &node.setups, "setup"));
        reasons.extend(open("scope", &indirect(&node.scope), "its scope's"));
        if reasons.is_empty() && run.unsettled.contains(&slot) {
            let text = "it waits until it is certain which of its upstreams counts as the first";
            reasons.push(Reason::new("order", text, json!({ "rule": task.trigger_rule })));
        } else if reasons.is_empty() {
            let text = format!("trigger rule {} does not hold", task.trigger_rule);
            reasons.push(Reason::new("trigger_rule", text, json!({ "rule": task.trigger_rule })));
        }
        reasons
    }

    fn why_not_queued(&self, run: &Run, slot: u32, now: Timestamp) -> Vec<Reason> {
        let row = run.ti(slot).row();
        let mut reasons = Vec::new();
        if row.retry_at.is_some_and(|at| at > now) {
            let last = row.reason.as_deref().unwrap_or("its attempt was lost");
            reasons.push(until("lost", &format!("{last}; it goes on"), row.retry_at, now));
        }
        let dag = &run.layout.dag;
        if run.cell.state() != RunState::Running {
            reasons.extend(self.explain_run(run.key(), now).unwrap_or_default());
        } else if self.dags.get(&dag.dag_id).is_some_and(|entry| entry.row.is_paused) {
            let text = format!("dag \"{}\" is paused", dag.dag_id);
            reasons.push(Reason::new("dag_paused", text, json!({ "dag_id": dag.dag_id })));
        }
        let profile = run.profile(slot);
        let (false, Some(task)) = (profile == DECISION_PROFILE, run.task(slot)) else {
            return reasons;
        };
        let is_deferred = run.is_deferred(profile);
        if !is_deferred && run.active >= dag.max_active_tasks {
            let text =
                format!("max_active_tasks {}/{} of this run", run.active, dag.max_active_tasks);
            let operands =
                json!({ "active": run.active, "max_active_tasks": dag.max_active_tasks });
            reasons.push(Reason::new("max_active_tasks", text, operands));
        }
        if let (Some(most), Some(index), false) =
            (task.max_active_tis_per_dagrun, run.instances.task_of(slot), is_deferred)
        {
            let active = run.active_of[index as usize];
            if active >= most {
                let text = format!("max_active_tis_per_dagrun {active}/{most} of this task");
                let operands = json!({ "active": active, "max_active_tis_per_dagrun": most });
                reasons.push(Reason::new("max_active_tis_per_dagrun", text, operands));
            }
        }
        if let Some(most) = task.max_active_tis_per_dag.filter(|_| !is_deferred) {
            let key = (dag.dag_id.clone(), task.task_id.clone());
            let active = self.lines.limits.get(&key).map_or(0, |limit| limit.active);
            if active >= most {
                let text = format!("max_active_tis_per_dag {active}/{most} of this task");
                let operands = json!({ "active": active, "max_active_tis_per_dag": most });
                reasons.push(Reason::new("max_active_tis_per_dag", text, operands));
            }
        }
        reasons.extend(task.pools.iter().filter_map(|(name, slots)| self.why_pool(name, *slots)));
        if let (true, Some(lane)) = (run.in_lane.is_some_and(|lane| lane.is_behind), self.lane(run))
        {
            let id = lane.row.id;
            let text = format!("backfill {id} lets regular work go first");
            reasons.push(Reason::new("backfill_behind", text, json!({ "backfill": id })));
        } else if reasons.is_empty() {
            let text = "somebody with a higher priority waits for the same pool";
            reasons.push(Reason::new("priority", text, json!({ "pools": task.pools })));
        }
        reasons
    }

    /// The open backfill of a run's DAG.
    fn lane(&self, run: &Run) -> Option<&Lane> {
        self.dags.get(&run.cell.row().dag_id)?.lane.as_deref()
    }

    fn why_pool(&self, name: &str, slots: u32) -> Option<Reason> {
        let operands = json!({ "pool": name, "needs": slots });
        let Some((pool, row)) =
            self.lines.pools.get(name).and_then(|pool| Some((pool, pool.row.as_ref()?)))
        else {
            let text = format!("pool \"{name}\" does not exist");
            return Some(Reason::new("pool_missing", text, operands));
        };
        if pool.is_narrower_than(slots) {
            let text = format!("pool \"{name}\" has {} slots, it needs {slots}", row.slots);
            return Some(Reason::new("pool_too_small", text, operands));
        }
        if pool.fits(slots) {
            return None;
        }
        let holders = self.holders(name);
        let text = format!(
            "pool \"{name}\" {}/{} held by {}",
            pool.counted(),
            row.slots,
            holders.join(", ")
        );
        let operands = json!({
            "pool": name, "needs": slots, "occupied": pool.counted(), "slots": row.slots,
            "holders": holders,
        });
        Some(Reason::new("pool_full", text, operands))
    }

    /// Who holds slots of a pool: `dag.task of run`, some of them.
    fn holders(&self, pool: &str) -> Vec<String> {
        let all = self.runs.values().flat_map(|run| run.slots().map(move |slot| (run, slot)));
        let includes = self.lines.pools.get(pool).is_some_and(super::line::Pool::includes_deferred);
        let counts = |held: Held| held == Held::Slots || (includes && held == Held::Deferred);
        all.filter(|(run, slot)| counts(super::apply::holds(run, *slot)))
            .filter(|(run, slot)| run.task(*slot).is_some_and(|t| t.pools.contains_key(pool)))
            .take(HOLDERS_MAX)
            .map(|(run, slot)| {
                let row = run.cell.row();
                format!("{}.{} of {}", row.dag_id, run.name(slot), row.run_id)
            })
            .collect()
    }
}

/// What keeps a queued run of a backfill from starting.
fn why_lane(entry: &DagEntry) -> Option<Reason> {
    let row = &entry.lane.as_ref()?.row;
    let hold = if row.is_paused && row.ending.is_none() {
        Hold::Paused
    } else if entry.lane_running.len() >= row.max_active_runs as usize {
        Hold::Full
    } else {
        return None;
    };
    let operands = json!({
        "backfill": row.id, "runs_active": row.runs_active, "max_active_runs": row.max_active_runs,
    });
    Some(Reason::new(hold.code(), hold.text(row), operands))
}

fn why_not_running(run: &Run, slot: u32, workers: Workers) -> Reason {
    let row = run.ti(slot).row();
    if run.place(slot) == Some(Place::Scheduler) {
        return Reason::new("decision", "the scheduler decides it next", json!({}));
    }
    let queue = &row.queue;
    let operands = json!({
        "queue": queue, "workers": workers.serving, "free_slots": workers.free_slots,
    });
    match (workers.serving, workers.free_slots) {
        (0, _) => {
            let text = format!("no worker serves the queue \"{queue}\"");
            Reason::new("no_worker", text, operands)
        }
        (serving, 0) => {
            let text = format!("all {serving} workers of the queue \"{queue}\" are busy");
            Reason::new("workers_busy", text, operands)
        }
        _ => Reason::new("queued", "it is handed out next", operands),
    }
}

fn why_past(gate: PastGate) -> Reason {
    match gate {
        PastGate::Unknown => {
            Reason::new("depends_on_past", "the previous run is being looked up", json!({}))
        }
        PastGate::State(task_id, state) => {
            let text = format!("\"{task_id}\" of the previous run is {state}");
            let operands = json!({ "task_id": task_id, "state": state });
            Reason::new("depends_on_past", text, operands)
        }
    }
}

pub(super) fn until(
    code: &'static str,
    what: &str,
    at: Option<Timestamp>,
    now: Timestamp,
) -> Reason {
    let Some(at) = at else { return Reason::new(code, what.to_owned(), json!({})) };
    let rest = seconds_between(now, at).max(0);
    let text = format!("{what} at {}, in {rest} s", crate::time::rest(at));
    Reason::new(code, text, json!({ "at": crate::time::rest(at), "in_secs": rest }))
}
