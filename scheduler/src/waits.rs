//! What waiting tasks need from the database, fetched beside the loop.

use std::sync::Arc;

use millrace_core::engine::{Event, RunWanted};
use millrace_core::redact::Redactor;
use millrace_core::wait::Condition;
use millrace_core::wire::{AttemptResult, Demand, Outcome, SecretText, TriggerDemand};
use millrace_store::StoreError;

use crate::command::Command;
use crate::orders::run_like;
use crate::term::Shared;

/// Looks a run up that somebody waits for; the answer comes back as a command.
pub(crate) fn look_up(shared: &Arc<Shared>, wanted: RunWanted) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        loop {
            match shared.store.run_seen(wanted.dag_id.as_str(), &wanted.run).await {
                Ok(seen) => {
                    let _ = shared.commands.send(Command::Seen { wanted, seen }).await;
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "an awaited run cannot be read; it is tried again");
                    tokio::time::sleep(shared.config.inbox_period).await;
                }
            }
        }
    });
}

/// Completes a decision: whether the run that it triggers exists already, and that run itself when
/// it is to be cleared.
pub(crate) async fn prepare(shared: &Shared, result: &mut AttemptResult) -> Option<Event> {
    let Some(Demand::Trigger(demand)) = result.demand.as_deref_mut() else { return None };
    match known(shared, demand).await {
        Ok(needed) => needed,
        Err(reason) => {
            *result = AttemptResult::new(result.key, Outcome::Lost);
            result.reason = Some(reason);
            None
        }
    }
}

async fn known(shared: &Shared, demand: &mut TriggerDemand) -> Result<Option<Event>, String> {
    let words = |error: StoreError| error.to_string();
    let store = &shared.store;
    let Some(run) = run_like(store, &demand.trigger).await.map_err(words)? else {
        return Ok(None);
    };
    demand.known = Some(run.run_id.clone());
    if !demand.reset {
        return Ok(None);
    }
    let found = store.load_run(run.dag_id.as_str(), run.run_id.as_str()).await.map_err(words)?;
    let Some((run, tis, version)) = found else { return Ok(None) };
    let dag = crate::versions::dag_of(&version, &shared.config)?;
    Ok(Some(Event::RunLoaded { run: Box::new(run), tis, dag }))
}

/// Masks secrets in what people will see of a decision.
pub(crate) fn mask(result: &mut AttemptResult, secrets: &[SecretText]) {
    if secrets.is_empty() {
        return;
    }
    let redactor = Redactor::new(secrets.iter().map(|secret| secret.0.as_str()));
    if let Some(rendered) = &mut result.rendered {
        redactor.redact_value(rendered);
    }
    let demand = result.demand.as_deref_mut();
    if let Some(Demand::Wait { condition, .. }) = demand
        && let Condition::Answer(question) = condition.as_mut()
    {
        question.subject = redactor.redact(&question.subject).into_owned();
        question.body = question.body.take().map(|body| redactor.redact(&body).into_owned());
    }
}
