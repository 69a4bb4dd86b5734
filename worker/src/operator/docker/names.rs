//! The daemon, and whose a container is: names, labels, leftovers of former attempts.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use millrace_core::record::AttemptKey;

use super::{Context, Failure};

/// The label with the attempt's key.
pub(crate) const ATTEMPT: &str = "millrace.attempt";
/// The label with the installation's name.
pub(crate) const CLUSTER: &str = "millrace.cluster";
/// The label with the worker's name.
pub(crate) const WORKER: &str = "millrace.worker";

/// The label of a container that may be kept after its end (`auto_remove`).
pub(super) const KEEP: &str = "millrace.keep";

/// How long a daemon may take to say that it lives.
const PING_LIMIT: Duration = Duration::from_secs(10);

/// The daemon at an address, or the machine's own. Nothing is sent yet.
pub(crate) fn connect(url: Option<&str>) -> Result<Docker, Error> {
    match address(url) {
        Some(url) => Docker::connect_with_host(&url),
        None => Docker::connect_with_host("unix:///var/run/docker.sock"),
    }
}

fn address(url: Option<&str>) -> Option<String> {
    let found = std::env::var("DOCKER_HOST").ok();
    url.map(str::to_owned).or(found).filter(|url| !url.is_empty())
}

/// Whether the daemon is this machine's, so that it sees the worker's files.
pub(super) fn is_local(url: Option<&str>) -> bool {
    address(url).is_none_or(|url| url.starts_with("unix:") || url.starts_with('/'))
}

/// The daemon at an address, for a trial of its connection.
pub(crate) async fn version(url: Option<&str>) -> Result<String, String> {
    let docker = reach(url).await.map_err(|failure| failure.reason().to_owned())?;
    let version = docker.version().await.map_err(|error| error.to_string())?;
    Ok(format!("Docker {} answers", version.version.unwrap_or_default()))
}

/// A daemon that answers. One that does not is not the task's fault.
pub(super) async fn reach(url: Option<&str>) -> Result<Docker, Failure> {
    let docker = connect(url).map_err(|error| match error {
        Error::UnsupportedURISchemeError { .. } | Error::URLParseError { .. } => {
            Failure::for_good(format!("docker_url: {error}; write unix:///path or tcp://host:port"))
        }
        other => failure("the Docker daemon does not answer", &other),
    })?;
    match tokio::time::timeout(PING_LIMIT, docker.ping()).await {
        Ok(Ok(_)) => Ok(docker),
        Ok(Err(error)) => Err(failure("the Docker daemon does not answer", &error)),
        Err(_) => Err(Failure::lost(format!(
            "the Docker daemon does not answer within {} s; is it running?",
            PING_LIMIT.as_secs()
        ))),
    }
}

/// What a daemon's error means for the attempt: a missing image, network or a wrong setting is
/// not mended by trying again; a daemon that cannot be reached is not the task's fault.
pub(super) fn failure(what: &str, error: &Error) -> Failure {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            let text = format!("{what}: {message}");
            match status_code {
                400 | 404 => Failure::for_good(text),
                _ => Failure::failed(text),
            }
        }
        Error::DockerStreamError { error } => Failure::failed(format!("{what}: {error}")),
        other => Failure::lost(format!("{what}: {other}; is the Docker daemon running?")),
    }
}

/// The name of an attempt's container: the same every time, so that it cannot be created twice.
pub(super) fn name_of(context: &Context) -> String {
    let key = context.assignment.key;
    format!("millrace-{}-{}-{}-{}", context.settings.cluster, key.ti, key.try_number, key.epoch)
}

/// The labels of an attempt's container.
pub(super) fn labels(context: &Context) -> HashMap<String, String> {
    let run = &context.assignment.run;
    let key = context.assignment.key;
    [
        (ATTEMPT, key.to_string()),
        (CLUSTER, context.settings.cluster.clone()),
        (WORKER, context.settings.name.clone()),
        ("millrace.ti", key.ti.to_string()),
        ("millrace.dag", run.dag_id.to_string()),
        ("millrace.run", run.run_id.to_string()),
        ("millrace.task", context.task().task_id.to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// The attempt that a container belongs to.
pub(crate) fn key_of(container: &ContainerSummary) -> Option<AttemptKey> {
    let label = container.labels.as_ref()?.get(ATTEMPT)?;
    let mut parts = label.split('.');
    let key = AttemptKey {
        ti: parts.next()?.parse().ok()?,
        try_number: parts.next()?.parse().ok()?,
        epoch: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(key)
}

/// Whether a container has ended and its task wants it kept.
pub(crate) fn is_kept(container: &ContainerSummary) -> bool {
    let has_label = container.labels.as_ref().is_some_and(|labels| labels.contains_key(KEEP));
    has_label && container.state != Some(ContainerSummaryStateEnum::RUNNING)
}

/// Every container, running or not, with these labels.
pub(crate) async fn containers_of(
    docker: &Docker,
    labels: &[(&str, &str)],
) -> Result<Vec<ContainerSummary>, Error> {
    let labels = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let filters = HashMap::from([("label".to_owned(), labels)]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    docker.list_containers(Some(options)).await
}

/// Removes a container, running or not; one that is gone is as good.
pub(crate) async fn remove(docker: &Docker, id: &str) {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    if let Err(error) = docker.remove_container(id, Some(options)).await
        && !matches!(error, Error::DockerResponseServerError { status_code: 404 | 409, .. })
    {
        tracing::warn!(container = id, %error, "container not removed");
    }
}

/// Removes what earlier attempts of this task left, and frees the wanted name if it was theirs.
pub(super) async fn clear_former(
    context: &Context,
    docker: &Docker,
    name: &str,
) -> Result<(), Failure> {
    let ti = context.assignment.key.ti.to_string();
    let labels = [(CLUSTER, context.settings.cluster.as_str()), ("millrace.ti", ti.as_str())];
    let former = containers_of(docker, &labels)
        .await
        .map_err(|error| failure("containers of earlier tries", &error))?;
    for container in former.into_iter().filter(|container| !is_kept(container)) {
        let id = container.id.unwrap_or_default();
        context.log.info(format!("removing container {} of an earlier try", short(&id)));
        remove(docker, &id).await;
    }
    let Ok(holder) = docker.inspect_container(name, None).await else { return Ok(()) };
    let labels = holder.config.and_then(|config| config.labels).unwrap_or_default();
    let is_running = holder.state.and_then(|state| state.running).unwrap_or(false);
    let is_ours = labels.get(CLUSTER) == Some(&context.settings.cluster);
    match (is_ours, is_running) {
        (true, false) => {
            remove(docker, name).await;
            Ok(())
        }
        (true, true) => Err(Failure::failed(format!(
            "the container name \"{name}\" is in use by attempt {}; leave `container_name` out, \
             or let only one task at a time use it",
            labels.get(ATTEMPT).map_or("?", String::as_str)
        ))),
        (false, _) => Err(Failure::for_good(format!(
            "the container name \"{name}\" belongs to a container that Millrace did not make; \
             remove it with `docker rm {name}` or choose another `container_name`"
        ))),
    }
}

/// The first characters of an id, as `docker ps` shows it.
pub(super) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
