//! One attempt from its assignment to its result: folder, log, rendering, operator, report.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use millrace_core::operator::sensor;
use millrace_core::record::AttemptKey;
use millrace_core::wire::{AppendLog, Assignment, AttemptResult, Link, Outcome};

use crate::config::WorkerConfig;
use crate::folder::{AttemptFolder, Folders, Note};
use crate::log::AttemptLog;
use crate::operator::{self, Context};
use crate::process::scan;
use crate::recover::Former;
use crate::render::{self, Rendered, Source};
use crate::report::{Failure, Report};
use crate::stop::StopSender;

/// What all attempts of a worker share.
#[derive(Clone)]
pub(crate) struct Surroundings {
    /// The scheduler.
    pub(crate) link: Link,
    /// The worker's settings.
    pub(crate) settings: Arc<WorkerConfig>,
    /// The folders of its attempts.
    pub(crate) folders: Arc<Folders>,
}

/// Runs an attempt to its end, or takes over what an earlier incarnation started. Whatever goes wrong becomes its result; nothing is thrown.
pub(crate) async fn run(
    surroundings: Surroundings,
    assignment: Assignment,
    stop: Arc<StopSender>,
    former: Option<Former>,
) -> AttemptResult {
    let Surroundings { link, settings, folders } = surroundings;
    let key = assignment.key;
    let offset = match &former {
        Some(former) => log_end(&link, key).await.unwrap_or(former.note.log_offset),
        // All pokes of a try write to one log.
        None if sensor::terms(&assignment.task).is_some() => {
            log_end(&link, key).await.unwrap_or_default()
        }
        None => 0,
    };
    let log =
        AttemptLog::open(link.clone(), key, offset, settings.clock.clone(), settings.log_bytes_max);
    log.add_secrets(assignment.secrets.iter().map(|secret| secret.0.clone()));
    let assignment = Arc::new(assignment);
    let folder = match prepare(&folders, &settings, &assignment, former.as_ref()) {
        Ok(folder) => folder,
        Err(error) => {
            let report = Failure::lost(format!("attempt folder: {error}")).into();
            return conclude(&log, report, &assignment, None).await;
        }
    };
    let limit = assignment.task.execution_timeout_secs;
    let stop = stop.receiver(limit.and_then(|secs| Duration::try_from_secs_f64(secs).ok()));
    let source =
        Source { link: link.clone(), assignment: Arc::clone(&assignment), log: log.clone() };
    let rendering = render::render(source, settings.clock.as_ref());
    let rendered = tokio::select! {
        biased;
        rendered = rendering => rendered,
        reason = stop.wait() => Err(Failure::stopped(&reason)),
    };
    let (report, shown, label) = match rendered {
        Err(failure) => (failure.into(), None, None),
        Ok(Rendered { config, variables, env_file, shown, label, templates }) => {
            let context = Context {
                assignment: Arc::clone(&assignment),
                config,
                variables,
                env_file,
                templates: tokio::sync::Mutex::new(templates),
                log: log.clone(),
                stop,
                link,
                folder: folder.clone(),
                settings,
                former: former.map(|former| former.note),
            };
            (guarded(&context).await, Some(shown), label)
        }
    };
    let mut result = conclude(&log, report, &assignment, shown).await;
    result.rendered_map_index = label;
    folder.remove_later();
    result
}

/// Where the log of an attempt ends: an empty piece is always old and changes nothing.
async fn log_end(link: &Link, key: AttemptKey) -> Option<u64> {
    let piece = AppendLog { key, offset: 0, text: String::new(), last: false };
    link.append_log(piece).await.ok().map(|appended| appended.next_offset)
}

/// A mistake in an operator costs one attempt, not the worker.
async fn guarded(context: &Context) -> Report {
    match AssertUnwindSafe(operator::run(context)).catch_unwind().await {
        Ok(report) => report,
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            tracing::error!(attempt = %context.assignment.key, text, "operator panicked");
            Failure::failed(format!("a mistake in Millrace's own operator: {text}")).into()
        }
    }
}

fn prepare(
    folders: &Arc<Folders>,
    settings: &WorkerConfig,
    assignment: &Assignment,
    former: Option<&Former>,
) -> std::io::Result<AttemptFolder> {
    if let Some(former) = former {
        return Ok(former.folder.clone());
    }
    let folder = folders.create(assignment.key)?;
    folder.write_note(&first_note(settings, assignment))?;
    Ok(folder)
}

/// The note of an attempt that has not started anything yet.
pub(crate) fn first_note(settings: &WorkerConfig, assignment: &Assignment) -> Note {
    Note {
        key: assignment.key,
        operator: assignment.task.operator.clone(),
        marker: settings.marker(assignment.key),
        boot_id: scan::boot_id(),
        pid: None,
        start_ticks: None,
        container: None,
        docker_url: None,
        log_until: None,
        log_offset: 0,
    }
}

/// Says in the log how it ended, sends the rest of the log and makes the result.
async fn conclude(
    log: &AttemptLog,
    mut report: Report,
    assignment: &Assignment,
    shown: Option<serde_json::Value>,
) -> AttemptResult {
    let redactor = log.redactor();
    report.reason = report.reason.map(|reason| {
        let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
        redactor.redact(&reason).into_owned()
    });
    if !assignment.task.do_xcom_push {
        report.return_value = None;
    }
    let goes_on = report.outcome == Outcome::NotYet;
    match &report.reason {
        Some(reason) if !report.is_success() && !goes_on => log.error(reason),
        Some(reason) => log.info(reason),
        None => {}
    }
    log.close(goes_on).await;
    report.into_result(assignment.key, shown)
}

/// A reason is read in lists: it stays short.
const REASON_CHARS_MAX: usize = 2_000;
