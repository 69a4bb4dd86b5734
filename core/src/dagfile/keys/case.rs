//! The keys of the tests in a file: of a case, of a stub, of what is expected.

use super::{Key, KeyKind};

/// The endings of a stub.
pub(crate) const ENDINGS: &[&str] = &["success", "failed", "skipped"];

/// The states of a run that has ended.
pub(crate) const RUN_STATES: &[&str] = &["success", "failed"];

/// The keys of a case.
pub static CASE_KEYS: &[Key] = &[
    Key::new("name", KeyKind::Text, "what the case is about"),
    Key::new("date", KeyKind::Instant, "the logical date (the start date, else 2025-01-01)"),
    Key::new("params", KeyKind::Own, "what the run is given, by name").aliases(&["conf"]),
    Key::new("variables", KeyKind::Own, "variables by key; any other is unknown to the case"),
    Key::new(
        "connections",
        KeyKind::Own,
        "connections by id, each a URI; any other is unknown to the case",
    ),
    Key::new(
        "assets",
        KeyKind::Own,
        "the assets whose events start the run, a list or a map of extras by name; the run is then asset_triggered",
    ),
    Key::new(
        "stub",
        KeyKind::Own,
        "what tasks give instead of running, by name, or by item as `task[2]`; any other task succeeds and gives nothing",
    ),
    Key::new("expect", KeyKind::Own, "what must come of it"),
];

/// The keys of a stub. A list of stubs is one for each try.
pub static STUB_KEYS: &[Key] = &[
    Key::new("state", KeyKind::Word(ENDINGS), "how the task ends (success)"),
    Key::new(
        "exit_code",
        KeyKind::Int(0, 255),
        "the exit code of its command, which then says how it ends",
    ),
    Key::new("xcom", KeyKind::Own, "its result"),
    Key::new("xcoms", KeyKind::Own, "its XComs by key"),
    Key::new("metrics", KeyKind::Own, "its metrics by name"),
    Key::new("choice", KeyKind::TextList, "the tasks that a branch or an approval chooses"),
    Key::new("go_on", KeyKind::Bool, "whether a short circuit or an approval goes on"),
];

/// The keys of what a case expects.
pub static EXPECT_KEYS: &[Key] = &[
    Key::new(
        "success",
        KeyKind::TextList,
        "tasks that succeed; of mapped ones every item, or one as `task[2]`",
    ),
    Key::new("failed", KeyKind::TextList, "tasks that fail"),
    Key::new("skipped", KeyKind::TextList, "tasks that are skipped"),
    Key::new(
        "upstream_failed",
        KeyKind::TextList,
        "tasks that do not run since an upstream failed",
    ),
    Key::new("not_run", KeyKind::TextList, "tasks that do not run, for whatever reason"),
    Key::new("count", KeyKind::Own, "how many items mapped tasks have, by task"),
    Key::new("state", KeyKind::Word(RUN_STATES), "the state of the run"),
    Key::new("rendered", KeyKind::Own, "rendered texts: the task or its item, its key, the text"),
    Key::new("xcom", KeyKind::Own, "results by task or item"),
];
