//! The table `setting`: small facts about the installation.

use crate::db::{Dialect, Sql, StoreError};
use crate::store::Store;

/// The value of a name.
pub async fn get(store: &Store, name: &str) -> Result<Option<String>, StoreError> {
    let sql = Sql::new(
        "-- setting::get
SELECT value FROM setting WHERE name = ?",
    );
    let row = store.db.row(sql.bind(name)).await?;
    row.map(|row| row.reader().text()).transpose()
}

/// Sets the value of a name.
pub async fn set(store: &Store, name: &str, value: &str) -> Result<(), StoreError> {
    let text = match store.dialect() {
        Dialect::MariaDb => {
            "-- setting::set
INSERT INTO setting (name, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE value = VALUES(value)"
        }
        Dialect::Sqlite => {
            "-- setting::set
INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        }
    };
    store.db.exec(Sql::new(text).bind(name).bind(value)).await?;
    Ok(())
}

/// Sets the value of a name unless it has one; the value that it has now. Of several processes
/// that start at once, all get the same.
pub async fn get_or_set(store: &Store, name: &str, value: &str) -> Result<String, StoreError> {
    let sql = Sql::new(
        "-- setting::get_or_set
INSERT INTO setting (name, value) VALUES (?, ?)",
    );
    match store.db.exec(sql.bind(name).bind(value)).await {
        Ok(_) => Ok(value.to_owned()),
        Err(StoreError::Duplicate { .. }) => {
            Ok(get(store, name).await?.unwrap_or_else(|| value.to_owned()))
        }
        Err(error) => Err(error),
    }
}
