//! Owns the schedule presets (`@daily` …) and what each one stands for.
//!
//! Must not parse cron fields.

use crate::suggest::nearest;

/// What a preset stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preset {
    /// A five-field cron expression.
    Cron(&'static str),
    /// One run, as soon as possible.
    Once,
    /// A new run whenever the last one has ended.
    Continuous,
}

/// Airflow maps the first six itself; `@midnight` and `@annually` are croniter's own aliases.
const PRESETS: [(&str, Preset); 10] = [
    ("@hourly", Preset::Cron("0 * * * *")),
    ("@daily", Preset::Cron("0 0 * * *")),
    ("@weekly", Preset::Cron("0 0 * * 0")),
    ("@monthly", Preset::Cron("0 0 1 * *")),
    ("@quarterly", Preset::Cron("0 0 1 */3 *")),
    ("@yearly", Preset::Cron("0 0 1 1 *")),
    ("@midnight", Preset::Cron("0 0 * * *")),
    ("@annually", Preset::Cron("0 0 1 1 *")),
    ("@once", Preset::Once),
    ("@continuous", Preset::Continuous),
];

/// The presets that Airflow replaces by their expression, in exactly this spelling; the others
/// are shown, and not described, as they were written.
pub(super) const REPLACED: [&str; 6] =
    ["@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly"];

/// Finds a preset; upper and lower case are the same.
pub(super) fn find(name: &str) -> Option<Preset> {
    PRESETS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, preset)| *preset)
}

/// The preset that a misspelt one was probably meant to be.
pub(super) fn suggest(name: &str) -> Option<&'static str> {
    nearest(name, PRESETS.iter().map(|(known, _)| *known))
}

/// All presets, for messages.
pub(super) fn names() -> String {
    PRESETS.map(|(name, _)| name).join(" ")
}
