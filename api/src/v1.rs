//! `/api/v1`: our own routes, made for the dashboard: one request a screen, and live events.

mod assets;
mod backfills;
mod dags;
mod events;
mod explain;
mod graph;
mod grid;
mod log;
mod params;
mod rendered;
mod whoami;

pub(crate) use explain::explanation;

use crate::routes::Routes;

pub(crate) fn routes(routes: Routes) -> Routes {
    let routes = dags::routes(routes);
    let routes = grid::routes(routes);
    let routes = backfills::routes(routes);
    let routes = graph::routes(routes);
    let routes = params::routes(routes);
    let routes = explain::routes(routes);
    let routes = rendered::routes(routes);
    let routes = log::routes(routes);
    let routes = events::routes(routes);
    let routes = assets::routes(routes);
    whoami::routes(routes)
}
