//! The scheduler's settings, read by the command line and handed in whole.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use millrace_core::mapping::MAP_LENGTH_MAX;
use millrace_core::timetable::Zones;

/// So many days asset events are kept when nothing is said.
pub const ASSET_EVENT_DAYS: u64 = 90;

/// How a scheduler runs.
#[derive(Clone)]
pub struct SchedulerConfig {
    /// The folder with the DAG files.
    pub dags_folder: PathBuf,
    /// Only this file of the folder is read, and its schedule makes no runs: for one run, here and
    /// now. All files when absent.
    pub only: Option<String>,
    /// Who holds the leadership: machine, home folder and process. A holder with the same machine
    /// and home as the last one takes over at once.
    pub holder: String,
    /// How often the DAG folder is swept without an event.
    pub sweep: Duration,
    /// How long a changed file must stay the same before it is read.
    pub settle: Duration,
    /// How often the inbox is looked at without a nudge.
    pub inbox_period: Duration,
    /// How often workers renew.
    pub renew: Duration,
    /// After so long without a renewal a worker kills its own attempts.
    pub self_fence: Duration,
    /// After so long without a renewal a worker's attempts are lost.
    pub lease: Duration,
    /// The most instances of one mapped task.
    pub max_map_length: u32,
    /// Asset events older than this are deleted, unless somebody still needs them; never when
    /// absent.
    pub asset_event_keep: Option<Duration>,
    /// Whether a DAG seen for the first time starts paused when its file does not say.
    pub paused_by_default: bool,
    /// The zone of DAGs that name none.
    pub default_timezone: String,
    /// The zone database.
    pub zones: Zones,
    /// `MILLRACE_CONN_*`, `AIRFLOW_CONN_*`, `MILLRACE_VAR_*` and `AIRFLOW_VAR_*` of the process.
    pub environment: BTreeMap<String, String>,
}

impl std::fmt::Debug for SchedulerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SchedulerConfig")
            .field("dags_folder", &self.dags_folder)
            .field("holder", &self.holder)
            .field("environment", &format_args!("{} names", self.environment.len()))
            .finish_non_exhaustive()
    }
}

impl SchedulerConfig {
    /// The defaults for a folder and a holder.
    pub fn new(dags_folder: PathBuf, holder: String) -> Self {
        Self {
            dags_folder,
            only: None,
            holder,
            sweep: Duration::from_secs(30),
            settle: Duration::from_millis(200),
            inbox_period: Duration::from_millis(500),
            renew: Duration::from_secs(5),
            self_fence: Duration::from_secs(20),
            lease: Duration::from_secs(30),
            max_map_length: MAP_LENGTH_MAX,
            asset_event_keep: Some(Duration::from_hours(24 * ASSET_EVENT_DAYS)),
            paused_by_default: true,
            default_timezone: "UTC".to_owned(),
            zones: Zones::default(),
            environment: BTreeMap::new(),
        }
    }
}
