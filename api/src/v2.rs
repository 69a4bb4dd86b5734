//! `/api/v2`: Airflow's REST API, in its shapes and with its status codes, so that its client and
//! people's scripts work. One file a resource.

mod asset_events;
mod asset_queues;
mod assets;
mod backfills;
mod clear;
mod connections;
mod dag_runs;
mod dag_sources;
mod dags;
mod events;
mod hitl_details;
mod import_errors;
mod logs;
mod monitor;
mod pools;
mod run_change;
mod runs_of;
mod statistics;
mod system;
mod task_instances;
mod tasks;
mod ti_change;
mod tis_of;
mod tries;
mod trigger;
mod variables;
mod wait;
mod xcom;

pub(crate) use dags::broken_files;
pub(crate) use tis_of::find as find_ti;

use crate::routes::Routes;

pub(crate) fn routes(routes: Routes) -> Routes {
    let routes = monitor::routes(routes);
    let routes = system::routes(routes);
    let routes = dags::routes(routes);
    let routes = dag_sources::routes(routes);
    let routes = statistics::routes(routes);
    let routes = tasks::routes(routes);
    let routes = trigger::routes(routes);
    let routes = dag_runs::routes(routes);
    let routes = run_change::routes(routes);
    let routes = wait::routes(routes);
    let routes = backfills::routes(routes);
    let routes = task_instances::routes(routes);
    let routes = ti_change::routes(routes);
    let routes = clear::routes(routes);
    let routes = tries::routes(routes);
    let routes = hitl_details::routes(routes);
    let routes = logs::routes(routes);
    let routes = xcom::routes(routes);
    let routes = pools::routes(routes);
    let routes = variables::routes(routes);
    let routes = connections::routes(routes);
    let routes = import_errors::routes(routes);
    let routes = assets::routes(routes);
    let routes = asset_events::routes(routes);
    let routes = asset_queues::routes(routes);
    events::routes(routes)
}
