//! DAGs, short and in detail.

use std::collections::HashSet;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use millrace_core::asset::{SCHEDULE_TEXT, SCHEDULE_WORDS};
use millrace_core::dag::{Dag, Params};
use millrace_core::record::{DagRow, VersionRow};
use millrace_core::state::RunType;
use millrace_core::timetable::{Timetable, Zones};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{At, BUNDLE, VersionShape};

/// Airflow: `DagTagResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct TagShape {
    name: String,
    dag_id: String,
    dag_display_name: String,
}

/// Airflow: `DAGResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct DagShape {
    pub(crate) dag_id: String,
    dag_display_name: String,
    pub(crate) is_paused: bool,
    is_stale: bool,
    last_parsed_time: At,
    last_parse_duration: Option<f64>,
    last_expired: Option<At>,
    bundle_name: &'static str,
    bundle_version: Option<String>,
    relative_fileloc: String,
    fileloc: String,
    description: Option<String>,
    timetable_summary: String,
    timetable_description: String,
    timetable_partitioned: bool,
    timetable_periodic: bool,
    tags: Vec<TagShape>,
    max_active_tasks: u32,
    max_active_runs: u32,
    max_consecutive_failed_dag_runs: u32,
    has_task_concurrency_limits: bool,
    has_import_errors: bool,
    next_dagrun_logical_date: Option<At>,
    next_dagrun_data_interval_start: Option<At>,
    next_dagrun_data_interval_end: Option<At>,
    next_dagrun_run_after: Option<At>,
    allowed_run_types: Option<Vec<String>>,
    owners: Vec<String>,
    is_backfillable: bool,
    file_token: String,
}

/// What shapes of DAGs need beyond their rows.
pub(crate) struct DagView<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) zones: &'a Zones,
    /// Files with import errors.
    pub(crate) broken: &'a HashSet<String>,
}

impl DagView<'_> {
    /// The schedule in words and whether it repeats, from the row alone; cron schedules and
    /// presets, which lists mostly have, need no file to be read.
    pub(crate) fn schedule_words(&self, row: &DagRow) -> (String, bool) {
        let Some(text) = row.about.schedule_text.as_deref() else {
            return (Timetable::Never.describe(), false);
        };
        if text == SCHEDULE_TEXT {
            return (SCHEDULE_WORDS.to_owned(), false);
        }
        let by_time = text.strip_prefix(SCHEDULE_TEXT).and_then(|rest| rest.strip_prefix(" or "));
        if let Some(by_time) = by_time {
            let (words, is_periodic) = self.words_of(by_time, row);
            return (format!("{SCHEDULE_WORDS} or {words}"), is_periodic);
        }
        self.words_of(text, row)
    }

    fn words_of(&self, text: &str, row: &DagRow) -> (String, bool) {
        let zone = self.zones.zone(&row.about.timezone).unwrap_or(jiff::tz::TimeZone::UTC);
        match Timetable::parse(text, zone, false) {
            Ok(timetable) => (timetable.describe(), timetable.is_periodic()),
            Err(_) => (text.to_owned(), row.next_run_after.is_some()),
        }
    }

    pub(crate) fn shape(&self, row: &DagRow) -> DagShape {
        let about = &row.about;
        let (timetable_description, timetable_periodic) = self.schedule_words(row);
        DagShape {
            dag_id: row.dag_id.to_string(),
            dag_display_name: about.display_name.clone(),
            is_paused: row.is_paused,
            is_stale: row.is_stale,
            last_parsed_time: At(row.parsed_at),
            last_parse_duration: None,
            last_expired: None,
            bundle_name: BUNDLE,
            bundle_version: None,
            relative_fileloc: row.file.clone(),
            fileloc: self.folder.join(&row.file).display().to_string(),
            description: about.description.clone(),
            timetable_summary: about.schedule_text.clone().unwrap_or_else(|| "None".to_owned()),
            timetable_description,
            timetable_partitioned: false,
            timetable_periodic,
            tags: tags(row),
            max_active_tasks: about.max_active_tasks,
            max_active_runs: about.max_active_runs,
            max_consecutive_failed_dag_runs: about.max_consecutive_failed_dag_runs,
            has_task_concurrency_limits: about.has_task_concurrency_limits,
            has_import_errors: self.broken.contains(&row.file),
            next_dagrun_logical_date: At::maybe(row.next_logical_date),
            next_dagrun_data_interval_start: At::maybe(row.next_logical_date),
            next_dagrun_data_interval_end: At::maybe(row.next_run_after),
            next_dagrun_run_after: At::maybe(row.next_run_after),
            allowed_run_types: about
                .allowed_run_types
                .as_ref()
                .map(|types| types.iter().map(ToString::to_string).collect()),
            owners: about.owners.clone(),
            is_backfillable: timetable_periodic
                && about
                    .allowed_run_types
                    .as_ref()
                    .is_none_or(|types| types.contains(&RunType::Backfill)),
            file_token: URL_SAFE_NO_PAD.encode(&row.file),
        }
    }
}

fn tags(row: &DagRow) -> Vec<TagShape> {
    let of = |name: &String| TagShape {
        name: name.clone(),
        dag_id: row.dag_id.to_string(),
        dag_display_name: row.about.display_name.clone(),
    };
    row.about.tags.iter().map(of).collect()
}

/// Airflow: `DAGDetailsResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct DagDetails {
    #[serde(flatten)]
    dag: DagShape,
    catchup: bool,
    dag_run_timeout: Option<String>,
    asset_expression: Option<Value>,
    doc_md: Option<String>,
    start_date: Option<At>,
    end_date: Option<At>,
    is_paused_upon_creation: Option<bool>,
    params: Map<String, Value>,
    render_template_as_native_obj: bool,
    template_search_path: Option<Vec<String>>,
    timezone: String,
    last_parsed: At,
    default_args: Map<String, Value>,
    rerun_with_latest_version: Option<bool>,
    owner_links: Map<String, Value>,
    is_favorite: bool,
    active_runs_count: u64,
    concurrency: u32,
    latest_dag_version: VersionShape,
}

impl DagDetails {
    pub(crate) fn of(
        mut shape: DagShape,
        row: &DagRow,
        dag: &Dag,
        version: &VersionRow,
        active_runs_count: u64,
        asset_expression: Option<Value>,
    ) -> Self {
        shape.timetable_description = match (&dag.assets, &dag.timetable) {
            (None, timetable) => timetable.describe(),
            (Some(_), Timetable::Never) => SCHEDULE_WORDS.to_owned(),
            (Some(_), timetable) => format!("{SCHEDULE_WORDS} or {}", timetable.describe()),
        };
        shape.timetable_periodic = dag.timetable.is_periodic();
        shape.is_backfillable = dag.timetable.is_periodic() && dag.allows(RunType::Backfill);
        Self {
            dag: shape,
            catchup: dag.catchup,
            dag_run_timeout: dag.dagrun_timeout_secs.map(duration_text),
            asset_expression,
            doc_md: dag.doc_md.clone(),
            start_date: At::maybe(dag.start_date),
            end_date: At::maybe(dag.end_date),
            is_paused_upon_creation: dag.is_paused_upon_creation,
            params: params(&dag.params, None),
            render_template_as_native_obj: dag.render_template_as_native_obj,
            template_search_path: None,
            timezone: dag.timezone.clone(),
            last_parsed: At(row.parsed_at),
            default_args: Map::new(),
            rerun_with_latest_version: None,
            owner_links: Map::new(),
            is_favorite: false,
            active_runs_count,
            concurrency: dag.max_active_tasks,
            latest_dag_version: VersionShape::of(version, dag.display_name()),
        }
    }
}

/// Airflow's map of params: `{"x": {"value", "schema", "description", "source"}}`.
pub(crate) fn params(params: &Params, source: Option<&str>) -> Map<String, Value> {
    let of = |(name, schema): (&String, &Value)| {
        let about = json!({
            "value": params.defaults.get(name),
            "schema": schema,
            "description": schema.get("description"),
            "source": source,
        });
        (name.clone(), about)
    };
    params.properties.iter().map(of).collect()
}

/// ISO 8601: `PT90S`.
pub(crate) fn duration_text(secs: f64) -> String {
    format!("PT{secs}S")
}
