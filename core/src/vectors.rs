//! Reads and judges the vector files of `tests/vectors`, for the tests of this crate only.
//!
//! `MILLRACE_VECTORS` names another folder with files of the same names and layout; those may hold
//! other cases and other numbers of them. What Millrace decides otherwise is listed in our own
//! `tests/vectors/deviations.json`, by case, with the reason; the list holds for either folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What one case gave: nothing to say, or how it differs.
pub(crate) type Checked = Result<(), String>;

const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors");
const LEAST_REASON_CHARS: usize = 20;
/// One case in so many may be decided otherwise: 2 %.
pub(crate) const CASES_A_DEVIATION: usize = 50;

/// The other folder that was asked for, if one was.
#[expect(clippy::disallowed_methods, reason = "a test's setting, not the core's")]
fn other_folder() -> Option<PathBuf> {
    std::env::var_os("MILLRACE_VECTORS").map(PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "tests read their vectors; the core itself does not")]
fn read_from(folder: &Path, name: &str) -> Value {
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether the vectors are the workspace's own, whose cases are all known.
pub(crate) fn are_own() -> bool {
    other_folder().is_none()
}

/// The vectors of one file.
pub(crate) fn read(name: &str) -> Value {
    read_from(&other_folder().unwrap_or_else(|| OWN.into()), name)
}

/// A file that is always the workspace's own.
pub(crate) fn read_own(name: &str) -> Value {
    read_from(Path::new(OWN), name)
}

/// The cases of a file, which must be as many as the file says.
pub(crate) fn cases<'a>(name: &str, file: &'a Value) -> &'a Vec<Value> {
    let cases = file["cases"].as_array().expect("cases");
    assert_eq!(file["count"].as_u64(), u64::try_from(cases.len()).ok(), "{name} is truncated");
    assert!(!cases.is_empty(), "{name} has no cases");
    cases
}

fn deviations(name: &str) -> BTreeMap<String, String> {
    let listed = read_own("deviations.json");
    let listed: BTreeMap<String, String> = match listed.get(name) {
        Some(of_file) => serde_json::from_value(of_file.clone()).expect("id: reason"),
        None => BTreeMap::new(),
    };
    for (id, reason) in &listed {
        assert!(reason.len() > LEAST_REASON_CHARS, "{name}: {id} needs a reason");
    }
    listed
}

/// Checks every case by its id.
///
/// A listed deviation that agrees is an error, and so is a case of ours that differs and is not
/// listed, or a listed id that is no case. Of either folder's cases at most 2 % may differ.
pub(crate) fn judge<'a>(
    name: &str,
    cases: impl IntoIterator<Item = (String, &'a Value)>,
    check: impl Fn(&Value) -> Checked,
) {
    let listed = deviations(name);
    let (mut count, mut known, mut unknown) = (0, Vec::new(), Vec::new());
    let mut wrongly_listed = Vec::new();
    for (id, case) in cases {
        count += 1;
        match (check(case), listed.contains_key(&id)) {
            (Ok(()), false) => {}
            (Ok(()), true) => wrongly_listed.push(id),
            (Err(_), true) => known.push(id),
            (Err(difference), false) => unknown.push(format!("{id}: {difference}")),
        }
    }
    let differ = known.len() + unknown.len();
    println!("{name}: {count} cases, {} listed deviations, {} others", known.len(), unknown.len());
    println!("{}", unknown.join("\n"));
    assert!(count > 0, "{name} has no cases");
    assert!(
        wrongly_listed.is_empty(),
        "{name}: listed as deviations, but agree: {wrongly_listed:?}"
    );
    assert!(differ * CASES_A_DEVIATION <= count, "{name}: {differ} of {count} are more than 2 %");
    if are_own() {
        assert!(unknown.is_empty(), "{name}: {} differ:\n{}", unknown.len(), unknown.join("\n"));
        assert_eq!(known.len(), listed.len(), "{name}: not every listed deviation is a case");
    }
}

/// [`judge`]s a whole file whose cases have an `id`.
pub(crate) fn judge_file(name: &str, check: impl Fn(&Value) -> Checked) {
    judge_file_by(name, |case| case["id"].as_str().expect("an id").to_owned(), check);
}

/// [`judge`]s a whole file whose cases are told apart by what `id` makes of them.
pub(crate) fn judge_file_by(
    name: &str,
    id: impl Fn(&Value) -> String,
    check: impl Fn(&Value) -> Checked,
) {
    let file = read(name);
    let cases = cases(name, &file).iter().map(|case| (id(case), case));
    judge(name, cases, check);
}
