//! `millrace approve`, `reject`, `answer`: what a person says to an `approval` task.

use clap::Args;
use millrace_core::engine::{self, Order};
use millrace_core::operator::approval;
use serde_json::{Map, Value};

use super::one_run::OneRun;
use super::wait::actor;
use crate::failure::Failure;
use crate::local;
use crate::orders;
use crate::output::{Format, Output, print};
use crate::settings::Settings;

/// Which task instance is answered, and with what form.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    #[command(flatten)]
    run: OneRun,

    /// The task
    #[arg(value_name = "TASK")]
    task: String,

    /// The item of a mapped task
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true, hide_default_value = true)]
    map_index: i32,

    /// A value of its form, as JSON or text; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,

    #[command(flatten)]
    format: Format,
}

/// Options of `approve`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  millrace approvals\n  millrace approve deploy_model latest ask"
)]
pub(crate) struct Approve {
    #[command(flatten)]
    asked: Asked,
}

/// Options of `reject`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  millrace reject deploy_model latest ask")]
pub(crate) struct Reject {
    #[command(flatten)]
    asked: Asked,
}

/// Options of `answer`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  millrace answer deploy_model latest which --option canary --param share=10"
)]
pub(crate) struct Answer {
    #[command(flatten)]
    asked: Asked,

    /// The chosen option; may be repeated where several may be chosen
    #[arg(long = "option", value_name = "OPTION", required = true)]
    options: Vec<String>,
}

impl Approve {
    /// Says yes.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        self.asked.answer(settings, vec![approval::APPROVE.to_owned()]).await
    }
}

impl Reject {
    /// Says no.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        self.asked.answer(settings, vec![approval::REJECT.to_owned()]).await
    }
}

impl Answer {
    /// Says which.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        self.asked.answer(settings, self.options).await
    }
}

impl Asked {
    async fn answer(self, settings: &Settings, options: Vec<String>) -> Result<(), Failure> {
        let params_input = form(&self.params)?;
        let store = local::open(settings).await?;
        let (run, ti) = self.run.find_ti(&store, &self.task, self.map_index).await?;
        let order = Order::Answer(engine::Answer {
            dag_id: run.dag_id,
            run_id: run.run_id,
            task_id: ti.task_id,
            map_index: ti.map_index,
            chosen_options: options,
            params_input,
            actor: actor(),
        });
        let answer = orders::send_now(&store, &order).await?;
        if self.format.output == Output::Json {
            return self.format.record(&answer);
        }
        let chosen = answer["chosen_options"].as_array().map_or(&[][..], Vec::as_slice);
        let chosen: Vec<&str> = chosen.iter().filter_map(Value::as_str).collect();
        print(&format!("{} is answered: {}", self.task, chosen.join(", ")))
    }
}

fn form(params: &[String]) -> Result<Map<String, Value>, Failure> {
    params
        .iter()
        .map(|pair| {
            let (name, text) = pair
                .split_once('=')
                .ok_or_else(|| Failure::usage(format!("--param \"{pair}\" is not NAME=VALUE")))?;
            let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
            Ok((name.to_owned(), value))
        })
        .collect()
}
