//! Connections: list, one, create, change, delete. Passwords and secret extras go in and never out.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use millrace_core::connection::Connection;
use millrace_store::connection;
use millrace_store::page::Direction;
use serde_json::{Map, Value};

use crate::access::{Action, Caller};
use crate::app::App;
use crate::body::{Body, Given};
use crate::path::{Names, shown};
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{ConnectionShape, MASK, page};

/// The longest id, in characters (Airflow: 200).
const ID_CHARS_MAX: usize = 200;

page! {
    /// Airflow: `ConnectionCollectionResponse`.
    ConnectionPage { connections: ConnectionShape }
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/api/v2/connections", Action::ConnectionRead, list)
        .post("/api/v2/connections", Action::ConnectionWrite, create)
        .post("/api/v2/connections/test", Action::ConnectionWrite, test)
        .get("/api/v2/connections/{connection_id}", Action::ConnectionRead, get)
        .patch("/api/v2/connections/{connection_id}", Action::ConnectionWrite, patch)
        .delete("/api/v2/connections/{connection_id}", Action::ConnectionWrite, delete)
}

fn missing(conn_id: &str) -> Problem {
    let id = shown(conn_id);
    Problem::not_found(format!("The Connection with connection_id: `{id}` was not found"))
}

async fn find(app: &App, conn_id: &str) -> Result<Connection, Problem> {
    connection::get(app.store(), conn_id).await?.ok_or_else(|| missing(conn_id))
}

async fn list(State(app): State<App>, mut params: Params) -> Result<Json<ConnectionPage>, Problem> {
    let paging = params.paging();
    let pattern = params.pattern("connection_id_pattern");
    let names = [("connection_id", ()), ("conn_id", ())];
    let ((), direction) = params.order(&names, ((), Direction::Ascending))?;
    params.close()?;
    let page = connection::list(app.store(), pattern.as_deref(), direction, paging).await?;
    let connections = page.rows.iter().map(ConnectionShape::of).collect();
    Ok(Json(ConnectionPage { connections, total_entries: page.total }))
}

async fn get(State(app): State<App>, names: Names) -> Result<Json<ConnectionShape>, Problem> {
    find(&app, names.text(0)).await.map(|found| Json(ConnectionShape::of(&found)))
}

/// A server that connects wherever it is told to could be used against its own network; workers
/// test connections.
async fn test() -> Problem {
    let text = "connections are not tested by the server; run a task that uses the connection";
    Problem::new(StatusCode::FORBIDDEN, text)
}

/// What a body says; a field that is absent is none.
struct Wanted {
    conn_id: String,
    conn_type: String,
    host: Given<String>,
    login: Given<String>,
    schema: Given<String>,
    description: Given<String>,
    password: Given<String>,
    port: Given<u16>,
    extra: Option<Map<String, Value>>,
}

impl Wanted {
    fn read(mut body: Body) -> Result<Self, Problem> {
        let conn_id: String = body.required("connection_id");
        let conn_type: String = body.required("conn_type");
        let (host, login) = (body.nullable("host"), body.nullable("login"));
        let (schema, description) = (body.nullable("schema"), body.nullable("description"));
        let (password, port) = (body.nullable("password"), body.nullable("port"));
        body.optional::<Value>("team_name");
        if !is_id(&conn_id) {
            let text = "Value error, the id may have letters, digits, `_`, `-`, `.` and at most \
                200 characters";
            body.complain("value_error", "connection_id", text, shown(&conn_id).into());
        }
        let extra = match body.nullable::<Value>("extra") {
            Given::No => None,
            Given::Null => Some(Map::new()),
            Given::Value(Value::Object(map)) => Some(map),
            Given::Value(Value::String(text)) if text.trim().is_empty() => Some(Map::new()),
            Given::Value(other) => {
                let read = other.as_str().and_then(|text| serde_json::from_str(text).ok());
                if read.is_none() {
                    // The text may hold a secret: it is not repeated.
                    let text = "Value error, the extra must be a JSON object";
                    body.complain("value_error", "extra", text, MASK.into());
                }
                read
            }
        };
        body.close()?;
        Ok(Self { conn_id, conn_type, host, login, schema, description, password, port, extra })
    }

    fn apply(self, connection: &mut Connection, is_meant: impl Fn(&str) -> bool) {
        if is_meant("conn_type") {
            connection.conn_type = self.conn_type;
        }
        self.host.only_if(is_meant("host")).set(&mut connection.host);
        self.login.only_if(is_meant("login")).set(&mut connection.login);
        self.schema.only_if(is_meant("schema")).set(&mut connection.schema);
        self.description.only_if(is_meant("description")).set(&mut connection.description);
        self.port.only_if(is_meant("port")).set(&mut connection.port);
        // The mask comes back from a form that was not touched.
        let is_mask = matches!(&self.password, Given::Value(text) if text == MASK);
        self.password.only_if(!is_mask && is_meant("password")).set(&mut connection.password);
        if let Some(extra) = self.extra.filter(|_| is_meant("extra")) {
            connection.extra = unmasked(extra, &connection.extra);
        }
    }
}

/// Masks that came back from a form stand for what is stored.
fn unmasked(new: Map<String, Value>, old: &Map<String, Value>) -> Map<String, Value> {
    let of = |(key, value): (String, Value)| {
        let stored = old.get(&key);
        let value = match (value, stored) {
            (Value::String(text), Some(stored)) if text == MASK => stored.clone(),
            (Value::Object(new), Some(Value::Object(old))) => Value::Object(unmasked(new, old)),
            (value, _) => value,
        };
        (key, value)
    };
    new.into_iter().map(of).collect()
}

fn is_id(text: &str) -> bool {
    let is_known = |c: char| c.is_ascii_alphanumeric() || "_-.#!()/: ".contains(c);
    !text.trim().is_empty() && text.chars().count() <= ID_CHARS_MAX && text.chars().all(is_known)
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    body: Body,
) -> Result<(StatusCode, Json<ConnectionShape>), Problem> {
    let wanted = Wanted::read(body)?;
    if connection::get(app.store(), &wanted.conn_id).await?.is_some() {
        let id = shown(&wanted.conn_id);
        let text = format!("The Connection with connection_id: `{id}` already exists");
        return Err(Problem::conflict(text));
    }
    let mut new = Connection { conn_id: wanted.conn_id.clone(), ..Connection::default() };
    wanted.apply(&mut new, |_| true);
    connection::set(app.store(), &new, Some(&caller.name), app.now()).await?;
    app.nudge();
    Ok((StatusCode::CREATED, Json(ConnectionShape::of(&new))))
}

async fn patch(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    mut params: Params,
    body: Body,
) -> Result<Json<ConnectionShape>, Problem> {
    let wanted = Wanted::read(body)?;
    let mask = params.texts("update_mask");
    params.close()?;
    if wanted.conn_id != names.text(0) {
        let text = "The connection_id in the request body does not match the URL parameter";
        return Err(Problem::bad_request(text));
    }
    let mut row = find(&app, names.text(0)).await?;
    wanted.apply(&mut row, |field| mask.is_empty() || mask.iter().any(|name| name == field));
    connection::set(app.store(), &row, Some(&caller.name), app.now()).await?;
    app.nudge();
    Ok(Json(ConnectionShape::of(&row)))
}

async fn delete(
    State(app): State<App>,
    caller: Caller,
    names: Names,
) -> Result<StatusCode, Problem> {
    let conn_id = names.text(0);
    if connection::delete(app.store(), conn_id, Some(&caller.name), app.now()).await? {
        app.nudge();
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(missing(conn_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn masks_that_come_back_keep_what_is_stored() {
        let old = json!({"api_key": "k", "deep": {"token": "t", "a": 1}});
        let new = json!({"api_key": "***", "deep": {"token": "***", "a": 2}, "b": "***"});
        let (Value::Object(old), Value::Object(new)) = (old, new) else { panic!("objects") };
        let expected = json!({"api_key": "k", "deep": {"token": "t", "a": 2}, "b": "***"});
        assert_eq!(Value::Object(unmasked(new, &old)), expected);
    }
}
