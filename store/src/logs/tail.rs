//! The end of a log that became too long: its last lines, kept in a file beside it until the log
//! ends, then added behind what was left out.
//!
//! The file holds two numbers and text: up to which byte of the whole log the log file has it, at
//! which byte the text begins. Must not grow beyond twice [`TAIL_BYTES`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// What is kept of the end of a log.
pub(super) const TAIL_BYTES: u64 = 1024 * 1024;

const HEADER: u64 = 16;

/// The tail of one log.
pub(super) struct Tail {
    path: PathBuf,
    /// Up to which byte the log file has the log.
    base: u64,
    /// The byte at which the kept text begins.
    start: u64,
    /// The length of the kept text.
    size: u64,
    keep: u64,
}

impl Tail {
    /// The tail at a path, if there is one.
    pub(super) fn find(path: &Path, keep: u64) -> io::Result<Option<Self>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut header = [0; 16];
        file.read_exact(&mut header)?;
        let number = |at: usize| {
            let bytes = <[u8; 8]>::try_from(&header[at..at + 8]).unwrap_or_default();
            u64::from_be_bytes(bytes)
        };
        let size = file.metadata()?.len().saturating_sub(HEADER);
        Ok(Some(Self { path: path.to_owned(), base: number(0), start: number(8), size, keep }))
    }

    /// A new tail of a log whose file ends with byte `base`.
    pub(super) fn create(path: &Path, base: u64, keep: u64) -> io::Result<Self> {
        let tail = Self { path: path.to_owned(), base, start: base, size: 0, keep };
        tail.put(&[])?;
        Ok(tail)
    }

    /// Where the log ends.
    pub(super) fn end(&self) -> u64 {
        self.start + self.size
    }

    /// Takes what is new of a piece.
    pub(super) fn append(&mut self, offset: u64, text: &[u8]) -> io::Result<()> {
        if offset > self.end() {
            (self.start, self.size) = (offset, 0);
            self.put(&[])?;
        }
        let known = usize::try_from(self.end() - offset).unwrap_or(usize::MAX);
        let new = text.get(known..).unwrap_or_default();
        if new.is_empty() {
            return Ok(());
        }
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        file.write_all(new)?;
        self.size += new.len() as u64;
        if self.size > 2 * self.keep {
            let text = self.last_lines()?;
            self.start = self.end() - text.len() as u64;
            self.size = text.len() as u64;
            self.put(&text)?;
        }
        Ok(())
    }

    /// Adds the tail to its log: how much is left out, then whole lines up to the end.
    pub(super) fn fold(&mut self, log: &mut File) -> io::Result<()> {
        let text = self.last_lines()?;
        let end = self.end();
        let left_out = (end - text.len() as u64).saturating_sub(self.base);
        if left_out > 0 {
            log.write_all(format!("[{left_out} bytes are left out here]\n").as_bytes())?;
        }
        log.write_all(&text)?;
        (self.base, self.start, self.size) = (end, end, 0);
        self.put(&[])
    }

    /// The kept text, of a longer one the last whole lines.
    fn last_lines(&self) -> io::Result<Vec<u8>> {
        let excess = self.size.saturating_sub(self.keep);
        let mut file = File::open(&self.path)?;
        // The byte before tells whether a line begins there.
        file.seek(SeekFrom::Start(HEADER + excess.saturating_sub(1)))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        if excess > 0
            && let Some(end) = text.iter().position(|&byte| byte == b'\n')
        {
            text.drain(..=end);
        }
        Ok(text)
    }

    /// Writes the file anew, whole or not at all.
    fn put(&self, text: &[u8]) -> io::Result<()> {
        let unfinished = self.path.with_extension("tail-new");
        let mut bytes = Vec::with_capacity(text.len() + 16);
        bytes.extend_from_slice(&self.base.to_be_bytes());
        bytes.extend_from_slice(&self.start.to_be_bytes());
        bytes.extend_from_slice(text);
        fs::write(&unfinished, bytes)?;
        fs::rename(unfinished, &self.path)
    }
}
