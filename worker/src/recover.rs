//! What an earlier incarnation of the worker left on this machine: processes are ended (their
//! output went to the one that died), containers may be taken over.

use std::collections::HashMap;

use millrace_core::record::AttemptKey;
use millrace_core::wire::{AttemptResult, Outcome};

use crate::config::WorkerConfig;
use crate::folder::{self, AttemptFolder, Note};
use crate::process::scan;

/// An attempt of an earlier incarnation whose container may still run.
#[derive(Debug)]
pub(crate) struct Former {
    /// Its folder.
    pub(crate) folder: AttemptFolder,
    /// What was noted of it.
    pub(crate) note: Note,
}

/// Such attempts by key.
pub(crate) type Adoptable = HashMap<AttemptKey, Former>;

/// Ends the processes that an earlier incarnation left and names the containers.
pub(crate) async fn former(settings: &WorkerConfig) -> Adoptable {
    let boot_id = scan::boot_id();
    let mut adoptable = Adoptable::new();
    let mut endings = Vec::new();
    for (folder, note) in folder::leftovers(&settings.home) {
        match note {
            Some(note) if note.container.is_some() => {
                adoptable.insert(note.key, Former { folder, note });
            }
            note => endings.push(end(folder, note, &boot_id, settings)),
        }
    }
    futures_util::future::join_all(endings).await;
    adoptable
}

async fn end(folder: AttemptFolder, note: Option<Note>, boot_id: &str, settings: &WorkerConfig) {
    if let Some(note) = note {
        let same_boot = note.boot_id == boot_id;
        let grace = settings.kill_grace;
        let ended =
            scan::end_former(note.pid, note.start_ticks, same_boot, &note.marker, grace).await;
        if ended {
            tracing::warn!(attempt = %note.key, pid = note.pid, "ended what an earlier worker left");
        }
    }
    folder.remove();
}

/// Ends the containers that nobody wants.
pub(crate) async fn drop_unwanted(
    _settings: &WorkerConfig,
    unwanted: Adoptable,
    _wanted: &[AttemptKey],
) {
    for former in unwanted.into_values() {
        former.folder.remove();
    }
}

/// The result of an attempt that was to go on and is not there.
pub(crate) fn gone(key: AttemptKey) -> AttemptResult {
    let mut result = AttemptResult::new(key, Outcome::Lost);
    result.reason = Some("the worker was restarted and found nothing of this attempt".to_owned());
    result
}
