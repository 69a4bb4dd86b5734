//! Runs `python`: a script or inline code, in a virtual environment made from its requirements
//! once and kept by their digest.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use millrace_core::operator::python::PythonConfig;
use sha2::{Digest as _, Sha256};

use super::shell::{self, Launch};
use super::{Context, Failure, Report};
use crate::environment::{self, Variables};
use crate::process::{self, ProcessSpec};

/// How often a worker looks whether another attempt has made the environment.
const LOCK_LOOK: Duration = Duration::from_millis(200);

/// Runs the script or the code to its end.
pub(super) async fn run(context: &Context) -> Result<Report, Failure> {
    run_config(context, context.config()?).await
}

/// Runs what a config says to its end.
pub(super) async fn run_config(context: &Context, config: PythonConfig) -> Result<Report, Failure> {
    let python = match (&config.requirements[..], &config.python) {
        ([], None) => find(context, &["python3", "python"])?,
        ([], Some(wanted)) => interpreter(context, wanted)?,
        (requirements, wanted) => environment_of(context, requirements, wanted.as_deref()).await?,
    };
    let script = match (&config.script, &config.code) {
        (Some(script), None) => Path::new(&context.assignment.dag.folder).join(script),
        (None, Some(code)) => {
            let path = context.folder.path().join("code.py");
            std::fs::write(&path, code)
                .map_err(|error| Failure::lost(format!("code file: {error}")))?;
            path
        }
        _ => return Err(Failure::for_good("`python` needs `script` or `code`, not both")),
    };
    if !script.is_file() {
        return Err(Failure::failed(format!("script \"{}\" is not there", script.display())));
    }
    let mut args = vec![OsString::from("-u"), script.into_os_string()];
    args.extend(config.args.iter().map(OsString::from));
    let launch = Launch {
        program: python.into_os_string(),
        args,
        cwd: config.cwd,
        variables: Variables::new(),
        skip_on_exit_code: config.skip_on_exit_code,
    };
    shell::run(context, launch).await
}

/// `3.11`, a program's name or a path.
fn interpreter(context: &Context, wanted: &str) -> Result<PathBuf, Failure> {
    let is_version = wanted.chars().all(|c| c.is_ascii_digit() || c == '.');
    if is_version { find(context, &[&format!("python{wanted}")]) } else { find(context, &[wanted]) }
}

/// The first program of these names in the worker's `PATH`.
fn find(context: &Context, names: &[&str]) -> Result<PathBuf, Failure> {
    let folders: Vec<PathBuf> = std::env::split_paths(&context.settings.path).collect();
    names
        .iter()
        .find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|p| p.is_file()))
        .ok_or_else(|| {
            Failure::failed(format!(
                "this worker has no {}; install it there, or run the task as `docker`",
                names.join(" or ")
            ))
        })
}

/// The interpreter of the environment with these requirements, made now if need be.
async fn environment_of(
    context: &Context,
    requirements: &[String],
    wanted: Option<&str>,
) -> Result<PathBuf, Failure> {
    let key = digest(requirements, wanted);
    let parent = context.settings.home.join("worker").join("venvs");
    let folder = parent.join(&key[..16]);
    let python = folder.join("bin").join("python");
    let done = folder.join("millrace-done");
    std::fs::create_dir_all(&parent).map_err(|error| Failure::lost(format!("venvs: {error}")))?;
    let _lock = lock(context, &parent.join(format!("{}.lock", &key[..16]))).await?;
    if done.exists() {
        context.log.info(format!("environment {} is there", &key[..16]));
        return Ok(python);
    }
    drop(std::fs::remove_dir_all(&folder));
    context.log.info(format!("making environment {} with {}", &key[..16], requirements.join(", ")));
    let list = context.folder.path().join("requirements.txt");
    std::fs::write(&list, requirements.join("\n"))
        .map_err(|error| Failure::lost(format!("requirements: {error}")))?;
    make(context, &folder, &python, &list, wanted).await?;
    std::fs::write(&done, "").map_err(|error| Failure::lost(format!("venvs: {error}")))?;
    Ok(python)
}

/// With uv where it is installed, else with the interpreter's own tools.
async fn make(
    context: &Context,
    folder: &Path,
    python: &Path,
    list: &Path,
    wanted: Option<&str>,
) -> Result<(), Failure> {
    let (folder, list) = (folder.as_os_str(), list.as_os_str());
    if let Ok(uv) = find(context, &["uv"]) {
        let mut args = vec!["venv".into(), folder.to_owned()];
        if let Some(wanted) = wanted {
            args.extend(["--python".into(), wanted.into()]);
        }
        step(context, uv.clone(), args).await?;
        let args = ["pip", "install", "--python"].map(OsString::from).to_vec();
        let rest = [python.as_os_str().to_owned(), "-r".into(), list.to_owned()];
        return step(context, uv, [args, rest.to_vec()].concat()).await;
    }
    let base = match wanted {
        Some(wanted) => interpreter(context, wanted).map_err(without_uv)?,
        None => find(context, &["python3", "python"]).map_err(without_uv)?,
    };
    let args = vec!["-m".into(), "venv".into(), folder.to_owned()];
    step(context, base, args).await.map_err(without_uv)?;
    let args = ["-m", "pip", "install", "--disable-pip-version-check", "-r"];
    let mut args = args.map(OsString::from).to_vec();
    args.push(list.to_owned());
    step(context, python.to_owned(), args).await
}

/// An environment that failed for want of a tool: uv needs nothing else.
fn without_uv(failure: Failure) -> Failure {
    failure.adding(
        "; this worker has no uv, which makes environments faster and with any version of Python: \
         install it there (`pip install uv`)",
    )
}

async fn step(context: &Context, program: PathBuf, args: Vec<OsString>) -> Result<(), Failure> {
    let shown = program.display().to_string();
    let spec = ProcessSpec {
        program: program.into_os_string(),
        args,
        variables: environment::inherited(environment::public(), true, true),
        cwd: context.folder.path().to_owned(),
        grace: context.settings.kill_grace,
        umask: context.settings.umask,
        account: None,
    };
    let end = process::run(spec, &context.log, &context.stop, |_| {})
        .await
        .map_err(|error| Failure::failed(format!("{shown}: {error}")))?;
    if let Some(reason) = &end.stopped {
        return Err(Failure::stopped(reason));
    }
    if end.exit_code == 0 {
        return Ok(());
    }
    let said = end.last_errors.join("\n");
    Err(Failure::failed(format!("requirements: {shown}: exit code {}: {said}", end.exit_code)))
}

/// One attempt makes an environment, the others wait for it.
async fn lock(context: &Context, path: &Path) -> Result<std::fs::File, Failure> {
    let file = std::fs::File::create(path).map_err(|e| Failure::lost(format!("venvs: {e}")))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::Error(error)) => {
                return Err(Failure::lost(format!("venvs: {error}")));
            }
            Err(std::fs::TryLockError::WouldBlock) => {}
        }
        tokio::select! {
            () = tokio::time::sleep(LOCK_LOOK) => {}
            reason = context.stop.wait() => return Err(Failure::stopped(&reason)),
        }
    }
}

fn digest(requirements: &[String], wanted: Option<&str>) -> String {
    let mut hash = Sha256::new();
    for line in requirements {
        hash.update(line.trim());
        hash.update([0]);
    }
    hash.update(wanted.unwrap_or_default());
    crate::report::hex(&hash.finalize())
}
