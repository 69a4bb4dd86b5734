//! Looks up which runs some dates have, for backfills and for schedules that meet other runs.
//!
//! The look is taken at the start of a turn, before anything else happens, so that what follows
//! from it cannot be out of date. What exists is decided upon by the engine alone.

use std::collections::VecDeque;
use std::time::Instant;

use millrace_core::backfill::{Fate, fate};
use millrace_core::engine::{DatesWanted, Event};
use millrace_core::record::{RunKey, RunRow};
use millrace_store::{StoreError, backfill};

use crate::batch::Batch;
use crate::term::Term;

/// Questions that wait for a look.
#[derive(Debug, Default)]
pub(crate) struct Dates {
    wanted: VecDeque<DatesWanted>,
    /// No look before, after the database failed.
    not_before: Option<Instant>,
}

impl Dates {
    pub(crate) fn add(&mut self, wanted: Vec<DatesWanted>) {
        self.wanted.extend(wanted);
    }

    /// When the next look is due; at once, unless one has just failed.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.wanted.front()?;
        Some(self.not_before.unwrap_or_else(Instant::now))
    }
}

/// What was found.
struct Found {
    events: Vec<Event>,
    runs: Vec<RunRow>,
    unreadable: Vec<RunKey>,
}

impl Term {
    /// Answers the first question of each DAG; what a DAG asks besides waits for the next turn,
    /// since the first answer may change it.
    pub(crate) async fn look_up_dates(&mut self, batch: &mut Batch) {
        if self.dates.due_at().is_none_or(|at| at > Instant::now()) {
            return;
        }
        self.dates.not_before = None;
        let mut later = VecDeque::new();
        let mut answered = Vec::new();
        for wanted in std::mem::take(&mut self.dates.wanted) {
            if answered.contains(&wanted.dag_id) || self.dates.not_before.is_some() {
                later.push_back(wanted);
                continue;
            }
            match self.find_dates(&wanted).await {
                Ok(found) => {
                    answered.push(wanted.dag_id.clone());
                    for event in found.events {
                        self.step(event, batch);
                    }
                    let (found, unreadable) = (found.runs, found.unreadable);
                    self.step(Event::DatesLoaded { wanted, found, unreadable }, batch);
                }
                Err(error) => {
                    tracing::warn!(%error, "existing runs cannot be read; it is tried again");
                    let again = Instant::now() + self.shared.config.inbox_period;
                    self.dates.not_before = Some(again);
                    later.push_back(wanted);
                }
            }
        }
        self.dates.wanted = later;
    }

    async fn find_dates(&self, wanted: &DatesWanted) -> Result<Found, StoreError> {
        let store = &self.shared.store;
        let dag_id = wanted.dag_id.as_str();
        let runs = backfill::existing(store, dag_id, &wanted.dates, &wanted.run_ids).await?;
        let mut found = Found { events: Vec::new(), runs, unreadable: Vec::new() };
        if wanted.backfill.is_none() {
            return Ok(found);
        }
        let again: Vec<&RunRow> = wanted
            .dates
            .iter()
            .filter_map(|date| found.runs.iter().find(|run| run.logical_date == Some(*date)))
            .filter(|run| fate(Some(run.state), wanted.reprocess_behavior) == Fate::Rerun)
            .take(wanted.loads_max)
            .collect();
        for run in again {
            let loaded = store.load_run(dag_id, run.run_id.as_str()).await?;
            let Some((run, tis, version)) = loaded else { continue };
            match crate::versions::dag_of(&version, &self.shared.config) {
                Ok(dag) => {
                    found.events.push(Event::RunLoaded { run: Box::new(run), tis, dag });
                }
                Err(reason) => {
                    tracing::warn!(reason, run_id = %run.run_id, "a run cannot run again");
                    found.unreadable.push(run.id);
                }
            }
        }
        Ok(found)
    }
}
