//! A task's process: started in its own group, its output pumped into the log, killed with its
//! whole group, waited for alone.
//!
//! The only module that starts processes. A task ends when its own process ends: what it leaves
//! behind is not killed and keeps a reader on its output, so that it does not die of a broken
//! pipe either. On a kill or a timeout the whole group dies, and whatever left the group but still
//! carries the attempt's mark.

pub(crate) mod account;
mod group;
mod output;
pub(crate) mod scan;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use millrace_core::log_line::Source;
use tokio::process::{Child, Command};

use crate::environment::Variables;
use crate::log::{AttemptLog, LinePump};
use crate::stop::{Stop, StopReason};
use crate::xcom::LastLine;

pub(crate) use group::signal_name;

/// The variable that marks every process of an attempt, also one that leaves the group.
pub(crate) const MARKER: &str = "MILLRACE_ATTEMPT";

/// What to start.
#[derive(Debug)]
pub(crate) struct ProcessSpec {
    /// The program, looked up in the task's `PATH`.
    pub(crate) program: OsString,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
    /// Its whole environment.
    pub(crate) variables: Variables,
    /// Its working directory.
    pub(crate) cwd: PathBuf,
    /// From TERM to KILL.
    pub(crate) grace: Duration,
    /// The file mode mask, if not the worker's own.
    pub(crate) umask: Option<u32>,
    /// The account, if not the worker's own.
    pub(crate) account: Option<account::Account>,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct ProcessEnd {
    /// Its exit code; 128 and the signal's number when a signal ended it, as a shell says.
    pub(crate) exit_code: i32,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    /// Why it was stopped, if it was.
    pub(crate) stopped: Option<StopReason>,
    /// Whether others of its group live on.
    pub(crate) group_lives: bool,
    /// The last line of its standard output, masked.
    pub(crate) last_line: LastLine,
    /// The last lines of its standard error, masked.
    pub(crate) last_errors: Vec<String>,
}

/// Starts a process and waits for its end. `started` is told its number right after the start.
///
/// # Errors
/// It could not be started.
pub(crate) async fn run(
    spec: ProcessSpec,
    log: &AttemptLog,
    stop: &Stop,
    started: impl FnOnce(i32),
) -> io::Result<ProcessEnd> {
    let (out, out_end) = output::pipe()?;
    let (err, err_end) = output::pipe()?;
    let marker = spec.variables.get(MARKER).cloned();
    let mut child = spawn(&spec, out_end, err_end)?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
    started(pid);
    let ended = output::Ended::new();
    let out = output::Reader::new(out, LinePump::new(Source::Out, log.clone()));
    let err = output::Reader::new(err, LinePump::new(Source::Err, log.clone()));
    let wait = async {
        let stopped = tokio::select! {
            biased;
            _ = child.wait() => None,
            reason = stop.wait() => {
                group::stop(&mut child, pid, marker.as_deref(), &reason, spec.grace, stop, log).await;
                Some(reason)
            }
        };
        let status = child.wait().await;
        ended.set();
        status.map(|status| (status, stopped))
    };
    let (waited, out, err) = tokio::join!(wait, out.run(&ended), err.run(&ended));
    let (status, stopped) = waited?;
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    Ok(ProcessEnd {
        exit_code: status.code().unwrap_or_else(|| 128 + signal.unwrap_or_default()),
        signal,
        stopped,
        group_lives: group::has_members(pid),
        last_line: out.last_line().clone(),
        last_errors: err.quoted().map(str::to_owned).collect(),
    })
}

fn spawn(spec: &ProcessSpec, out: io::PipeWriter, err: io::PipeWriter) -> io::Result<Child> {
    let mut words = spec.account.as_ref().map(account::Account::become_it).unwrap_or_default();
    words.push(spec.program.clone());
    words.extend(spec.args.iter().cloned());
    let mut command = match spec.umask {
        None => {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]);
            command
        }
        // Only a process can set its own mask, so a shell sets it and becomes the program.
        Some(umask) => {
            let mut command = Command::new("/bin/sh");
            let script = format!("umask {umask:04o}; exec \"$@\"");
            command.args(["-c", &script, "sh"]).args(&words);
            command
        }
    };
    command
        .env_clear()
        .envs(&spec.variables)
        .current_dir(&spec.cwd)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .process_group(0);
    command.spawn()
}
