//! The table of routes: method, path, the action that it is, its handler.
//!
//! A route cannot be added without naming its action; those that need no credentials are checked
//! against the list in `access`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};

use crate::access::{Action, PUBLIC};
use crate::app::App;
use crate::{login, v1, v2, wire};

/// The methods of each path, each with its action; none for public routes.
type Table = HashMap<&'static str, Vec<(Method, Option<Action>)>>;

/// Routes in the making.
pub(crate) struct Routes {
    router: Router<App>,
    rights: Table,
}

/// Which action each route is.
#[derive(Clone)]
pub(crate) struct Rights(Arc<Table>);

impl Rights {
    /// What a route does; none for routes that are not in the table.
    pub(crate) fn action(&self, method: &Method, route: &str) -> Option<Action> {
        let (_, action) = self.0.get(route)?.iter().find(|(known, _)| known == method)?;
        *action
    }

    /// Whether a path is in the table, whatever the method.
    pub(crate) fn knows(&self, route: &str) -> bool {
        self.0.contains_key(route)
    }

    /// Every route.
    #[cfg(test)]
    pub(crate) fn routes(&self) -> Vec<(Method, &'static str, Option<Action>)> {
        let all = self.0.iter().flat_map(|(path, methods)| {
            methods.iter().map(|(method, action)| (method.clone(), *path, *action))
        });
        all.collect()
    }
}

macro_rules! verb {
    ($($(#[$doc:meta])* $name:ident $filter:ident;)+) => {
        $(
            $(#[$doc])*
            pub(crate) fn $name<H, T>(
                self,
                path: &'static str,
                action: Action,
                handler: H,
            ) -> Self
            where
                H: Handler<T, App>,
                T: 'static,
            {
                self.add(Method::$filter, MethodFilter::$filter, path, Some(action), handler)
            }
        )+
    };
}

impl Routes {
    fn new() -> Self {
        Self { router: Router::new(), rights: HashMap::new() }
    }

    verb! {
        /// A GET route.
        get GET;
        /// A POST route.
        post POST;
        /// A PUT route.
        put PUT;
        /// A PATCH route.
        patch PATCH;
        /// A DELETE route.
        delete DELETE;
    }

    /// A route without credentials; it must be in [`PUBLIC`].
    pub(crate) fn public<H, T>(self, method: MethodFilter, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let name = if method == MethodFilter::GET { Method::GET } else { Method::POST };
        assert!(
            PUBLIC.contains(&(name.as_str(), path)),
            "{path} is not in the list of public routes"
        );
        self.add(name, method, path, None, handler)
    }

    fn add<H, T>(
        mut self,
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        action: Option<Action>,
        handler: H,
    ) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.rights.entry(path).or_default().push((method, action));
        self.router = self.router.route(path, on(filter, handler));
        self
    }

    /// The router, and the rights that the guard checks.
    pub(crate) fn finish(self) -> (Router<App>, Rights) {
        (self.router, Rights(Arc::new(self.rights)))
    }
}

/// Every route.
pub(crate) fn all() -> Routes {
    let routes = login::routes(Routes::new());
    let routes = v2::routes(routes);
    let routes = v1::routes(routes);
    wire::routes(routes)
}
