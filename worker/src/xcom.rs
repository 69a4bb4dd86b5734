//! What a task gives on: its last line of output, or what it wrote to `$MILLRACE_XCOM`, and the
//! numbers in `$MILLRACE_METRICS`.

use std::path::Path;

use millrace_core::redact::Redactor;
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

/// The value that the task wrote to its file, if it wrote one.
pub(crate) fn read_file(path: &Path, redactor: &Redactor) -> Result<Option<Value>, String> {
    let Ok(meta) = std::fs::metadata(path) else { return Ok(None) };
    if meta.len() > XCOM_BYTES_MAX as u64 {
        return Err(too_large("$MILLRACE_XCOM", usize::try_from(meta.len()).unwrap_or(usize::MAX)));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("$MILLRACE_XCOM: {error}"))?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let mut value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| format!("$MILLRACE_XCOM does not hold JSON: {error}"))?;
    redactor.redact_value(&mut value);
    Ok(Some(value))
}

/// The numbers that the task wrote to its file: one JSON map, or several, later ones winning.
/// The second part names what was left out and why.
pub(crate) fn read_metrics(path: &Path) -> (Map<String, Value>, Vec<String>) {
    let mut metrics = Map::new();
    let mut problems = Vec::new();
    let Ok(meta) = std::fs::metadata(path) else { return (metrics, problems) };
    if meta.len() > METRICS_BYTES_MAX {
        problems.push(format!("$MILLRACE_METRICS has more than {METRICS_BYTES_MAX} bytes"));
        return (metrics, problems);
    }
    let bytes = std::fs::read(path).unwrap_or_default();
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
