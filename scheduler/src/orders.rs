//! Carries out the orders of the inbox, each in the same transaction as its answer.

use millrace_core::engine::{Event, Order, Refusal};
use millrace_core::ids::{DagId, RunId};
use millrace_core::record::Change;
use millrace_store::StoreError;
use serde_json::{Value, json};

use crate::batch::Batch;
use crate::term::Term;

/// The most orders that one turn takes.
const ORDERS_MAX: u32 = 256;

impl Term {
    /// Takes the pending orders, oldest first.
    pub(crate) async fn take_orders(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        let pending = self.shared.store.inbox_pending(ORDERS_MAX).await?;
        // A full page: there may be more, look again after this commit.
        self.inbox_due = pending.len() >= ORDERS_MAX as usize;
        for entry in pending {
            let answer = match self.prepare(&entry.order, batch).await? {
                Some(refusal) => Err(refusal),
                None => self
                    .step(Event::Order(Box::new(entry.order)), batch)
                    .answer
                    .unwrap_or(Ok(Value::Null)),
            };
            let answer = match answer {
                Ok(value) => json!({ "ok": value }),
                Err(refusal) => json!({ "error": refusal }),
            };
            batch.changes.push(Change::InboxDone { id: entry.id, answer });
        }
        Ok(())
    }

    /// Loads what an order is about and the engine does not have, and refuses what only the
    /// database knows to be double.
    async fn prepare(&mut self, order: &Order, batch: &mut Batch) -> Result<Option<Refusal>, StoreError> {
        match order {
            Order::Trigger(trigger) => {
                let double = self
                    .shared
                    .store
                    .run_exists(&trigger.dag_id, trigger.run_id.as_ref(), trigger.logical_date)
                    .await?;
                Ok(double.map(|what| Refusal::Conflict { what }))
            }
            Order::Clear(clear) => self.load(&clear.dag_id, &clear.run_id, batch).await,
            Order::Mark(mark) => self.load(&mark.dag_id, &mark.run_id, batch).await,
            Order::MarkRun { dag_id, run_id, .. }
            | Order::DeleteRun { dag_id, run_id, .. }
            | Order::Note { dag_id, run_id, .. } => self.load(dag_id, run_id, batch).await,
            Order::Pause { .. } | Order::SetPool(_) | Order::DeletePool { .. } => Ok(None),
        }
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
        let Some((run, tis, version)) = self.shared.store.load_run(dag_id, run_id).await? else {
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
