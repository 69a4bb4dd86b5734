//! The log of a try as text, from a byte on. The hand-outs of one try are one text, with a line
//! between them.

use axum::Json;
use axum::extract::State;
use millrace_store::logs::LogPiece;
use millrace_store::task_attempt;
use serde::Serialize;

use crate::access::Action;
use crate::app::App;
use crate::attempt_log::AttemptLog;
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::v2::find_ti;

/// The most bytes of one answer.
const ANSWER_BYTES_MAX: usize = 512 * 1024;

#[derive(Debug, Serialize)]
struct Chunk {
    text: String,
    next_offset: u64,
    complete: bool,
}

pub(super) fn routes(routes: Routes) -> Routes {
    let path = "/api/v1/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/log";
    routes.get(path, Action::LogRead, log)
}

async fn log(
    State(app): State<App>,
    names: Names,
    mut params: Params,
) -> Result<Json<Chunk>, Problem> {
    let map_index = params.number("map_index").unwrap_or(-1);
    let try_number: Option<u32> = params.number("try_number");
    let from: u64 = params.number("from").unwrap_or(0);
    params.close()?;
    let (dag_id, run_id, task_id) = (names.dag_id()?, names.run_id()?, names.task_id()?);
    let row = find_ti(&app, &dag_id, &run_id, &task_id, map_index).await?;
    let try_number = try_number.unwrap_or(row.try_number);
    let attempts = task_attempt::of_ti(app.store(), row.id).await?;
    let logs: Vec<AttemptLog> = attempts
        .iter()
        .filter(|attempt| attempt.key.try_number == try_number)
        .map(AttemptLog::of)
        .collect();
    read(&app, &logs, from).await.map(Json)
}

/// What stands between two hand-outs.
fn separator(log: &AttemptLog) -> String {
    format!("\n---- hand-out {} of this try ----\n", log.key.epoch)
}

/// Reads on in the concatenated text. Logs before the last one have ended, so their sizes stay.
async fn read(app: &App, logs: &[AttemptLog], from: u64) -> Result<Chunk, Problem> {
    let mut chunk = Chunk { text: String::new(), next_offset: from, complete: logs.is_empty() };
    let mut begin = 0_u64;
    for (index, log) in logs.iter().enumerate() {
        let is_last = index + 1 == logs.len();
        if index > 0 {
            let line = separator(log);
            let end = begin + line.len() as u64;
            if chunk.next_offset < end {
                let known = usize::try_from(chunk.next_offset.saturating_sub(begin)).unwrap_or(0);
                chunk.text.push_str(line.get(known..).unwrap_or_default());
                chunk.next_offset = end;
            }
            begin = end;
        }
        let size = log.size(app).await?;
        if chunk.next_offset < begin + size || is_last {
            let room = ANSWER_BYTES_MAX.saturating_sub(chunk.text.len());
            if room == 0 {
                return Ok(chunk);
            }
            let piece: LogPiece =
                log.read(app, chunk.next_offset.saturating_sub(begin), room).await?;
            chunk.text.push_str(&piece.text);
            chunk.next_offset = begin + piece.next;
            if is_last {
                chunk.complete = piece.complete;
            } else if piece.next < size {
                return Ok(chunk);
            }
        }
        begin += size;
    }
    Ok(chunk)
}
