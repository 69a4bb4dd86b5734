//! Who the caller is.

use axum::Json;
use serde::Serialize;

use crate::access::{Action, Caller};
use crate::routes::Routes;

#[derive(Debug, Serialize)]
struct WhoAmI {
    name: String,
    role: &'static str,
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/api/v1/whoami", Action::SelfRead, whoami)
}

async fn whoami(caller: Caller) -> Json<WhoAmI> {
    Json(WhoAmI { name: caller.name, role: caller.role.as_str() })
}
