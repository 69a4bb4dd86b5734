//! The `millrace` command: one binary for every role, and for the questions people ask.
//!
//! Each command is one file below `command/`; this file only parses and reports.

mod command;
mod failure;
mod input;
mod junit;
mod local;
mod masking;
mod offline;
mod orders;
mod output;
#[cfg(test)]
mod reference;
mod revision;
mod settings;
mod shorthand;

use std::process::ExitCode;

use clap::Parser;

use crate::command::Command;
use crate::failure::Failure;
use crate::settings::Settings;

const FIRST_STEPS: &str = "First steps:
  millrace standalone                                 start everything; it prints the address
  millrace validate dags/                             check DAG files before they are deployed
  millrace test dags/                                 play the tests in the files
  millrace render dags/report.yaml --date 2025-08-22  see every template of a date
  millrace run dags/report.yaml                       run a DAG here and now, without a server
  millrace trigger report --wait                      start a run and watch it
  millrace logs report latest extract --follow        read a task's log";

/// A DAG workflow orchestrator with Airflow's words: YAML DAGs in, runs out, nothing lost.
#[derive(Debug, Parser)]
#[command(
    name = "millrace",
    version,
    max_term_width = 100,
    after_help = FIRST_STEPS
)]
struct Cli {
    #[command(flatten)]
    settings: Settings,

    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    let cli: Cli = shorthand::parse(&args).unwrap_or_else(|error| error.exit());
    start_logging(&cli.command);
    // Two providers in one process panic at first use; this one is chosen for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli.settings.zones() {
        // Templates know the zones that timetables know; nothing was rendered yet.
        Ok(zones) => drop(millrace_core::template::install_zones(zones)),
        Err(failure) => return report(&failure),
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::defect(format!("no runtime: {error}"))),
    };
    match runtime.block_on(cli.command.run(cli.settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

fn report(failure: &Failure) -> ExitCode {
    if !failure.message.is_empty() {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "millrace: {}", failure.message);
    }
    ExitCode::from(failure.code)
}

/// Servers log what they do; other commands only warnings. `MILLRACE_LOG` says otherwise.
fn start_logging(command: &Command) {
    use tracing_subscriber::EnvFilter;
    let usual = if command.is_server() { "info" } else { "warn" };
    let filter = EnvFilter::try_from_env("MILLRACE_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let json = std::env::var_os("MILLRACE_LOG_JSON").is_some();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        builder.json().init();
    } else {
        use std::io::IsTerminal;
        builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).init();
    }
}
