//! Renders the tasks of one DAG for one date without a server, and finds the place of a mistake in
//! the DAG file.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use millrace_core::dag::{Dag, Task};
use millrace_core::engine::run_id_for;
use millrace_core::ids::TaskId;
use millrace_core::mapping::{Length, siblings};
use millrace_core::record::{AttemptKey, RunRow};
use millrace_core::render::{RenderTaskError, render_task, with_item};
use millrace_core::state::{RunState, RunType, TriggeredBy};
use millrace_core::template::{
    Lookup, Lookups, RenderError, Renderer, Scope, TemplateError, TemplateFault,
};
use millrace_core::wire::{Assignment, DagBrief};
use serde_json::{Map, Value};

use crate::offline::{Offline, word_of};

/// What one answer makes a template ask next; deeper chains are a mistake.
const ROUNDS_MAX: usize = 8;

/// The most items of one mapped task that are rendered unasked.
pub(crate) const ITEMS_MAX: u32 = 100;

/// One DAG for one date.
pub(crate) struct Rendering<'a> {
    /// The DAG.
    pub dag: &'a Dag,
    /// Its file.
    pub file: &'a Path,
    /// The file's text.
    pub source: &'a str,
    /// The logical date.
    pub date: Timestamp,
    /// Now, for templates that ask for it.
    pub now: Timestamp,
    /// What the run is given.
    pub conf: &'a Map<String, Value>,
    /// The params with it.
    pub params: &'a Map<String, Value>,
    /// The answers to lookups.
    pub known: &'a Offline,
}

/// Which tasks are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted<'a> {
    /// Their names; all when empty.
    pub tasks: &'a [String],
    /// One item of mapped tasks; others are then left out.
    pub map_index: Option<u32>,
}

/// A task, with every item of it that is shown.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The task.
    pub task_id: String,
    /// Its items with their indexes; a task that is not mapped has one without an index.
    pub items: Vec<(Option<u32>, TaskResult)>,
    /// How many items there are; none for a task that is not mapped, or when only a run knows.
    pub count: Option<u64>,
}

impl Shown {
    /// What an item is called: `train`, or `train[2]`.
    pub(crate) fn name(&self, map_index: Option<u32>) -> String {
        match map_index {
            Some(index) => format!("{}[{index}]", self.task_id),
            None => self.task_id.clone(),
        }
    }

    /// Whether there are more items than are shown.
    pub(crate) fn is_cut(&self) -> bool {
        self.count.is_some_and(|count| count > self.items.len() as u64)
    }
}

/// What became of a task, or of an item of it.
#[derive(Debug)]
pub(crate) enum TaskResult {
    /// Its fields.
    Rendered {
        /// As people see them.
        shown: Map<String, Value>,
        /// The item's name by `map_index_template`.
        label: Option<String>,
        /// Lookups that nobody answered: placeholders stand for them.
        placeholders: Vec<String>,
    },
    /// It computes with values that only a run has.
    NeedsXCom {
        /// Which.
        placeholders: Vec<String>,
        /// What failed with the placeholder.
        error: String,
    },
    /// A template is wrong.
    Wrong(String),
}

impl TaskResult {
    /// Whether the author must mend something.
    pub(crate) fn is_wrong(&self) -> bool {
        matches!(self, Self::Wrong(_))
    }
}

impl Rendering<'_> {
    /// Renders the tasks that are asked for, in file order; of a mapped one every item, up to
    /// [`ITEMS_MAX`].
    pub(crate) fn tasks(&self, wanted: Wanted<'_>) -> Vec<Shown> {
        let folder = self.file.parent().unwrap_or(Path::new(".")).display().to_string();
        let brief = Arc::new(DagBrief::of(self.dag, folder));
        let renderer = Renderer::default();
        let is_wanted = |task: &Task| {
            let is_named = wanted.tasks.iter().any(|name| task.task_id == *name.as_str());
            (wanted.tasks.is_empty() || is_named)
                && (wanted.map_index.is_none() || task.mapping.is_some())
        };
        let tasks = self.dag.tasks.iter().enumerate().filter(|(_, task)| is_wanted(task));
        tasks
            .map(|(index, task)| {
                let (count, indexes) = self.items_of(task, wanted.map_index);
                let item = |map_index: Option<u32>| {
                    (map_index, self.task(&renderer, index, task, map_index, &brief))
                };
                let items = indexes.into_iter().map(item).collect();
                Shown { task_id: task.task_id.to_string(), items, count }
            })
            .collect()
    }

    /// How many items a task has as far as a file says, and which of them are shown.
    fn items_of(&self, task: &Task, wanted: Option<u32>) -> (Option<u64>, Vec<Option<u32>>) {
        let Some(mapping) = &task.mapping else { return (None, vec![None]) };
        let length = |task_id: &TaskId, _: &str| {
            self.known.length(task_id.as_str()).unwrap_or(Length::Missing)
        };
        // What nobody gave, or the wrong thing, shows when the item is rendered.
        let count = mapping.count(length).ok();
        let shown = match (wanted, count) {
            (Some(index), _) => vec![Some(index)],
            (None, Some(count)) => {
                (0..ITEMS_MAX).take_while(|at| u64::from(*at) < count).map(Some).collect()
            }
            (None, None) => vec![Some(0)],
        };
        (count, shown)
    }

    fn task(
        &self,
        renderer: &Renderer,
        index: usize,
        task: &Task,
        map_index: Option<u32>,
        brief: &Arc<DagBrief>,
    ) -> TaskResult {
        let context = self.assignment(index, task, map_index, brief).context(self.now);
        let files = Arc::new(task.files.clone().into_iter().collect());
        let mut lookups = Lookups::new();
        for (name, value) in std::env::vars_os() {
            if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) {
                let shown = crate::masking::variable(&name, &value).to_owned();
                lookups.insert_env(name, shown);
            }
        }
        let mut unknown: Vec<Lookup> = Vec::new();
        let native = self.dag.render_template_as_native_obj;
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let mut read =
            |name: &str| std::fs::read_to_string(folder.join(name)).map_err(|e| e.to_string());
        for _ in 0..ROUNDS_MAX {
            let scope = Scope::new(context.clone(), lookups.clone()).with_files(Arc::clone(&files));
            let rendered = with_item(&scope, task)
                .and_then(|scope| render_task(renderer, &scope, task, native, &mut read));
            match rendered {
                Ok(rendered) => {
                    let mut shown = rendered.shown;
                    if let Some(when) = &task.when {
                        shown.insert("when".to_owned(), Value::String(when.clone()));
                    }
                    let (label, placeholders) = (rendered.label, words(&unknown));
                    return TaskResult::Rendered { shown, label, placeholders };
                }
                Err(RenderTaskError::Template(RenderError::Needs(wanted))) => {
                    for lookup in wanted {
                        let (answer, is_placeholder) = self.known.answer(&lookup);
                        lookups.insert(lookup.clone(), answer);
                        if is_placeholder && !unknown.contains(&lookup) {
                            unknown.push(lookup);
                        }
                    }
                }
                Err(error) => return self.failed(task, &error, &unknown),
            }
        }
        TaskResult::Wrong(format!("{}: its templates ask for ever new values", task.task_id))
    }

    /// A mistake; or only the lack of a value that no file can have.
    fn failed(&self, task: &Task, error: &RenderTaskError, unknown: &[Lookup]) -> TaskResult {
        let of_run = |lookup: &&Lookup| {
            !matches!(lookup, Lookup::Variable { .. } | Lookup::Connection { .. })
        };
        let lacking: Vec<Lookup> = unknown.iter().filter(of_run).cloned().collect();
        let RenderTaskError::Template(RenderError::Template(template)) = error else {
            return TaskResult::Wrong(error.to_string());
        };
        let may_be_ours =
            matches!(template.fault, TemplateFault::Undefined | TemplateFault::Failed);
        if may_be_ours && !lacking.is_empty() {
            let placeholders = words(&lacking);
            return TaskResult::NeedsXCom { placeholders, error: template.to_string() };
        }
        let place = line_of(self.source, task, template);
        let place = place.map(|line| format!("{}:{line}: ", self.file.display()));
        TaskResult::Wrong(format!("{}{template}", place.unwrap_or_default()))
    }

    /// The run as the scheduler or a person would make it for the date.
    pub(crate) fn run_row(&self) -> RunRow {
        let timetable = &self.dag.timetable;
        let interval = timetable.manual_interval(self.date);
        let is_planned = timetable.is_periodic()
            && timetable
                .runs_between(self.date, self.date)
                .any(|run| run.logical_date == self.date);
        let run_type = if is_planned { RunType::Scheduled } else { RunType::Manual };
        RunRow {
            id: 0,
            dag_id: self.dag.dag_id.clone(),
            run_id: run_id_for(run_type, self.date),
            run_type,
            state: RunState::Running,
            version: 0,
            logical_date: Some(self.date),
            data_interval_start: Some(interval.start),
            data_interval_end: Some(interval.end),
            run_after: self.date,
            queued_at: self.now,
            start_date: Some(self.now),
            end_date: None,
            conf: (!self.conf.is_empty()).then(|| self.conf.clone()),
            params: self.params.clone(),
            note: None,
            triggered_by: TriggeredBy::Cli,
            triggering_user: super::wait::actor(),
            clear_number: 0,
            reason: None,
            deadlines: Vec::new(),
        }
    }

    fn assignment(
        &self,
        index: usize,
        task: &Task,
        map_index: Option<u32>,
        brief: &Arc<DagBrief>,
    ) -> Assignment {
        let downstream = self.dag.downstream(index);
        Assignment {
            key: AttemptKey { ti: 0, try_number: 1, epoch: 1 },
            map_index: map_index.and_then(|index| i32::try_from(index).ok()).unwrap_or(-1),
            expanded_count: None,
            siblings: siblings(self.dag, task),
            max_tries: task.retries,
            task: Arc::new(task.clone()),
            dag: Arc::clone(brief),
            run: self.run_row(),
            previous_success: None,
            downstream: downstream.iter().map(|&i| self.dag.tasks[i].task_id.clone()).collect(),
            lookups: Lookups::new(),
            secrets: Vec::new(),
        }
    }
}

fn words(lookups: &[Lookup]) -> Vec<String> {
    lookups.iter().map(word_of).collect()
}

/// The line of the DAG file that a template's mistake is in: that of the same text after the
/// task's name. Nothing when the template is in a file of its own, which the error names.
fn line_of(source: &str, task: &Task, error: &TemplateError) -> Option<usize> {
    let field = error.file.strip_prefix(task.task_id.as_str())?.strip_prefix('.')?;
    let template = text_at(task, field)?;
    let wanted = template.lines().nth(error.line.max(1) - 1)?.trim();
    let lines: Vec<&str> = source.lines().collect();
    let is_task = |line: &&str| {
        let word = line.trim_start().trim_start_matches("- ");
        let word = word.strip_prefix("task_id:").map_or(word, str::trim_start);
        word.trim_start_matches(['"', '\''])
            .strip_prefix(task.task_id.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '"', '\'', ' ', ',']))
    };
    let start = lines.iter().position(is_task)?;
    let found = lines[start..].iter().position(|line| line.contains(wanted));
    // Quoted YAML writes some characters in another way; then the task's line must do.
    Some(start + found.unwrap_or(0) + 1)
}

/// The text of a field: `bash_command`, `env.NAME`, `command[2]`.
fn text_at<'a>(task: &'a Task, field: &str) -> Option<&'a str> {
    if let Some(name) = field.strip_prefix("env.")
        && let Some(text) = task.env.get(name)
    {
        return Some(text);
    }
    let mut parts = field.split(['.', '[']).map(|part| part.trim_end_matches(']'));
    let mut value = task.config.get(parts.next()?)?;
    for part in parts {
        value = match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
            other => other.get(part)?,
        };
    }
    value.as_str()
}
