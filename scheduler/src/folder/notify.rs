//! Tells that something below the DAG folder may have changed, by inotify.
//!
//! A hint only: it may be lost or late (network file systems, many folders), so the folder is also
//! swept at a slow period. It carries no data.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use inotify::{Inotify, WatchMask};
use tokio::sync::Notify;

/// Starts a thread that wakes `changed` after events below `root`. It ends with the process.
pub(crate) fn watch(root: &Path, changed: Arc<Notify>) {
    let root = root.to_path_buf();
    let spawned = std::thread::Builder::new().name("dag-folder".to_owned()).spawn(move || {
        if let Err(error) = run(&root, &changed) {
            tracing::warn!(%error, folder = %root.display(), "inotify is not available; the DAG folder is only swept");
        }
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "no thread for inotify; the DAG folder is only swept");
    }
}

fn run(root: &Path, changed: &Notify) -> std::io::Result<()> {
    let mut inotify = Inotify::init()?;
    let mask = WatchMask::CLOSE_WRITE
        | WatchMask::MOVED_TO
        | WatchMask::MOVED_FROM
        | WatchMask::CREATE
        | WatchMask::DELETE
        | WatchMask::MODIFY
        | WatchMask::ATTRIB;
    add(&mut inotify, root, mask)?;
    let mut buffer = [0_u8; 16 * 1024];
    loop {
        let new_folder = inotify
            .read_events_blocking(&mut buffer)?
            .any(|event| event.mask.contains(inotify::EventMask::ISDIR));
        if new_folder {
            // Watches are by inode: adding one again is harmless.
            add(&mut inotify, root, mask)?;
        }
        changed.notify_one();
    }
}

fn add(inotify: &mut Inotify, root: &Path, mask: WatchMask) -> std::io::Result<()> {
    inotify.watches().add(root, mask)?;
    for folder in folders(root) {
        let _ = inotify.watches().add(folder, mask);
    }
    Ok(())
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let mut seen = std::collections::HashSet::new();
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        let Ok(real) = folder.canonicalize() else { continue };
        if !seen.insert(real) || found.len() > 10_000 {
            continue;
        }
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if std::fs::metadata(entry.path()).is_ok_and(|meta| meta.is_dir()) {
                open.push(entry.path());
            }
        }
        found.push(folder);
    }
    found
}
