//! What an earlier incarnation of the worker left on this machine: processes are ended (their
//! output went to the one that died), containers may be taken over.

use std::collections::HashMap;
use std::time::Duration;

use millrace_core::record::AttemptKey;
use millrace_core::wire::{AttemptResult, Outcome};

use crate::config::WorkerConfig;
use crate::folder::{self, AttemptFolder, Note};
use crate::operator::docker;
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

/// How long the daemon may take to name the containers; a start does not wait for a hung one.
const DAEMON_LIMIT: Duration = Duration::from_secs(10);

/// Ends the processes that an earlier incarnation left and names the containers.
pub(crate) async fn former(settings: &WorkerConfig) -> Adoptable {
    let boot_id = scan::boot_id();
    let mut noted = Adoptable::new();
    let mut endings = Vec::new();
    for (folder, note) in folder::leftovers(&settings.home) {
        match note {
            Some(note) if note.container.is_some() => {
                noted.insert(note.key, Former { folder, note });
            }
            note => endings.push(end(folder, note, &boot_id, settings)),
        }
    }
    futures_util::future::join_all(endings).await;
    let mut adoptable = Adoptable::new();
    for (key, former) in noted {
        if exists(&former.note).await {
            adoptable.insert(key, former);
        } else {
            former.folder.remove();
        }
    }
    adoptable
}

/// Whether the container of a note is still there, running or ended.
async fn exists(note: &Note) -> bool {
    let (Ok(docker), Some(id)) = (docker::connect(note.docker_url.as_deref()), &note.container)
    else {
        return false;
    };
    let found = tokio::time::timeout(DAEMON_LIMIT, docker.inspect_container(id, None)).await;
    matches!(found, Ok(Ok(_)))
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

/// Ends the containers that nobody wants: those noted, and any other with this worker's labels.
pub(crate) async fn drop_unwanted(
    settings: &WorkerConfig,
    unwanted: Adoptable,
    wanted: &[AttemptKey],
) {
    for former in unwanted.into_values() {
        if let (Ok(docker), Some(id)) =
            (docker::connect(former.note.docker_url.as_deref()), &former.note.container)
        {
            tracing::warn!(attempt = %former.note.key, container = id, "removing container");
            docker::remove(&docker, id).await;
        }
        former.folder.remove();
    }
    let Ok(docker) = docker::connect(None) else { return };
    let labels =
        [(docker::CLUSTER, settings.cluster.as_str()), (docker::WORKER, settings.name.as_str())];
    let found = tokio::time::timeout(DAEMON_LIMIT, docker::containers_of(&docker, &labels)).await;
    let Ok(Ok(found)) = found else { return };
    for container in found {
        let is_wanted = docker::is_kept(&container)
            || docker::key_of(&container).is_some_and(|key| wanted.contains(&key));
        if let Some(id) = container.id.filter(|_| !is_wanted) {
            tracing::warn!(container = id, "removing container of nobody");
            docker::remove(&docker, &id).await;
        }
    }
}

/// The result of an attempt that was to go on and is not there.
pub(crate) fn gone(key: AttemptKey) -> AttemptResult {
    let mut result = AttemptResult::new(key, Outcome::Lost);
    result.reason = Some("the worker was restarted and found nothing of this attempt".to_owned());
    result
}
