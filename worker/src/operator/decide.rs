//! Runs `branch` and `short_circuit` with a command; those with expressions are decided by the
//! scheduler.

use millrace_core::operator::bash::skip_codes;
use millrace_core::operator::branch::chosen_ids;
use serde::Deserialize;
use serde_json::Value;

use super::shell::{self, Launch};
use super::{Context, Failure, Report};
use crate::environment::Variables;

#[derive(Deserialize)]
struct CommandConfig {
    bash_command: String,
    #[serde(default)]
    cwd: Option<String>,
    #[serde(default)]
    skip_on_exit_code: Option<Value>,
}

/// The command's last line names the chosen tasks.
pub(super) async fn branch(context: &Context) -> Result<Report, Failure> {
    let mut report = command(context).await?;
    if !report.is_success() {
        return Ok(report);
    }
    let chosen = chosen_ids(report.return_value.as_ref().unwrap_or(&Value::Null))
        .map_err(Failure::failed)?;
    let downstream = &context.assignment.downstream;
    if let Some(unknown) =
        chosen.iter().find(|id| !downstream.iter().any(|task| task == id.as_str()))
    {
        let known: Vec<_> = downstream.iter().map(millrace_core::ids::TaskId::as_str).collect();
        return Err(Failure::failed(format!(
            "the branch chose \"{unknown}\", which is not directly downstream of it; choose from {}",
            known.join(", ")
        )));
    }
    context.log.info(format!("following {}", chosen.join(", ")));
    report.chosen = Some(chosen);
    Ok(report)
}

/// The command's last line says whether to go on.
pub(super) async fn short_circuit(context: &Context) -> Result<Report, Failure> {
    let mut report = command(context).await?;
    if report.is_success() {
        let go_on = is_truthy(report.return_value.as_ref().unwrap_or(&Value::Null));
        context.log.info(if go_on { "going on" } else { "skipping what is downstream" });
        report.go_on = Some(go_on);
    }
    Ok(report)
}

async fn command(context: &Context) -> Result<Report, Failure> {
    let config: CommandConfig = context.config()?;
    let codes = match config.skip_on_exit_code {
        None => skip_codes(),
        Some(Value::Array(codes)) => codes.iter().filter_map(code_of).collect(),
        Some(code) => code_of(&code).into_iter().collect(),
    };
    let mut words = shell::shell_command(context, &config.bash_command)?.into_iter();
    let launch = Launch {
        program: words.next().unwrap_or_default(),
        args: words.collect(),
        cwd: config.cwd,
        variables: Variables::new(),
        skip_on_exit_code: codes,
    };
    shell::run(context, launch).await
}

fn code_of(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|code| i32::try_from(code).ok())
}

/// Python's truth, except that the words for "no" are no: a shell has only words.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => {
            !matches!(text.to_ascii_lowercase().as_str(), "" | "false" | "no" | "none" | "off")
        }
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn truth_of_a_last_line() {
        for yes in [json!("yes"), json!(1), json!(true), json!([0]), json!("x")] {
            assert!(is_truthy(&yes), "{yes}");
        }
        for no in [json!(""), json!(0), json!(false), json!([]), json!("False"), json!(null)] {
            assert!(!is_truthy(&no), "{no}");
        }
    }
}
