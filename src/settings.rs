//! Settings of every command: the home folder, the database, the DAG folder, addresses.
//!
//! Each is a flag with an environment variable, and each has a default that works on a fresh
//! machine. Reading them is all this module does.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use millrace_core::dagfile::Known;
use millrace_core::timetable::Zones;

use crate::failure::Failure;

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    /// The folder for the database, logs and keys
    #[arg(
        long,
        env = "MILLRACE_HOME",
        global = true,
        help_heading = "Settings",
        value_name = "DIR",
        hide_env_values = true
    )]
    pub home: Option<PathBuf>,

    /// The folder with the DAG files [default: HOME/dags]
    #[arg(
        long,
        env = "MILLRACE_DAGS",
        global = true,
        help_heading = "Settings",
        value_name = "DIR",
        hide_env_values = true
    )]
    pub dags: Option<PathBuf>,

    /// Where the metadata is: sqlite:PATH or mysql://user:password@host:port/database
    /// [default: sqlite:HOME/millrace.db]
    #[arg(
        long,
        env = "MILLRACE_DATABASE",
        global = true,
        help_heading = "Settings",
        value_name = "URL",
        hide_env_values = true
    )]
    pub database: Option<String>,

    /// The zone of DAGs that name none
    #[arg(
        long,
        env = "MILLRACE_TIMEZONE",
        global = true,
        help_heading = "Settings",
        value_name = "ZONE",
        default_value = "UTC",
        hide_env_values = true
    )]
    pub timezone: String,

    /// The most instances of one mapped task
    #[arg(
        long,
        env = "MILLRACE_MAX_MAP_LENGTH",
        global = true,
        help_heading = "Settings",
        value_name = "N",
        default_value_t = millrace_core::mapping::MAP_LENGTH_MAX,
        hide_env_values = true
    )]
    pub max_map_length: u32,

    /// Asset events are kept for so many days; 0 keeps them for ever
    #[arg(
        long,
        env = "MILLRACE_ASSET_EVENT_DAYS",
        global = true,
        help_heading = "Settings",
        value_name = "N",
        default_value_t = millrace_scheduler::ASSET_EVENT_DAYS,
        value_parser = clap::value_parser!(u64).range(0..=36_500),
        hide_env_values = true
    )]
    pub asset_event_days: u64,

    /// A folder with a newer zone database [default: built in]
    #[arg(
        long,
        env = "MILLRACE_TZDIR",
        global = true,
        help_heading = "Settings",
        value_name = "DIR",
        hide_env_values = true
    )]
    pub tzdir: Option<PathBuf>,
}

/// Options of the commands that listen.
#[derive(Debug, Clone, Args)]
pub(crate) struct Listen {
    /// The address to listen on
    #[arg(
        long,
        env = "MILLRACE_BIND",
        value_name = "ADDRESS",
        default_value = "127.0.0.1",
        hide_env_values = true
    )]
    pub bind: IpAddr,

    /// The port to listen on
    #[arg(
        long,
        short,
        env = "MILLRACE_PORT",
        value_name = "PORT",
        default_value_t = 8080,
        hide_env_values = true
    )]
    pub port: u16,
}

/// Options of the commands that run tasks.
#[derive(Debug, Clone, Args)]
pub(crate) struct Slots {
    /// How many attempts run at once
    #[arg(
        long,
        env = "MILLRACE_SLOTS",
        value_name = "N",
        default_value_t = 32,
        hide_env_values = true
    )]
    pub slots: u32,

    /// The queues to serve
    #[arg(
        long,
        env = "MILLRACE_QUEUES",
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "default",
        hide_env_values = true
    )]
    pub queues: Vec<String>,
}

impl Settings {
    /// The home folder: as said, else `~/.millrace`.
    pub(crate) fn home(&self) -> PathBuf {
        self.home.clone().unwrap_or_else(|| {
            let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("."), PathBuf::from);
            home.join(".millrace")
        })
    }

    /// The DAG folder.
    pub(crate) fn dags(&self) -> PathBuf {
        self.dags.clone().unwrap_or_else(|| self.home().join("dags"))
    }

    /// The database's address.
    pub(crate) fn database(&self) -> String {
        self.database
            .clone()
            .unwrap_or_else(|| format!("sqlite:{}", self.home().join("millrace.db").display()))
    }

    /// The folder of the attempts' logs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.home().join("logs")
    }

    /// The zone database: of the folder said, else the one built in (decision 1).
    ///
    /// # Errors
    /// A folder that holds no zones.
    pub(crate) fn zones(&self) -> Result<Zones, Failure> {
        let Some(folder) = &self.tzdir else { return Ok(Zones::default()) };
        let database = jiff::tz::TimeZoneDatabase::from_dir(folder).map_err(|error| {
            Failure::usage(format!("{} holds no zone database: {error}", folder.display()))
        })?;
        Ok(Zones::from_database(database))
    }

    /// What is known when DAG files are read without a database.
    pub(crate) fn known<'a>(&'a self, zones: &'a Zones) -> Known<'a> {
        Known { default_timezone: &self.timezone, ..Known::new(zones) }
    }

    /// Who this process is when it leads: two processes of one machine and home are the same
    /// holder, so that a restart takes over at once.
    pub(crate) fn holder(&self) -> String {
        let home = self.home();
        let home = home.canonicalize().unwrap_or(home);
        format!("{}:{}", hostname(), home.display())
    }
}

/// The machine's name.
pub(crate) fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The connections and variables that the environment holds.
pub(crate) fn environment() -> BTreeMap<String, String> {
    const PREFIXES: [&str; 4] =
        ["MILLRACE_CONN_", "AIRFLOW_CONN_", "MILLRACE_VAR_", "AIRFLOW_VAR_"];
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        .collect()
}

/// Makes a folder that only its owner can enter, if it is not there.
pub(crate) fn private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
