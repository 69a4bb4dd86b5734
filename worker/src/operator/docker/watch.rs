//! A container from its start to its end: its log as it comes, its exit code, its stop.

use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::{
    KillContainerOptionsBuilder, LogsOptionsBuilder, StopContainerOptionsBuilder,
};
use futures_util::StreamExt as _;
use millrace_core::log_line::Source;
use tokio::time::Instant;

use super::{Context, Failure, names};
use crate::log::LinePump;
use crate::stop::StopReason;
use crate::xcom::LastLine;

/// How a container ended.
#[derive(Debug)]
pub(super) struct Ending {
    /// Its exit code; none when it is gone.
    pub(super) exit_code: Option<i32>,
    /// Whether the kernel killed it for its memory.
    pub(super) oom_killed: bool,
    /// Why it was stopped, if it was.
    pub(super) stopped: Option<StopReason>,
    /// The last line of its standard output.
    pub(super) last_line: LastLine,
    /// The last lines of its standard error.
    pub(super) last_errors: Vec<String>,
    /// What the daemon could not do with it.
    pub(super) start_error: String,
}

/// How long the log of an ended container may still come.
const LOG_LIMIT: Duration = Duration::from_secs(20);

/// The exit code of what was killed.
pub(super) const KILLED: i32 = 137;

/// The daemon notes that the kernel killed a container for its memory some time after its end: how
/// long, and how often, a killed container is looked at for it.
const OOM_PATIENCE: Duration = Duration::from_secs(1);
const OOM_LOOK: Duration = Duration::from_millis(50);

/// How often a daemon that broke off is asked again, and for how long.
const ASK_AGAIN: Duration = Duration::from_secs(1);
const DAEMON_PATIENCE: Duration = Duration::from_secs(30);

/// Follows the container to its end; stops it when the attempt must end.
pub(super) async fn watch(
    context: &Context,
    docker: &Docker,
    id: &str,
    since: Option<String>,
) -> Result<Ending, Failure> {
    let mut streams = Streams::new(context, since);
    let mut stopped = None;
    {
        let logs = streams.read(docker, id, true);
        tokio::pin!(logs);
        let ended = ended(docker, id);
        tokio::pin!(ended);
        let mut log_done = false;
        let waited = loop {
            tokio::select! {
                biased;
                waited = &mut ended => break waited,
                () = &mut logs, if !log_done => log_done = true,
                reason = context.stop.wait(), if stopped.is_none() => {
                    stop(context, docker, id, &reason);
                    stopped = Some(reason);
                }
            }
        };
        waited?;
        if !log_done && tokio::time::timeout(LOG_LIMIT, logs).await.is_err() {
            context.log.warn("the end of the container's log did not come");
        }
    }
    // A follower of a container that ends at once may miss its lines: look again, at what is new.
    streams.read(docker, id, false).await;
    streams.finish().await;
    let mut ending = Ending {
        exit_code: None,
        oom_killed: false,
        stopped,
        last_line: streams.out.last_line().clone(),
        last_errors: streams.err.quoted().map(str::to_owned).collect(),
        start_error: String::new(),
    };
    let until = Instant::now() + OOM_PATIENCE;
    loop {
        match docker.inspect_container(id, None).await {
            Ok(found) => {
                let state = found.state.unwrap_or_default();
                ending.exit_code = state.exit_code.and_then(|code| i32::try_from(code).ok());
                ending.oom_killed = state.oom_killed.unwrap_or(false);
                ending.start_error = state.error.unwrap_or_default();
            }
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(ending),
            Err(error) => return Err(names::failure("the container's end is not known", &error)),
        }
        let may_be_oom = ending.exit_code == Some(KILLED) && ending.stopped.is_none();
        if ending.oom_killed || !may_be_oom || Instant::now() > until {
            return Ok(ending);
        }
        tokio::time::sleep(OOM_LOOK).await;
    }
}

/// Waits for the end. A daemon that breaks off (it is restarted) is asked again for a while; the
/// container may well go on meanwhile.
async fn ended(docker: &Docker, id: &str) -> Result<(), Failure> {
    let mut broken_since: Option<Instant> = None;
    loop {
        let mut waiting = docker.wait_container(id, None);
        match waiting.next().await {
            // A code other than 0 comes as an error, and so does a container that is gone.
            Some(
                Ok(_)
                | Err(
                    Error::DockerContainerWaitError { .. }
                    | Error::DockerResponseServerError { status_code: 404, .. },
                ),
            ) => return Ok(()),
            Some(Err(error)) => {
                let since = *broken_since.get_or_insert_with(Instant::now);
                if since.elapsed() > DAEMON_PATIENCE {
                    return Err(names::failure("the Docker daemon went away", &error));
                }
            }
            None => {}
        }
        if let Ok(found) = docker.inspect_container(id, None).await {
            if found.state.and_then(|state| state.running) == Some(false) {
                return Ok(());
            }
            broken_since = None;
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Asks the container to end and orders it after the grace; the daemon does the waiting.
fn stop(context: &Context, docker: &Docker, id: &str, reason: &StopReason) {
    context.log.warn(format!("{reason}; stopping the container"));
    let (docker, id) = (docker.clone(), id.to_owned());
    let grace = context.settings.kill_grace;
    let urgent = reason.is_urgent();
    tokio::spawn(async move {
        let done = if urgent {
            let options = KillContainerOptionsBuilder::default().signal("SIGKILL").build();
            docker.kill_container(&id, Some(options)).await
        } else {
            let secs = i32::try_from(grace.as_secs().max(1)).unwrap_or(i32::MAX);
            let options = StopContainerOptionsBuilder::default().t(secs).build();
            docker.stop_container(&id, Some(options)).await
        };
        if let Err(error) = done
            && !matches!(error, Error::DockerResponseServerError { status_code: 404 | 409, .. })
        {
            tracing::warn!(container = id, %error, "container not stopped");
        }
    });
}

/// The two streams of a container's log.
struct Streams<'c> {
    context: &'c Context,
    out: LinePump,
    err: LinePump,
    /// The moment of the last line that was taken over, as the daemon spells it.
    until: Option<String>,
    /// The same at the last look; what came up to then has been sent.
    sent_until: Option<String>,
    noted_at: Instant,
}

/// How often the place in the log is noted for a later incarnation.
const NOTE_EVERY: Duration = Duration::from_millis(500);

impl<'c> Streams<'c> {
    fn new(context: &'c Context, until: Option<String>) -> Self {
        Self {
            context,
            out: LinePump::new(Source::Out, context.log.clone()),
            err: LinePump::new(Source::Err, context.log.clone()),
            sent_until: until.clone(),
            until,
            noted_at: Instant::now(),
        }
    }

    async fn read(&mut self, docker: &Docker, id: &str, follow: bool) {
        let taken = self.until.clone();
        let since = taken.as_deref().and_then(seconds_of).unwrap_or(0);
        let options = LogsOptionsBuilder::default()
            .follow(follow)
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .since(since)
            .build();
        let mut log = docker.logs(id, Some(options));
        while let Some(piece) = log.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                // It is gone: there is no more to read.
                Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => return,
                Err(error) => {
                    self.context.log.warn(format!("the container's log broke off: {error}"));
                    return;
                }
            };
            let is_err = matches!(piece, LogOutput::StdErr { .. });
            let bytes = piece.into_bytes();
            let (stamp, text) = without_stamp(&bytes);
            // `since` has whole seconds: what was taken over already comes again.
            if stamp.is_some() && taken.is_some() && stamp <= taken.as_deref() {
                continue;
            }
            if let Some(stamp) = stamp {
                self.until = Some(stamp.to_owned());
            }
            let pump = if is_err { &mut self.err } else { &mut self.out };
            pump.push(text).await;
            if self.noted_at.elapsed() > NOTE_EVERY {
                self.note();
            }
        }
    }

    async fn finish(&mut self) {
        self.out.finish().await;
        self.err.finish().await;
    }

    fn note(&mut self) {
        self.noted_at = Instant::now();
        if let Some(mut note) = self.context.folder.read_note() {
            note.log_until = std::mem::replace(&mut self.sent_until, self.until.clone());
            if let Err(error) = self.context.folder.write_note(&note) {
                tracing::warn!(attempt = %note.key, %error, "note not written");
            }
        }
    }
}

/// A piece of the log without the daemon's stamp: `2026-11-20T09:31:05.079453123Z text`. The
/// stamps of one daemon have one length, so that they compare as texts.
fn without_stamp(bytes: &[u8]) -> (Option<&str>, &[u8]) {
    let end = bytes.iter().take(40).position(|&byte| byte == b' ');
    match end.and_then(|end| Some((std::str::from_utf8(&bytes[..end]).ok()?, end))) {
        Some((stamp, end)) if stamp.ends_with('Z') && stamp.contains('T') => {
            (Some(stamp), &bytes[end + 1..])
        }
        _ => (None, bytes),
    }
}

fn seconds_of(stamp: &str) -> Option<i32> {
    let at: jiff::Timestamp = stamp.parse().ok()?;
    i32::try_from(at.as_second()).ok()
}
