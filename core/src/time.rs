//! Instants as Millrace keeps and spells them: microseconds of UTC.
//!
//! Owns truncation, the microsecond form of the database and Airflow's two spellings.
//! Zones and calendars belong to `timetable` and `template`; no clock is read here.

use jiff::Timestamp;

/// Cuts an instant to whole microseconds, the precision of every stored time.
pub fn truncate(at: Timestamp) -> Timestamp {
    from_micros(at.as_microsecond())
}

/// The instant as microseconds since 1970-01-01T00:00:00Z, as stored.
pub fn to_micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The instant of a stored number of microseconds; numbers out of range become the nearest end.
pub fn from_micros(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// Python's `isoformat()` in UTC: `2025-08-21T06:00:00+00:00`, with six digits of a fraction
/// when there is one. Run ids and `ts` are spelt this way.
pub fn isoformat(at: Timestamp) -> String {
    let micros = at.as_microsecond().rem_euclid(1_000_000);
    let seconds = at.strftime("%Y-%m-%dT%H:%M:%S");
    if micros == 0 { format!("{seconds}+00:00") } else { format!("{seconds}.{micros:06}+00:00") }
}

/// The REST API's spelling: `2026-11-20T09:31:05.079453Z`, without a fraction when it is zero.
pub fn rest(at: Timestamp) -> String {
    let micros = at.as_microsecond().rem_euclid(1_000_000);
    let seconds = at.strftime("%Y-%m-%dT%H:%M:%S");
    if micros == 0 { format!("{seconds}Z") } else { format!("{seconds}.{micros:06}Z") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings() {
        let check = |micros: i64, iso: &str, z: &str| {
            assert_eq!(isoformat(from_micros(micros)), iso);
            assert_eq!(rest(from_micros(micros)), z);
        };
        check(0, "1970-01-01T00:00:00+00:00", "1970-01-01T00:00:00Z");
        check(-1, "1969-12-31T23:59:59.999999+00:00", "1969-12-31T23:59:59.999999Z");
        check(
            1_755_756_000_000_001,
            "2025-08-21T06:00:00.000001+00:00",
            "2025-08-21T06:00:00.000001Z",
        );
    }

    #[test]
    fn stored_form_is_exact() {
        let at: Timestamp = "2025-08-21T06:00:00.123456789Z".parse().expect("an instant");
        assert_eq!(from_micros(to_micros(at)), truncate(at));
        assert_eq!(truncate(at).to_string(), "2025-08-21T06:00:00.123456Z");
    }
}
