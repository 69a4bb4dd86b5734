//! Why a task instance waits without a slot: for what exactly, until when, and who may end it.

use jiff::Timestamp;
use serde_json::json;

use super::Engine;
use super::explain::{Reason, until};
use super::run::Run;
use super::wait::elsewhere;
use crate::state::TaskState;
use crate::time::rest;
use crate::wait::{AssetWait, Condition, Verdict, judge};

impl Engine {
    /// The reasons for `up_for_reschedule`, `deferred` and `awaiting_input`.
    pub(super) fn why_waiting(&self, run: &Run, slot: u32, now: Timestamp) -> Vec<Reason> {
        let row = run.ti(slot).row();
        let Some(wait) = row.wait.as_deref() else { return Vec::new() };
        let mut reasons = Vec::new();
        if row.state == TaskState::UpForReschedule {
            let last = row.reason.as_deref().unwrap_or("not yet");
            let what = format!("poke {} found: {last}; the next is", wait.pokes);
            reasons.push(until("poke", &what, row.retry_at, now));
        }
        match &wait.condition {
            Some(Condition::Time { at }) => {
                reasons.push(until("time", "it waits for an instant", Some(*at), now));
            }
            Some(Condition::Elsewhere(_)) => reasons.extend(self.why_elsewhere(run, slot)),
            Some(Condition::Asset(wanted)) => reasons.push(self.why_asset(wanted)),
            Some(Condition::Answer(question)) => {
                let who = match question.assigned_users.as_slice() {
                    [] => "anybody who may act on runs".to_owned(),
                    names => names.join(", "),
                };
                let options = question.options.join(" or ");
                let text = format!("it asks \"{}\": {options}; {who} may answer", question.subject);
                let operands = json!({
                    "subject": question.subject, "options": question.options,
                    "assigned_users": question.assigned_users, "defaults": question.defaults,
                });
                reasons.push(Reason::new("approval", text, operands));
            }
            None => {}
        }
        if let Some(at) = wait.until {
            reasons.push(until("timeout", "it gives up", Some(at), now));
        }
        if self.dags.get(&run.layout.dag.dag_id).is_some_and(|entry| entry.row.is_paused) {
            let dag_id = &run.layout.dag.dag_id;
            let text = format!("dag \"{dag_id}\" is paused: nothing in it starts");
            reasons.push(Reason::new("dag_paused", text, json!({ "dag_id": dag_id })));
        }
        reasons
    }

    fn why_asset(&self, wanted: &AssetWait) -> Reason {
        let AssetWait { asset, after } = wanted;
        let last = match self.assets.last_of(asset) {
            Some(event) => format!("its last was at {}", rest(event.at)),
            None if self.assets.is_known(asset) => "it has had none".to_owned(),
            None => "no DAG names such an asset".to_owned(),
        };
        let text =
            format!("it waits for an event of asset \"{asset}\" since {}; {last}", rest(*after));
        let operands = json!({ "asset": asset, "after": rest(*after) });
        Reason::new("asset", text, operands)
    }

    fn why_elsewhere(&self, run: &Run, slot: u32) -> Option<Reason> {
        let wanted = elsewhere(run.ti(slot).row())?;
        let text = match self.seen_in_memory(wanted, None) {
            Some(seen) => match judge(wanted, Some(&seen)) {
                Verdict::Waits(text)
                | Verdict::Met(text)
                | Verdict::Failed(text)
                | Verdict::Skipped(text) => text,
            },
            None => format!("{} is not there or has ended otherwise", wanted.subject()),
        };
        let operands = json!({
            "dag_id": wanted.dag_id, "run": wanted.run, "task_ids": wanted.task_ids,
            "group": wanted.group, "allowed_states": wanted.allowed,
            "failed_states": wanted.failed, "skipped_states": wanted.skipped,
        });
        Some(Reason::new("elsewhere", text, operands))
    }
}
