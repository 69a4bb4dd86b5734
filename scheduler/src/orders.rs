//! Carries out the orders of the inbox, each in the same transaction as its answer.

use millrace_core::engine::{Event, Order, RUNS_PER_ORDER_MAX, Refusal, Trigger};
use millrace_core::ids::{DagId, RunId};
use millrace_core::record::{Change, RunRow};
use millrace_store::dag_run::{RunFilter, RunOrder};
use millrace_store::inbox;
use millrace_store::page::{Direction, LIMIT_MAX, Paging};
use millrace_store::{Store, StoreError, dag_run};
use serde_json::{Value, json};

use crate::batch::Batch;
use crate::term::Term;

impl Term {
    /// Takes the pending orders, oldest first. An order that cannot be read is answered, not kept.
    pub(crate) async fn take_orders(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        let pending = inbox::pending(&self.shared.store).await?;
        // A full page: there may be more, look again after this commit.
        self.inbox_due = pending.len() >= LIMIT_MAX as usize;
        for entry in pending {
            let answer = match entry.order {
                Ok(order) => self.carry_out(order, batch).await?,
                Err(reason) => {
                    Err(Refusal::Invalid { problems: vec![("order".to_owned(), reason)] })
                }
            };
            let answer = match answer {
                Ok(value) => json!({ "ok": value }),
                Err(refusal) => json!({ "error": refusal }),
            };
            batch.changes.push(Change::InboxDone { id: entry.id, answer });
        }
        Ok(())
    }

    async fn carry_out(
        &mut self,
        order: Order,
        batch: &mut Batch,
    ) -> Result<Result<Value, Refusal>, StoreError> {
        if let Some(refusal) = self.prepare(&order, batch).await? {
            return Ok(Err(refusal));
        }
        let answer = self.step(Event::Order(Box::new(order)), batch).answer;
        Ok(answer.unwrap_or(Ok(Value::Null)))
    }

    /// Loads what an order is about and the engine does not have, and refuses what only the
    /// database knows to be double.
    async fn prepare(
        &mut self,
        order: &Order,
        batch: &mut Batch,
    ) -> Result<Option<Refusal>, StoreError> {
        if let Order::Trigger(trigger) = order {
            return double(&self.shared.store, trigger, batch).await;
        }
        let Some((dag_id, run_ids)) = order.runs() else { return Ok(None) };
        for run_id in run_ids.into_iter().take(RUNS_PER_ORDER_MAX) {
            if let Some(refusal) = self.load(dag_id, run_id, batch).await? {
                return Ok(Some(refusal));
            }
        }
        Ok(None)
    }

    async fn load(
        &mut self,
        dag_id: &DagId,
        run_id: &RunId,
        batch: &mut Batch,
    ) -> Result<Option<Refusal>, StoreError> {
        if self.engine.find_run(dag_id, run_id).is_some() {
            return Ok(None);
        }
        let missing = || Refusal::NotFound {
            what: format!("the dag run \"{run_id}\" of dag \"{dag_id}\" does not exist"),
        };
        let Some((run, tis, version)) =
            self.shared.store.load_run(dag_id.as_str(), run_id.as_str()).await?
        else {
            return Ok(Some(missing()));
        };
        match crate::versions::dag_of(&version, &self.shared.config) {
            Ok(dag) => {
                self.step(Event::RunLoaded { run: Box::new(run), tis, dag }, batch);
                Ok(None)
            }
            Err(reason) => Ok(Some(Refusal::Conflict {
                what: format!("the version of the run cannot be read any more: {reason}"),
            })),
        }
    }
}

/// Why a trigger is refused, if the database has its run already.
async fn double(
    store: &Store,
    trigger: &Trigger,
    batch: &Batch,
) -> Result<Option<Refusal>, StoreError> {
    let dag_id = &trigger.dag_id;
    // A run of this batch that has ended already is neither in memory nor in the database.
    let is_double = |change: &Change| match change {
        Change::RunCreated(run, _) => {
            run.dag_id == *dag_id
                && (Some(&run.run_id) == trigger.run_id.as_ref()
                    || (run.logical_date.is_some() && run.logical_date == trigger.logical_date))
        }
        _ => false,
    };
    if batch.changes.iter().any(is_double) {
        let what = format!("dag \"{dag_id}\" has just got a dag run of that name or date");
        return Ok(Some(Refusal::Conflict { what }));
    }
    let Some(run) = run_like(store, trigger).await? else { return Ok(None) };
    let what = match trigger.logical_date {
        Some(date) if trigger.run_id.as_ref() != Some(&run.run_id) => format!(
            "dag \"{dag_id}\" has a dag run for the logical date {} already: \"{}\"",
            millrace_core::time::isoformat(date),
            run.run_id
        ),
        _ => format!("dag \"{dag_id}\" has a dag run \"{}\" already", run.run_id),
    };
    Ok(Some(Refusal::Conflict { what }))
}

/// The run in the database that has the name or the date of a trigger.
pub(crate) async fn run_like(
    store: &Store,
    trigger: &Trigger,
) -> Result<Option<RunRow>, StoreError> {
    let dag_id = trigger.dag_id.as_str();
    if let Some(run_id) = &trigger.run_id
        && let Some(run) = dag_run::get(store, dag_id, run_id.as_str()).await?
    {
        return Ok(Some(run));
    }
    let Some(date) = trigger.logical_date else { return Ok(None) };
    let wanted = RunFilter {
        dag_ids: vec![dag_id.to_owned()],
        logical_date_from: Some(date),
        logical_date_to: Some(date),
        ..RunFilter::default()
    };
    let paging = Paging { limit: 1, offset: 0 };
    let found = dag_run::list(store, &wanted, RunOrder::Id, Direction::Ascending, paging).await?;
    Ok(found.rows.into_iter().next())
}
