//! The table `variable`. Values are sealed at rest, whatever their names.

use std::collections::BTreeMap;

use jiff::Timestamp;
use millrace_core::engine::Setting;
use serde_json::{Map, Value};

use crate::db::{Arg, Reader, Sql, StoreError};
use crate::inbox;
use crate::page::{Direction, Filter, Page, Paging, like};
use crate::secret::Place;
use crate::store::Store;
use crate::table::Table;

/// A variable.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its key.
    pub name: String,
    /// Its value.
    pub value: String,
    /// What it is for.
    pub description: Option<String>,
}

impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Variable")
            .field("name", &self.name)
            .field("value", &"***")
            .finish_non_exhaustive()
    }
}

const TABLE: Table = Table {
    name: "variable",
    columns: &["name", "value", "description", "updated_at"],
    key: &["name"],
};

fn place(name: &str) -> Place<'_> {
    Place { table: "variable", row: name, column: "value" }
}

fn read(store: &Store, reader: &mut Reader<'_>) -> Result<Variable, StoreError> {
    let name = reader.text()?;
    let value = store.secrets(place(&name))?.open(place(&name), &reader.text()?)?;
    Ok(Variable { name, value, description: reader.opt_text()? })
}

fn upsert<'a>(
    store: &Store,
    variable: &'a Variable,
    now: Timestamp,
) -> Result<Sql<'a>, StoreError> {
    let place = place(&variable.name);
    let sealed = store.secrets(place)?.seal(place, &variable.value)?;
    let row: Vec<Arg<'a>> = vec![
        (&variable.name).into(),
        sealed.into(),
        variable.description.as_deref().into(),
        now.into(),
    ];
    Ok(TABLE.upsert(store.dialect(), "variable::put", vec![row]))
}

/// Sets a variable, new or not, without a trace in the log of events: for a database of one run.
pub async fn put(store: &Store, variable: &Variable, now: Timestamp) -> Result<(), StoreError> {
    store.db.exec(upsert(store, variable, now)?).await?;
    Ok(())
}

/// Sets a variable, new or not; the log of events will say who did it.
pub async fn set(
    store: &Store,
    variable: &Variable,
    actor: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = store.db.begin().await?;
    tx.exec(upsert(store, variable, now)?).await?;
    let change = (Setting::Variable, variable.name.as_str(), false);
    inbox::note_change(&mut tx, change, actor, now).await?;
    tx.commit().await
}

/// The variable of a key.
pub async fn get(store: &Store, name: &str) -> Result<Option<Variable>, StoreError> {
    let text =
        format!("-- variable::get\nSELECT {} FROM variable v WHERE v.name = ?", TABLE.list("v"));
    let row = store.db.row(Sql::new(text).bind(name)).await?;
    row.map(|row| read(store, &mut row.reader())).transpose()
}

/// The value of a key in the table.
pub async fn value(store: &Store, name: &str) -> Result<Option<String>, StoreError> {
    Ok(get(store, name).await?.map(|variable| variable.value))
}

/// The value of a key: from the environment (`MILLRACE_VAR_NAME`, `AIRFLOW_VAR_NAME`, the name in
/// upper case), else from the table.
pub async fn find(
    store: &Store,
    environment: &BTreeMap<String, String>,
    name: &str,
) -> Result<Option<String>, StoreError> {
    let upper = name.to_uppercase();
    let given = ["MILLRACE_VAR_", "AIRFLOW_VAR_"]
        .iter()
        .find_map(|prefix| environment.get(&format!("{prefix}{upper}")));
    match given {
        Some(value) => Ok(Some(value.clone())),
        None => value(store, name).await,
    }
}

/// Deletes a variable; whether there was one. The log of events will say who did it.
pub async fn delete(
    store: &Store,
    name: &str,
    actor: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = Sql::new(
        "-- variable::delete
DELETE FROM variable WHERE name = ?",
    );
    let mut tx = store.db.begin().await?;
    if tx.exec(sql.bind(name)).await? == 0 {
        return Ok(false);
    }
    inbox::note_change(&mut tx, (Setting::Variable, name, true), actor, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// A page of variables, by key; with a pattern those whose key has this text.
pub async fn list(
    store: &Store,
    pattern: Option<&str>,
    direction: Direction,
    paging: Paging,
) -> Result<Page<Variable>, StoreError> {
    let filter = Filter::default().when("LOWER(v.name) LIKE ? ESCAPE '|'", pattern.map(like));
    let head = format!("-- variable::list\nSELECT {} FROM variable v", TABLE.list("v"));
    let tail = format!("ORDER BY v.name {}", direction.sql());
    let found = store.db.rows(filter.page(&head, &tail, paging)).await?;
    let rows = found.iter().map(|row| read(store, &mut row.reader())).collect::<Result<_, _>>()?;
    let count = "-- variable::count\nSELECT COUNT(*) FROM variable v";
    let total = store.count(filter.all(count, "")).await?;
    Ok(Page { rows, total })
}

/// Every variable, for an export.
pub async fn all(store: &Store) -> Result<Vec<Variable>, StoreError> {
    let text =
        format!("-- variable::all\nSELECT {} FROM variable v ORDER BY v.name", TABLE.list("v"));
    let rows = store.db.rows(Sql::new(text)).await?;
    rows.iter().map(|row| read(store, &mut row.reader())).collect()
}

/// The variables of a file as Airflow's `variables export` writes it: a map from key to value, or
/// to `{"value": …, "description": …}`. Values that are not texts become JSON.
pub fn from_map(map: &Map<String, Value>) -> Vec<Variable> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    map.iter()
        .map(|(name, value)| {
            let described = value.as_object().filter(|object| {
                object.contains_key("value")
                    && object.keys().all(|key| key == "value" || key == "description")
            });
            let (value, description) = match described {
                Some(object) => {
                    let description = object.get("description").and_then(Value::as_str);
                    (&object["value"], description.map(str::to_owned))
                }
                None => (value, None),
            };
            Variable { name: name.clone(), value: text(value), description }
        })
        .collect()
}

/// The map that [`from_map`] reads.
pub fn to_map(variables: &[Variable]) -> Map<String, Value> {
    variables
        .iter()
        .map(|variable| {
            let value = match &variable.description {
                None => Value::String(variable.value.clone()),
                Some(description) => {
                    serde_json::json!({"value": variable.value, "description": description})
                }
            };
            (variable.name.clone(), value)
        })
        .collect()
}

/// Seals anew what an older key sealed; how many.
pub(crate) async fn rotate(store: &Store) -> Result<u64, StoreError> {
    let sql = Sql::new(
        "-- variable::sealed
SELECT name, value FROM variable",
    );
    let mut count = 0;
    for row in store.db.rows(sql).await? {
        let mut reader = row.reader();
        let (name, old) = (reader.text()?, reader.text()?);
        let secrets = store.secrets(place(&name))?;
        if secrets.is_old(&old) {
            let new = secrets.seal(place(&name), &secrets.open(place(&name), &old)?)?;
            // Only if nobody set it meanwhile.
            let sql = Sql::new(
                "-- variable::rotate
UPDATE variable SET value = ? WHERE name = ? AND value = ?",
            );
            count += store.db.exec(sql.bind(new).bind(&name).bind(&old)).await?;
        }
    }
    Ok(count)
}
