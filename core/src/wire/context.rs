//! The template context of an attempt, made from its assignment.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Assignment, DagBrief};
use crate::asset::AssetRef;
use crate::dag::Dag;
use crate::template::{PrevSuccess, TemplateContext};

impl DagBrief {
    /// What templates may know of a DAG whose file is in `folder`.
    pub fn of(dag: &Dag, folder: String) -> Self {
        Self {
            dag_id: dag.dag_id.clone(),
            display_name: dag.display_name().to_owned(),
            owner: dag.owner.clone(),
            tags: dag.tags.clone(),
            description: dag.description.clone(),
            schedule_text: dag.schedule_text.clone(),
            timezone: dag.timezone.clone(),
            macros: dag.macros.clone(),
            task_ids: dag.tasks.iter().map(|task| task.task_id.clone()).collect(),
            render_template_as_native_obj: dag.render_template_as_native_obj,
            folder,
        }
    }
}

impl Assignment {
    /// What the attempt's templates may see; `now` is the instant of the render.
    pub fn context(&self, now: Timestamp) -> TemplateContext {
        let run = &self.run;
        TemplateContext {
            dag_id: self.dag.dag_id.to_string(),
            task_id: self.task.task_id.to_string(),
            run_id: run.run_id.to_string(),
            run_type: run.run_type.as_str().to_owned(),
            run_state: run.state.as_str().to_owned(),
            logical_date: run.logical_date,
            data_interval_start: run.data_interval_start,
            data_interval_end: run.data_interval_end,
            run_after: run.run_after,
            dag_run_start_date: run.start_date,
            ti_start_date: Some(now),
            now: Some(now),
            conf: run.conf.clone().map_or(Value::Null, Value::Object),
            params: run.params.clone(),
            try_number: self.key.try_number,
            max_tries: self.max_tries,
            map_index: i64::from(self.map_index),
            siblings: self.siblings.iter().map(ToString::to_string).collect(),
            macros: self.dag.macros.clone(),
            prev_success: self.previous_success.as_ref().map(|previous| PrevSuccess {
                data_interval_start: previous.data_interval_start,
                data_interval_end: previous.data_interval_end,
                start_date: previous.start_date,
                end_date: previous.end_date,
            }),
            note: run.note.clone(),
            triggering_user_name: run.triggering_user.clone(),
            dag: self.dag_attributes(),
            task: self.task_attributes(),
            extra: self.extra_names(),
            ..TemplateContext::default()
        }
    }

    fn extra_names(&self) -> Map<String, Value> {
        let mut names = attributes(json!({
            "inlets": assets(&self.task.inlets),
            "outlets": assets(&self.task.outlets),
        }));
        if let Some(count) = self.expanded_count {
            names.insert("expanded_ti_count".to_owned(), json!(count));
        }
        names
    }

    fn dag_attributes(&self) -> Map<String, Value> {
        let dag = &self.dag;
        attributes(json!({
            "dag_display_name": dag.display_name,
            "owner": dag.owner,
            "tags": dag.tags,
            "description": dag.description,
            "schedule": dag.schedule_text,
            "timezone": dag.timezone,
            "task_ids": dag.task_ids,
        }))
    }

    fn task_attributes(&self) -> Map<String, Value> {
        let task = &self.task;
        attributes(json!({
            "task_display_name": task.display_name(),
            "owner": task.owner,
            "operator": task.operator,
            "task_type": task.operator,
            "retries": task.retries,
            "pool": task.pool(),
            "pool_slots": task.pool_slots(),
            "queue": task.queue,
            "priority_weight": task.priority_weight,
            "trigger_rule": task.trigger_rule,
            "downstream_task_ids": self.downstream,
            "inlets": names(&task.inlets),
            "outlets": names(&task.outlets),
        }))
    }
}

fn assets(assets: &[AssetRef]) -> Vec<Value> {
    let shape = |asset: &AssetRef| {
        json!({
            "name": asset.name,
            "uri": asset.uri(),
            "group": asset.group(),
            "extra": asset.extra.clone().unwrap_or_default(),
        })
    };
    assets.iter().map(shape).collect()
}

fn names(assets: &[AssetRef]) -> Vec<&str> {
    assets.iter().map(|asset| asset.name.as_str()).collect()
}

fn attributes(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
