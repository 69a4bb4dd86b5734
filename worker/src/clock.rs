//! The worker's clock: the one place where it reads the time of day.
//!
//! Time spans (leases, timeouts) are measured on tokio's monotonic clock instead.

use jiff::Timestamp;

/// Says what time it is.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the clock of this shell")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
