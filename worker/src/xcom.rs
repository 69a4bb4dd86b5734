//! What a task gives on: its last line of output, or what it wrote to `$MILLRACE_XCOM`, and the
//! numbers in `$MILLRACE_METRICS`.

use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use millrace_core::redact::Redactor;
use rustix::fs::OFlags;
use serde_json::{Map, Value};

/// The largest XCom, as JSON.
pub(crate) const XCOM_BYTES_MAX: usize = 1_000_000;

/// The largest file of metrics.
const METRICS_BYTES_MAX: u64 = 1_000_000;

/// The last line of a task's output, kept within limits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LastLine {
    /// The finished line, without its end.
    finished: Vec<u8>,
    /// The line that is being written.
    current: Vec<u8>,
    /// Bytes of `finished` and `current` that were beyond the limit.
    finished_excess: usize,
    current_excess: usize,
    started: bool,
}

impl LastLine {
    /// Takes a piece of output.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        if let Some(end) = rest.iter().rposition(|&byte| byte == b'\n') {
            let lines = &rest[..end];
            let start = lines.iter().rposition(|&byte| byte == b'\n');
            if let Some(start) = start {
                self.current.clear();
                self.current_excess = 0;
                self.extend(&lines[start + 1..]);
            } else {
                self.extend(lines);
            }
            std::mem::swap(&mut self.finished, &mut self.current);
            self.finished_excess = std::mem::take(&mut self.current_excess);
            self.current.clear();
            self.started = false;
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            self.started = true;
            self.extend(rest);
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        let room = (XCOM_BYTES_MAX + 1).saturating_sub(self.current.len());
        let kept = bytes.len().min(room);
        self.current.extend_from_slice(&bytes[..kept]);
        self.current_excess += bytes.len() - kept;
    }

    /// The last line without white space at its end (Airflow: `rstrip`), empty when there was no
    /// output. The error is the text for a line that is too long.
    pub(crate) fn text(&self) -> Result<String, String> {
        let (line, excess) = if self.started {
            (&self.current, self.current_excess)
        } else {
            (&self.finished, self.finished_excess)
        };
        if excess > 0 || line.len() > XCOM_BYTES_MAX {
            return Err(too_large("the last line of output", line.len() + excess));
        }
        Ok(String::from_utf8_lossy(line).trim_end().to_owned())
    }
}

/// A JSON value if the text is one, else the text.
pub(crate) fn value_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// Whether a value may be an XCom; the error says why not and what to do.
pub(crate) fn check_size(value: &Value) -> Result<(), String> {
    let size = match value {
        Value::String(text) if text.len() < XCOM_BYTES_MAX / 6 => 0,
        value => value.to_string().len(),
    };
    if size > XCOM_BYTES_MAX { Err(too_large("the XCom `return_value`", size)) } else { Ok(()) }
}

fn too_large(what: &str, size: usize) -> String {
    format!(
        "{what} has {size} bytes, and an XCom at most {XCOM_BYTES_MAX}; write the data to a file \
         or an object store and give its path on, or set `do_xcom_push: false`"
    )
}

/// The names of the two files, in whatever folder the task finds them.
pub(crate) const XCOM_FILE: &str = "xcom.json";
pub(crate) const METRICS_FILE: &str = "metrics.json";

/// The value that a task gives on: what it wrote to its file, else its last line.
pub(crate) fn output(
    folder: &Path,
    redactor: &Redactor,
    last_line: &LastLine,
) -> Result<Value, String> {
    let value = match read_file(&folder.join(XCOM_FILE), redactor)? {
        Some(value) => value,
        None => value_of(&last_line.text()?),
    };
    check_size(&value)?;
    Ok(value)
}

/// The value that the task wrote to its file, if it wrote one.
fn read_file(path: &Path, redactor: &Redactor) -> Result<Option<Value>, String> {
    let Some(bytes) = read_own(path, XCOM_BYTES_MAX as u64, "$MILLRACE_XCOM")? else {
        return Ok(None);
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let mut value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| format!("$MILLRACE_XCOM does not hold JSON: {error}"))?;
    redactor.redact_value(&mut value);
    Ok(Some(value))
}

/// The bytes of a file that the task left; none when there is none. The task decides what lies
/// there: a link would be read with the worker's rights, and a pipe would never end.
pub(crate) fn read_own(path: &Path, bytes_max: u64, what: &str) -> Result<Option<Vec<u8>>, String> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).unwrap_or_default();
    let opened = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{what}: {error}")),
    };
    let meta = file.metadata().map_err(|error| format!("{what}: {error}"))?;
    if !meta.is_file() {
        return Err(format!("{what} is no plain file"));
    }
    let mut bytes = Vec::new();
    let read = file.take(bytes_max + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("{what}: {error}"))?;
    if bytes.len() as u64 > bytes_max {
        let size = usize::try_from(meta.len()).unwrap_or(usize::MAX);
        return Err(too_large(what, size));
    }
    Ok(Some(bytes))
}

/// The numbers that the task wrote to its file in a folder: one JSON map, or several, later ones winning.
/// The second part names what was left out and why.
pub(crate) fn read_metrics(folder: &Path) -> (Map<String, Value>, Vec<String>) {
    let path = &folder.join(METRICS_FILE);
    let mut metrics = Map::new();
    let mut problems = Vec::new();
    let bytes = match read_own(path, METRICS_BYTES_MAX, "$MILLRACE_METRICS") {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(problem) => {
            problems.push(problem);
            return (metrics, problems);
        }
    };
    for document in serde_json::Deserializer::from_slice(&bytes).into_iter::<Map<String, Value>>() {
        match document {
            Ok(map) => {
                for (name, value) in map {
                    if value.is_number() {
                        metrics.insert(name, value);
                    } else {
                        problems.push(format!("metric \"{name}\" is no number: {value}"));
                    }
                }
            }
            Err(error) => problems.push(format!(
                "$MILLRACE_METRICS: {error}; write a JSON map of numbers, {{\"accuracy\": 0.9}}"
            )),
        }
    }
    (metrics, problems)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_line_is_taken_however_the_output_is_cut() {
        let check = |output: &str, expected: &Value| {
            for size in [1, 2, 3, 1000] {
                let mut last = LastLine::default();
                output.as_bytes().chunks(size).for_each(|chunk| last.push(chunk));
                assert_eq!(value_of(&last.text().expect("short")), *expected, "{output:?}/{size}");
            }
        };
        check("", &json!(""));
        check("a\nb\n", &json!("b"));
        check("a\nb", &json!("b"));
        check("a\n\n", &json!(""));
        check("a\r\n", &json!("a"));
        check("x\n{\"accuracy\": 0.91}\n", &json!({"accuracy": 0.91}));
        check("42", &json!(42));
        check("  text  \n", &json!("  text"));
        check("\"quoted\"", &json!("quoted"));
        check("null", &Value::Null);
        check("{broken", &json!("{broken"));
        check("한글\n", &json!("한글"));
    }

    #[test]
    fn only_a_plain_file_of_bounded_size_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        let redactor = Redactor::default();
        let line = LastLine::default();
        let check = |expected: Result<Value, &str>| {
            let got = output(at, &redactor, &line);
            match expected {
                Ok(value) => assert_eq!(got, Ok(value)),
                Err(part) => assert!(got.as_ref().is_err_and(|e| e.contains(part)), "{got:?}"),
            }
            drop(std::fs::remove_file(at.join(XCOM_FILE)));
        };
        check(Ok(json!("")));
        std::fs::write(at.join(XCOM_FILE), "{\"a\": 1}").expect("written");
        check(Ok(json!({"a": 1})));
        std::fs::write(at.join(XCOM_FILE), " \n").expect("written");
        check(Ok(json!("")));
        std::fs::write(at.join(XCOM_FILE), "x".repeat(XCOM_BYTES_MAX + 1)).expect("written");
        check(Err("object store"));
        std::os::unix::fs::symlink("/etc/hostname", at.join(XCOM_FILE)).expect("a link");
        check(Err("$MILLRACE_XCOM"));
        rustix::fs::mkfifoat(rustix::fs::CWD, at.join(XCOM_FILE), 0o600.into()).expect("a pipe");
        check(Err("no plain file"));
    }

    #[test]
    fn a_megabyte_is_refused_with_a_hint() {
        let mut last = LastLine::default();
        last.push(b"short\n");
        for _ in 0..20 {
            last.push("x".repeat(100_000).as_bytes());
        }
        let error = last.text().expect_err("too long");
        assert!(error.contains("2000000 bytes") && error.contains("object store"), "{error}");
        assert!(last.current.len() <= XCOM_BYTES_MAX + 1, "memory stays within the limit");
        last.push(b"\nok\n");
        assert_eq!(last.text().as_deref(), Ok("ok"));
        assert!(check_size(&json!("x".repeat(1_000_000))).is_err());
        assert!(check_size(&json!("x".repeat(900_000))).is_ok());
    }
}
