//! What a case wanted, and what came of it.

use jiff::Timestamp;
use serde_json::Value;

use super::play::{Play, Played, occasion};
use super::script::CaseScript;
use super::{Case, Target, Wanted};
use crate::dag::Dag;
use crate::dagfile::Place;
use crate::ids::TaskId;
use crate::state::{RunState, RunType, TaskState};

/// The logical date of a case without one, in a DAG without a start date.
const SOME_DAY: &str = "2025-01-01T00:00:00Z";

/// What came of a case.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What is not as wanted, each with its place and what to look at; empty when all is well.
    pub failures: Vec<Failure>,
    /// The state of the run; absent when it could not be made.
    pub run: Option<RunState>,
    /// The state of each task in file order, and why.
    pub tasks: Vec<(TaskId, TaskState, Option<String>)>,
}

/// One thing that is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable name of the kind of failure, as of a diagnostic.
    pub code: &'static str,
    /// What was wanted and what came.
    pub message: String,
    /// Why, as far as the engine knows.
    pub help: Option<String>,
    /// Where the expectation stands.
    pub place: Place,
}

/// Plays a case of a DAG and compares.
pub fn run_case(dag: &Dag, case: &Case) -> Verdict {
    let some_day = || SOME_DAY.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    let date = case.date.or(dag.start_date).unwrap_or_else(some_day);
    let mut script = CaseScript::new(case, dag);
    let mut occasion = occasion(dag, date, case.conf.clone());
    if !case.assets.is_empty() {
        // As Airflow: what assets start has no date of its own.
        (occasion.run_type, occasion.run_after) = (RunType::AssetTriggered, date);
        (occasion.logical_date, occasion.data_interval) = (None, None);
    }
    let played = Play::new(dag).run(&occasion, &mut script);
    let played = match played {
        Ok(played) => played,
        Err(refusal) => {
            let failure = Failure {
                code: "run-refused",
                message: format!("the run is refused: {refusal}"),
                help: None,
                place: case.place,
            };
            return Verdict { failures: vec![failure], run: None, tasks: Vec::new() };
        }
    };
    let mut compare = Compare { dag, played: &played, script: &script, failures: Vec::new() };
    compare.all(case);
    let failures = compare.failures;
    let ends = played.states.iter().zip(&played.reasons);
    let tasks = dag.tasks.iter().zip(ends);
    let tasks = tasks.map(|(task, (state, reason))| (task.task_id.clone(), *state, reason.clone()));
    Verdict { failures, run: Some(played.run.state), tasks: tasks.collect() }
}

struct Compare<'a> {
    dag: &'a Dag,
    played: &'a Played,
    script: &'a CaseScript<'a>,
    failures: Vec<Failure>,
}

impl Compare<'_> {
    fn all(&mut self, case: &Case) {
        for (target, wanted, place) in &case.expect.tasks {
            self.state(target, *wanted, *place);
        }
        for (task_id, wanted, place) in &case.expect.counts {
            let found = self.items_of(task_id);
            if found != *wanted as usize {
                let message = format!("\"{task_id}\" has {}, not {wanted}", items(found));
                self.fail("unexpected-count", message, None, *place);
            }
        }
        if let Some((wanted, place)) = &case.expect.run {
            let found = self.played.run.state;
            if found != *wanted {
                let message = format!("the run is {found}, not {wanted}");
                let help = self.played.run.reason.clone();
                self.fail("unexpected-run-state", message, help, *place);
            }
        }
        for (target, key, wanted, place) in &case.expect.rendered {
            self.rendered(target, key, wanted, *place);
        }
        for (target, wanted, place) in &case.expect.xcoms {
            let found = self.xcom(target);
            if found != *wanted {
                let message = format!("the result of \"{target}\" is {found}, not {wanted}");
                self.fail("unexpected-xcom", message, None, *place);
            }
        }
        if !self.played.is_ended {
            let states = self.dag.tasks.iter().zip(&self.played.states);
            let waiting = states.filter(|(_, state)| !state.is_terminal());
            let names: Vec<String> =
                waiting.map(|(task, state)| format!("\"{}\" is {state}", task.task_id)).collect();
            let message = format!("the run does not end: {}", names.join(", "));
            let help = Some("say what these tasks give in `stub`".to_owned());
            self.fail("unfinished", message, help, case.place);
        }
        if let (Some(last), notes) = (self.failures.last_mut(), &self.script.notes)
            && let Some(note) = notes.first()
        {
            let why = last.help.take().map(|help| format!("{help}; ")).unwrap_or_default();
            last.help = Some(format!("{why}{note}"));
        }
    }

    /// How many items a mapped task has.
    fn items_of(&self, task_id: &TaskId) -> usize {
        let all = self.played.items.iter();
        let is_there = |((id, _), (state, _)): &(&(TaskId, u32), &(TaskState, Option<String>))| {
            id == task_id && *state != TaskState::Removed
        };
        all.filter(is_there).count()
    }

    /// The state of a task or of an item of it, and why it is in it.
    fn end_of(&self, target: &Target) -> (TaskState, Option<String>) {
        let task_id = &target.task_id;
        if let Some(item) = target.map_index {
            let found = self.played.items.get(&(task_id.clone(), item)).cloned();
            return found.unwrap_or_else(|| {
                let why = format!("\"{task_id}\" has {}", items(self.items_of(task_id)));
                (TaskState::Removed, Some(why))
            });
        }
        let at = self.dag.task(task_id.as_str()).map(|(at, _)| at);
        at.map_or((TaskState::Removed, None), |at| {
            (self.played.states[at], self.played.reasons[at].clone())
        })
    }

    fn state(&mut self, target: &Target, wanted: Wanted, place: Place) {
        let (found, help) = self.end_of(target);
        if wanted.holds(found) {
            return;
        }
        let message = match (found, target.map_index) {
            (TaskState::Removed, Some(_)) => format!("there is no item \"{target}\""),
            _ => format!("\"{target}\" is {found}, not {}", wanted.as_str()),
        };
        self.fail("unexpected-state", message, help, place);
    }

    fn rendered(&mut self, task_id: &Target, key: &str, wanted: &Value, place: Place) {
        let (message, help) = match self.script.rendered.get(task_id) {
            None if task_id.map_index.is_none() && self.items_of(&task_id.task_id) > 0 => {
                let help = format!("name the item, as in \"{task_id}[0]\"");
                (format!("\"{task_id}\" has items, each with texts of its own"), Some(help))
            }
            None => {
                let (_, why) = self.end_of(task_id);
                (format!("`{key}` of \"{task_id}\" was never rendered: it did not run"), why)
            }
            Some(Err(reason)) => (format!("\"{task_id}\" cannot be rendered: {reason}"), None),
            Some(Ok(shown)) => match shown.get(key) {
                Some(found) if is_same(found, wanted) => return,
                Some(found) => (format!("`{key}` of \"{task_id}\" is {found}, not {wanted}"), None),
                None => {
                    let known: Vec<&str> = shown.keys().map(String::as_str).collect();
                    let help = format!("it has {}", known.join(", "));
                    (format!("\"{task_id}\" has no key \"{key}\""), Some(help))
                }
            },
        };
        self.fail("unexpected-text", message, help, place);
    }

    /// The result of a task; those of mapped items as a list.
    fn xcom(&self, target: &Target) -> Value {
        let wanted = target.map_index.map(i64::from);
        let is_result = |(id, index, key): &(TaskId, i32, String)| {
            *id == target.task_id
                && key == "return_value"
                && wanted.is_none_or(|wanted| wanted == i64::from(*index))
        };
        let found: Vec<(i32, &Value)> = self
            .played
            .xcoms
            .iter()
            .filter(|(key, _)| is_result(key))
            .map(|((_, index, _), value)| (*index, value))
            .collect();
        match found.as_slice() {
            [] => Value::Null,
            [(index, value)] if *index < 0 || wanted.is_some() => (*value).clone(),
            values => values.iter().map(|(_, value)| (*value).clone()).collect(),
        }
    }

    fn fail(&mut self, code: &'static str, message: String, help: Option<String>, place: Place) {
        self.failures.push(Failure { code, message, help, place });
    }
}

fn items(count: usize) -> String {
    match count {
        0 => "no items".to_owned(),
        1 => "1 item".to_owned(),
        count => format!("{count} items"),
    }
}

/// Texts are compared without the line break at their end, which block texts have and rendered
/// ones have not.
fn is_same(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::String(found), Value::String(wanted)) => found.trim_end() == wanted.trim_end(),
        _ => found == wanted,
    }
}
