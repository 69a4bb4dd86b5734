//! The folder of one attempt: its temporary files, and the note by which a later incarnation of
//! the worker finds what still runs.
//!
//! `<home>/worker/attempts/<ti>.<try>.<epoch>/` with mode 0700. The note is written before
//! anything starts and is gone when the attempt has ended: see [`spare`] for what becomes of the
//! folder.

mod spare;

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// The folder of a running attempt; ended by [`AttemptFolder::remove`].
#[derive(Debug, Clone)]
pub(crate) struct AttemptFolder {
    path: PathBuf,
    /// Where it goes when its attempt has ended; none for one of a former incarnation.
    folders: Option<Arc<Folders>>,
    /// Something of the attempt may still use it.
    in_use: Arc<AtomicBool>,
}

pub(crate) use spare::Folders;

const NOTE: &str = "note.json";

/// Names the folder of [`AttemptFolder::lend`].
const LENT: &str = "lent";

/// The folder of [`AttemptFolder::scratch`].
const SCRATCH: &str = "tmp";

impl AttemptFolder {
    /// The folder of an attempt that was adopted.
    pub(crate) fn existing(path: PathBuf) -> Self {
        Self { path, folders: None, in_use: Arc::default() }
    }

    /// A process of the attempt outlived it: nobody else may get the folder.
    pub(crate) fn stays_in_use(&self) {
        self.in_use.store(true, Ordering::Relaxed);
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A fresh folder inside, for a task without a working directory.
    pub(crate) fn scratch(&self) -> io::Result<PathBuf> {
        let scratch = self.path.join(SCRATCH);
        match spare::private().create(&scratch) {
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

    /// Writes the note over the one before, whole or not at all for whoever reads it after this
    /// process was killed: one write within one page. After a power cut no note means anything.
    pub(crate) fn write_note(&self, note: &Note) -> io::Result<()> {
        let mut line = serde_json::to_vec(note)?;
        line.push(b'\n');
        let path = self.path.join(NOTE);
        if line.len() > NOTE_BYTES_AT_ONCE {
            let unfinished = self.path.join("note.json.new");
            fs::write(&unfinished, line)?;
            return fs::rename(unfinished, path);
        }
        let options = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path);
        options?.write_all_at(&line, 0)
    }

    /// Reads the note of a former incarnation; none when it never got that far. What stands behind
    /// its line is left of a longer one.
    pub(crate) fn read_note(&self) -> Option<Note> {
        let text = fs::read(self.path.join(NOTE)).ok()?;
        let line = &text[..text.iter().position(|&byte| byte == b'\n')?];
        serde_json::from_slice(line).ok()
    }

    /// Removes the folder beside whatever comes next: a big one takes time, and nobody waits.
    pub(crate) fn remove_later(self) {
        tokio::task::spawn_blocking(move || self.remove());
    }

    /// Ends the folder: it is emptied and waits for another attempt, or is removed. What a task
    /// left there without permissions stays, with a warning.
    pub(crate) fn remove(&self) {
        if let Ok(lent) = fs::read_to_string(self.path.join(LENT))
            && let Err(error) = fs::remove_dir_all(&lent)
        {
            tracing::warn!(folder = lent, %error, "a task's folder is not removed");
        }
        let in_use = self.in_use.load(Ordering::Relaxed);
        if let Some(folders) = self.folders.as_ref().filter(|_| !in_use)
            && folders.take_back(&self.path)
        {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.path.display(), %error, "attempt folder not removed");
        }
    }
}

/// Less than a page, of which the kernel writes all or nothing when it kills the writer.
const NOTE_BYTES_AT_ONCE: usize = 4_000;

/// The folders that a former incarnation left, with their notes.
pub(crate) fn leftovers(home: &Path) -> Vec<(AttemptFolder, Option<Note>)> {
    let Ok(entries) = fs::read_dir(Folders::place(home)) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| !spare::is_spare(&entry.file_name()))
        .map(|entry| {
            let folder = AttemptFolder::existing(entry.path());
            let note = folder.read_note();
            (folder, note)
        })
        .collect()
}
