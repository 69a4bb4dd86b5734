//! What only the leader does now and then, beside its turns: old asset events go.
//!
//! Must not touch what the engine knows: an event that waits or is in use stays.

use std::sync::Arc;
use std::time::Duration;

use millrace_store::{StoreError, asset_event};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::term::Shared;

/// How often.
const PERIOD: Duration = Duration::from_hours(1);

/// So many events are looked at in one transaction.
const BATCH: u32 = 500;

/// The pause between two of them, so that turns go first.
const PAUSE: Duration = Duration::from_millis(100);

/// Starts it; it works while this process leads.
pub(crate) fn start(
    shared: &Arc<Shared>,
    mut leading: watch::Receiver<bool>,
    stop: CancellationToken,
) {
    let Some(keep) = shared.config.asset_event_keep else { return };
    let shared = Arc::clone(shared);
    let work = async move {
        while leading.wait_for(|leads| *leads).await.is_ok() {
            match prune(&shared, keep, &leading).await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "old asset events were deleted"),
                Err(error) => tracing::warn!(%error, "old asset events were not deleted"),
            }
            tokio::time::sleep(PERIOD).await;
        }
    };
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    });
}

async fn prune(
    shared: &Shared,
    keep: Duration,
    leading: &watch::Receiver<bool>,
) -> Result<u64, StoreError> {
    let Ok(before) = shared.clock.now().checked_sub(keep) else { return Ok(0) };
    let mut deleted = 0;
    let mut next = Some(0);
    while let Some(after) = next.filter(|_| *leading.borrow()) {
        let done = asset_event::prune(&shared.store, before, after, BATCH).await?;
        deleted += done.deleted;
        next = done.next;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(deleted)
}
