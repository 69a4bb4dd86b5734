//! Approvals: what a person answers, and what happens when nobody does.

use serde_json::{Map, Value, json};

use super::Engine;
use super::apply::run_event;
use super::attempt::key_of;
use super::event::{Answer as Given, Refusal};
use super::order::{Answer, conflict, invalid, no_run};
use super::step::Step;
use crate::operator::Config;
use crate::operator::approval::{self, Effect};
use crate::record::{Change, RunKey, TiRow};
use crate::state::TaskState;
use crate::suggest::nearest;
use crate::wait::{Condition, Question, Reply};
use crate::wire::{AttemptResult, Outcome};

/// The question that a row asks or asked.
pub(super) fn question(row: &TiRow) -> Option<&Question> {
    match row.wait.as_ref()?.condition.as_ref()? {
        Condition::Answer(question) => Some(question),
        _ => None,
    }
}

impl Engine {
    /// Takes a person's answer.
    pub(super) fn answer(&mut self, step: &mut Step, given: Given) -> Answer {
        let Given { dag_id, run_id, task_id, map_index, chosen_options, params_input, actor } =
            given;
        let key = self.find(&dag_id, &run_id)?;
        let Some(run) = self.runs.get(&key) else { return Err(no_run(&dag_id, &run_id)) };
        let is_meant = |row: &TiRow| row.task_id == task_id && row.map_index == map_index;
        let Some(slot) = run.slots().find(|&slot| is_meant(run.ti(slot).row())) else {
            let what = format!("the run has no task instance \"{task_id}\" [{map_index}]");
            return Err(Refusal::NotFound { what });
        };
        let row = run.ti(slot).row();
        let Some(question) = question(row) else {
            let what = format!("\"{task_id}\" asks nothing; it is {}", row.state);
            return Err(if row.operator == approval::SPEC.name {
                conflict(what)
            } else {
                Refusal::NotFound { what }
            });
        };
        if row.state != TaskState::AwaitingInput {
            return Err(conflict(answered_before(row)));
        }
        may_answer(question, actor.as_deref())?;
        let chosen = checked_options(question, chosen_options)?;
        let params_input = checked_form(question, &params_input)?;
        let reply = Reply {
            chosen_options: chosen,
            params_input,
            responded_by: actor,
            responded_at: step.now,
        };
        let answer = json!({
            "task_id": task_id,
            "chosen_options": reply.chosen_options,
            "params_input": reply.params_input,
            "responded_at": crate::time::rest(reply.responded_at),
            "responded_by": reply.responded_by,
        });
        self.take_reply(step, key, slot, &reply);
        Ok(answer)
    }

    /// The time is over: the defaults count, or it is skipped, or it fails.
    pub(super) fn answer_is_overdue(&mut self, step: &mut Step, key: RunKey, slot: u32) {
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.ti(slot).row();
        let (Some(question), Some(task)) = (question(row), run.task(slot)) else { return };
        let usual = if question.defaults.is_empty() { "fail" } else { "default" };
        let what = task.config.get("on_timeout").and_then(Value::as_str).unwrap_or(usual);
        if what == "default" && !question.defaults.is_empty() {
            let form = approval::form(&question.params).defaults;
            let reply = Reply {
                chosen_options: question.defaults.clone(),
                params_input: form,
                responded_by: None,
                responded_at: step.now,
            };
            return self.take_reply(step, key, slot, &reply);
        }
        let mut result = AttemptResult::new(key_of(row), Outcome::Failed);
        result.reason = Some("nobody answered in time".to_owned());
        if what == "skip" {
            self.skip_itself(step, key, slot, result);
        } else {
            self.fail(step, key, slot, result);
        }
    }

    /// Keeps an answer and does what it says.
    fn take_reply(&mut self, step: &mut Step, key: RunKey, slot: u32, reply: &Reply) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        let below: Vec<String> = run
            .node(slot)
            .map(|node| {
                node.downstream.iter().map(|&down| run.layout.task(down).task_id.to_string())
            })
            .into_iter()
            .flatten()
            .collect();
        let below: Vec<&str> = below.iter().map(String::as_str).collect();
        let config = run.task(slot).map(|task| task.config.clone()).unwrap_or_default();
        let ti = run.ti_mut(slot);
        // The row is written by the end of the attempt that follows.
        ti.cell.edit(|row| {
            if let Some(wait) = &mut row.wait {
                wait.reply = Some(reply.clone());
            }
        });
        let row = ti.row();
        let mut result =
            result_of(&config, &below, reply, AttemptResult::new(key_of(row), Outcome::Success));
        let (id, try_number, epoch) = (row.id, row.try_number, row.epoch);
        let mut event =
            run_event(step, run.cell.row(), "answered", None, reply.responded_by.as_deref());
        (event.ti, event.to) = (Some(id), None);
        (event.try_number, event.epoch) = (Some(try_number), Some(epoch));
        event.detail = Some(json!({
            "chosen_options": reply.chosen_options,
            "params_input": reply.params_input,
        }));
        step.rest.push(Change::Event(event));
        self.keep_values(step, key, slot, &mut result);
        if result.outcome == Outcome::Success {
            self.succeed(step, key, slot, result);
        } else {
            self.fail(step, key, slot, result);
        }
    }
}

/// What an answer means for the task: its end, its XCom, and what goes on below.
fn result_of(
    config: &Config,
    below: &[&str],
    reply: &Reply,
    mut result: AttemptResult,
) -> AttemptResult {
    let who = reply.responded_by.as_deref();
    let by = who.map_or_else(|| "the default, in time".to_owned(), |who| format!("by {who}"));
    result.reason = Some(format!("answered {by}: {}", reply.chosen_options.join(", ")));
    result.xcoms.insert(
        "return_value".to_owned(),
        json!({
            "chosen_options": reply.chosen_options,
            "params_input": reply.params_input,
            "responded_at": crate::time::rest(reply.responded_at),
            "responded_by_user": who,
        }),
    );
    match approval::effect(config, below) {
        Effect::Gate => {
            let approved = reply.chosen_options.iter().any(|option| option == approval::APPROVE);
            result.go_on = Some(approved);
            if !approved && config.get("fail_on_reject") == Some(&Value::Bool(true)) {
                result.outcome = Outcome::FailedForGood;
            }
        }
        Effect::Branch => {
            let chosen = reply.chosen_options.iter();
            result.chosen = Some(chosen.map(|option| approval::target(config, option)).collect());
        }
        Effect::Input => {}
    }
    result
}

fn answered_before(row: &TiRow) -> String {
    match row.wait.as_ref().and_then(|wait| wait.reply.as_ref()) {
        Some(reply) => format!(
            "\"{}\" was answered at {} {}: {}",
            row.task_id,
            crate::time::rest(reply.responded_at),
            reply.responded_by.as_ref().map_or_else(String::new, |who| format!("by {who}")),
            reply.chosen_options.join(", ")
        ),
        None => format!("\"{}\" does not wait for an answer; it is {}", row.task_id, row.state),
    }
}

fn may_answer(question: &Question, actor: Option<&str>) -> Result<(), Refusal> {
    let named = &question.assigned_users;
    if named.is_empty() || actor.is_some_and(|actor| named.iter().any(|name| name == actor)) {
        return Ok(());
    }
    let who = actor.unwrap_or("nobody");
    let what = format!("{who} may not answer this; {} may", named.join(", "));
    Err(Refusal::Forbidden { what })
}

fn checked_options(question: &Question, chosen: Vec<String>) -> Result<Vec<String>, Refusal> {
    if chosen.is_empty() {
        let text = format!("choose one of {}", question.options.join(", "));
        return Err(invalid("chosen_options", text));
    }
    if let Some(unknown) = chosen.iter().find(|option| !question.options.contains(option)) {
        let hint = nearest(unknown, question.options.iter().map(String::as_str));
        let hint = hint.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
        let text = format!("\"{unknown}\" is not one of {}{hint}", question.options.join(", "));
        return Err(invalid("chosen_options", text));
    }
    if chosen.len() > 1 && !question.multiple {
        return Err(invalid("chosen_options", "only one option may be chosen"));
    }
    Ok(chosen)
}

fn checked_form(
    question: &Question,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Refusal> {
    approval::form(&question.params).merge(given).map_err(|problems| Refusal::Invalid {
        problems: problems
            .into_iter()
            .map(|problem| (problem.path.replacen("conf", "params_input", 1), problem.message))
            .collect(),
    })
}
