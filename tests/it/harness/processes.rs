//! The processes of this machine, found by a variable of their environment.

use std::sync::atomic::{AtomicU32, Ordering};

/// A name that no other test, and no other run of the tests, uses.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{name}_{}_{number}", std::process::id())
}

/// The living processes that have `NAME=value` in their environment.
pub(crate) fn processes_with(variable: &str) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| has(*pid, variable))
        .collect()
}

/// A process that has ended and was not waited for shows an empty environment.
fn has(pid: u32, variable: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
        environment.split(|byte| *byte == 0).any(|one| one == variable.as_bytes())
    })
}
