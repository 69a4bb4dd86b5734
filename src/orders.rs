//! Sends an order through the inbox and waits for what the scheduler says.
//!
//! The order is safe as soon as it is in the inbox: without a scheduler it waits for the next one.

use std::time::{Duration, Instant};

use millrace_core::engine::{Order, Refusal};
use millrace_store::{Store, inbox};
use serde_json::Value;

use crate::failure::Failure;

/// How long to wait for a scheduler before saying that there seems to be none.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of an order.
#[derive(Debug)]
pub(crate) enum Sent {
    /// The scheduler carried it out and answered this.
    Done(Value),
    /// It is safe in the inbox; no scheduler took it yet.
    Waiting,
}

/// Sends an order.
///
/// # Errors
/// Why the scheduler refused it.
pub(crate) async fn send(store: &Store, order: &Order) -> Result<Sent, Failure> {
    let id = inbox::add(store, order, None, crate::local::now()).await.map_err(Failure::usage)?;
    let started = Instant::now();
    let mut pause = Duration::from_millis(5);
    while started.elapsed() < PATIENCE {
        if let Some(answer) = inbox::answer(store, id).await.map_err(Failure::usage)? {
            return answered(answer);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
    Ok(Sent::Waiting)
}

/// Sends an order that must be done now for the command to make sense.
pub(crate) async fn send_now(store: &Store, order: &Order) -> Result<Value, Failure> {
    match send(store, order).await? {
        Sent::Done(value) => Ok(value),
        Sent::Waiting => Err(no_scheduler()),
    }
}

/// What to say when nobody took an order in time.
pub(crate) fn no_scheduler() -> Failure {
    Failure::usage(
        "the order is safe, but no scheduler took it within 5 s; it will be carried out when one starts (millrace standalone, or millrace scheduler)",
    )
}

fn answered(mut answer: Value) -> Result<Sent, Failure> {
    let error = answer["error"].take();
    if error.is_null() {
        return Ok(Sent::Done(answer["ok"].take()));
    }
    match serde_json::from_value::<Refusal>(error) {
        Ok(refusal) => Err(Failure::wrong(refusal)),
        Err(error) => Err(Failure::defect(format!("the answer cannot be read: {error}"))),
    }
}
