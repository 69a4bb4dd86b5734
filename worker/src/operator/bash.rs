//! Runs `bash`: a command in its own process group.

use millrace_core::operator::bash::BashConfig;

use super::shell::{self, Launch};
use super::{Context, Failure, Report};
use crate::environment::Variables;

/// Runs the command to its end.
pub(super) async fn run(context: &Context) -> Result<Report, Failure> {
    let config: BashConfig = context.config()?;
    let mut words = shell::shell_command(context, &config.bash_command)?.into_iter();
    let launch = Launch {
        program: words.next().unwrap_or_default(),
        args: words.collect(),
        cwd: config.cwd,
        variables: Variables::new(),
        skip_on_exit_code: config.skip_on_exit_code,
    };
    shell::run(context, launch).await
}
