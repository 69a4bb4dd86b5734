//! Owns the lookup of time zones by name, with an answer for a misspelt one.
//!
//! Must not read files: the database is a value that a shell may have opened from the system's or
//! a configured folder; without one, the data compiled into the program serves.

use std::fmt;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::cron_error::did_you_mean;
use crate::suggest::nearest;

/// Abbreviations that people write, with the zone they probably mean. They name an offset, not a
/// zone with rules, or several zones: so they are suggested, never guessed.
const ABBREVIATIONS: [(&str, &str); 17] = [
    ("KST", "Asia/Seoul"),
    ("JST", "Asia/Tokyo"),
    ("IST", "Asia/Kolkata"),
    ("SGT", "Asia/Singapore"),
    ("HKT", "Asia/Hong_Kong"),
    ("BST", "Europe/London"),
    ("WEST", "Europe/Lisbon"),
    ("CEST", "Europe/Berlin"),
    ("EEST", "Europe/Helsinki"),
    ("EDT", "America/New_York"),
    ("CDT", "America/Chicago"),
    ("MDT", "America/Denver"),
    ("PST", "America/Los_Angeles"),
    ("PDT", "America/Los_Angeles"),
    ("BRT", "America/Sao_Paulo"),
    ("AEST", "Australia/Sydney"),
    ("NZST", "Pacific/Auckland"),
];

/// A time zone that is not in the database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown time zone {name:?}{}; use an IANA name like \"Asia/Seoul\" or \"UTC\"{}",
    did_you_mean(.suggestion.as_deref()),
    if is_offset(.name) { ", which knows its summer time, in place of an offset" } else { "" }
)]
pub struct ZoneError {
    /// The name as written.
    pub name: String,
    /// The zone that was probably meant.
    pub suggestion: Option<String>,
}

/// The time zones that this installation knows.
#[derive(Clone)]
pub struct Zones {
    database: TimeZoneDatabase,
}

impl Zones {
    /// The zones compiled into the program.
    pub fn bundled() -> Self {
        Self { database: TimeZoneDatabase::bundled() }
    }

    /// The zones of a database that a shell has opened.
    pub fn from_database(database: TimeZoneDatabase) -> Self {
        Self { database }
    }

    /// Finds a zone by its IANA name; upper and lower case are the same.
    pub fn zone(&self, name: &str) -> Result<TimeZone, ZoneError> {
        let trimmed = name.trim();
        if trimmed.eq_ignore_ascii_case("utc") || trimmed.eq_ignore_ascii_case("z") {
            return Ok(TimeZone::UTC);
        }
        self.database
            .get(trimmed)
            .map_err(|_| ZoneError { name: name.to_owned(), suggestion: self.suggest(trimmed) })
    }

    /// The names of all zones, for completion.
    pub fn names(&self) -> Vec<String> {
        self.database.available().map(|name| name.as_str().to_owned()).collect()
    }

    fn suggest(&self, name: &str) -> Option<String> {
        if is_offset(name) {
            return None;
        }
        let abbreviation = ABBREVIATIONS.iter().find(|(short, _)| short.eq_ignore_ascii_case(name));
        if let Some((_, zone)) = abbreviation {
            return Some((*zone).to_owned());
        }
        let names = self.names();
        let city = name.rsplit('/').next().unwrap_or(name).replace(' ', "_");
        let ends_alike = |zone: &&String| {
            zone.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(&city))
        };
        if let Some(zone) = names.iter().find(ends_alike) {
            return Some(zone.clone());
        }
        let whole = nearest(name, names.iter().map(String::as_str));
        let by_city = || {
            let cities = names.iter().filter_map(|zone| zone.rsplit('/').next());
            let city = nearest(&city, cities)?;
            names.iter().map(String::as_str).find(|zone| zone.rsplit('/').next() == Some(city))
        };
        whole.or_else(by_city).map(str::to_owned)
    }
}

/// Whether a name is an offset: `+09:00`, `GMT+9`, `UTC-5`. The `Etc/GMT+9` of the database means
/// nine hours *behind* UTC, so that no name near to it may be suggested.
fn is_offset(name: &str) -> bool {
    let name = name.trim().to_ascii_uppercase();
    let offset = ["GMT", "UTC"].iter().find_map(|start| name.strip_prefix(start)).unwrap_or(&name);
    offset.strip_prefix(['+', '-']).is_some_and(|digits| {
        !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == ':')
    })
}

impl Default for Zones {
    fn default() -> Self {
        Self::bundled()
    }
}

impl fmt::Debug for Zones {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Zones").finish_non_exhaustive()
    }
}

/// Finds a zone in the data compiled into the program; see [`Zones::zone`].
pub fn zone(name: &str) -> Result<TimeZone, ZoneError> {
    Zones::bundled().zone(name)
}

/// The name of a zone as people know it; a zone without one shows its offset at the epoch.
pub fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name()
        .map_or_else(|| zone.to_offset(jiff::Timestamp::UNIX_EPOCH).to_string(), str::to_owned)
}
