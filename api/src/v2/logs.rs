//! Logs of tries in Airflow's structured form, as one JSON answer or a line a record.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use millrace_core::log_line;
use millrace_core::record::TiRow;
use millrace_store::task_attempt;
use serde_json::{Value, json};

use super::tis_of;
use crate::access::Action;
use crate::app::App;
use crate::attempt_log::AttemptLog;
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;

const LOG: &str =
    "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/logs/{try_number}";
const EXTERNAL: &str = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/\
    externalLogUrl/{try_number}";

/// The most bytes of a log in one answer; the rest follows with the continuation token.
const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get(LOG, Action::LogRead, log).get(EXTERNAL, Action::LogRead, external)
}

/// Where a reader stands: in which hand-out of the try, at which byte.
type Place = (u32, u64);

/// `3.1024`
fn place_of(token: &str) -> Option<Place> {
    let (epoch, offset) = token.split_once('.')?;
    Some((epoch.parse().ok()?, offset.parse().ok()?))
}

async fn external() -> Problem {
    Problem::bad_request("Task log handler does not support external logs.")
}

async fn log(
    State(app): State<App>,
    names: Names,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (dag_id, run_id, task_id) = (names.dag_id()?, names.run_id()?, names.task_id()?);
    let try_number: u32 = names.number(3)?;
    let map_index = params.number("map_index").unwrap_or(-1);
    let full = params.flag("full_content").unwrap_or(false);
    let token = params.text("token");
    params.close()?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let as_lines = wants_lines(accept.unwrap_or("*/*")).ok_or_else(|| {
        let text = "Only application/json or application/x-ndjson is supported";
        Problem::new(StatusCode::NOT_ACCEPTABLE, text)
    })?;
    let from = match token {
        None => (0, 0),
        Some(token) => place_of(&token).ok_or_else(|| {
            Problem::bad_request("Bad Signature. Please use only the tokens provided by the API.")
        })?,
    };
    let row = tis_of::find(&app, &dag_id, &run_id, &task_id, map_index).await?;
    let bytes_max = if full { usize::MAX } else { ANSWER_BYTES_MAX };
    let (records, next) = records(&app, &row, try_number, from, bytes_max).await?;
    if as_lines {
        let mut text = String::new();
        for record in records {
            text.push_str(&record.to_string());
            text.push('\n');
        }
        return Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], text).into_response());
    }
    let next = next.map(|(epoch, offset)| format!("{epoch}.{offset}"));
    Ok(Json(json!({"content": records, "continuation_token": next})).into_response())
}

/// Whether lines are wanted rather than one JSON value; none when neither is.
fn wants_lines(accept: &str) -> Option<bool> {
    let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
    kinds.into_iter().find_map(|kind| match kind {
        "application/x-ndjson" => Some(true),
        "application/json" | "application/*" | "*/*" => Some(false),
        _ => None,
    })
}

/// The records of a try from a place on, and the place after them when there is or will be more.
async fn records(
    app: &App,
    row: &TiRow,
    try_number: u32,
    from: Place,
    bytes_max: usize,
) -> Result<(Vec<Value>, Option<Place>), Problem> {
    let attempts = task_attempt::of_ti(app.store(), row.id).await?;
    let logs: Vec<AttemptLog> = attempts
        .iter()
        .filter(|attempt| attempt.key.try_number == try_number)
        .map(AttemptLog::of)
        .collect();
    if logs.is_empty() {
        return Err(Problem::not_found("TaskInstance not found"));
    }
    let mut records = Vec::new();
    let mut left = bytes_max;
    for (index, log) in logs.iter().enumerate().filter(|(_, log)| log.key.epoch >= from.0) {
        let epoch = log.key.epoch;
        let offset = if epoch == from.0 { from.1 } else { 0 };
        let is_last = index + 1 == logs.len();
        if logs.len() > 1 && offset == 0 {
            records.push(json!({"timestamp": null, "event": format!("::group::hand-out {epoch}")}));
            records.push(json!({"timestamp": null, "event": "::endgroup::"}));
        }
        let piece = log.read(app, offset, left).await?;
        left = left.saturating_sub(piece.text.len());
        // A record that is still being written is left for the next time.
        let whole = if piece.complete { piece.text.len() } else { whole_lines(&piece.text) };
        records.extend(piece.text[..whole].lines().map(record));
        let next = piece.from + whole as u64;
        let reached_end = piece.complete || (whole == 0 && !is_last);
        if left == 0 || (!reached_end && is_last) {
            return Ok((records, Some((epoch, next))));
        }
    }
    Ok((records, None))
}

fn whole_lines(text: &str) -> usize {
    text.rfind('\n').map_or(0, |end| end + 1)
}

/// Airflow: `StructuredLogMessage`.
fn record(line: &str) -> Value {
    let line = log_line::parse(line);
    let at = line.at.map(|at| {
        let micros = at.as_microsecond().rem_euclid(1_000_000);
        format!("{}.{micros:06}Z", at.strftime("%Y-%m-%dT%H:%M:%S"))
    });
    json!({
        "timestamp": at,
        "event": line.text,
        "level": line.source.level(),
        "logger": match line.source {
            log_line::Source::Out => "task.stdout",
            log_line::Source::Err => "task.stderr",
            _ => "task",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_headers_choose_the_form() {
        let check = |accept: &str, expected: Option<bool>| {
            assert_eq!(wants_lines(accept), expected, "{accept}");
        };
        check("*/*", Some(false));
        check("application/json", Some(false));
        check("application/x-ndjson", Some(true));
        check("text/html, application/x-ndjson;q=0.5", Some(true));
        check("text/plain", None);
    }

    #[test]
    fn tokens_are_places() {
        assert_eq!(place_of("3.1024"), Some((3, 1024)));
        assert_eq!(place_of("x"), None);
        assert_eq!(place_of("1.-2"), None);
    }

    #[test]
    fn lines_become_records() {
        let got = record("2026-11-20T09:31:05.079453Z err oh no");
        let expected = json!({
            "timestamp": "2026-11-20T09:31:05.079453Z",
            "event": "oh no",
            "level": "info",
            "logger": "task.stderr",
        });
        assert_eq!(got, expected);
    }
}
