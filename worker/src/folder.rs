//! The folder of one attempt: its temporary files, and the note by which a later incarnation of
//! the worker finds what still runs.
//!
//! `<home>/worker/attempts/<ti>.<try>.<epoch>/` with mode 0700. The note is written before
//! anything starts and removed with the folder when the attempt has ended.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use millrace_core::record::AttemptKey;
use serde::{Deserialize, Serialize};

use crate::assets::ASSETS_FILE;
use crate::xcom::{METRICS_FILE, XCOM_FILE};

/// What must be known of a running attempt after the worker was killed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Which attempt.
    pub(crate) key: AttemptKey,
    /// Its operator.
    pub(crate) operator: String,
    /// The mark in the environment of its processes and the labels of its container.
    pub(crate) marker: String,
    /// The boot of the machine in which `pid` means something.
    pub(crate) boot_id: String,
    /// Its process (the leader of its group), once it was started.
    pub(crate) pid: Option<i32>,
    /// When the process started, in the kernel's ticks: tells it from a later one of that number.
    pub(crate) start_ticks: Option<u64>,
    /// Its container, once it was created.
    pub(crate) container: Option<String>,
    /// The container's daemon, if not the usual one.
    pub(crate) docker_url: Option<String>,
    /// Up to which moment the container's log was taken over, as the daemon spells it.
    pub(crate) log_until: Option<String>,
    /// The length of the attempt's log at that moment.
    pub(crate) log_offset: u64,
}

/// The folder of a running attempt; removed with everything in it by [`AttemptFolder::remove`].
#[derive(Debug, Clone)]
pub(crate) struct AttemptFolder {
    path: PathBuf,
}

const NOTE: &str = "note.json";

/// Names the folder of [`AttemptFolder::lend`].
const LENT: &str = "lent";

impl AttemptFolder {
    /// Where the folders of all attempts are.
    pub(crate) fn parent(home: &Path) -> PathBuf {
        home.join("worker").join("attempts")
    }

    /// Makes the folder of an attempt; one left by an interrupted start is emptied.
    pub(crate) fn create(home: &Path, key: AttemptKey) -> io::Result<Self> {
        let path = Self::parent(home).join(key.to_string());
        let mut builder = fs::DirBuilder::new();
        builder.mode(0o700);
        match builder.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                builder.recursive(true).create(&path)?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_dir_all(&path)?;
                builder.create(&path)?;
            }
            done => done?,
        }
        Ok(Self { path })
    }

    /// The folder of an attempt that was adopted.
    pub(crate) fn existing(path: PathBuf) -> Self {
        Self { path }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A fresh folder inside, for a task without a working directory.
    pub(crate) fn scratch(&self) -> io::Result<PathBuf> {
        let scratch = self.path.join("tmp");
        match fs::DirBuilder::new().mode(0o700).create(&scratch) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(scratch),
        }
    }

    /// The folder that is mounted into a container for its output, with the empty files. Whoever
    /// the container runs as may write there; the folder around it keeps everybody else out.
    pub(crate) fn outbox(&self) -> io::Result<PathBuf> {
        let outbox = self.outbox_path();
        if !outbox.exists() {
            fs::create_dir(&outbox)?;
            fs::set_permissions(&outbox, fs::Permissions::from_mode(0o777))?;
            for name in [XCOM_FILE, METRICS_FILE, ASSETS_FILE] {
                fs::write(outbox.join(name), "")?;
                fs::set_permissions(outbox.join(name), fs::Permissions::from_mode(0o666))?;
            }
        }
        Ok(outbox)
    }

    /// Where [`AttemptFolder::outbox`] is.
    pub(crate) fn outbox_path(&self) -> PathBuf {
        self.path.join("out")
    }

    /// Writes the first note into a fresh folder. Half a note is none: nothing was started yet.
    pub(crate) fn write_first_note(&self, note: &Note) -> io::Result<()> {
        fs::write(self.path.join(NOTE), serde_json::to_vec(note)?)
    }

    /// A folder for the files of a process under another account, which cannot look into this one:
    /// its own, below the machine's folder for temporary files.
    pub(crate) fn lend(&self, uid: u32, gid: u32) -> io::Result<PathBuf> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let lent = tempfile::Builder::new()
            .prefix(&format!("millrace-{name}-"))
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()?;
        fs::write(self.path.join(LENT), lent.path().as_os_str().as_encoded_bytes())?;
        chown(lent.path(), Some(uid), Some(gid))?;
        Ok(lent.keep())
    }

    /// Writes the note, whole or not at all.
    pub(crate) fn write_note(&self, note: &Note) -> io::Result<()> {
        let unfinished = self.path.join("note.json.new");
        fs::write(&unfinished, serde_json::to_vec(note)?)?;
        fs::rename(unfinished, self.path.join(NOTE))
    }

    /// Reads the note of a former incarnation; none when it never got that far.
    pub(crate) fn read_note(&self) -> Option<Note> {
        serde_json::from_slice(&fs::read(self.path.join(NOTE)).ok()?).ok()
    }

    /// Removes the folder beside whatever comes next: a big one takes time, and nobody waits.
    pub(crate) fn remove_later(self) {
        tokio::task::spawn_blocking(move || self.remove());
    }

    /// Removes the folder. What a task left there without permissions stays, with a warning.
    pub(crate) fn remove(&self) {
        if let Ok(lent) = fs::read_to_string(self.path.join(LENT))
            && let Err(error) = fs::remove_dir_all(&lent)
        {
            tracing::warn!(folder = lent, %error, "a task's folder is not removed");
        }
        if let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.path.display(), %error, "attempt folder not removed");
        }
    }
}

/// The folders that a former incarnation left, with their notes.
pub(crate) fn leftovers(home: &Path) -> Vec<(AttemptFolder, Option<Note>)> {
    let Ok(entries) = fs::read_dir(AttemptFolder::parent(home)) else { return Vec::new() };
    entries
        .flatten()
        .map(|entry| {
            let folder = AttemptFolder::existing(entry.path());
            let note = folder.read_note();
            (folder, note)
        })
        .collect()
}
