//! `millrace trigger`: starts a dag run, and waits for it if asked.

use clap::Args;
use millrace_core::engine::{Order, Trigger as TriggerOrder};
use millrace_core::ids::{DagId, RunId};
use millrace_core::state::{RunType, TriggeredBy};
use millrace_store::dag;
use serde_json::{Map, Value, json};

use super::wait::{Watched, actor, verdict};
use crate::failure::Failure;
use crate::local::fault;
use crate::orders::{self, Sent};
use crate::output::{Format, Output, print, say};
use crate::settings::Settings;

/// Options of `trigger`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  millrace trigger hello_millrace --wait\n  millrace trigger daily_report --logical-date 2025-08-22 --param region=kr\n  millrace trigger train --conf '{\"grid\": {\"depth\": [4, 6]}}' --wait --output json"
)]
pub(crate) struct Trigger {
    /// The DAG
    #[arg(value_name = "DAG")]
    dag_id: DagId,

    /// What the run is given, a JSON object
    #[arg(long, short, value_name = "JSON")]
    conf: Option<String>,

    /// One param, NAME=VALUE; VALUE is JSON, or text
    #[arg(long = "param", short = 'p', value_name = "NAME=VALUE")]
    params: Vec<String>,

    /// The run's name
    #[arg(long, value_name = "ID")]
    run_id: Option<RunId>,

    /// The logical date
    #[arg(long, value_name = "DATE")]
    logical_date: Option<String>,

    /// A note
    #[arg(long)]
    note: Option<String>,

    /// Wait for the end; the exit code is 1 when the run fails
    #[arg(long, short)]
    wait: bool,

    #[command(flatten)]
    format: Format,
}

impl Trigger {
    /// Orders the run.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = crate::local::open(settings).await?;
        let conf = conf(self.conf.as_deref(), &self.params)?;
        let zone = settings.zones()?.zone(&settings.timezone).map_err(Failure::usage)?;
        let logical_date = self
            .logical_date
            .as_deref()
            .map(|text| super::one_dag::instant(text, &zone))
            .transpose()?;
        let order = Order::Trigger(TriggerOrder {
            dag_id: self.dag_id.clone(),
            run_id: self.run_id,
            run_type: RunType::Manual,
            logical_date,
            data_interval: None,
            run_after: None,
            conf,
            note: self.note,
            triggered_by: TriggeredBy::Cli,
            actor: actor(),
        });
        let answer = match orders::send(&store, &order).await? {
            Sent::Done(answer) => answer,
            Sent::Waiting if self.wait => return Err(orders::no_scheduler()),
            Sent::Waiting => {
                return print("accepted; no scheduler runs now, the run starts with the next one");
            }
        };
        let run_id = run_id_of(&answer)?;
        let dag = dag::get(&store, self.dag_id.as_str()).await.map_err(fault)?;
        if dag.is_some_and(|dag| dag.is_paused) {
            say(&format!(
                "dag \"{0}\" is paused: the run waits until somebody says: millrace unpause {0}",
                self.dag_id
            ));
        }
        if !self.wait {
            return self.format.record(&json!({ "dag_id": self.dag_id, "run_id": run_id }));
        }
        let is_quiet = self.format.output == Output::Json;
        let watched = Watched { store: &store, dag_id: self.dag_id.clone(), run_id, is_quiet };
        let (run, tis) = watched.end().await?;
        let states: Map<String, Value> =
            tis.iter().map(|ti| (ti.task_id.to_string(), json!(ti.state))).collect();
        self.format.record(&json!({
            "dag_id": run.dag_id, "run_id": run.run_id, "state": run.state, "tasks": states,
        }))?;
        verdict(&run, &tis)
    }
}

/// The run id in the scheduler's answer.
pub(crate) fn run_id_of(answer: &Value) -> Result<RunId, Failure> {
    let text = answer["run_id"].as_str().or_else(|| answer.as_str());
    text.and_then(|text| RunId::new(text).ok())
        .ok_or_else(|| Failure::defect(format!("the scheduler's answer names no run: {answer}")))
}

/// `--conf` with every `--param` on top.
pub(crate) fn conf(
    conf: Option<&str>,
    params: &[String],
) -> Result<Option<Map<String, Value>>, Failure> {
    let mut map = match conf {
        None => Map::new(),
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Failure::usage(format!("--conf is not a JSON object: {error}")))?,
    };
    for param in params {
        let (name, text) = param.split_once('=').ok_or_else(|| {
            Failure::usage(format!("--param \"{param}\" has no `=`; write NAME=VALUE"))
        })?;
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        map.insert(name.to_owned(), value);
    }
    Ok((!map.is_empty() || conf.is_some()).then_some(map))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_go_on_top_of_conf() {
        let got = conf(Some(r#"{"a": 1, "b": 2}"#), &["b=x".into(), "c=[3]".into()]);
        let expected = json!({"a": 1, "b": "x", "c": [3]});
        assert_eq!(got.expect("it reads").map(Value::Object), Some(expected));
        assert_eq!(conf(None, &[]).expect("it reads"), None);
        assert!(conf(Some("[1]"), &[]).is_err());
        assert!(conf(None, &["a".into()]).is_err());
    }
}
