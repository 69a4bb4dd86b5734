//! Live events: one stream of what changed, resumable by its cursor.
//!
//! The cursor is the number of the last event seen; a client that comes back with it misses
//! nothing. Nothing is asked of the database while nothing is committed.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use futures_util::stream::{self, Stream};
use millrace_store::event::{self, StoredEvent};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use crate::access::{Action, Caller};
use crate::app::App;
use crate::guard;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;

/// Events read at once.
const BATCH: u32 = 500;
/// How often the database is asked when commits are not announced here.
const POLL: Duration = Duration::from_secs(1);
/// After a commit so long is waited for others, so that a burst is one read.
const GATHER: Duration = Duration::from_millis(30);
/// How often a sign of life is sent, and the token looked at again.
const BEAT: Duration = Duration::from_secs(15);

#[derive(Debug, Serialize)]
struct LiveEvent {
    id: i64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dag_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    map_index: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    try_number: Option<u32>,
}

impl LiveEvent {
    fn hello(id: i64) -> Self {
        Self {
            id,
            kind: "hello",
            dag_id: None,
            run_id: None,
            task_id: None,
            map_index: None,
            state: None,
            try_number: None,
        }
    }

    fn of(event: StoredEvent) -> Self {
        let row = event.row;
        let kind = if row.ti.is_some() {
            "ti"
        } else if row.run.is_some() {
            "run"
        } else if row.kind.starts_with("import") {
            "import_error"
        } else {
            "dag"
        };
        Self {
            id: event.id,
            kind,
            dag_id: row.dag_id.map(String::from),
            run_id: event.run_id.map(String::from),
            task_id: event.task_id.map(String::from),
            map_index: event.map_index,
            state: row.to,
            try_number: row.try_number,
        }
    }

    fn frame(&self) -> Event {
        let frame = Event::default().id(self.id.to_string());
        frame.json_data(self).unwrap_or_else(|_| Event::default().comment("unreadable event"))
    }
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/api/v1/events", Action::DagRead, events)
}

async fn events(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    // The header is what a browser's EventSource sends after a reconnect.
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let since: Option<i64> = params.number("since").or(resumed);
    params.close()?;
    let permit = app.streams.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Problem::unavailable("too many open streams; try again"))?;
    // Before the first look, so that no commit is missed.
    let mut committed = app.api.committed.clone();
    if let Some(committed) = &mut committed {
        committed.mark_unchanged();
    }
    let cursor = match since {
        Some(cursor) => cursor,
        None => event::last_id(app.store()).await?,
    };
    let feed = Feed {
        app,
        caller,
        cursor,
        committed,
        ready: vec![LiveEvent::hello(cursor)],
        must_look: true,
        beat_at: Instant::now() + BEAT,
        _permit: permit,
    };
    Ok(Sse::new(stream::unfold(feed, |mut feed| async move {
        let frame = feed.next().await?;
        Some((Ok(frame), feed))
    })))
}

struct Feed {
    app: App,
    caller: Caller,
    cursor: i64,
    committed: Option<watch::Receiver<u64>>,
    /// Events to send, newest first.
    ready: Vec<LiveEvent>,
    must_look: bool,
    beat_at: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Feed {
    /// The next frame; none ends the stream: the server stops or the token is no longer good.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop() {
                return Some(event.frame());
            }
            if Instant::now() >= self.beat_at {
                self.beat_at = Instant::now() + BEAT;
                return self.beat().await;
            }
            if self.must_look {
                self.look().await;
                continue;
            }
            self.wait().await?;
        }
    }

    async fn look(&mut self) {
        match event::after(self.app.store(), self.cursor, BATCH).await {
            Ok(found) => {
                self.must_look = found.len() >= BATCH as usize;
                self.cursor = found.last().map_or(self.cursor, |event| event.id);
                self.ready = found.into_iter().rev().map(LiveEvent::of).collect();
            }
            Err(error) => {
                tracing::debug!(%error, "live events wait for the database");
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// Waits for a commit, the next beat, or the end.
    async fn wait(&mut self) -> Option<()> {
        let changed = async {
            let announced = match &mut self.committed {
                Some(committed) => committed.changed().await.is_ok(),
                None => false,
            };
            tokio::time::sleep(if announced { GATHER } else { POLL }).await;
        };
        tokio::select! {
            () = self.app.stop.cancelled() => None,
            () = tokio::time::sleep_until(self.beat_at) => Some(()),
            () = changed => {
                self.must_look = true;
                Some(())
            }
        }
    }

    async fn beat(&mut self) -> Option<Event> {
        let comment = Event::default().comment("still here");
        match guard::verify(&self.app, &self.caller.token.0).await {
            Ok(Some(caller)) => caller.role.may(Action::DagRead).then_some(comment),
            Ok(None) => None,
            // The database is away, which says nothing about the token.
            Err(_) => Some(comment),
        }
    }
}
