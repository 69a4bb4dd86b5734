//! The leader's writes: a batch of changes in ONE transaction, fenced by the epoch.
//!
//! This is the only way in which runs, task instances, attempts, XComs, events and pools change.
//! `plan` folds the batch to one write a row; `write` sends it, comparing before it sets. A batch
//! that cannot be applied whole leaves nothing behind.

mod plan;
#[cfg(test)]
mod tests;
mod write;

use std::time::Duration;

use millrace_core::record::Change;

use crate::db::StoreError;
use crate::leader::{self, Epoch};
use crate::store::Store;

/// How often a batch that lost against another transaction is tried again.
const RETRIES_MAX: u32 = 8;
/// How long statements, and how long the COMMIT, may take before the database counts as gone.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a batch was not applied, by what the leader must do.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Another leader took over: stop planning at once. Nothing was written.
    #[error("epoch {} does not lead any more; another scheduler took over", epoch.0)]
    Fenced {
        /// The epoch of the caller.
        epoch: Epoch,
    },
    /// A row is not as the leader's memory says: restore. Nothing was written.
    #[error("{row} is {found}, but the change expects {expected}; nothing was written")]
    Conflict {
        /// Which row.
        row: String,
        /// What the change expects.
        expected: String,
        /// What the database has.
        found: String,
    },
    /// The answer to the COMMIT was lost: the batch is written whole or not at all. Re-read
    /// ([`Store::restore`]) before doing anything.
    #[error("the answer to the COMMIT was lost; the batch is written whole or not at all")]
    Unknown {
        /// What the driver says.
        #[source]
        source: StoreError,
    },
    /// The database does not answer; nothing was written. Try again later.
    #[error("the database is not available; nothing was written")]
    Unavailable {
        /// What the driver says.
        #[source]
        source: StoreError,
    },
    /// The database refuses a value of the batch, and would again; nothing was written.
    #[error("the database refuses the batch; nothing was written")]
    Refused {
        /// What the driver says.
        #[source]
        source: StoreError,
    },
}

impl ApplyError {
    /// The error before the COMMIT was sent.
    fn before_commit(source: StoreError) -> Self {
        match source {
            StoreError::Unavailable { .. } | StoreError::Contended { .. } => {
                Self::Unavailable { source }
            }
            StoreError::Duplicate { statement, source } => Self::Conflict {
                row: statement,
                expected: "no row with its key".to_owned(),
                found: source.to_string(),
            },
            source @ (StoreError::Refused { .. }
            | StoreError::Secret { .. }
            | StoreError::Corrupt { .. }) => Self::Refused { source },
        }
    }
}

/// What [`Store::apply`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// The number of the last event of the batch, if it had any.
    pub last_event: Option<i64>,
    /// How often the batch lost against other transactions before.
    pub retries: u32,
}

impl Store {
    /// Writes a batch in one transaction, if `epoch` leads. Changes of one row are folded to one
    /// write: the first one's `from`, the last one's row.
    ///
    /// # Errors
    /// [`ApplyError`], by what the leader must do. All but `Unknown` mean that nothing was written.
    pub async fn apply(&self, epoch: Epoch, changes: &[Change]) -> Result<Applied, ApplyError> {
        let plan = plan::Plan::of(changes)?;
        let mut retries = 0;
        loop {
            match self.apply_once(epoch, &plan).await {
                Ok(last_event) => return Ok(Applied { last_event, retries }),
                Err(ApplyError::Unavailable { source: StoreError::Contended { .. } })
                    if retries < RETRIES_MAX =>
                {
                    retries += 1;
                    tokio::time::sleep(jitter(retries)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn apply_once(
        &self,
        epoch: Epoch,
        plan: &plan::Plan<'_>,
    ) -> Result<Option<i64>, ApplyError> {
        let write = async {
            let mut tx = self.db.begin().await.map_err(ApplyError::before_commit)?;
            if !leader::fence(&mut tx, epoch).await.map_err(ApplyError::before_commit)? {
                return Err(ApplyError::Fenced { epoch });
            }
            let last_event = write::write(&mut tx, plan).await?;
            Ok((tx, last_event))
        };
        let (tx, last_event) =
            tokio::time::timeout(STEP_TIMEOUT, write).await.unwrap_or_else(|_| {
                let source = StoreError::of("-- apply::write", sqlx::Error::PoolTimedOut);
                Err(ApplyError::Unavailable { source })
            })?;
        match tokio::time::timeout(STEP_TIMEOUT, tx.commit()).await {
            Ok(Ok(())) => Ok(last_event),
            // A certification failure: the server says that it rolled back.
            Ok(Err(source @ StoreError::Contended { .. })) => {
                Err(ApplyError::Unavailable { source })
            }
            Ok(Err(source)) => Err(ApplyError::Unknown { source }),
            Err(_) => {
                let source = StoreError::of("-- apply::commit", sqlx::Error::PoolTimedOut);
                Err(ApplyError::Unknown { source })
            }
        }
    }
}

/// 1 to 2^n milliseconds, at random, so that two losers do not meet again.
fn jitter(retry: u32) -> Duration {
    let random = getrandom::u32().unwrap_or(retry);
    Duration::from_millis(u64::from(1 + random % (1 << retry.min(7))))
}
