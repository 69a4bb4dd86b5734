//! Why and when a running attempt must end early: an order, its time limit, a lost lease, a
//! worker that shuts down. Operators wait on [`Stop`] beside their work and clean up after it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Why an attempt must end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The scheduler ordered it.
    Ordered(String),
    /// `execution_timeout` is over.
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// No renewal of the lease succeeded; soon somebody else may have the attempt.
    LeaseLost,
    /// The worker shuts down.
    ShuttingDown,
}

impl StopReason {
    /// Whether the attempt is killed at once, without time to clean up.
    pub(crate) fn is_urgent(&self) -> bool {
        matches!(self, Self::LeaseLost)
    }
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ordered(reason) => write!(f, "{reason}"),
            Self::TimedOut { limit } => {
                write!(f, "timed out: execution_timeout is {}", crate::report::seconds(*limit))
            }
            Self::LeaseLost => {
                f.write_str("the scheduler could not be reached before the lease ended")
            }
            Self::ShuttingDown => f.write_str("the worker was shut down"),
        }
    }
}

/// The end that gives the order.
#[derive(Debug)]
pub(crate) struct StopSender(watch::Sender<Option<StopReason>>);

impl StopSender {
    /// A switch that nobody has pulled.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Gives the order; the first reason stays, except that urgency overrules it.
    pub(crate) fn stop(&self, reason: StopReason) {
        self.0.send_if_modified(|current| {
            let replace = current.as_ref().is_none_or(|old| reason.is_urgent() && !old.is_urgent());
            if replace {
                *current = Some(reason);
            }
            replace
        });
    }

    /// The other end, with the attempt's time limit counted from now.
    pub(crate) fn receiver(&self, limit: Option<Duration>) -> Stop {
        let deadline = limit.and_then(|limit| Some((Instant::now().checked_add(limit)?, limit)));
        Stop { order: self.0.subscribe(), deadline }
    }
}

/// The end that an operator waits on.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    order: watch::Receiver<Option<StopReason>>,
    deadline: Option<(Instant, Duration)>,
}

impl Stop {
    /// Waits until the attempt must end. Safe to drop and call again.
    pub(crate) async fn wait(&self) -> StopReason {
        let mut order = self.order.clone();
        let ordered = async {
            let given = order.wait_for(Option::is_some).await.ok().and_then(|given| given.clone());
            match given {
                Some(reason) => reason,
                // Nobody can give an order any more.
                None => std::future::pending().await,
            }
        };
        match self.deadline {
            None => ordered.await,
            Some((at, limit)) => tokio::select! {
                biased;
                reason = ordered => reason,
                () = tokio::time::sleep_until(at) => StopReason::TimedOut { limit },
            },
        }
    }

    /// Waits until the attempt must end without grace.
    pub(crate) async fn wait_urgent(&self) {
        let mut order = self.order.clone();
        let is_urgent =
            |given: &Option<StopReason>| given.as_ref().is_some_and(StopReason::is_urgent);
        let given = order.wait_for(is_urgent).await.is_ok();
        if !given {
            std::future::pending::<()>().await;
        }
    }
}
