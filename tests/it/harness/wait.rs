//! Waiting for a condition instead of sleeping.

use std::time::{Duration, Instant};

/// Asks `probe` until it gives something, at most `secs` seconds.
///
/// # Panics
/// With `what` and the last answer's text when the time is over.
pub(crate) fn wait_for<T>(
    what: &str,
    secs: u64,
    mut probe: impl FnMut() -> Result<T, String>,
) -> T {
    let end = Instant::now() + Duration::from_secs(secs);
    let mut pause = Duration::from_millis(2);
    loop {
        match probe() {
            Ok(found) => return found,
            Err(last) if Instant::now() > end => {
                panic!("waited {secs} s for {what}; last seen: {last}")
            }
            Err(_) => std::thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// The machine's time, for what tests compare with it.
#[expect(clippy::disallowed_methods, reason = "tests live in real time")]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
