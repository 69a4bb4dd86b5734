//! Ending a process group: asked first, then ordered, and nothing of it may stay.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::Child;
use tokio::time::Instant;

use super::scan;
use crate::log::AttemptLog;
use crate::stop::{Stop, StopReason};

/// How often the rest of a group is looked at, once its leader has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Stops a running task: TERM to the group, KILL after the grace or at once when it is urgent,
/// and KILL to what left the group.
pub(super) async fn stop(
    child: &mut Child,
    pid: i32,
    marker: Option<&str>,
    reason: &StopReason,
    grace: Duration,
    stop: &Stop,
    log: &AttemptLog,
) {
    let Some(group) = Pid::from_raw(pid) else { return };
    if !reason.is_urgent() {
        log.warn(format!("{reason}; sending SIGTERM to the process group"));
        signal(group, Signal::TERM);
        let deadline = Instant::now() + grace;
        let in_time = tokio::select! {
            _ = tokio::time::timeout_at(deadline, gone(child, group)) => {
                !lives(group)
            }
            () = stop.wait_urgent() => false,
        };
        if !in_time {
            log.warn(format!(
                "the process group did not end in {}; sending SIGKILL",
                crate::report::seconds(grace)
            ));
        }
    }
    signal(group, Signal::KILL);
    if let Some(marker) = marker {
        scan::kill_marked(marker);
    }
}

/// Ends the group of a former incarnation's process, which is no child of this one.
pub(super) async fn end_foreign(pid: i32, grace: Duration) {
    let Some(group) = Pid::from_raw(pid) else { return };
    signal(group, Signal::TERM);
    let deadline = Instant::now() + grace;
    while lives(group) && Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
    }
    signal(group, Signal::KILL);
}

async fn gone(child: &mut Child, group: Pid) {
    // The status stays with the child; an error means that there is nothing to wait for.
    drop(child.wait().await);
    while lives(group) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether anybody is in a group whose leader has been waited for.
pub(super) fn has_members(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|group| test_kill_process_group(group).is_ok())
}

fn lives(group: Pid) -> bool {
    test_kill_process_group(group).is_ok() && scan::group_lives(group.as_raw_nonzero().get())
}

/// A group that is gone already is as good as one that was signalled.
fn signal(group: Pid, signal: Signal) {
    if let Err(error) = kill_process_group(group, signal)
        && error != rustix::io::Errno::SRCH
    {
        tracing::warn!(group = group.as_raw_nonzero().get(), %error, "process group not signalled");
    }
}

/// The name of a signal, as `kill -l` says it.
pub(crate) fn signal_name(number: i32) -> String {
    const NAMES: [&str; 15] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM",
    ];
    let name = usize::try_from(number - 1).ok().and_then(|index| NAMES.get(index));
    name.map_or_else(|| format!("signal {number}"), |name| format!("SIG{name}"))
}
