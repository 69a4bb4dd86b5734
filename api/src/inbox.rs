//! Orders: written to the inbox before anything is answered, and then waited for.
//!
//! Owns the waiting. What an order does is decided by the engine alone; without a scheduler the
//! order is safe and waits.

use std::time::Duration;

use axum::http::HeaderMap;
use millrace_core::engine::{Order, Refusal, Trigger};
use millrace_store::inbox::{self, InboxId};
use serde_json::Value;
use tokio::time::Instant;

use crate::access::Caller;
use crate::app::App;
use crate::problem::Problem;

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_secs(5);
/// How long when nobody leads.
const WAIT_LEADERLESS: Duration = Duration::from_millis(200);
/// How often the inbox is looked at when commits are not announced.
const POLL: Duration = Duration::from_millis(50);
/// How often when they are: an announcement may have come from another process's scheduler.
const POLL_ANNOUNCED: Duration = Duration::from_millis(500);
/// The longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// What became of an order.
#[derive(Debug)]
pub(crate) enum Placed {
    /// It was carried out; with what it answered.
    Done(Value),
    /// It waits for a scheduler.
    Waiting(InboxId),
}

/// Writes an order and waits for what becomes of it.
///
/// # Errors
/// What the engine refused, and a database that is not available: then nothing was promised.
pub(crate) async fn place(app: &App, order: &Order, key: Option<&str>) -> Result<Placed, Problem> {
    // Before the entry is written, so that no commit is missed.
    let mut committed = app.api.committed.clone();
    if let Some(committed) = &mut committed {
        committed.mark_unchanged();
    }
    let id = inbox::add(app.store(), order, key, app.now()).await?;
    app.nudge();
    let wait = if is_led(app).await? { WAIT } else { WAIT_LEADERLESS };
    let until = Instant::now() + wait;
    loop {
        if let Some(answer) = inbox::answer(app.store(), id).await? {
            return outcome(answer).map(Placed::Done);
        }
        if Instant::now() >= until || app.stop.is_cancelled() {
            return Ok(Placed::Waiting(id));
        }
        match &mut committed {
            Some(committed) => {
                let _ = tokio::time::timeout(POLL_ANNOUNCED, committed.changed()).await;
            }
            None => tokio::time::sleep(POLL).await,
        }
    }
}

async fn is_led(app: &App) -> Result<bool, Problem> {
    if app.api.leading.as_ref().is_some_and(|leading| *leading.borrow()) {
        return Ok(true);
    }
    Ok(app.store().leader().await?.is_some_and(|leader| !leader.holder.is_empty()))
}

/// `{"ok": …}` or `{"error": …}`.
fn outcome(answer: Value) -> Result<Value, Problem> {
    let Value::Object(mut answer) = answer else { return Ok(answer) };
    match answer.remove("error") {
        None => Ok(answer.remove("ok").unwrap_or(Value::Null)),
        Some(error) => match serde_json::from_value::<Refusal>(error) {
            Ok(refusal) => Err(refusal.into()),
            Err(error) => Err(Problem::internal(&error)),
        },
    }
}

/// The `Idempotency-Key` of a request, with its sender's name: two senders cannot meet.
pub(crate) fn key_of(headers: &HeaderMap, caller: &Caller) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=KEY_BYTES_MAX).contains(&key.len()) => {
            Ok(Some(format!("{} {key}", caller.name)))
        }
        _ => {
            let text = "the header Idempotency-Key must have 1 to 255 ASCII characters";
            Err(Problem::bad_request(text))
        }
    }
}

/// The trigger of an entry that waits.
pub(crate) async fn waiting_trigger(
    app: &App,
    wanted: impl Fn(InboxId, &Trigger) -> bool,
) -> Result<Option<(Trigger, jiff::Timestamp)>, Problem> {
    let pending = inbox::pending(app.store()).await?;
    Ok(pending.into_iter().find_map(|entry| match entry.order {
        Ok(Order::Trigger(trigger)) if wanted(entry.id, &trigger) => {
            Some((trigger, entry.created_at))
        }
        _ => None,
    }))
}
