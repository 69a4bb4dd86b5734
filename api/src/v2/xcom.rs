//! XComs of a task instance, read only.

use std::fmt::Write as _;

use axum::Json;
use axum::extract::State;
use millrace_core::record::{RunRow, XComRow};
use millrace_store::xcom::{self, XComFilter};
use serde_json::{Map, Value};

use super::runs_of::{self, display_names};
use crate::access::Action;
use crate::app::App;
use crate::path::{ANY, Names, shown};
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{XComShape, page};

page! {
    /// Airflow: `XComCollectionResponse`.
    XComPage { xcom_entries: XComShape }
}

const LIST: &str = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries";
const ONE: &str = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries/\
    {xcom_key}";

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get(LIST, Action::XComRead, list).get(ONE, Action::XComRead, get)
}

async fn shaped(app: &App, run: &RunRow, row: &XComRow) -> Result<XComShape, Problem> {
    let names = display_names(app, vec![run.dag_id.clone()]).await?;
    let name = names.get(&run.dag_id).cloned().unwrap_or_default();
    let task_id = row.task_id.as_str();
    let versions = app.versions(vec![run.version]).await?;
    let task = versions
        .get(&run.version)
        .map_or_else(|| task_id.to_owned(), |version| version.task_display_name(app, task_id));
    Ok(XComShape::of(row, run, &name, task))
}

async fn list(
    State(app): State<App>,
    names: Names,
    mut params: Params,
) -> Result<Json<XComPage>, Problem> {
    let any_task = names.text(2) == ANY;
    let task_id = if any_task { None } else { Some(names.task_id()?.to_string()) };
    let filter = XComFilter {
        task_id,
        map_index: params.number("map_index"),
        key_pattern: params.text("xcom_key").or_else(|| params.pattern("xcom_key_pattern")),
    };
    let paging = params.paging();
    params.close()?;
    let run = runs_of::find(&app, &names.dag_id()?, &names.run_id()?).await?;
    let page = xcom::list(app.store(), run.id, &filter, paging).await?;
    let mut xcom_entries = Vec::new();
    for row in &page.rows {
        xcom_entries.push(shaped(&app, &run, row).await?);
    }
    Ok(Json(XComPage { xcom_entries, total_entries: page.total }))
}

async fn get(
    State(app): State<App>,
    names: Names,
    mut params: Params,
) -> Result<Json<XComShape>, Problem> {
    let stringify = params.flag("stringify").unwrap_or(false);
    let map_index: i32 = params.number("map_index").unwrap_or(-1);
    params.close()?;
    let task_id = names.task_id()?;
    let run = runs_of::find(&app, &names.dag_id()?, &names.run_id()?).await?;
    let key = names.text(3);
    let rows = xcom::pull(app.store(), run.id, task_id.as_str(), key).await?;
    let row = rows.into_iter().find(|row| row.map_index == map_index).ok_or_else(|| {
        Problem::not_found(format!("XCom entry with key: `{}` not found", shown(key)))
    })?;
    let mut shape = shaped(&app, &run, &row).await?;
    shape.value = Some(if stringify { Value::from(python_text(&row.value)) } else { row.value });
    Ok(Json(shape))
}

/// Python's `str()` of a value.
fn python_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => python_repr(other),
    }
}

fn python_repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(python_repr).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => python_map(map),
    }
}

fn python_map(map: &Map<String, Value>) -> String {
    let of = |(key, value): (&String, &Value)| format!("{}: {}", quoted(key), python_repr(value));
    format!("{{{}}}", map.iter().map(of).collect::<Vec<_>>().join(", "))
}

/// Single quotes, unless the text has one and no double quote.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_print_as_in_python() {
        let check = |value: Value, expected: &str| assert_eq!(python_text(&value), expected);
        check(json!({"followed": ["train"]}), "{'followed': ['train']}");
        check(json!("x"), "x");
        check(json!([1, 1.5, null, true, "it's"]), "[1, 1.5, None, True, \"it's\"]");
        check(json!(["a\nb\\"]), "['a\\nb\\\\']");
    }
}
