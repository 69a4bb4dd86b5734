//! The task's keys as the daemon wants them.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, DeviceRequest, HostConfig, HostConfigLogConfig, PortBinding,
};
use millrace_core::operator::docker::DockerConfig;
use serde_json::Value;

use super::{Context, Failure, names};
use crate::environment;
use crate::operator::shell;

/// Where a container finds the files for its XCom and its metrics.
const OUTBOX: &str = "/millrace";

/// The container of an attempt.
pub(super) fn container(
    context: &Context,
    config: &DockerConfig,
    image: &str,
) -> Result<ContainerCreateBody, Failure> {
    let mut labels: HashMap<String, String> =
        config.labels.iter().map(|(name, value)| (name.clone(), text_of(value))).collect();
    labels.extend(names::labels(context));
    if super::keeps(config, false) {
        labels.insert(names::KEEP.to_owned(), "yes".to_owned());
    }
    let (exposed, bindings) = ports(&config.ports)?;
    Ok(ContainerCreateBody {
        image: Some(image.to_owned()),
        cmd: words("command", config.command.as_ref())?,
        entrypoint: words("entrypoint", config.entrypoint.as_ref())?,
        env: Some(variables(context, config)?),
        user: config.user.as_ref().map(text_of),
        working_dir: config.working_dir.clone(),
        hostname: config.hostname.clone(),
        labels: Some(labels),
        exposed_ports: (!exposed.is_empty()).then_some(exposed),
        host_config: Some(HostConfig { port_bindings: bindings, ..host(context, config)? }),
        ..ContainerCreateBody::default()
    })
}

fn host(context: &Context, config: &DockerConfig) -> Result<HostConfig, Failure> {
    let tmpfs = config.tmpfs.iter().map(|mount| {
        let (path, options) = mount.split_once(':').unwrap_or((mount, ""));
        (path.to_owned(), options.to_owned())
    });
    let memory = size("mem_limit", config.mem_limit.as_ref())?;
    let given = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let mut binds = binds(context, &config.volumes)?;
    if names::is_local(config.docker_url.as_deref()) {
        let outbox = context
            .folder
            .outbox()
            .map_err(|error| Failure::lost(format!("folder for the output: {error}")))?;
        binds.push(format!("{}:{OUTBOX}:z", outbox.display()));
    }
    Ok(HostConfig {
        binds: Some(binds),
        tmpfs: (!config.tmpfs.is_empty()).then(|| tmpfs.collect()),
        // As in Compose: the networks take the place of the default one.
        network_mode: config.network_mode.clone().or_else(|| config.networks.first().cloned()),
        extra_hosts: given(&config.extra_hosts),
        memory,
        // Without it a container may take as much again from swap before it is called too big.
        memory_swap: memory,
        shm_size: size("shm_size", config.shm_size.as_ref())?,
        nano_cpus: cpus(config.cpus.as_ref())?,
        pids_limit: config.pids_limit,
        device_requests: gpus(config.gpus.as_ref())?,
        privileged: Some(config.privileged),
        cap_add: given(&config.cap_add),
        cap_drop: given(&config.cap_drop),
        readonly_rootfs: Some(config.read_only),
        init: config.init.then_some(true),
        // The log is read by the API: only drivers that keep it can be followed.
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), "512m".to_owned()),
                ("max-file".to_owned(), "2".to_owned()),
            ])),
        }),
        ..HostConfig::default()
    })
}

fn variables(context: &Context, config: &DockerConfig) -> Result<Vec<String>, Failure> {
    let mut variables = environment::ids(&context.assignment);
    if names::is_local(config.docker_url.as_deref()) {
        variables.extend(shell::output_files(std::path::Path::new(OUTBOX)));
    }
    if let Some(file) = &context.env_file {
        let path = std::path::Path::new(&context.assignment.dag.folder).join(file);
        variables.extend(environment::read_env_file(&path).map_err(Failure::failed)?);
    }
    variables.extend(context.variables.clone());
    for (name, value) in config.environment.iter().chain(&config.private_environment) {
        variables.insert(name.clone(), text_of(value));
    }
    if let Some(name) = variables.keys().find(|name| !environment::is_name(name)) {
        return Err(Failure::for_good(format!("\"{name}\" cannot be the name of a variable")));
    }
    Ok(variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
}

/// `source:target[:options]`; a source that begins with `./` or `~` is relative to the DAG's
/// folder or the home, any other without a slash is a volume's name.
fn binds(context: &Context, volumes: &[String]) -> Result<Vec<String>, Failure> {
    volumes
        .iter()
        .map(|volume| {
            let Some((source, rest)) = volume.split_once(':') else {
                return Err(Failure::for_good(format!(
                    "volume \"{volume}\": write source:target or source:target:ro"
                )));
            };
            if source.starts_with("./") || source.starts_with("../") || source == "." {
                let folder = std::path::Path::new(&context.assignment.dag.folder).join(source);
                let folder = std::path::absolute(&folder).unwrap_or(folder);
                return Ok(format!("{}:{rest}", folder.display()));
            }
            if let Some(below) = source.strip_prefix('~') {
                let home = std::env::var("HOME").unwrap_or_default();
                return Ok(format!("{home}{below}:{rest}"));
            }
            Ok(volume.clone())
        })
        .collect()
}

/// A command as a list of words; a text is split as a shell would, without expanding anything.
pub(super) fn words(field: &str, command: Option<&Value>) -> Result<Option<Vec<String>>, Failure> {
    match command {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items.iter().map(text_of).collect())),
        Some(Value::String(text)) => split_words(text)
            .map(Some)
            .map_err(|problem| Failure::for_good(format!("`{field}`: {problem}: {text}"))),
        Some(other) => Ok(Some(vec![text_of(other)])),
    }
}

/// Words as POSIX `sh` sees them: quotes and backslashes, nothing expanded (Python: `shlex`).
fn split_words(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some('\'') => break,
                        Some(inner) => word.push(inner),
                        None => return Err("a ' is not closed"),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some('"') => break,
                        Some('\\') => match characters.next() {
                            Some(inner @ ('"' | '\\' | '$' | '`')) => word.push(inner),
                            Some(inner) => word.extend(['\\', inner]),
                            None => return Err("a \" is not closed"),
                        },
                        Some(inner) => word.push(inner),
                        None => return Err("a \" is not closed"),
                    }
                }
            }
            '\\' => match characters.next() {
                Some('\n') => {}
                Some(inner) => word.get_or_insert_default().push(inner),
                None => return Err("a backslash stands at the end"),
            },
            blank if blank.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Bytes of `536870912`, `512m`, `512MiB`, `1.5g`.
fn size(field: &str, value: Option<&Value>) -> Result<Option<i64>, Failure> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let text = text_of(value).trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: f64 = match unit.trim().trim_end_matches('b').trim_end_matches('i') {
        "" => 1.0,
        "k" => 1024.0,
        "m" => 1024.0 * 1024.0,
        "g" => 1024.0 * 1024.0 * 1024.0,
        "t" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => f64::NAN,
    };
    match number.parse::<f64>() {
        Ok(number) if factor.is_finite() && number > 0.0 => Ok(Some(whole(number * factor))),
        _ => Err(Failure::for_good(format!(
            "`{field}` is \"{}\"; write bytes, 512m or 2g",
            text_of(value)
        ))),
    }
}

/// A size as people write it: `16m` for 16777216, and a text as it is.
pub(super) fn size_words(value: &Value) -> String {
    let Some(bytes) = value.as_u64() else { return text_of(value) };
    [("g", 1_u64 << 30), ("m", 1 << 20), ("k", 1 << 10)]
        .into_iter()
        .find(|(_, unit)| bytes >= *unit && bytes % unit == 0)
        .map_or_else(|| bytes.to_string(), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// The nearest whole number; a setting is far below the limits of the type.
#[expect(clippy::cast_possible_truncation, reason = "the cast of a float saturates")]
fn whole(number: f64) -> i64 {
    number.round() as i64
}

fn cpus(value: Option<&Value>) -> Result<Option<i64>, Failure> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    match text_of(value).trim().parse::<f64>() {
        Ok(cpus) if cpus > 0.0 => Ok(Some(whole(cpus * 1e9))),
        _ => Err(Failure::for_good(format!("`cpus` is \"{}\"; write 2 or 0.5", text_of(value)))),
    }
}

/// `all`, a number, or `device=0,1`.
fn gpus(value: Option<&Value>) -> Result<Option<Vec<DeviceRequest>>, Failure> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let text = text_of(value);
    let mut request = DeviceRequest {
        driver: Some(String::new()),
        capabilities: Some(vec![vec!["gpu".to_owned()]]),
        ..DeviceRequest::default()
    };
    if text == "0" {
        return Ok(None);
    } else if text == "all" {
        request.count = Some(-1);
    } else if let Some(ids) = text.strip_prefix("device=") {
        request.device_ids = Some(ids.split(',').map(|id| id.trim().to_owned()).collect());
    } else if let Ok(count) = text.parse::<u16>() {
        request.count = Some(i64::from(count));
    } else {
        return Err(Failure::for_good(format!(
            "`gpus` is \"{text}\"; write all, a number, or device=0,1"
        )));
    }
    Ok(Some(vec![request]))
}

type Bindings = HashMap<String, Option<Vec<PortBinding>>>;

/// `[address:]host:container[/udp]`, or the container's port alone.
fn ports(ports: &[String]) -> Result<(Vec<String>, Option<Bindings>), Failure> {
    let mut exposed = Vec::new();
    let mut bindings = Bindings::new();
    for port in ports {
        let (rest, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let (host, inside) =
            rest.rsplit_once(':').map_or((None, rest), |(host, inside)| (Some(host), inside));
        let (address, outside) = match host {
            None => (None, None),
            Some(host) => match host.rsplit_once(':') {
                Some((address, outside)) => (Some(address.to_owned()), Some(outside)),
                None => (None, Some(host)),
            },
        };
        if inside.parse::<u16>().is_err()
            || outside.is_some_and(|port| port.parse::<u16>().is_err())
        {
            return Err(Failure::for_good(format!(
                "port \"{port}\": write 8080:80 or 127.0.0.1:8080:80"
            )));
        }
        let name = format!("{inside}/{protocol}");
        exposed.push(name.clone());
        let binding = PortBinding { host_ip: address, host_port: outside.map(str::to_owned) };
        bindings.entry(name).or_default().get_or_insert_default().push(binding);
    }
    Ok((exposed, (!bindings.is_empty()).then_some(bindings)))
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_split_as_a_shell_would() {
        let check = |text: &str, expected: Result<&[&str], &str>| {
            let got = split_words(text);
            let got =
                got.as_ref().map(|words| words.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(got.map_err(|error| *error), expected.map(<[&str]>::to_vec), "{text}");
        };
        check("python a.py --day 2025-08-22", Ok(&["python", "a.py", "--day", "2025-08-22"]));
        check(
            r#"x --grid '{"depth": [4, 6]}' """#,
            Ok(&["x", "--grid", r#"{"depth": [4, 6]}"#, ""]),
        );
        check(r#"a "b \"c\" \n" d\ e"#, Ok(&["a", r#"b "c" \n"#, "d e"]));
        check("  ", Ok(&[]));
        check("a 'b", Err("a ' is not closed"));
    }

    #[test]
    fn gpus_are_asked_for_as_the_daemon_wants_them() {
        let check = |value: Value, expected: Option<Value>| {
            let got = gpus(Some(&value)).expect("well formed");
            assert_eq!(got.map(|found| json!(found)), expected, "{value}");
        };
        let request = |more: Value| {
            let mut request = json!({"Driver": "", "Capabilities": [["gpu"]]});
            request
                .as_object_mut()
                .expect("a map")
                .extend(more.as_object().expect("a map").clone());
            Some(json!([request]))
        };
        check(json!("all"), request(json!({"Count": -1})));
        check(json!(2), request(json!({"Count": 2})));
        check(json!("2"), request(json!({"Count": 2})));
        check(json!("device=0, GPU-3a"), request(json!({"DeviceIDs": ["0", "GPU-3a"]})));
        check(json!(0), None);
        check(Value::Null, None);
        assert!(gpus(Some(&json!("many"))).is_err());
    }

    #[test]
    fn sizes_and_ports() {
        let check = |value: Value, expected: Option<i64>| {
            assert_eq!(size("mem_limit", Some(&value)).ok(), expected.map(Some), "{value}");
        };
        check(json!("64m"), Some(64 << 20));
        check(json!("1.5GiB"), Some(3 << 29));
        check(json!(1024), Some(1024));
        check(json!("2kb"), Some(2048));
        check(json!("lots"), None);
        check(json!("-1"), None);
        let (exposed, bindings) =
            ports(&["127.0.0.1:8080:80".to_owned(), "53:53/udp".to_owned()]).expect("ports");
        assert_eq!(exposed, ["80/tcp", "53/udp"]);
        let bindings = bindings.expect("bindings");
        let bound = bindings["80/tcp"].as_ref().expect("a binding");
        assert_eq!(bound[0].host_ip.as_deref(), Some("127.0.0.1"));
        assert_eq!(bound[0].host_port.as_deref(), Some("8080"));
        assert!(ports(&["eighty:80".to_owned()]).is_err());
    }
}
