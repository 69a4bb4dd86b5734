//! Reads the vector files of `tests/vectors`, for the tests of this crate only.

use serde_json::Value;

/// The vectors of one file; `MILLRACE_VECTORS` names another folder.
#[expect(clippy::disallowed_methods, reason = "tests read their vectors; the core itself does not")]
pub(crate) fn read(name: &str) -> Value {
    let folder = std::env::var("MILLRACE_VECTORS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors").to_owned());
    let path = std::path::Path::new(&folder).join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
