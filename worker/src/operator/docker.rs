//! Runs `docker`: a container through the Docker API, from the image to the exit code.
//!
//! A container has a name made from its attempt and labels that say whose it is, so that a later
//! incarnation of the worker takes it over or removes it: there are never two for one task.

mod build;
mod image;
mod names;
mod spec;
mod watch;

use bollard::Docker;
use bollard::models::NetworkConnectRequest;
use bollard::query_parameters::CreateContainerOptionsBuilder;
use millrace_core::operator::docker::DockerConfig;
use millrace_core::wire::Outcome;

use super::{Context, Failure, Report, shell};
use crate::folder::Note;
use crate::xcom;
use watch::Ending;

pub(crate) use names::{CLUSTER, WORKER, connect, containers_of, is_kept, key_of, remove, version};

/// Runs the container to its end.
pub(super) async fn run(context: &Context) -> Result<Report, Failure> {
    let config: DockerConfig = context.config()?;
    let url = config.docker_url.clone();
    let docker = names::reach(url.as_deref()).await?;
    let former = context.former.as_ref();
    let (id, since) = if let Some(id) = former.and_then(|note| note.container.clone()) {
        context.log.info(format!("taking over container {}", names::short(&id)));
        (id, former.and_then(|note| note.log_until.clone()))
    } else {
        let made = tokio::select! {
            made = make(context, &docker, &config) => made,
            reason = context.stop.wait() => {
                // It may have been created and not yet be known.
                names::remove(&docker, &names::name_of(context)).await;
                Err(Failure::stopped(&reason))
            }
        };
        (made?, None)
    };
    let ended = watch::watch(context, &docker, &id, since).await;
    conclude(context, &docker, &config, &id, ended).await
}

/// Image, leftovers, container, networks, start.
async fn make(
    context: &Context,
    docker: &Docker,
    config: &DockerConfig,
) -> Result<String, Failure> {
    let image = match &config.build {
        Some(build) => build::ensure(context, docker, &config.image, build).await?,
        None => image::ensure(context, docker, config).await?,
    };
    let name = config.container_name.clone().unwrap_or_else(|| names::name_of(context));
    names::clear_former(context, docker, &name).await?;
    let body = spec::container(context, config, &image)?;
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    let created = docker.create_container(Some(options), body).await;
    let id = created.map_err(|error| names::failure("container not created", &error))?.id;
    note(context, config, &id);
    // The first one is the container's own unless `network_mode` named another.
    let joined = usize::from(config.network_mode.is_none());
    for network in config.networks.iter().skip(joined) {
        let join = NetworkConnectRequest { container: id.clone(), endpoint_config: None };
        if let Err(error) = docker.connect_network(network, join).await {
            names::remove(docker, &id).await;
            return Err(names::failure(&format!("network \"{network}\""), &error));
        }
    }
    context.log.info(format!("container {} ({name}) of {image}", names::short(&id)));
    if let Err(error) = docker.start_container(&id, None).await {
        names::remove(docker, &id).await;
        return Err(names::failure("container not started", &error));
    }
    Ok(id)
}

/// Remembers the container before it is started.
fn note(context: &Context, config: &DockerConfig, id: &str) {
    let note = Note {
        container: Some(id.to_owned()),
        docker_url: config.docker_url.clone(),
        ..crate::attempt::first_note(&context.settings, &context.assignment)
    };
    if let Err(error) = context.folder.write_note(&note) {
        tracing::warn!(attempt = %note.key, %error, "note not written");
    }
}

async fn conclude(
    context: &Context,
    docker: &Docker,
    config: &DockerConfig,
    id: &str,
    ended: Result<Ending, Failure>,
) -> Result<Report, Failure> {
    let ending = match ended {
        Ok(ending) => ending,
        Err(failure) => {
            names::remove(docker, id).await;
            return Err(failure);
        }
    };
    let mut report = report(context, config, &ending);
    report.metrics = shell::metrics(context, &context.folder.outbox_path());
    report.assets = shell::assets(context, &report, &context.folder.outbox_path());
    if keeps(config, report.is_success()) {
        context.log.info(format!("container {} is kept (auto_remove)", names::short(id)));
    } else {
        names::remove(docker, id).await;
    }
    if let Some(reason) = &ending.stopped {
        let failure = Failure::stopped(reason);
        return Err(match ending.exit_code {
            Some(code) => failure.exit_code(code),
            None => failure,
        });
    }
    if report.is_success() && context.task().do_xcom_push {
        let refuse = |problem| Failure::failed(problem).exit_code(0);
        let outbox = context.folder.outbox_path();
        let value = xcom::output(&outbox, &context.log.redactor(), &ending.last_line);
        let value = value.map_err(refuse)?;
        return Ok(Report { return_value: Some(value), ..report });
    }
    Ok(report)
}

fn report(context: &Context, config: &DockerConfig, ending: &Ending) -> Report {
    let Some(code) = ending.exit_code else {
        return Failure::lost("the container is gone: somebody removed it").into();
    };
    let said = ending.last_errors.join("\n");
    let said = if said.is_empty() { said } else { format!(": {said}") };
    let limit = config
        .mem_limit
        .as_ref()
        .map_or_else(String::new, |limit| format!(" (mem_limit {})", spec::size_words(limit)));
    let mut report = if ending.oom_killed {
        Failure::failed(format!("out of memory: the container was killed{limit}{said}")).into()
    } else if code == watch::KILLED && !limit.is_empty() && ending.stopped.is_none() {
        // The daemon's note can be lost; whoever reads this must not search in the wrong place.
        let words = "killed by somebody, or by the kernel because it was out of memory";
        Failure::failed(format!("exit code {code}: the container was {words}{limit}{said}")).into()
    } else if code == 0 {
        Report::success(None)
    } else if config.skip_on_exit_code.contains(&code) {
        let mut report = Report::new(Outcome::Skipped);
        report.reason = Some(format!("exit code {code} means skipped"));
        report
    } else if code > 128 && code < 160 {
        let signal = crate::process::signal_name(code - 128);
        Failure::failed(format!("exit code {code} (ended by {signal}){said}")).into()
    } else {
        Failure::failed(format!("exit code {code}{said}")).into()
    };
    if !ending.start_error.is_empty() {
        context.log.warn(&ending.start_error);
    }
    report.exit_code = Some(code);
    report
}

/// `auto_remove`: `true`/`force` removes always, `success` after a success, `false`/`never` not.
fn keeps(config: &DockerConfig, is_success: bool) -> bool {
    match &config.auto_remove {
        Some(serde_json::Value::Bool(remove)) => !remove,
        Some(serde_json::Value::String(word)) => match word.as_str() {
            "false" | "never" | "False" => true,
            "success" => !is_success,
            _ => false,
        },
        _ => false,
    }
}
