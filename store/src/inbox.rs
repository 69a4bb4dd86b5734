//! The table `inbox`: orders of people, committed before they are answered.
//!
//! Any process adds; the leader alone marks entries done, inside [`crate::apply`].

use jiff::Timestamp;
use millrace_core::engine::{Order, Setting};
use serde_json::Value;

use crate::db::{Sql, StoreError, Tx, json_text};
use crate::page::LIMIT_MAX;
use crate::store::Store;

/// The number of an entry, in order of arrival.
pub type InboxId = i64;

/// The longest idempotency key, in bytes; longer ones are kept as their hash.
const KEY_BYTES_MAX: usize = 200;

/// An order that waits.
#[derive(Debug, Clone)]
pub struct InboxEntry {
    /// Its number.
    pub id: InboxId,
    /// The order; the reason in words when this program cannot read it. Answer such an entry with
    /// an error, or it stays for ever.
    pub order: Result<Order, String>,
    /// When it arrived.
    pub created_at: Timestamp,
}

/// A trigger that names its run exists once among those that wait.
fn pending_run(order: &Order) -> Option<String> {
    match order {
        Order::Trigger(trigger) => {
            let run_id = trigger.run_id.as_ref()?;
            Some(format!("{} {run_id}", trigger.dag_id))
        }
        _ => None,
    }
}

fn short_key(key: &str) -> String {
    use sha2::Digest as _;
    if key.len() <= KEY_BYTES_MAX {
        return format!("k:{key}");
    }
    format!("h:{}", crate::secret::hex(&sha2::Sha256::digest(key)))
}

/// Keeps an order; it is committed when this returns. The same `key` (of the same sender: put the
/// sender's name into it) gives the same entry, answered or not, as does a trigger that names the
/// same run while the first one waits.
pub async fn add(
    store: &Store,
    order: &Order,
    key: Option<&str>,
    now: Timestamp,
) -> Result<InboxId, StoreError> {
    let (key, pending_run) = (key.map(short_key), pending_run(order));
    let text = json_text(order);
    // Twice: the row that was in the way may be answered and gone between insert and search.
    for _ in 0..3 {
        let insert = Sql::new(
            "-- inbox::add
INSERT INTO inbox (idempotency_key, pending_run, order_text, is_done, created_at)
VALUES (?, ?, ?, 0, ?) RETURNING id",
        );
        let insert = insert.bind(key.as_deref()).bind(pending_run.as_deref()).bind(&text).bind(now);
        let mut tx = store.db.begin().await?;
        match tx.row(insert).await {
            Ok(row) => {
                let id = row.map(|row| row.reader().int()).transpose()?;
                tx.commit().await?;
                if let Some(id) = id {
                    return Ok(id);
                }
            }
            Err(StoreError::Duplicate { .. }) => {
                drop(tx);
                let find = Sql::new(
                    "-- inbox::find
SELECT id FROM inbox WHERE idempotency_key = ? OR pending_run = ? ORDER BY id LIMIT 1",
                );
                let find = find.bind(key.as_deref()).bind(pending_run.as_deref());
                if let Some(row) = store.db.row(find).await? {
                    return row.reader().int();
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Corrupt {
        statement: "inbox::add".to_owned(),
        what: "an entry in the way that cannot be found".to_owned(),
    })
}

/// Keeps the order that tells of a change, in the transaction of the change itself.
pub(crate) async fn note_change(
    tx: &mut Tx,
    (what, name, is_deleted): (Setting, &str, bool),
    actor: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (name, actor) = (name.to_owned(), actor.map(str::to_owned));
    let order = Order::Changed { what, name, is_deleted, actor };
    let sql = Sql::new(
        "-- inbox::note_change
INSERT INTO inbox (order_text, is_done, created_at) VALUES (?, 0, ?)",
    );
    tx.exec(sql.bind(json_text(&order)).bind(now)).await?;
    Ok(())
}

/// The entries that wait, oldest first, at most 1000.
pub async fn pending(store: &Store) -> Result<Vec<InboxEntry>, StoreError> {
    let sql = Sql::new(
        "-- inbox::pending
SELECT id, order_text, created_at FROM inbox WHERE is_done = 0 ORDER BY id LIMIT ?",
    );
    let rows = store.db.rows(sql.bind(LIMIT_MAX)).await?;
    rows.iter()
        .map(|row| {
            let mut reader = row.reader();
            let (id, text, created_at) = (reader.int()?, reader.text()?, reader.time()?);
            let order = serde_json::from_str(&text).map_err(|error| error.to_string());
            Ok(InboxEntry { id, order, created_at })
        })
        .collect()
}

/// What the sender of an entry is told; `None` while it waits or when there is no such entry.
pub async fn answer(store: &Store, id: InboxId) -> Result<Option<Value>, StoreError> {
    let sql = Sql::new(
        "-- inbox::answer
SELECT answer FROM inbox WHERE id = ? AND is_done = 1",
    );
    let row = store.db.row(sql.bind(id)).await?;
    row.map_or(Ok(None), |row| row.reader().opt_json())
}

/// Deletes answered entries that arrived before `before`; how many.
pub async fn clean(store: &Store, before: Timestamp) -> Result<u64, StoreError> {
    let sql = Sql::new(
        "-- inbox::clean
DELETE FROM inbox WHERE is_done = 1 AND created_at < ?",
    );
    store.db.exec(sql.bind(before)).await
}

/// Marks an entry done; `false` when it does not exist or was done before.
pub(crate) async fn done(tx: &mut Tx, id: InboxId, answer: &Value) -> Result<bool, StoreError> {
    let sql = Sql::new(
        "-- inbox::done
UPDATE inbox SET is_done = 1, pending_run = NULL, answer = ? WHERE id = ? AND is_done = 0",
    );
    Ok(tx.exec(sql.bind(answer).bind(id)).await? == 1)
}
