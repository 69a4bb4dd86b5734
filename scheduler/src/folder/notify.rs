//! Tells that something below the DAG folder may have changed, and which files their writers have
//! closed, by inotify.
//!
//! A hint only: it may be lost or late (network file systems, many folders), so the folder is also
//! swept at a slow period. It reads no file.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use tokio::sync::Notify;

/// A file that was closed so long ago and is still not read has no need of haste.
const CLOSED_KEPT: Duration = Duration::from_secs(10);

/// What inotify has told so far.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    woken: Notify,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When the last event came.
    last: Option<Instant>,
    /// When the writer of a file closed it, or it was moved here; gone once somebody writes again.
    closed: HashMap<PathBuf, Instant>,
}

impl Changes {
    /// Waits for an event since the last call.
    pub(crate) async fn next(&self) {
        self.woken.notified().await;
    }

    /// Waits until nothing was told for `quiet`, at most `most`: one save is several events, and a
    /// checkout is many files.
    pub(crate) async fn calm(&self, quiet: Duration, most: Duration) {
        let end = Instant::now() + most;
        loop {
            let now = Instant::now();
            let last = self.seen().last;
            let calm_at = last.map_or(now, |last| last + quiet).min(end);
            if calm_at <= now {
                return;
            }
            tokio::time::sleep_until(calm_at.into()).await;
        }
    }

    /// The files that were closed at least `quiet` ago, and that nobody has touched since.
    pub(crate) fn closed(&self, now: Instant, quiet: Duration) -> BTreeSet<PathBuf> {
        let mut seen = self.seen();
        seen.closed.retain(|_, at| now.saturating_duration_since(*at) < CLOSED_KEPT);
        let old = |at: &Instant| now.saturating_duration_since(*at) >= quiet;
        seen.closed.iter().filter(|(_, at)| old(at)).map(|(path, _)| path.clone()).collect()
    }

    /// Notes one event: `path` is none when events were lost.
    fn note(&self, path: Option<PathBuf>, mask: EventMask, now: Instant) {
        let mut seen = self.seen();
        seen.last = Some(now);
        let Some(path) = path else {
            seen.closed.clear();
            return;
        };
        if mask.intersects(EventMask::CLOSE_WRITE | EventMask::MOVED_TO) {
            // A link's target may be written elsewhere, out of sight.
            if std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()) {
                seen.closed.insert(path, now);
                return;
            }
        }
        if !mask.contains(EventMask::ATTRIB) {
            seen.closed.remove(&path);
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a thread that notes what happens below `root`. It ends with the process.
pub(crate) fn watch(root: &Path, changes: Arc<Changes>) {
    let root = root.to_path_buf();
    let spawned = std::thread::Builder::new().name("dag-folder".to_owned()).spawn(move || {
        if let Err(error) = run(&root, &changes) {
            tracing::warn!(%error, folder = %root.display(), "inotify is not available; the DAG folder is only swept");
        }
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "no thread for inotify; the DAG folder is only swept");
    }
}

fn run(root: &Path, changes: &Changes) -> std::io::Result<()> {
    let mut inotify = Inotify::init()?;
    let mut folders = add(&mut inotify, root)?;
    // What was written between the first look and the watch is told by nothing else.
    changes.woken.notify_one();
    let mut buffer = [0_u8; 16 * 1024];
    loop {
        let mut new_folder = false;
        for event in inotify.read_events_blocking(&mut buffer)? {
            new_folder |= event.mask.contains(EventMask::ISDIR);
            let folder = folders.get(&event.wd);
            let path = folder.zip(event.name).map(|(folder, name)| folder.join(name));
            changes.note(path, event.mask, Instant::now());
        }
        if new_folder {
            // Watches are by inode: adding one again is harmless.
            folders = add(&mut inotify, root)?;
        }
        changes.woken.notify_one();
    }
}

/// Watches all folders; the paths by watch.
fn add(inotify: &mut Inotify, root: &Path) -> std::io::Result<HashMap<WatchDescriptor, PathBuf>> {
    let mask = WatchMask::CLOSE_WRITE
        | WatchMask::MOVED_TO
        | WatchMask::MOVED_FROM
        | WatchMask::CREATE
        | WatchMask::DELETE
        | WatchMask::MODIFY
        | WatchMask::ATTRIB;
    let mut watched = HashMap::from([(inotify.watches().add(root, mask)?, root.to_path_buf())]);
    for folder in folders(root) {
        if let Ok(watch) = inotify.watches().add(&folder, mask) {
            watched.insert(watch, folder);
        }
    }
    Ok(watched)
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

#[cfg(test)]
mod tests {
    use super::*;
    use EventMask as M;

    #[test]
    fn a_file_is_closed_until_somebody_touches_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.yaml");
        std::fs::write(&path, "a: 1").expect("a file");
        let link = folder.path().join("b.yaml");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let check = |path: &Path, events: &[(EventMask, u64)], millis, expected: bool| {
            let changes = Changes::default();
            for (mask, millis) in events {
                changes.note(Some(path.to_path_buf()), *mask, at(*millis));
            }
            let closed = changes.closed(at(millis), Duration::from_millis(50));
            assert_eq!(closed.contains(path), expected, "{events:?} at {millis}");
        };
        check(&path, &[(M::MODIFY, 0), (M::CLOSE_WRITE, 10)], 60, true);
        check(&path, &[(M::MODIFY, 0), (M::CLOSE_WRITE, 10)], 59, false);
        check(&path, &[(M::MODIFY, 0)], 500, false);
        check(&path, &[(M::CREATE, 0), (M::MODIFY, 0)], 500, false);
        check(&path, &[(M::MOVED_TO, 0)], 50, true);
        check(&path, &[(M::MOVED_TO, 0), (M::ATTRIB, 5)], 50, true);
        check(&path, &[(M::CLOSE_WRITE, 0), (M::MODIFY, 40)], 500, false);
        check(&path, &[(M::CLOSE_WRITE, 0), (M::MODIFY, 40), (M::CLOSE_WRITE, 45)], 60, false);
        check(&path, &[(M::CLOSE_WRITE, 0), (M::DELETE, 40)], 500, false);
        check(&path, &[(M::CLOSE_WRITE, 0), (M::MOVED_FROM, 40)], 500, false);
        check(&path, &[(M::CLOSE_WRITE, 0)], 10_000, false);
        check(&link, &[(M::MOVED_TO, 0)], 500, false);
        check(&folder.path().join("gone.yaml"), &[(M::CLOSE_WRITE, 0)], 500, false);
        let changes = Changes::default();
        changes.note(Some(path.clone()), M::CLOSE_WRITE, at(0));
        changes.note(None, M::Q_OVERFLOW, at(1));
        assert!(changes.closed(at(60), Duration::ZERO).is_empty(), "events were lost");
    }
}
