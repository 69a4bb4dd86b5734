//! Folders of ended attempts that wait for another one.
//!
//! Removed files are not free: ext4 does not give a freed inode out again for minutes, and each new
//! file looks past all of those. A worker that makes and removes a folder, its scratch folder and its
//! note for each attempt so gets slower with every task it runs (at 200 tasks a second by
//! milliseconds a task). An ended attempt's folder is therefore emptied, renamed and used again. It
//! must be as good as new: whatever a task changed about it costs it that.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use millrace_core::record::AttemptKey;

use super::{AttemptFolder, NOTE, SCRATCH};

/// Folders that wait at once; as many as a worker has slots are enough.
const SPARES_MAX: usize = 256;

const SPARE: &str = "spare.";

/// The folders of a worker's attempts.
#[derive(Debug)]
pub(crate) struct Folders {
    place: PathBuf,
    spares: Mutex<Vec<PathBuf>>,
    made: AtomicU64,
}

impl Folders {
    /// Where the folders of all attempts are.
    pub(crate) fn place(home: &Path) -> PathBuf {
        home.join("worker").join("attempts")
    }

    /// The folders below a worker's home; those that waited in a former incarnation are removed.
    pub(crate) fn open(home: &Path) -> Arc<Self> {
        let place = Self::place(home);
        for entry in fs::read_dir(&place).into_iter().flatten().flatten() {
            if is_spare(&entry.file_name())
                && let Err(error) = fs::remove_dir_all(entry.path())
            {
                tracing::warn!(folder = %entry.path().display(), %error, "folder not removed");
            }
        }
        Arc::new(Self { place, spares: Mutex::default(), made: AtomicU64::new(0) })
    }

    /// The folder for an attempt; one left by an interrupted start is emptied.
    pub(crate) fn create(self: &Arc<Self>, key: AttemptKey) -> io::Result<AttemptFolder> {
        let path = self.place.join(key.to_string());
        let spare = self.spares.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // Over an empty folder of the name it goes, over any other not.
        if spare.is_none_or(|spare| fs::rename(spare, &path).is_err()) {
            make(&path)?;
        }
        Ok(AttemptFolder { path, folders: Some(Arc::clone(self)), in_use: Arc::default() })
    }

    /// Takes the folder of an ended attempt back; false when it is not fit for another one.
    pub(super) fn take_back(&self, path: &Path) -> bool {
        if self.spares.lock().unwrap_or_else(PoisonError::into_inner).len() >= SPARES_MAX {
            return false;
        }
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let spare = self.place.join(format!("{SPARE}{number}"));
        if clean(path).is_err() || fs::rename(path, &spare).is_err() {
            return false;
        }
        self.spares.lock().unwrap_or_else(PoisonError::into_inner).push(spare);
        true
    }
}

/// Whether a folder of this name waits for an attempt.
pub(super) fn is_spare(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(SPARE.as_bytes())
}

/// Makes folders that nobody else may look into.
pub(super) fn private() -> fs::DirBuilder {
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o700);
    builder
}

fn make(path: &Path) -> io::Result<()> {
    match private().create(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            private().recursive(true).create(path)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_dir_all(path)?;
            private().create(path)
        }
        done => done,
    }
}

/// Empties a folder, but for a blank note and a scratch folder that is as it was made.
fn clean(path: &Path) -> io::Result<()> {
    let unfit = || io::Error::other("changed by its task");
    if !is_private(path)? {
        return Err(unfit());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        if name == NOTE && kind.is_file() {
            fs::OpenOptions::new().write(true).truncate(true).open(entry.path())?;
        } else if name == SCRATCH && kind.is_dir() {
            let is_empty = fs::read_dir(entry.path())?.next().is_none();
            if !is_empty || !is_private(&entry.path())? {
                return Err(unfit());
            }
        } else if kind.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn is_private(path: &Path) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(path)?;
    let own = rustix::process::geteuid().as_raw();
    Ok(metadata.mode() & 0o7777 == 0o700 && metadata.uid() == own)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn key(ti: i64) -> AttemptKey {
        AttemptKey { ti, try_number: 1, epoch: 1 }
    }

    /// Runs an attempt's folder through `what` its task does; whether the next attempt gets it.
    fn is_used_again(what: impl FnOnce(&AttemptFolder, &Path)) -> bool {
        let home = tempfile::tempdir().expect("a folder");
        let folders = Folders::open(home.path());
        let folder = folders.create(key(1)).expect("made");
        let scratch = folder.scratch().expect("made");
        fs::write(folder.path().join(NOTE), "{}\n").expect("written");
        what(&folder, &scratch);
        folder.remove();
        assert!(!folder.path().exists());
        let is_spare = folders.spares.lock().expect("no panic").len() == 1;
        let next = folders.create(key(2)).expect("made");
        assert!(next.read_note().is_none());
        let left = fs::read_dir(next.path()).expect("read").flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        let known = [NOTE, SCRATCH].map(OsStr::new);
        assert!(left.iter().all(|name| known.contains(&name.as_os_str())), "{left:?}");
        assert!(fs::read_dir(next.scratch().expect("made")).expect("read").next().is_none());
        is_spare
    }

    #[test]
    fn a_folder_is_used_again_when_it_is_as_good_as_new() {
        let write = |path: PathBuf| fs::write(path, "x").expect("written");
        let open = |path: &Path| {
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("changed");
        };
        assert!(is_used_again(|_, _| ()), "nothing was left");
        assert!(is_used_again(|folder, _| write(folder.path().join("a"))), "a file");
        assert!(is_used_again(|folder, _| {
            fs::create_dir(folder.path().join("a")).expect("made");
            write(folder.path().join("a/b"));
        }));
        assert!(is_used_again(|folder, scratch| {
            fs::remove_dir(scratch).expect("removed");
            write(folder.path().join(SCRATCH));
        }));
        assert!(!is_used_again(|_, scratch| write(scratch.join("a"))), "scratch");
        assert!(!is_used_again(|_, scratch| open(scratch)), "an open scratch folder");
        assert!(!is_used_again(|folder, _| open(folder.path())), "an open folder");
        assert!(!is_used_again(|folder, _| folder.stays_in_use()), "still in use");
    }

    #[test]
    fn what_waited_is_removed_at_the_next_start() {
        let home = tempfile::tempdir().expect("a folder");
        let folders = Folders::open(home.path());
        folders.create(key(1)).expect("made").remove();
        let kept = folders.create(key(3)).expect("made");
        folders.create(key(2)).expect("made").remove();
        assert_eq!(super::super::leftovers(home.path()).len(), 1);
        Folders::open(home.path());
        let left: Vec<_> = fs::read_dir(Folders::place(home.path())).expect("read").collect();
        assert_eq!(left.len(), 1);
        assert!(kept.path().exists());
    }
}
