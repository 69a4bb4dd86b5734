//! Runs `notify`: sends its notices. One that fails is a warning in the log, never a failed task.

use millrace_core::operator::notify::notices;
use serde_json::{Value, json};

use super::{Context, Failure, Report};
use crate::notice;

/// Sends the notices in order; what became of each is the XCom.
pub(super) async fn run(context: &Context) -> Result<Report, Failure> {
    let send = context.config.get("send").unwrap_or(&Value::Null);
    let source = context.source();
    let mut outcomes = Vec::new();
    for (kind, settings) in notices(send).map_err(Failure::for_good)? {
        let sent = tokio::select! {
            sent = notice::deliver(&source, kind, settings) => sent,
            reason = context.stop.wait() => return Err(Failure::stopped(&reason)),
        };
        match &sent {
            Ok(()) => context.log.info(format!("{kind}: sent")),
            Err(problem) => context.log.warn(format!("{kind}: not sent: {problem}")),
        }
        let problem =
            sent.err().map(|problem| context.log.redactor().redact(&problem).into_owned());
        outcomes.push(json!({"kind": kind, "sent": problem.is_none(), "problem": problem}));
    }
    Ok(Report::success(Some(Value::Array(outcomes))))
}
