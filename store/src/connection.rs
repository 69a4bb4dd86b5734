//! The table `connection`. Passwords and extras are sealed at rest.

use std::collections::BTreeMap;

use jiff::Timestamp;
use millrace_core::connection::{Connection, ConnectionError};
use millrace_core::engine::Setting;
use serde_json::{Map, Value};

use crate::db::{Arg, Reader, Sql, StoreError, json_text};
use crate::inbox;
use crate::page::{Direction, Filter, Page, Paging, like};
use crate::secret::Place;
use crate::store::Store;
use crate::table::Table;

const TABLE: Table = Table {
    name: "connection",
    columns: &[
        "conn_id",
        "conn_type",
        "description",
        "host",
        "port",
        "schema_name",
        "login",
        "password",
        "extra",
        "updated_at",
    ],
    key: &["conn_id"],
};

/// Why a connection could not be found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The environment's text is no connection.
    #[error("the environment variable {variable} is no connection")]
    Environment {
        /// Which variable.
        variable: String,
        /// Why; it never quotes the text.
        #[source]
        source: ConnectionError,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn password(conn_id: &str) -> Place<'_> {
    Place { table: "connection", row: conn_id, column: "password" }
}

fn extra(conn_id: &str) -> Place<'_> {
    Place { table: "connection", row: conn_id, column: "extra" }
}

fn seal(store: &Store, place: Place<'_>, text: Option<&str>) -> Result<Option<String>, StoreError> {
    text.map(|text| store.secrets(place)?.seal(place, text)).transpose()
}

fn open(
    store: &Store,
    place: Place<'_>,
    sealed: Option<&str>,
) -> Result<Option<String>, StoreError> {
    sealed.map(|sealed| store.secrets(place)?.open(place, sealed)).transpose()
}

fn read(store: &Store, reader: &mut Reader<'_>) -> Result<Connection, StoreError> {
    let conn_id = reader.text()?;
    let mut connection = Connection {
        conn_type: reader.text()?,
        description: reader.opt_text()?,
        host: reader.opt_text()?,
        port: reader.opt_num()?,
        schema: reader.opt_text()?,
        login: reader.opt_text()?,
        ..Connection::default()
    };
    connection.password = open(store, password(&conn_id), reader.opt_text()?.as_deref())?;
    if let Some(text) = open(store, extra(&conn_id), reader.opt_text()?.as_deref())? {
        let wrong = |_| reader.corrupt(format!("an extra of \"{conn_id}\" that is no JSON map"));
        connection.extra = serde_json::from_str(&text).map_err(wrong)?;
    }
    connection.conn_id = conn_id;
    Ok(connection)
}

fn upsert<'a>(
    store: &Store,
    connection: &'a Connection,
    now: Timestamp,
) -> Result<Sql<'a>, StoreError> {
    let conn_id = &connection.conn_id;
    let extra_text = (!connection.extra.is_empty()).then(|| json_text(&connection.extra));
    let row: Vec<Arg<'a>> = vec![
        conn_id.into(),
        (&connection.conn_type).into(),
        connection.description.as_deref().into(),
        connection.host.as_deref().into(),
        connection.port.into(),
        connection.schema.as_deref().into(),
        connection.login.as_deref().into(),
        seal(store, password(conn_id), connection.password.as_deref())?.into(),
        seal(store, extra(conn_id), extra_text.as_deref())?.into(),
        now.into(),
    ];
    Ok(TABLE.upsert(store.dialect(), "connection::put", vec![row]))
}

/// Sets a connection, new or not, without a trace in the log of events: for a database of one run.
pub async fn put(store: &Store, connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
    store.db.exec(upsert(store, connection, now)?).await?;
    Ok(())
}

/// Sets a connection, new or not; the log of events will say who did it.
pub async fn set(
    store: &Store,
    connection: &Connection,
    actor: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = store.db.begin().await?;
    tx.exec(upsert(store, connection, now)?).await?;
    let change = (Setting::Connection, connection.conn_id.as_str(), false);
    inbox::note_change(&mut tx, change, actor, now).await?;
    tx.commit().await
}

/// The connection of a name in the table.
pub async fn get(store: &Store, conn_id: &str) -> Result<Option<Connection>, StoreError> {
    let text = format!(
        "-- connection::get\nSELECT {} FROM connection c WHERE c.conn_id = ?",
        TABLE.list("c")
    );
    let row = store.db.row(Sql::new(text).bind(conn_id)).await?;
    row.map(|row| read(store, &mut row.reader())).transpose()
}

/// The connection of a name: from the environment (`MILLRACE_CONN_NAME`, `AIRFLOW_CONN_NAME`, the
/// name in upper case), else from the table.
pub async fn find(
    store: &Store,
    environment: &BTreeMap<String, String>,
    conn_id: &str,
) -> Result<Option<Connection>, FindError> {
    let upper = conn_id.to_uppercase();
    for prefix in ["MILLRACE_CONN_", "AIRFLOW_CONN_"] {
        let variable = format!("{prefix}{upper}");
        if let Some(text) = environment.get(&variable) {
            return Connection::parse(conn_id, text)
                .map(Some)
                .map_err(|source| FindError::Environment { variable, source });
        }
    }
    Ok(get(store, conn_id).await?)
}

/// Deletes a connection; whether there was one. The log of events will say who did it.
pub async fn delete(
    store: &Store,
    conn_id: &str,
    actor: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = Sql::new(
        "-- connection::delete
DELETE FROM connection WHERE conn_id = ?",
    );
    let mut tx = store.db.begin().await?;
    if tx.exec(sql.bind(conn_id)).await? == 0 {
        return Ok(false);
    }
    inbox::note_change(&mut tx, (Setting::Connection, conn_id, true), actor, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// A page of connections, by name; with a pattern those whose name has this text.
pub async fn list(
    store: &Store,
    pattern: Option<&str>,
    direction: Direction,
    paging: Paging,
) -> Result<Page<Connection>, StoreError> {
    let filter = Filter::default().when("LOWER(c.conn_id) LIKE ? ESCAPE '|'", pattern.map(like));
    let head = format!("-- connection::list\nSELECT {} FROM connection c", TABLE.list("c"));
    let tail = format!("ORDER BY c.conn_id {}", direction.sql());
    let found = store.db.rows(filter.page(&head, &tail, paging)).await?;
    let rows = found.iter().map(|row| read(store, &mut row.reader())).collect::<Result<_, _>>()?;
    let count = "-- connection::count\nSELECT COUNT(*) FROM connection c";
    let total = store.count(filter.all(count, "")).await?;
    Ok(Page { rows, total })
}

/// Every connection, for an export.
pub async fn all(store: &Store) -> Result<Vec<Connection>, StoreError> {
    let text = format!(
        "-- connection::all\nSELECT {} FROM connection c ORDER BY c.conn_id",
        TABLE.list("c")
    );
    let rows = store.db.rows(Sql::new(text)).await?;
    rows.iter().map(|row| read(store, &mut row.reader())).collect()
}

/// The connections of a file as Airflow's `connections export` writes it: a map from name to a URI
/// or to a map of the fields.
pub fn from_map(map: &Map<String, Value>) -> Result<Vec<Connection>, ConnectionError> {
    map.iter()
        .map(|(conn_id, value)| match value {
            Value::String(text) => Connection::parse(conn_id, text),
            other => Connection::from_json(conn_id, other),
        })
        .collect()
}

/// The map that [`from_map`] reads. It holds the passwords.
pub fn to_map(connections: &[Connection]) -> Map<String, Value> {
    let field = |object: &mut Map<String, Value>, name: &str, value: Option<Value>| {
        if let Some(value) = value {
            object.insert(name.to_owned(), value);
        }
    };
    let text = |value: &Option<String>| value.clone().map(Value::String);
    connections
        .iter()
        .map(|connection| {
            let mut object = Map::new();
            let conn_type = Value::String(connection.conn_type.clone());
            field(&mut object, "conn_type", Some(conn_type));
            field(&mut object, "description", text(&connection.description));
            field(&mut object, "host", text(&connection.host));
            field(&mut object, "login", text(&connection.login));
            field(&mut object, "password", text(&connection.password));
            field(&mut object, "schema", text(&connection.schema));
            field(&mut object, "port", connection.port.map(Value::from));
            let extra = Value::Object(connection.extra.clone());
            field(&mut object, "extra", (!connection.extra.is_empty()).then_some(extra));
            (connection.conn_id.clone(), Value::Object(object))
        })
        .collect()
}

/// A sealed column.
struct Sealed {
    select: &'static str,
    place: fn(&str) -> Place<'_>,
    update: &'static str,
}

const SEALED: [Sealed; 2] = [
    Sealed {
        select: "-- connection::passwords
SELECT conn_id, password FROM connection WHERE password IS NOT NULL",
        place: password,
        update: "-- connection::rotate_password
UPDATE connection SET password = ? WHERE conn_id = ? AND password = ?",
    },
    Sealed {
        select: "-- connection::extras
SELECT conn_id, extra FROM connection WHERE extra IS NOT NULL",
        place: extra,
        update: "-- connection::rotate_extra
UPDATE connection SET extra = ? WHERE conn_id = ? AND extra = ?",
    },
];

/// Seals anew what an older key sealed; how many values.
pub(crate) async fn rotate(store: &Store) -> Result<u64, StoreError> {
    let mut count = 0;
    for Sealed { select, place, update } in SEALED {
        for row in store.db.rows(Sql::new(select)).await? {
            let mut reader = row.reader();
            let (conn_id, old) = (reader.text()?, reader.text()?);
            let secrets = store.secrets(place(&conn_id))?;
            if secrets.is_old(&old) {
                let text = secrets.open(place(&conn_id), &old)?;
                let new = secrets.seal(place(&conn_id), &text)?;
                // Only if nobody set it meanwhile.
                let sql = Sql::new(update).bind(new).bind(&conn_id).bind(&old);
                count += store.db.exec(sql).await?;
            }
        }
    }
    Ok(count)
}
