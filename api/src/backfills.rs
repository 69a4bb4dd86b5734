//! Backfills as both APIs read them: the body of a request, and the plan that it leads to.
//!
//! What a backfill may be is decided by `millrace_core::backfill`; the scheduler checks it again.

use jiff::Timestamp;
use millrace_core::backfill::{BackfillPlan, MAX_ACTIVE_RUNS, PlanError, Wanted, dates, plan};
use millrace_core::engine::NewBackfill;
use millrace_core::ids::DagId;
use millrace_core::record::DagRow;
use millrace_core::state::ReprocessBehavior;
use millrace_store::backfill;
use serde_json::{Map, Value};

use crate::app::App;
use crate::body::{Body, instant};
use crate::path::shown;
use crate::problem::{Invalid, Problem};

/// Reads a request for a backfill (Airflow: `BackfillPostBody`, and `stop_after_failures`).
pub(crate) fn read(app: &App, mut body: Body, actor: &str) -> Result<NewBackfill, Problem> {
    let dag_id: String = body.required("dag_id");
    let from_date = date(app, &mut body, "from_date");
    let to_date = date(app, &mut body, "to_date");
    let behavior: Option<String> = body.optional("reprocess_behavior");
    let behavior = behavior.map_or(Some(ReprocessBehavior::None), |word| {
        let found = ReprocessBehavior::from_word(&word);
        if found.is_none() {
            let text = "Input should be 'failed', 'completed' or 'none'";
            body.complain("enum", "reprocess_behavior", text, Value::from(shown(&word)));
        }
        found
    });
    let run_backwards = body.optional("run_backwards").unwrap_or(false);
    let max_active_runs = count(&mut body, "max_active_runs", MAX_ACTIVE_RUNS);
    let stop_after_failures = count(&mut body, "stop_after_failures", 0);
    let run_on_latest_version = body.optional("run_on_latest_version").unwrap_or(true);
    let conf: Option<Map<String, Value>> = body.optional("dag_run_conf");
    body.close()?;
    let missing = || Problem::not_found(format!("Could not find dag {}", shown(&dag_id)));
    let (Some(from_date), Some(to_date), Some(reprocess_behavior)) = (from_date, to_date, behavior)
    else {
        return Err(Problem::defect());
    };
    Ok(NewBackfill {
        dag_id: DagId::new(&dag_id).map_err(|_| missing())?,
        from_date,
        to_date,
        run_backwards,
        reprocess_behavior,
        max_active_runs,
        stop_after_failures,
        run_on_latest_version,
        conf: conf.filter(|conf| !conf.is_empty()),
        actor: Some(actor.to_owned()),
    })
}

/// An instant, or a date and time of the installation's zone (Airflow: without an offset too).
fn date(app: &App, body: &mut Body, name: &str) -> Option<Timestamp> {
    let text: String = body.required(name);
    let civil = || {
        let civil = text
            .parse::<jiff::civil::DateTime>()
            .or_else(|_| text.parse::<jiff::civil::Date>().map(|day| day.at(0, 0, 0, 0)));
        let zone = app.api.zones.zone(&app.api.default_timezone).ok()?;
        Some(millrace_core::time::truncate(zone.to_timestamp(civil.ok()?).ok()?))
    };
    let found = instant(&text).or_else(civil);
    if found.is_none() && !text.is_empty() {
        let wanted = "Input should be a valid datetime";
        body.complain("datetime_from_date_parsing", name, wanted, Value::from(shown(&text)));
    }
    found
}

fn count(body: &mut Body, name: &str, default: u32) -> u32 {
    let Some(value) = body.optional::<i64>(name) else { return default };
    u32::try_from(value).unwrap_or_else(|_| {
        let text = "Input should be greater than or equal to 0";
        body.complain("greater_than_equal", name, text, value.into());
        default
    })
}

/// What a backfill would do now.
pub(crate) async fn planned(
    app: &App,
    new: &NewBackfill,
) -> Result<(DagRow, BackfillPlan), Problem> {
    let row = millrace_store::dag::get(app.store(), new.dag_id.as_str()).await?;
    let row =
        row.ok_or_else(|| Problem::not_found(format!("Could not find dag {}", new.dag_id)))?;
    let version = app.version(row.version).await?;
    let wanted = Wanted {
        from_date: new.from_date,
        to_date: new.to_date,
        run_backwards: new.run_backwards,
        reprocess_behavior: new.reprocess_behavior,
        max_active_runs: new.max_active_runs,
        conf: new.conf.as_ref(),
    };
    let dates = dates(version.dag(app)?, &wanted, app.now()).map_err(refused)?;
    let days: Vec<Timestamp> = dates.iter().map(|run| run.logical_date).collect();
    let dag_id = row.dag_id.as_str();
    let existing = backfill::states(app.store(), dag_id, &days).await?;
    let durations = backfill::durations(app.store(), dag_id).await?;
    Ok((row, plan(dates, &existing, &wanted, &durations)))
}

fn refused(error: PlanError) -> Problem {
    match error {
        PlanError::NotAllowed(what) => Problem::bad_request(what),
        PlanError::Invalid(problems) => {
            let of = |(field, msg): (String, String)| Invalid {
                kind: "value_error",
                loc: std::iter::once("body").chain(field.split('.')).map(Value::from).collect(),
                msg,
                input: Value::Null,
            };
            Problem::invalid(problems.into_iter().map(of).collect())
        }
    }
}
