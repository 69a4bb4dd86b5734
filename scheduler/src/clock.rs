//! The scheduler's only source of the time.

use jiff::Timestamp;

/// Tells the time. Tests give their own.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock, cut to microseconds.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        millrace_core::time::truncate(Timestamp::now())
    }
}
