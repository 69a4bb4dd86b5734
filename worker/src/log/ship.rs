//! Sends an attempt's log, piece by piece, until it is closed and everything has arrived.

use std::sync::Arc;
use std::time::Duration;

use millrace_core::record::AttemptKey;
use millrace_core::wire::{AppendLog, Link, ProtocolError};
use tokio::time::Instant;

use super::Shared;

/// How long lines are gathered before they are sent; a log is seen live within 100 ms.
const GATHER: Duration = Duration::from_millis(50);

/// A piece is sent without gathering from this size on.
const PIECE_BYTES: usize = 256 << 10;

/// How long an ended attempt's log is still offered to a scheduler that does not answer.
const GIVE_UP: Duration = Duration::from_mins(10);

/// The sending task of one log.
pub(super) async fn run(link: Link, key: AttemptKey, shared: Arc<Shared>) {
    loop {
        gather(&shared).await;
        let Some((piece, last)) = next_piece(&shared, key) else { continue };
        let delivered = deliver(&link, &shared, piece).await;
        shared.room.notify_waiters();
        if !delivered || last {
            break;
        }
    }
    shared.done.send_replace(true);
}

/// Waits until there is enough, or something for long enough, or the log is closed.
async fn gather(shared: &Shared) {
    let mut first_seen = None;
    loop {
        let woken = shared.wake.notified();
        let (pending, closed) = {
            let state = shared.lock();
            (state.pending.len(), state.closed)
        };
        if closed || pending >= PIECE_BYTES {
            return;
        }
        if pending == 0 {
            woken.await;
            continue;
        }
        let until = *first_seen.get_or_insert_with(|| Instant::now() + GATHER);
        if tokio::time::timeout_at(until, woken).await.is_err() {
            return;
        }
    }
}

/// Takes whole lines up to the size of a piece, and whether nothing comes after it; none when there
/// is nothing to say.
fn next_piece(shared: &Shared, key: AttemptKey) -> Option<(AppendLog, bool)> {
    let mut state = shared.lock();
    let text = if state.pending.len() <= PIECE_BYTES {
        std::mem::take(&mut state.pending)
    } else {
        let end = state.pending.as_bytes()[..PIECE_BYTES].iter().rposition(|&b| b == b'\n');
        let end = end.or_else(|| state.pending.bytes().position(|b| b == b'\n'));
        let size = end.map_or(state.pending.len(), |end| end + 1);
        let rest = state.pending.split_off(size);
        std::mem::replace(&mut state.pending, rest)
    };
    let ends = state.closed && state.pending.is_empty();
    if text.is_empty() && !ends {
        return None;
    }
    let last = ends && !state.goes_on;
    Some((AppendLog { key, offset: state.offset, text, last }, ends))
}

/// Sends one piece until it is accepted; false when the log is refused or nobody answers.
async fn deliver(link: &Link, shared: &Shared, piece: AppendLog) -> bool {
    let started = Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        match link.append_log(piece.clone()).await {
            Ok(appended) => {
                shared.lock().offset = appended.next_offset;
                return true;
            }
            Err(ProtocolError::Unavailable { .. } | ProtocolError::NotRegistered { .. })
                if started.elapsed() < GIVE_UP =>
            {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(2));
            }
            Err(error) => {
                if !matches!(error, ProtocolError::Fenced { .. }) {
                    tracing::warn!(attempt = %piece.key, %error, "log refused");
                }
                let mut state = shared.lock();
                state.refused = true;
                state.pending.clear();
                return false;
            }
        }
    }
}
