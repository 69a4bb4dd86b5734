//! The one door: every request passes here before its handler, and is refused unless its matched
//! route is public or its token may do what the route does.

use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use millrace_store::api_token::{self, TokenKind};

use crate::access::{BearerToken, Caller, PUBLIC, Role};
use crate::app::App;
use crate::problem::Problem;
use crate::routes::Rights;

/// What the guard knows.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) app: App,
    pub(crate) rights: Rights,
}

/// Lets a request through, or answers it.
pub(crate) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match guard.check(&parts).await {
        Ok(caller) => {
            if let Some(caller) = caller {
                parts.extensions.insert(caller);
            }
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

impl Guard {
    async fn check(&self, parts: &Parts) -> Result<Option<Caller>, Problem> {
        let method = effective_method(&parts.method);
        let Some(route) = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str) else {
            // No route: a page of the dashboard, or a miss that only callers may learn about.
            if crate::ui::is_page(parts.uri.path()) {
                return Ok(None);
            }
            return self.caller(&parts.headers).await.map(Some);
        };
        if PUBLIC.contains(&(method.as_str(), route)) {
            return Ok(None);
        }
        let caller = self.caller(&parts.headers).await?;
        match self.rights.action(&method, route) {
            Some(action) if caller.role.may(action) => Ok(Some(caller)),
            // The path is known, the method is not: the router answers 405.
            None if self.rights.knows(route) => Ok(Some(caller)),
            Some(_) | None => Err(Problem::forbidden()),
        }
    }

    async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let text = bearer(headers).ok_or_else(Problem::unauthenticated)?;
        verify(&self.app, text).await?.ok_or_else(Problem::unknown_token)
    }
}

/// Whom a token belongs to today; none when it is unknown, ended or revoked.
pub(crate) async fn verify(app: &App, text: &str) -> Result<Option<Caller>, Problem> {
    let Some(token) = api_token::verify(app.store(), text, app.now()).await? else {
        return Ok(None);
    };
    let role = match token.kind {
        TokenKind::Worker => Some(Role::Worker),
        // A worker's role on another kind of token gives nothing.
        _ => Role::from_word(&token.role).filter(|role| *role != Role::Worker),
    };
    let Some(role) = role else { return Ok(None) };
    let name = token.user_name.unwrap_or(token.name);
    Ok(Some(Caller { name, role, token: BearerToken(text.to_owned()) }))
}

/// A HEAD needs the right of its GET.
fn effective_method(method: &Method) -> Method {
    if method == Method::HEAD { Method::GET } else { method.clone() }
}

/// The token of `Authorization: Bearer …`; nothing for other schemes and empty tokens.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_one_bearer_token_counts() {
        let check = |values: &[&'static str], expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            assert_eq!(bearer(&headers), expected, "{values:?}");
        };
        check(&[], None);
        check(&["Bearer abc"], Some("abc"));
        check(&["bearer abc"], Some("abc"));
        check(&["Bearer "], None);
        check(&["Bearer"], None);
        check(&["Basic abc"], None);
        check(&["Bearer a", "Bearer b"], None);
    }
}
