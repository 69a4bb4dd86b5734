//! The logs of attempts: files below one folder, named by internal numbers alone
//! (`<run>/<ti>/<try>.<epoch>.log`), so that no name of a user can climb out of it.
//!
//! Owns bounds and offsets. A log ends by its bytes or by the mark `….end`. Of one that becomes too
//! long the head stays, and its last lines are added when it ends. Functions block; call them on
//! threads for blocking work.

mod tail;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use millrace_core::record::{AttemptKey, RunKey};

use tail::{TAIL_BYTES, Tail};

/// The most bytes of one attempt's log; of what comes later only the last lines are kept, and a
/// line says so.
pub const LOG_BYTES_MAX: u64 = 50 * 1024 * 1024;

/// Where a log was cut.
const CUT: &str =
    "\n[this log was cut here: it reached its limit; its last lines follow at its end]\n";

/// Why a log could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} the log {path}; check the disk's space and permissions")]
pub struct LogError {
    action: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// A piece of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPiece {
    /// The text, cut at the borders of characters.
    pub text: String,
    /// Where the piece begins.
    pub from: u64,
    /// Where the next piece begins.
    pub next: u64,
    /// Whether the log has ended and this piece reaches its end.
    pub complete: bool,
}

/// The folder of logs. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Logs {
    folder: Arc<Path>,
    bytes_max: u64,
    tail_bytes: u64,
    /// Two pieces of one log must not be written at once.
    locks: Arc<[Mutex<()>; 16]>,
}

impl Logs {
    /// Logs below a folder, which is made with the first piece.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into().into(),
            bytes_max: LOG_BYTES_MAX,
            tail_bytes: TAIL_BYTES,
            locks: Arc::new(std::array::from_fn(|_| Mutex::new(()))),
        }
    }

    /// The same with another limit for each log, of which the tail is at most half.
    #[must_use]
    pub fn with_limit(mut self, bytes_max: u64) -> Self {
        self.bytes_max = bytes_max;
        self.tail_bytes = TAIL_BYTES.min(bytes_max / 2);
        self
    }

    /// The file of an attempt's log.
    pub fn path(&self, run: RunKey, key: AttemptKey) -> PathBuf {
        let AttemptKey { ti, try_number, epoch } = key;
        self.folder.join(format!("{run}/{ti}/{try_number}.{epoch}.log"))
    }

    fn end_mark(&self, run: RunKey, key: AttemptKey) -> PathBuf {
        self.path(run, key).with_extension("end")
    }

    /// Writes a piece that begins at byte `offset`; where the next one begins. A piece that was
    /// written before is dropped; a gap is filled with a line that tells of it. Beyond the limit
    /// only the tail is kept. `last` ends the log.
    ///
    /// # Errors
    /// [`LogError`]; the same piece may be sent again.
    pub fn append(
        &self,
        run: RunKey,
        key: AttemptKey,
        offset: u64,
        text: &str,
        last: bool,
    ) -> Result<u64, LogError> {
        let lock = &self.locks[usize::try_from(key.ti.rem_euclid(16)).unwrap_or(0)];
        let _held = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(run, key);
        let failed = |source| LogError { action: "write", path: path.clone(), source };
        let next = self.put(&path, offset, text.as_bytes(), last).map_err(failed)?;
        if last {
            File::create(self.end_mark(run, key)).map_err(failed)?;
        }
        Ok(next)
    }

    fn put(&self, path: &Path, offset: u64, text: &[u8], last: bool) -> io::Result<u64> {
        let mut file = open_for_append(path)?;
        let written = file.metadata()?.len();
        let tail = path.with_extension("tail");
        let mut tail = if written <= self.bytes_max {
            match self.write(&mut file, written, offset, text)? {
                None => return Ok(written.max(offset.saturating_add(text.len() as u64))),
                Some(base) => Tail::create(&tail, base, self.tail_bytes)?,
            }
        } else {
            match Tail::find(&tail, self.tail_bytes)? {
                Some(tail) => tail,
                // A crash between the cut and its tail: what was on its way is left out.
                None => Tail::create(&tail, offset.max(self.bytes_max), self.tail_bytes)?,
            }
        };
        tail.append(offset, text)?;
        if last {
            tail.fold(&mut file)?;
        }
        Ok(tail.end())
    }

    /// Writes what fits; up to which byte the log is written when that is not all of it.
    fn write(
        &self,
        file: &mut File,
        written: u64,
        offset: u64,
        text: &[u8],
    ) -> io::Result<Option<u64>> {
        if offset > written {
            fill(file, offset.min(self.bytes_max) - written.min(self.bytes_max), offset - written)?;
        }
        let known = usize::try_from(written.saturating_sub(offset)).unwrap_or(usize::MAX);
        let new = text.get(known..).unwrap_or_default();
        let from = written.max(offset);
        let room = usize::try_from(self.bytes_max - from.min(self.bytes_max)).unwrap_or(usize::MAX);
        if new.len() <= room {
            return file.write_all(new).map(|()| None);
        }
        // Up to a border of characters; the mark makes the file longer than the limit.
        let cut = (0..=room).rev().find(|&at| new.get(at).is_none_or(|byte| byte & 0xc0 != 0x80));
        let cut = cut.unwrap_or(0);
        file.write_all(&new[..cut])?;
        file.write_all(&vec![b' '; room - cut])?;
        file.write_all(CUT.as_bytes())?;
        Ok(Some(from + cut as u64))
    }

    /// Reads at most `bytes_max` bytes from a byte on. Of a log that does not exist (yet) nothing.
    ///
    /// # Errors
    /// [`LogError`] when the file cannot be read.
    pub fn read(
        &self,
        run: RunKey,
        key: AttemptKey,
        from: u64,
        bytes_max: usize,
    ) -> Result<LogPiece, LogError> {
        let path = self.path(run, key);
        let failed = |source| LogError { action: "read", path: path.clone(), source };
        // Before the text: what is written between the two is then not taken for the end.
        let has_ended = self.end_mark(run, key).exists();
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(LogPiece { text: String::new(), from, next: from, complete: has_ended });
            }
            Err(error) => return Err(failed(error)),
        };
        let size = file.metadata().map_err(failed)?.len();
        file.seek(SeekFrom::Start(from.min(size))).map_err(failed)?;
        let mut bytes = Vec::new();
        // Four bytes make sure that one character fits.
        let limit = u64::try_from(bytes_max.max(4)).unwrap_or(u64::MAX);
        file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
        let skipped = bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
        let begin = from.min(size) + skipped as u64;
        let reached_end = from.min(size) + bytes.len() as u64 >= size;
        let kept = if reached_end && has_ended { bytes.len() } else { whole_characters(&bytes) };
        let text = String::from_utf8_lossy(&bytes[skipped.min(kept)..kept]).into_owned();
        let next = from.min(size) + kept.max(skipped) as u64;
        Ok(LogPiece { text, from: begin, next, complete: has_ended && next >= size })
    }

    /// Reads the last lines, at most `bytes_max` bytes of them.
    ///
    /// # Errors
    /// [`LogError`] when the file cannot be read.
    pub fn tail(
        &self,
        run: RunKey,
        key: AttemptKey,
        bytes_max: usize,
    ) -> Result<LogPiece, LogError> {
        let from = self.size(run, key)?.saturating_sub(bytes_max as u64);
        let mut piece = self.read(run, key, from, bytes_max)?;
        if from > 0
            && let Some(end) = piece.text.find('\n')
        {
            piece.text.drain(..=end);
            piece.from += end as u64 + 1;
        }
        Ok(piece)
    }

    /// The size of a log in bytes; 0 when there is none.
    ///
    /// # Errors
    /// [`LogError`] when the file cannot be read.
    pub fn size(&self, run: RunKey, key: AttemptKey) -> Result<u64, LogError> {
        let path = self.path(run, key);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(source) => Err(LogError { action: "read", path, source }),
        }
    }

    /// Deletes the logs of a run.
    ///
    /// # Errors
    /// [`LogError`] when the folder cannot be deleted.
    pub fn delete_run(&self, run: RunKey) -> Result<(), LogError> {
        let path = self.folder.join(run.to_string());
        match fs::remove_dir_all(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(LogError { action: "delete", path, source })
            }
            _ => Ok(()),
        }
    }
}

fn open_for_append(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().append(true).create(true).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            open()
        }
        other => other,
    }
}

/// Fills a gap with a line of exactly its size, so that offsets stay true.
fn fill(file: &mut File, size: u64, lost: u64) -> io::Result<()> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let mut line = format!("[{lost} bytes of this log were lost]").into_bytes();
    line.resize(size.saturating_sub(1), b' ');
    if size > 0 {
        line.push(b'\n');
    }
    file.write_all(&line)
}

/// The length without a character that is cut at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    let Some(lead) = bytes.iter().rposition(|byte| byte & 0xc0 != 0x80) else {
        return 0;
    };
    let wanted = match bytes[lead] {
        byte if byte >= 0xf0 => 4,
        byte if byte >= 0xe0 => 3,
        byte if byte >= 0xc0 => 2,
        _ => 1,
    };
    if lead + wanted <= bytes.len() { bytes.len() } else { lead }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: AttemptKey = AttemptKey { ti: 7, try_number: 2, epoch: 3 };

    fn logs(bytes_max: u64) -> (tempfile::TempDir, Logs) {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path().join("logs")).with_limit(bytes_max);
        (folder, logs)
    }

    fn whole(logs: &Logs) -> LogPiece {
        logs.read(5, KEY, 0, 1 << 20).unwrap()
    }

    #[test]
    fn pieces_come_once_whatever_is_repeated() {
        let (_kept, logs) = logs(1000);
        let check = |offset: u64, text: &str, next: u64, expected: &str| {
            assert_eq!(logs.append(5, KEY, offset, text, false).unwrap(), next);
            assert_eq!(whole(&logs).text, expected);
        };
        assert_eq!(whole(&logs).text, "");
        check(0, "one\n", 4, "one\n");
        check(0, "one\n", 4, "one\n");
        check(0, "one\ntwo\n", 8, "one\ntwo\n");
        check(8, "", 8, "one\ntwo\n");
        check(4, "two\n", 8, "one\ntwo\n");
        let lost = "one\ntwo\n[40 bytes of this log were lost]       \nnew\n";
        check(48, "new\n", 52, lost);
        check(48, "new\n", 52, lost);
        assert!(!whole(&logs).complete);
        assert_eq!(logs.append(5, KEY, 52, "", true).unwrap(), 52);
        assert!(whole(&logs).complete);
        assert_eq!(logs.size(5, KEY).unwrap(), 52);
        assert_eq!(logs.tail(5, KEY, 10).unwrap().text, "new\n");
        logs.delete_run(5).unwrap();
        logs.delete_run(5).unwrap();
        assert_eq!(whole(&logs).text, "");
    }

    #[test]
    fn a_log_is_bounded_and_keeps_its_end() {
        let (_kept, logs) = logs(10);
        assert_eq!(logs.append(5, KEY, 0, "12345678", false).unwrap(), 8);
        assert_eq!(logs.append(5, KEY, 8, "9한글", false).unwrap(), 15);
        let head = format!("123456789 {CUT}");
        assert_eq!(whole(&logs).text, head);
        assert_eq!(logs.append(5, KEY, 8, "9한글", false).unwrap(), 15, "a repetition");
        assert_eq!(logs.append(5, KEY, 0, "", false).unwrap(), 15, "a question");
        assert_eq!(whole(&logs).text, head);
        let next = whole(&logs).next;
        let lines = "one\ntwo\nthree\nfour\n";
        assert_eq!(logs.append(5, KEY, 15, lines, false).unwrap(), 34);
        assert_eq!(logs.append(5, KEY, 15, lines, true).unwrap(), 34, "a repetition ends it");
        let end = "[20 bytes are left out here]\nfour\n";
        assert_eq!(logs.read(5, KEY, next, 1000).unwrap().text, end, "a reader goes on");
        assert_eq!(whole(&logs).text, format!("{head}{end}"));
        assert!(whole(&logs).complete);
        assert_eq!(logs.append(5, KEY, 15, lines, true).unwrap(), 34);
        assert_eq!(whole(&logs).text, format!("{head}{end}"), "once");
        // A notice about the attempt comes after its end.
        assert_eq!(logs.append(5, KEY, 34, "ps\n", true).unwrap(), 37);
        assert_eq!(whole(&logs).text, format!("{head}{end}ps\n"));
        assert_eq!(logs.tail(5, KEY, 10).unwrap().text, "four\nps\n");
    }

    #[test]
    fn a_log_that_is_a_little_too_long_loses_nothing() {
        let (_kept, logs) = logs(10);
        assert_eq!(logs.append(5, KEY, 0, "123456789\n123\n", true).unwrap(), 14);
        assert_eq!(whole(&logs).text, format!("123456789\n{CUT}123\n"));
    }

    #[test]
    fn the_disk_is_bounded_however_much_is_written() {
        let (kept, logs) = logs(4000);
        let piece = "0123456789abcdef\n".repeat(50);
        let mut offset = 0;
        for _ in 0..200 {
            offset = logs.append(5, KEY, offset, &piece, false).unwrap();
            let folder = kept.path().join("logs/5/7");
            let sizes = fs::read_dir(folder).unwrap().map(|e| e.unwrap().metadata().unwrap().len());
            assert!(sizes.sum::<u64>() < 4000 + 2 * 2000 + 1000);
        }
        assert_eq!(offset, 200 * piece.len() as u64);
        // What was lost on the way is left out too, and the end is the end.
        let end = logs.append(5, KEY, offset + 1000, "the end\n", true).unwrap();
        assert_eq!(end, offset + 1008);
        let text = whole(&logs).text;
        assert!(text.ends_with("bytes are left out here]\nthe end\n"), "{text}");
        assert!(whole(&logs).complete && text.len() < 7000);
    }

    #[test]
    fn reading_in_any_pieces_gives_the_same_text() {
        let (_kept, logs) = logs(1000);
        let text = "a한é🦀\nb\n".repeat(5);
        logs.append(5, KEY, 0, &text, true).unwrap();
        for size in 1..20 {
            let (mut from, mut found) = (0, String::new());
            loop {
                let piece = logs.read(5, KEY, from, size).unwrap();
                found.push_str(&piece.text);
                assert!(piece.complete || piece.next > from, "size {size} at {from}");
                from = piece.next;
                if piece.complete {
                    break;
                }
            }
            assert_eq!(found, text, "size {size}");
        }
        let inside = logs.read(5, KEY, 2, 100).unwrap();
        assert!(inside.text.starts_with('é') && inside.from == 4, "{inside:?}");
    }
}
