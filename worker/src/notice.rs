//! Sends notices. A notice that fails is reported and fails nothing.

use millrace_core::wire::NoticeWork;

use crate::attempt::Surroundings;

/// Sends one notice; the error says what went wrong.
pub(crate) async fn send(surroundings: Surroundings, work: NoticeWork) -> Result<(), String> {
    match work.callback.kind.as_str() {
        "log" => {
            let occasion = &work.notice.occasion;
            let worker = &surroundings.settings.name;
            tracing::info!(occasion, worker, attempt = %work.about.key, reason = work.notice.reason);
            tokio::task::yield_now().await;
            Ok(())
        }
        other => Err(format!("a notice of the kind \"{other}\" is not known here")),
    }
}
