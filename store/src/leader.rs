//! The table `leader`: who plans. One row a name, with an epoch that fences every write.
//!
//! Leadership is a row and not `GET_LOCK`, which gives two leaders on a cluster. A leader shows
//! that it lives by the counter, never by a time: a standby takes over when it has itself watched
//! the counter stand still for the lease's length on its own monotonic clock.

use crate::db::{Sql, StoreError, Tx};
use crate::store::Store;

/// What the scheduler leads by.
pub const SCHEDULER: &str = "scheduler";

/// The fence of a leader's writes; grows with every acquisition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub i64);

/// The row as a watcher sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// The epoch of the leader.
    pub epoch: Epoch,
    /// Machine and home of the leader; empty after a release.
    pub holder: String,
    /// Grows with every renewal and every batch of changes.
    pub counter: i64,
}

impl Store {
    /// Who leads; `None` before the first leader.
    pub async fn leader(&self) -> Result<Option<Leader>, StoreError> {
        let sql = Sql::new(
            "-- leader::look
SELECT epoch, holder, counter FROM leader WHERE name = ?",
        );
        let row = self.db.row(sql.bind(SCHEDULER)).await?;
        row.map(|row| {
            let mut reader = row.reader();
            Ok(Leader {
                epoch: Epoch(reader.int()?),
                holder: reader.text()?,
                counter: reader.int()?,
            })
        })
        .transpose()
    }

    /// Whether somebody leads, as far as the row says: a leader that was killed still stands there
    /// until another takes over.
    pub async fn is_led(&self) -> Result<bool, StoreError> {
        Ok(self.leader().await?.is_some_and(|leader| !leader.holder.is_empty()))
    }

    /// Becomes leader if nobody leads, if the last leader released, or if it had the same
    /// `holder`: then it was this installation's process that died, so the restart need not wait.
    /// Whoever calls must hold a lock on the home folder, or two processes would depose each
    /// other for ever.
    pub async fn acquire(&self, holder: &str) -> Result<Option<Epoch>, StoreError> {
        match self.leader().await? {
            None => {
                let sql = Sql::new(
                    "-- leader::first
INSERT INTO leader (name, epoch, holder, counter) VALUES (?, 1, ?, 0)",
                );
                match self.db.exec(sql.bind(SCHEDULER).bind(holder)).await {
                    Ok(_) => Ok(Some(Epoch(1))),
                    // Another process was first.
                    Err(StoreError::Duplicate { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            }
            Some(seen) if seen.holder.is_empty() || seen.holder == holder => {
                self.take_over(&seen, holder).await
            }
            Some(_) => Ok(None),
        }
    }

    /// Becomes leader after the one `seen`, if its row has not changed since. Call it only when
    /// the row was watched unchanged for the lease's length on a monotonic clock.
    pub async fn take_over(
        &self,
        seen: &Leader,
        holder: &str,
    ) -> Result<Option<Epoch>, StoreError> {
        let sql = Sql::new(
            "-- leader::take_over
UPDATE leader SET epoch = epoch + 1, counter = counter + 1, holder = ?
WHERE name = ? AND epoch = ? AND counter = ?",
        );
        let sql = sql.bind(holder).bind(SCHEDULER).bind(seen.epoch.0).bind(seen.counter);
        Ok((self.db.exec(sql).await? == 1).then_some(Epoch(seen.epoch.0 + 1)))
    }

    /// Shows that the leader lives. `false`: it was deposed and must stop. Every
    /// [`Store::apply`] renews too.
    pub async fn renew(&self, epoch: Epoch) -> Result<bool, StoreError> {
        let sql = Sql::new(RENEW).bind(SCHEDULER).bind(epoch.0);
        Ok(self.db.exec(sql).await? == 1)
    }

    /// Gives leadership up, so that another may take it at once. Harmless when deposed.
    pub async fn release(&self, epoch: Epoch) -> Result<(), StoreError> {
        let sql = Sql::new(
            "-- leader::release
UPDATE leader SET holder = '', counter = counter + 1 WHERE name = ? AND epoch = ?",
        );
        self.db.exec(sql.bind(SCHEDULER).bind(epoch.0)).await?;
        Ok(())
    }
}

const RENEW: &str = "-- leader::renew
UPDATE leader SET counter = counter + 1 WHERE name = ? AND epoch = ?";

/// Takes the leader's row for this transaction, if the epoch still leads. A successor's take-over
/// waits for the row's lock, so what is committed after this was written by the leader.
pub(crate) async fn fence(tx: &mut Tx, epoch: Epoch) -> Result<bool, StoreError> {
    Ok(tx.exec(Sql::new(RENEW).bind(SCHEDULER).bind(epoch.0)).await? == 1)
}
