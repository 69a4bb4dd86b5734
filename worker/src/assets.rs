//! What a task says of the assets that it wrote, in `$MILLRACE_ASSETS`.
//!
//! The file holds JSON maps of a name or URI to a map, one after the other; later ones win. It
//! never fails a task: what cannot be used is left out and named in the log.

use std::path::Path;

use millrace_core::asset::{AssetRef, EXTRA_BYTES_MAX};
use millrace_core::redact::Redactor;
use serde_json::{Map, Value};

use crate::xcom;

/// The name of the file, in whatever folder the task finds it.
pub(crate) const ASSETS_FILE: &str = "assets.json";

/// The largest file.
const FILE_BYTES_MAX: u64 = 1_000_000;

/// The extras of a task's outlets, secrets masked, and what was left out and why.
pub(crate) fn read(
    folder: &Path,
    outlets: &[AssetRef],
    redactor: &Redactor,
) -> (Map<String, Value>, Vec<String>) {
    let (mut found, mut problems) = (Map::new(), Vec::new());
    let path = folder.join(ASSETS_FILE);
    let bytes = match xcom::read_own(&path, FILE_BYTES_MAX, "$MILLRACE_ASSETS") {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(problem) => {
            problems.push(problem);
            return (found, problems);
        }
    };
    for document in serde_json::Deserializer::from_slice(&bytes).into_iter::<Map<String, Value>>() {
        let map = match document {
            Ok(map) => map,
            Err(error) => {
                problems.push(format!(
                    "$MILLRACE_ASSETS: {error}; write a JSON map, \
                     {{\"model://churn\": {{\"version\": 3}}}}"
                ));
                break;
            }
        };
        for (text, mut extra) in map {
            redactor.redact_value(&mut extra);
            match check(&text, &extra, outlets) {
                Some(problem) => problems.push(problem),
                None => {
                    found.insert(text, extra);
                }
            }
        }
    }
    (found, problems)
}

fn check(text: &str, extra: &Value, outlets: &[AssetRef]) -> Option<String> {
    if !outlets.iter().any(|outlet| outlet.is_called(text)) {
        let names: Vec<&str> = outlets.iter().map(|outlet| outlet.name.as_str()).collect();
        return Some(format!(
            "$MILLRACE_ASSETS speaks of \"{text}\", which is no outlet of this task ({})",
            names.join(", ")
        ));
    }
    let Value::Object(_) = extra else {
        return Some(format!("$MILLRACE_ASSETS: what it says of \"{text}\" is no map: {extra}"));
    };
    let bytes = extra.to_string().len();
    (bytes > EXTRA_BYTES_MAX).then(|| {
        format!(
            "$MILLRACE_ASSETS: what it says of \"{text}\" has {bytes} bytes, at most \
             {EXTRA_BYTES_MAX} are kept; write its address instead"
        )
    })
}
