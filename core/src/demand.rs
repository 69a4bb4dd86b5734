//! What the scheduler's waiting operators ask of the engine: sensors of instants and of other DAGs,
//! `trigger_dag`, `approval`.
//!
//! Pure, as all of [`crate::decision`]: renders the task and reads it; what templates lack goes
//! back to the caller.

use std::sync::Arc;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::asset::check_name;
use crate::dagfile::parse_instant;
use crate::decision::{Decision, Undecided};
use crate::engine::Trigger;
use crate::ids::{DagId, RunId, TaskId};
use crate::operator::approval::ApprovalConfig;
use crate::operator::sensor::{self, DagSensor, Kind};
use crate::operator::trigger_dag::TriggerDagConfig;
use crate::operator::{Config, Place, approval};
use crate::render::{RenderTaskError, RenderedTask, render_task};
use crate::state::{RunType, TaskState, TriggeredBy};
use crate::template::{RenderError, Scope};
use crate::wait::{AssetWait, Condition, Elsewhere, Question, WhichRun};
use crate::wire::{AttemptResult, Demand, Outcome, TriggerDemand};

impl Decision<'_> {
    /// The result of a task that asks to wait or to start a run; none for other tasks.
    pub(crate) fn demand(&self) -> Result<Option<AttemptResult>, Undecided> {
        let task = &self.assignment.task;
        let is_ours = matches!(task.operator.as_str(), "sensor" | "trigger_dag" | "approval");
        if !is_ours || task.place != Place::Scheduler {
            return Ok(None);
        }
        let rendered = self.rendered()?;
        let config = rendered.config;
        let demand = match task.operator.as_str() {
            "trigger_dag" => Demand::Trigger(Box::new(self.trigger(config)?)),
            "approval" => asked(config)?,
            _ => self.awaited(config)?,
        };
        let mut result = AttemptResult::new(self.assignment.key, Outcome::Deferred);
        result.rendered = Some(Value::Object(rendered.shown));
        result.demand = Some(Box::new(demand));
        Ok(Some(result))
    }

    fn rendered(&self) -> Result<RenderedTask, Undecided> {
        let assignment = self.assignment;
        let files = assignment.task.files.clone().into_iter().collect();
        let scope = Scope::new(assignment.context(self.now), self.lookups.clone())
            .with_files(Arc::new(files));
        let native = assignment.dag.render_template_as_native_obj;
        let mut read = |name: &str| Err(format!("\"{name}\" is not part of this DAG's version"));
        render_task(self.renderer, &scope, &assignment.task, native, &mut read).map_err(|error| {
            match error {
                RenderTaskError::Template(RenderError::Needs(wanted)) => Undecided::Needs(wanted),
                error => Undecided::Wrong(format!("template {error}")),
            }
        })
    }

    /// The date that runs of other DAGs are looked for by.
    fn own_date(&self) -> Timestamp {
        let run = &self.assignment.run;
        run.logical_date.unwrap_or(run.run_after)
    }

    fn zone(&self) -> TimeZone {
        crate::timetable::zone(&self.assignment.dag.timezone).unwrap_or(TimeZone::UTC)
    }

    fn instant(&self, key: &str, text: &str) -> Result<Timestamp, Undecided> {
        parse_instant(text, &self.zone())
            .map_err(|reason| Undecided::Wrong(format!("`{key}`: \"{text}\" {reason}")))
    }

    fn awaited(&self, config: Config) -> Result<Demand, Undecided> {
        let timeout_secs = sensor::terms(&self.assignment.task).map(|terms| terms.timeout_secs);
        let condition = match sensor::kind(&config) {
            Some(Kind::Dag) => Condition::Elsewhere(self.elsewhere(read(config)?)?),
            Some(Kind::Asset) => Condition::Asset(self.asset(&config)?),
            _ => Condition::Time { at: self.due(&config)? },
        };
        Ok(Demand::Wait { condition: Box::new(condition), timeout_secs })
    }

    /// `asset`: an event of it since `after`, else since the start of the data interval, else since
    /// the run was due.
    fn asset(&self, config: &Config) -> Result<AssetWait, Undecided> {
        let text = |key: &str| config.get(key).and_then(Value::as_str).map(str::trim);
        let asset = text("asset").unwrap_or_default();
        check_name(asset).map_err(|problem| Undecided::Wrong(format!("`asset`: {problem}")))?;
        let run = &self.assignment.run;
        let after = match text("after") {
            Some(text) => self.instant("after", text)?,
            None => run.data_interval_start.unwrap_or(run.run_after),
        };
        Ok(AssetWait { asset: asset.to_owned(), after })
    }

    /// `until`: a time of today, or an instant. `delta`: so long after the data interval (Airflow:
    /// `TimeDeltaSensor`).
    fn due(&self, config: &Config) -> Result<Timestamp, Undecided> {
        if let Some(delta) = config.get("delta") {
            let run = &self.assignment.run;
            let from = run.data_interval_end.unwrap_or(run.run_after);
            return moved(from, seconds("delta", delta)?);
        }
        let text = config.get("until").and_then(Value::as_str).unwrap_or_default().trim();
        let Some(time) = time_of_day(text) else { return self.instant("until", text) };
        let today = self.now.to_zoned(self.zone()).date();
        let civil = today.to_datetime(time);
        let at = self.zone().to_ambiguous_zoned(civil).compatible();
        at.map(|at| at.timestamp()).map_err(|error| Undecided::Wrong(format!("`until`: {error}")))
    }

    fn elsewhere(&self, config: DagSensor) -> Result<Elsewhere, Undecided> {
        let date = match (&config.logical_date, config.execution_delta) {
            (Some(text), _) => self.instant("logical_date", text)?,
            (None, Some(secs)) => moved(self.own_date(), -secs)?,
            (None, None) => self.own_date(),
        };
        let allowed = config.allowed_states.unwrap_or_else(|| vec!["success".to_owned()]);
        let ids = config.task_ids.into_iter().map(|id| {
            TaskId::new(id).map_err(|error| Undecided::Wrong(format!("`task_ids`: {error}")))
        });
        Ok(Elsewhere {
            dag_id: dag_of(&config.dag)?,
            run: WhichRun::Date(crate::time::truncate(date)),
            task_ids: ids.collect::<Result<_, _>>()?,
            group: config.group,
            allowed: states(&allowed)?,
            failed: states(&config.failed_states)?,
            skipped: states(&config.skipped_states)?,
            check_existence: config.check_existence,
        })
    }

    /// A run's name is made of the attempt that triggers it: made again, it is the same.
    fn trigger(&self, config: Config) -> Result<TriggerDemand, Undecided> {
        let config: TriggerDagConfig = read(config)?;
        let key = self.assignment.key;
        let name = config.run_id.unwrap_or_else(|| {
            let date = crate::time::isoformat(self.own_date());
            format!("{}__{date}_{}.{}", RunType::OperatorTriggered, key.ti, key.try_number)
        });
        let run_id =
            RunId::new(name).map_err(|error| Undecided::Wrong(format!("`run_id`: {error}")))?;
        // Airflow: a run without a date of its own gets the present.
        let logical_date = match &config.logical_date {
            Some(text) => Some(crate::time::truncate(self.instant("logical_date", text)?)),
            None => None,
        };
        let trigger = Trigger {
            dag_id: dag_of(&config.dag)?,
            run_id: Some(run_id),
            run_type: RunType::OperatorTriggered,
            logical_date,
            data_interval: None,
            run_after: None,
            conf: config.conf,
            note: config.note,
            triggered_by: TriggeredBy::Operator,
            actor: None,
        };
        let usual = |words: Option<Vec<String>>, word: &str| {
            states(&words.unwrap_or_else(|| vec![word.to_owned()]))
        };
        let allowed = usual(config.allowed_states, "success")?;
        let failed = usual(config.failed_states, "failed")?;
        Ok(TriggerDemand {
            is_dated_now: trigger.logical_date.is_none(),
            trigger,
            known: None,
            reset: config.reset_dag_run,
            skip_known: config.skip_when_already_exists,
            fail_paused: config.fail_when_dag_is_paused,
            wait: config.wait_for_completion.then_some((allowed, failed)),
            timeout_secs: config.timeout,
        })
    }
}

fn asked(config: Config) -> Result<Demand, Undecided> {
    let config: ApprovalConfig = read(config)?;
    let usual = || vec![approval::APPROVE.to_owned(), approval::REJECT.to_owned()];
    let question = Question {
        subject: config.subject,
        body: config.body,
        options: config.options.unwrap_or_else(usual),
        defaults: config.defaults,
        multiple: config.multiple,
        params: config.params,
        assigned_users: config.assigned_users,
    };
    let condition = Box::new(Condition::Answer(question));
    Ok(Demand::Wait { condition, timeout_secs: config.timeout })
}

fn read<T: DeserializeOwned>(config: Config) -> Result<T, Undecided> {
    serde_json::from_value(Value::Object(config))
        .map_err(|error| Undecided::Wrong(error.to_string()))
}

fn dag_of(text: &str) -> Result<DagId, Undecided> {
    DagId::new(text).map_err(|error| Undecided::Wrong(format!("`dag`: {error}")))
}

fn states(words: &[String]) -> Result<Vec<TaskState>, Undecided> {
    words
        .iter()
        .map(|word| {
            TaskState::from_word(word)
                .ok_or_else(|| Undecided::Wrong(format!("\"{word}\" is not a state")))
        })
        .collect()
}

fn seconds(key: &str, value: &Value) -> Result<f64, Undecided> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    number.ok_or_else(|| Undecided::Wrong(format!("`{key}` is {value}; write seconds")))
}

fn moved(from: Timestamp, secs: f64) -> Result<Timestamp, Undecided> {
    let span = SignedDuration::try_from_secs_f64(secs).ok();
    let at = span.and_then(|span| from.checked_add(span).ok());
    at.ok_or_else(|| Undecided::Wrong("an instant beyond the calendar".to_owned()))
}

/// `9:30`, `09:30:15`.
fn time_of_day(text: &str) -> Option<Time> {
    let mut parts = text.split(':').map(|part| part.parse::<i8>().ok().filter(|n| *n >= 0));
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().map_or(Some(0), |second| second)?;
    if parts.next().is_some() {
        return None;
    }
    Time::new(hour, minute, second, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day() {
        let check = |text: &str, expected: Option<(i8, i8, i8)>| {
            let found = time_of_day(text).map(|time| (time.hour(), time.minute(), time.second()));
            assert_eq!(found, expected, "{text}");
        };
        check("9:30", Some((9, 30, 0)));
        check("09:30:15", Some((9, 30, 15)));
        check("24:00", None);
        check("9", None);
        check("2025-01-01", None);
        check("2025-01-01T09:30:00", None);
    }
}
