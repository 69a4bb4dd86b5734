//! Finding processes in `/proc`: by the attempt's mark, and by number and start.

use std::fs;
use std::io::Read as _;
use std::sync::LazyLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{MARKER, group};

/// What tells one process from a later one with the same number.
pub(crate) fn start_ticks(pid: i32) -> Option<u64> {
    // One read: it is on the way of every task.
    let mut buffer = [0; 1024];
    let size = fs::File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut buffer).ok()?;
    let stat = String::from_utf8_lossy(&buffer[..size]);
    // The name, in parentheses, may hold anything; the start is the 20th field after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Whether a process group has a member that is more than a zombie. One that nobody waits for
/// (there is no init in some containers) would otherwise look alive for ever.
pub(crate) fn group_lives(group: i32) -> bool {
    let Ok(entries) = fs::read_dir("/proc") else { return false };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok())
        .any(|stat| {
            let Some((_, fields)) = stat.rsplit_once(')') else { return false };
            let mut fields = fields.split_whitespace();
            let state = fields.next();
            fields.nth(1) == Some(&group.to_string()) && !matches!(state, Some("Z" | "X"))
        })
}

/// The boot of the machine.
pub(crate) fn boot_id() -> String {
    static BOOT: LazyLock<String> = LazyLock::new(|| {
        fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_or_else(|_| String::new(), |id| id.trim().to_owned())
    });
    BOOT.clone()
}

/// Kills every process that carries the mark of an attempt, whatever its group.
pub(crate) fn kill_marked(marker: &str) {
    for pid in marked(marker) {
        if let Some(pid) = Pid::from_raw(pid) {
            // One that ended meanwhile is what we want.
            let _gone = kill_process(pid, Signal::KILL);
        }
    }
}

/// The processes that carry the mark of an attempt.
pub(crate) fn marked(marker: &str) -> Vec<i32> {
    let wanted = format!("{MARKER}={marker}");
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
                environment.split(|&byte| byte == 0).any(|entry| entry == wanted.as_bytes())
            })
        })
        .collect()
}

/// Ends what a former incarnation's attempt left running: its group if its leader still lives,
/// and without a known leader everything that carries its mark.
pub(crate) async fn end_former(
    pid: Option<i32>,
    ticks: Option<u64>,
    same_boot: bool,
    marker: &str,
    grace: Duration,
) -> bool {
    match pid {
        Some(pid) if same_boot && start_ticks(pid) == ticks => {
            group::end_foreign(pid, grace).await;
            kill_marked(marker);
            true
        }
        // Its own process has ended: what it left behind may be meant to stay.
        Some(_) => false,
        None => {
            let found = !marked(marker).is_empty();
            kill_marked(marker);
            found
        }
    }
}
