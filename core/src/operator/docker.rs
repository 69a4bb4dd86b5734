//! `docker`: a container through the Docker API (Airflow: `DockerOperator`; Compose's short forms).

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use super::sql::one_or_many;
use super::{Field, FieldKind, OperatorSpec, TextUse, no_check, on_worker};

/// The line of `docker` in the table of operators.
pub const SPEC: OperatorSpec = OperatorSpec {
    name: "docker",
    class_names: &["DockerOperator", "docker_operator"],
    fields: &[
        Field::new("image", FieldKind::Text).required(),
        Field::new("command", FieldKind::TextOrList),
        Field::new("entrypoint", FieldKind::TextOrList),
        Field::new("environment", FieldKind::TextMap),
        Field::new("private_environment", FieldKind::TextMap).text(TextUse::Secret),
        Field::new("volumes", FieldKind::TextList).aliases(&["mounts"]),
        Field::new("tmpfs", FieldKind::TextList),
        Field::new("network_mode", FieldKind::Text),
        Field::new("networks", FieldKind::TextList),
        Field::new("extra_hosts", FieldKind::TextList),
        Field::new("hostname", FieldKind::Text),
        Field::new("ports", FieldKind::TextList),
        Field::new("user", FieldKind::Text),
        Field::new("working_dir", FieldKind::Text),
        Field::new("mem_limit", FieldKind::Size).aliases(&["memory_limit"]),
        Field::new("shm_size", FieldKind::Size),
        Field::new("cpus", FieldKind::Number),
        Field::new("pids_limit", FieldKind::Int),
        Field::new("gpus", FieldKind::NumberOrText),
        Field::new("privileged", FieldKind::Bool),
        Field::new("cap_add", FieldKind::TextList),
        Field::new("cap_drop", FieldKind::TextList),
        Field::new("read_only", FieldKind::Bool),
        Field::new("init", FieldKind::Bool),
        Field::new("labels", FieldKind::TextMap),
        Field::new("container_name", FieldKind::Text),
        Field::new("auto_remove", FieldKind::Any),
        Field::new("pull", FieldKind::Word(&["missing", "always", "never"])),
        Field::new("force_pull", FieldKind::Bool),
        Field::new("build", FieldKind::Any),
        Field::new("docker_url", FieldKind::Text),
        Field::new("skip_on_exit_code", FieldKind::IntList),
    ],
    place: on_worker,
    check: no_check,
};

/// A rendered `docker` task. The last line of stdout is its XCom, or what it wrote to
/// `$MILLRACE_XCOM`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DockerConfig {
    /// The image to run, with its tag or digest.
    pub image: String,
    /// The command: a list of arguments, or a text that is split as a shell would.
    #[serde(default)]
    pub command: Option<Value>,
    /// The entrypoint, in the same forms.
    #[serde(default)]
    pub entrypoint: Option<Value>,
    /// Variables of the container.
    #[serde(default)]
    pub environment: IndexMap<String, Value>,
    /// Variables that are never shown.
    #[serde(default)]
    pub private_environment: IndexMap<String, Value>,
    /// Mounts, `source:target[:ro]`.
    #[serde(default)]
    pub volumes: Vec<String>,
    /// Temporary file systems, `target[:options]`.
    #[serde(default)]
    pub tmpfs: Vec<String>,
    /// `bridge`, `host`, `none`, `container:NAME` or a network's name.
    #[serde(default)]
    pub network_mode: Option<String>,
    /// Networks to join, instead of the default one; beside `network_mode` where that is given.
    #[serde(default)]
    pub networks: Vec<String>,
    /// Lines of the hosts file, `name:address` (`host-gateway` is the machine).
    #[serde(default)]
    pub extra_hosts: Vec<String>,
    /// The container's own host name.
    #[serde(default)]
    pub hostname: Option<String>,
    /// Published ports, `[address:]host:container`.
    #[serde(default)]
    pub ports: Vec<String>,
    /// `uid`, `uid:gid` or a name.
    #[serde(default)]
    pub user: Option<Value>,
    /// The working directory.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// The memory limit: bytes or `512m`.
    #[serde(default)]
    pub mem_limit: Option<Value>,
    /// The size of `/dev/shm`.
    #[serde(default)]
    pub shm_size: Option<Value>,
    /// How many CPUs, e.g. `1.5`.
    #[serde(default)]
    pub cpus: Option<Value>,
    /// The most processes.
    #[serde(default)]
    pub pids_limit: Option<i64>,
    /// `all`, a number, or `device=0,1`.
    #[serde(default)]
    pub gpus: Option<Value>,
    /// Whether the container has all privileges.
    #[serde(default)]
    pub privileged: bool,
    /// Capabilities to add.
    #[serde(default)]
    pub cap_add: Vec<String>,
    /// Capabilities to drop.
    #[serde(default)]
    pub cap_drop: Vec<String>,
    /// Whether the root file system is read-only.
    #[serde(default)]
    pub read_only: bool,
    /// Whether a small init reaps zombies.
    #[serde(default)]
    pub init: bool,
    /// Labels beside Millrace's own.
    #[serde(default)]
    pub labels: IndexMap<String, Value>,
    /// A fixed name; a name held by a dead attempt of ours is freed, a foreign one is an error.
    #[serde(default)]
    pub container_name: Option<String>,
    /// `true`/`force` (default): removed at the end; `success`: only then; `false`/`never`: kept.
    #[serde(default)]
    pub auto_remove: Option<Value>,
    /// `missing` (default), `always` or `never`.
    #[serde(default)]
    pub pull: Option<String>,
    /// Airflow's spelling of `pull: always`.
    #[serde(default)]
    pub force_pull: bool,
    /// How to build the image when its inputs changed.
    #[serde(default)]
    pub build: Option<BuildConfig>,
    /// The daemon's address; the machine's default when absent.
    #[serde(default)]
    pub docker_url: Option<String>,
    /// Exit codes that mean "skipped".
    #[serde(default, deserialize_with = "one_or_many")]
    pub skip_on_exit_code: Vec<i32>,
}

/// `build:` of a `docker` task; a text is the context.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildConfig {
    /// The folder that is sent to the daemon.
    pub context: String,
    /// The Dockerfile inside the context.
    #[serde(default = "dockerfile")]
    pub dockerfile: String,
    /// Build arguments.
    #[serde(default)]
    pub args: IndexMap<String, Value>,
    /// The stage to build.
    #[serde(default)]
    pub target: Option<String>,
}

fn dockerfile() -> String {
    "Dockerfile".to_owned()
}
