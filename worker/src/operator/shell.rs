//! What every operator that runs a process shares: its environment, its folder, its exit code and
//! its XCom.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use millrace_core::wire::Outcome;

use super::Context;
use crate::assets;
use crate::environment::{self, Variables};
use crate::folder::Note;
use crate::process::account::Account;
use crate::process::{self, MARKER, ProcessEnd, ProcessSpec, scan};
use crate::report::{Failure, Report};
use crate::xcom;

/// A longer command does not fit into one argument of a process (Linux: 128 KiB).
const ARGUMENT_BYTES_MAX: usize = 100_000;

/// How a process of this task is started.
pub(crate) struct Launch {
    /// The program.
    pub(crate) program: OsString,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
    /// The working directory, rendered; the attempt's own when absent.
    pub(crate) cwd: Option<String>,
    /// Variables that the operator adds.
    pub(crate) variables: Variables,
    /// Exit codes that mean "skipped".
    pub(crate) skip_on_exit_code: Vec<i32>,
}

/// How a shell runs a command: `bash -c`, as Airflow does, or `sh` on a machine without bash.
pub(crate) fn shell_command(context: &Context, command: &str) -> Result<Vec<OsString>, Failure> {
    let shell = if std::path::Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" };
    if command.contains('\0') {
        return Err(Failure::for_good("the command has a NUL character; remove it"));
    }
    if command.len() <= ARGUMENT_BYTES_MAX {
        return Ok(vec![shell.into(), "-c".into(), command.into()]);
    }
    if context.task().run_as_user.is_some() {
        return Err(Failure::for_good(
            "the command is too long for `run_as_user`; put it into a script and run that",
        ));
    }
    let script = context.folder.path().join("command.sh");
    std::fs::write(&script, command)
        .map_err(|error| Failure::lost(format!("command file: {error}")))?;
    Ok(vec![shell.into(), script.into()])
}

/// Runs the process of a task and says how it ended.
pub(crate) async fn run(context: &Context, launch: Launch) -> Result<Report, Failure> {
    let place = Place::of(context).await?;
    let end = run_process(context, &launch, &place).await?;
    if let Some(reason) = &end.stopped {
        return Err(Failure::stopped(reason).exit_code(end.exit_code));
    }
    let mut report = match end.exit_code {
        0 => Report::success(None),
        code if end.signal.is_none() && launch.skip_on_exit_code.contains(&code) => {
            let mut report = Report::new(Outcome::Skipped);
            report.reason = Some(format!("exit code {code} means skipped"));
            report
        }
        _ => Report::from(Failure::failed(failure(&end))),
    }
    .exit_code(Some(end.exit_code));
    report.metrics = metrics(context, &place.folder);
    report.assets = assets(context, &report, &place.folder);
    if report.is_success() && wants_output(context) {
        let value = xcom::output(&place.folder, &context.log.redactor(), &end.last_line)
            .map_err(|problem| Failure::failed(problem).exit_code(end.exit_code))?;
        report.return_value = Some(value);
    }
    Ok(report)
}

/// The metrics that a task left in a folder; what is wrong with them is a warning in its log.
pub(super) fn metrics(
    context: &Context,
    folder: &Path,
) -> serde_json::Map<String, serde_json::Value> {
    let (metrics, problems) = xcom::read_metrics(folder);
    for problem in problems {
        context.log.warn(problem);
    }
    metrics
}

/// What a successful task left in a folder about its outlets; what is wrong with it is a warning in
/// its log.
pub(super) fn assets(
    context: &Context,
    report: &Report,
    folder: &Path,
) -> serde_json::Map<String, serde_json::Value> {
    let outlets = &context.task().outlets;
    if outlets.is_empty() || !report.is_success() {
        return serde_json::Map::new();
    }
    let (assets, problems) = assets::read(folder, outlets, &context.log.redactor());
    for problem in problems {
        context.log.warn(problem);
    }
    assets
}

/// The variables that name the files for a task's output.
pub(super) fn output_files(folder: &Path) -> impl Iterator<Item = (String, String)> {
    let files = [
        ("MILLRACE_XCOM", xcom::XCOM_FILE),
        ("MILLRACE_METRICS", xcom::METRICS_FILE),
        ("MILLRACE_ASSETS", assets::ASSETS_FILE),
    ];
    files
        .into_iter()
        .map(|(name, file)| (name.to_owned(), folder.join(file).to_string_lossy().into_owned()))
}

/// A branch needs its command's last line even when it does not push it.
fn wants_output(context: &Context) -> bool {
    context.task().do_xcom_push || context.task().operator != "bash"
}

/// Under which account a process runs, and the folder of its files.
struct Place {
    account: Option<Account>,
    folder: PathBuf,
}

impl Place {
    async fn of(context: &Context) -> Result<Self, Failure> {
        let own = || context.folder.path().to_owned();
        let Some(name) = &context.task().run_as_user else {
            return Ok(Self { account: None, folder: own() });
        };
        let account = Account::find(name).await.map_err(Failure::for_good)?;
        let folder = if account.is_other() {
            let lent = context.folder.lend(account.uid, account.gid);
            lent.map_err(|error| Failure::lost(format!("folder of {name}: {error}")))?
        } else {
            own()
        };
        Ok(Self { account: Some(account), folder })
    }
}

async fn run_process(
    context: &Context,
    launch: &Launch,
    place: &Place,
) -> Result<ProcessEnd, Failure> {
    let variables = variables(context, launch, place)?;
    let cwd = working_directory(context, launch.cwd.as_deref(), place)?;
    let spec = ProcessSpec {
        program: launch.program.clone(),
        args: launch.args.clone(),
        variables,
        cwd: cwd.clone(),
        grace: context.settings.kill_grace,
        umask: context.settings.umask,
        account: place.account.clone(),
    };
    let started = |pid| note_process(context, pid);
    let end = process::run(spec, &context.log, &context.stop, started).await;
    if end.as_ref().is_ok_and(|end| end.group_lives) {
        context.folder.stays_in_use();
    }
    end.map_err(|error| {
        let program = launch.program.to_string_lossy();
        let reason =
            format!("\"{program}\" could not be started in \"{}\": {error}", cwd.display());
        match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => {
                Failure::failed(reason)
            }
            std::io::ErrorKind::ArgumentListTooLong => {
                Failure::for_good(format!("{reason}; pass large values by a file or `env_file`"))
            }
            // No process or memory to be had: the machine's fault, not the task's.
            _ => Failure::lost(reason),
        }
    })
}

fn note_process(context: &Context, pid: i32) {
    let note = Note {
        pid: Some(pid),
        start_ticks: scan::start_ticks(pid),
        ..crate::attempt::first_note(&context.settings, &context.assignment)
    };
    if let Err(error) = context.folder.write_note(&note) {
        tracing::warn!(attempt = %note.key, %error, "note not written");
    }
}

fn variables(context: &Context, launch: &Launch, place: &Place) -> Result<Variables, Failure> {
    let task = context.task();
    let folder = &place.folder;
    let mut given = Variables::new();
    if let Some(file) = &context.env_file {
        let path = std::path::Path::new(&context.assignment.dag.folder).join(file);
        given.extend(environment::read_env_file(&path).map_err(Failure::failed)?);
    }
    given.extend(context.variables.clone());
    given.extend(launch.variables.clone());
    let own = environment::public();
    let mut variables = environment::inherited(own, task.append_env, !given.is_empty());
    if let Some(account) = &place.account {
        variables.extend(environment::of_account(account));
    }
    variables.extend(environment::ids(&context.assignment));
    variables.extend(given);
    let marker = context.settings.marker(context.assignment.key);
    variables.insert(MARKER.to_owned(), marker);
    variables.extend(output_files(folder));
    for (name, value) in &variables {
        if !environment::is_name(name) || value.contains('\0') {
            return Err(Failure::for_good(format!(
                "variable \"{name}\" cannot be passed on: a name has no `=` and no blank, a value \
                 no NUL character"
            )));
        }
    }
    Ok(variables)
}

fn working_directory(
    context: &Context,
    cwd: Option<&str>,
    place: &Place,
) -> Result<PathBuf, Failure> {
    match cwd {
        Some(cwd) => {
            let path = std::path::Path::new(&context.assignment.dag.folder).join(cwd);
            if path.is_dir() {
                Ok(path)
            } else {
                Err(Failure::failed(format!(
                    "the working directory \"{}\" is not a folder of this worker",
                    path.display()
                )))
            }
        }
        None if place.account.as_ref().is_some_and(Account::is_other) => Ok(place.folder.clone()),
        None => context
            .folder
            .scratch()
            .map_err(|error| Failure::lost(format!("temporary folder: {error}"))),
    }
}

/// Why a process failed: its exit code and what it said last.
fn failure(end: &ProcessEnd) -> String {
    let how = match end.signal {
        Some(signal) => format!("killed by {}", process::signal_name(signal)),
        None => format!("exit code {}", end.exit_code),
    };
    if end.last_errors.is_empty() { how } else { format!("{how}: {}", end.last_errors.join("\n")) }
}
