//! The image of a container: there, or pulled.

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt as _;
use millrace_core::operator::docker::DockerConfig;

use super::{Context, Failure, names};

/// Makes sure that the image is there, by the pull policy.
pub(super) async fn ensure(
    context: &Context,
    docker: &Docker,
    config: &DockerConfig,
) -> Result<String, Failure> {
    let image = config.image.trim();
    let policy = match (config.force_pull, config.pull.as_deref()) {
        (true, _) => "always",
        (false, policy) => policy.unwrap_or("missing"),
    };
    if !matches!(policy, "missing" | "always" | "never") {
        return Err(Failure::for_good(format!(
            "`pull` is \"{policy}\"; it may be missing, always or never"
        )));
    }
    let is_there = match docker.inspect_image(image).await {
        Ok(_) => true,
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => false,
        Err(error) => return Err(names::failure(&format!("image \"{image}\""), &error)),
    };
    match (policy, is_there) {
        ("always", _) | ("missing", false) => pull(context, docker, image).await?,
        ("never", false) => {
            return Err(Failure::for_good(format!(
                "image \"{image}\" is not on this machine and `pull` is never"
            )));
        }
        _ => {}
    }
    Ok(image.to_owned())
}

async fn pull(context: &Context, docker: &Docker, image: &str) -> Result<(), Failure> {
    context.log.info(format!("pulling {image}"));
    let (name, tag) = split_tag(image);
    let options = CreateImageOptionsBuilder::default().from_image(name).tag(tag).build();
    let mut progress = docker.create_image(Some(options), None, None);
    while let Some(step) = progress.next().await {
        let step = step.map_err(|error| missing(image, &error))?;
        let is_bar = step.progress_detail.as_ref().is_some_and(|bar| bar.total.is_some());
        if let Some(status) = step.status.filter(|_| !is_bar) {
            let layer = step.id.map_or_else(String::new, |id| format!("{id}: "));
            context.log.info(format!("{layer}{status}"));
        }
    }
    Ok(())
}

/// A pull that fails fails again at once; only a registry that is busy is worth a retry.
fn missing(image: &str, error: &Error) -> Failure {
    let text = match error {
        Error::DockerResponseServerError { message, .. } => message.clone(),
        Error::DockerStreamError { error } => error.clone(),
        other => return names::failure(&format!("image \"{image}\" not pulled"), other),
    };
    Failure::for_good(format!(
        "image \"{image}\" is not on this machine and could not be pulled: {text}; build it, \
         correct its name, or log the daemon in"
    ))
}

/// The name and the tag or digest; `latest` when there is none.
fn split_tag(image: &str) -> (&str, &str) {
    if let Some((name, digest)) = image.split_once('@') {
        return (name, digest);
    }
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_told_from_ports() {
        let check = |image: &str, expected: (&str, &str)| assert_eq!(split_tag(image), expected);
        check("busybox", ("busybox", "latest"));
        check("credit/ct:1.2", ("credit/ct", "1.2"));
        check("reg:5000/credit/ct", ("reg:5000/credit/ct", "latest"));
        check("reg:5000/ct:2", ("reg:5000/ct", "2"));
        check("ct@sha256:abc", ("ct", "sha256:abc"));
    }
}
