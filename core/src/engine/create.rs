//! New dag runs and their task instances.

use jiff::Timestamp;

use super::apply::run_event;
use super::deadline;
use super::lane::InLane;
use super::layout::Layout;
use super::mapping::{Instances, Known, belongs, instances_at_start};
use super::run::{Past, Run, Ti};
use super::step::Step;
use super::transition::DagRun;
use super::{Engine, Numbers};
use crate::ids::RunId;
use crate::record::{Change, RunKey, RunRow, TiRow};
use crate::state::{RunState, RunType, TaskState};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The name of a run that was not given one: `scheduled__2025-08-21T06:00:00+00:00` (Airflow:
/// `DagRunType.generate_run_id`).
pub fn run_id_for(run_type: RunType, run_after: Timestamp) -> RunId {
    RunId::new(format!("{run_type}__{}", crate::time::isoformat(run_after)))
        .expect("run types and instants have only characters that run ids may have")
}

impl Engine {
    /// Puts a new run into memory, queued; its rows are written when the step ends. The row's
    /// number is given here.
    pub(super) fn create_run(
        &mut self,
        step: &mut Step,
        layout: &Arc<Layout>,
        row: RunRow,
        detail: serde_json::Value,
    ) -> RunKey {
        self.create_run_in(step, layout, row, detail, None)
    }

    /// The same, for a run of a backfill.
    pub(super) fn create_run_in(
        &mut self,
        step: &mut Step,
        layout: &Arc<Layout>,
        mut row: RunRow,
        detail: serde_json::Value,
        in_lane: Option<InLane>,
    ) -> RunKey {
        if let Some(entry) = self.dags.get_mut(&row.dag_id) {
            let (date, after) = &mut entry.newest;
            *date = (*date).max(row.logical_date);
            *after = (*after).max(Some(row.run_after));
        }
        self.last.run += 1;
        row.id = self.last.run;
        row.deadlines = deadline::of_run(&layout.dag, &row);
        let key = row.id;
        let mut event = run_event(step, &row, "run_created", None, row.triggering_user.as_deref());
        event.detail = Some(detail);
        step.rest.push(Change::Event(event));
        let most = self.config.max_map_length;
        let mut run = assemble(row, Vec::new(), layout, &mut self.last, most);
        run.is_new = true;
        run.in_lane = in_lane;
        step.runs.push(key);
        self.insert_run(run);
        self.enter_dag(step, key);
        self.ask_past(step, key);
        self.ask_past_after(step, key);
        key
    }

    /// Adds a run to the indexes.
    pub(super) fn insert_run(&mut self, run: Run) {
        let (key, row) = (run.key(), run.cell.row());
        self.names.insert((row.dag_id.clone(), row.run_id.clone()), key);
        for slot in run.slots() {
            self.tis.insert(run.key_of(slot), (key, slot));
        }
        self.runs.insert(key, run);
    }
}

/// Makes a run of its rows: the first instance of every task in the order of the layout, then all
/// others in the order of their numbers: further instances of mapped tasks, and those whose task
/// is gone. What has no row is new; tasks that are mapped over literals have all their instances.
pub(super) fn assemble(
    row: RunRow,
    tis: Vec<TiRow>,
    layout: &Arc<Layout>,
    last: &mut Numbers,
    max_map_length: u32,
) -> Run {
    let mut by_task: Vec<BTreeMap<i32, TiRow>> = vec![BTreeMap::new(); layout.nodes.len()];
    let mut others = Vec::new();
    for ti in tis {
        match layout.find(ti.task_id.as_str()) {
            Some(task) if belongs(layout, task, ti.map_index) => {
                by_task[task as usize].insert(ti.map_index, ti);
            }
            _ => others.push(Ti::new(ti, false)),
        }
    }
    let mut all = Vec::with_capacity(layout.nodes.len() + others.len());
    for (task, rows) in layout.dag.tasks.iter().zip(by_task) {
        let mut found: BTreeMap<i32, Ti> =
            rows.into_iter().map(|(index, row)| (index, Ti::new(row, false))).collect();
        let wanted = match instances_at_start(task, max_map_length) {
            Some(count) if !found.contains_key(&-1) => 0..i32::try_from(count).unwrap_or(0),
            _ if found.is_empty() => -1..0,
            _ => 0..0,
        };
        for index in wanted {
            found.entry(index).or_insert_with(|| {
                last.ti += 1;
                Ti::new(new_ti(last.ti, &row, layout, task, index), true)
            });
        }
        let mut found = found.into_values();
        all.extend(found.next());
        others.extend(found);
    }
    others.sort_by_key(|ti| ti.row().id);
    all.extend(others);
    let mut run = Run {
        cell: DagRun::new(row),
        instances: Instances::of_rows(layout, &all),
        shared: Vec::new(),
        active_of: vec![0; layout.nodes.len()],
        lengths: vec![Known::Not; layout.sources.len()],
        revised: vec![false; layout.units.len()],
        layout: Arc::clone(layout),
        tis: all,
        unfinished: 0,
        live: 0,
        waiting_for_past: std::collections::BTreeSet::new(),
        unsettled: std::collections::BTreeSet::new(),
        active: 0,
        groups: BTreeMap::new(),
        past: Past::None,
        before: None,
        is_new: false,
        in_lane: None,
        times_out_at: None,
        deadline_at: None,
    };
    run.recount();
    run
}

/// The row of a task instance that has not done anything.
pub(super) fn new_ti(
    id: i64,
    run: &RunRow,
    layout: &Layout,
    task: &crate::dag::Task,
    map_index: i32,
) -> TiRow {
    TiRow {
        id,
        run: run.id,
        task_id: task.task_id.clone(),
        map_index,
        rendered_map_index: None,
        state: TaskState::NoStatus,
        try_number: 0,
        max_tries: task.retries,
        epoch: 0,
        infra_tries: 0,
        version: layout.version,
        pool: task.pool().to_owned(),
        pool_slots: task.pool_slots(),
        queue: task.queue.clone(),
        priority_weight: task.effective_priority,
        operator: task.operator.clone(),
        scheduled_at: None,
        queued_at: None,
        start_date: None,
        end_date: None,
        retry_at: None,
        worker: None,
        exit_code: None,
        reason: None,
        note: None,
        skip_memory: None,
        wait: None,
    }
}

/// A queued run that says nothing yet.
pub(super) fn blank_run(
    layout: &Layout,
    run_id: RunId,
    run_type: RunType,
    run_after: Timestamp,
    now: Timestamp,
) -> RunRow {
    RunRow {
        id: 0,
        dag_id: layout.dag.dag_id.clone(),
        run_id,
        run_type,
        state: RunState::Queued,
        version: layout.version,
        logical_date: None,
        data_interval_start: None,
        data_interval_end: None,
        run_after,
        queued_at: now,
        start_date: None,
        end_date: None,
        conf: None,
        params: layout.dag.params.defaults.clone(),
        note: None,
        triggered_by: crate::state::TriggeredBy::Timetable,
        triggering_user: None,
        clear_number: 0,
        reason: None,
        deadlines: Vec::new(),
    }
}
