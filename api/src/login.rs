//! `/auth/token`: a name and a password for a token (Airflow: the simple auth manager's routes).
//!
//! Owns the brake on guessing. Passwords are compared by the store.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::MethodFilter;
use jiff::{SignedDuration, Timestamp};
use millrace_store::api_token::{self, NewToken, TokenKind};
use millrace_store::user;
use serde::Serialize;

use crate::app::App;
use crate::body::Body;
use crate::problem::Problem;
use crate::routes::Routes;

/// How long a login lasts (Airflow: 24 h).
const LOGIN: SignedDuration = SignedDuration::from_hours(24);
/// How long a login for the command line lasts (Airflow: 1 h).
const LOGIN_CLI: SignedDuration = SignedDuration::from_hours(1);
/// Wrong passwords for one name before it must wait.
const FAILURES_MAX: u32 = 10;
/// How long a name waits, and after how long its failures are forgotten.
const PENALTY: SignedDuration = SignedDuration::from_mins(5);
/// Names remembered at most.
const NAMES_MAX: usize = 10_000;

#[derive(Debug, Serialize)]
struct Token {
    access_token: String,
}

pub(crate) fn routes(routes: Routes) -> Routes {
    routes.public(MethodFilter::POST, "/auth/token", token).public(
        MethodFilter::POST,
        "/auth/token/cli",
        token_cli,
    )
}

async fn token(State(app): State<App>, body: Body) -> Result<(StatusCode, Json<Token>), Problem> {
    log_in(&app, body, LOGIN).await
}

async fn token_cli(
    State(app): State<App>,
    body: Body,
) -> Result<(StatusCode, Json<Token>), Problem> {
    log_in(&app, body, LOGIN_CLI).await
}

async fn log_in(
    app: &App,
    mut body: Body,
    lasts: SignedDuration,
) -> Result<(StatusCode, Json<Token>), Problem> {
    let name: String = body.required("username");
    let password: String = body.required("password");
    body.close()?;
    let now = app.now();
    app.brake.allow(&name, now)?;
    let found = user::verify(app.store(), &name, &password).await?;
    app.brake.note(&name, found.is_some(), now);
    let Some(user) = found else {
        tracing::info!("a login with a wrong name or password");
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "Invalid credentials"));
    };
    let new = NewToken {
        kind: TokenKind::Session,
        name: "login",
        role: &user.role,
        user_name: Some(&user.name),
        expires_at: Some(now.checked_add(lasts).unwrap_or(Timestamp::MAX)),
    };
    let (_, text) = api_token::create(app.store(), &new, now).await?;
    Ok((StatusCode::CREATED, Json(Token { access_token: text.reveal().to_owned() })))
}

/// Wrong passwords by name.
#[derive(Debug, Default)]
pub(crate) struct Brake {
    failures: Mutex<HashMap<String, (u32, Timestamp)>>,
}

impl Brake {
    fn allow(&self, name: &str, now: Timestamp) -> Result<(), Problem> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match failures.get(name) {
            Some((count, last))
                if *count >= FAILURES_MAX && now.duration_since(*last) < PENALTY =>
            {
                let text = "too many wrong passwords for this name; try again in five minutes";
                Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, text))
            }
            _ => Ok(()),
        }
    }

    fn note(&self, name: &str, is_right: bool, now: Timestamp) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if is_right {
            failures.remove(name);
            return;
        }
        if failures.len() >= NAMES_MAX {
            failures.retain(|_, (_, last)| now.duration_since(*last) < PENALTY);
        }
        if failures.len() < NAMES_MAX {
            let entry = failures.entry(name.chars().take(250).collect()).or_insert((0, now));
            let is_old = now.duration_since(entry.1) >= PENALTY;
            *entry = (if is_old { 1 } else { entry.0 + 1 }, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_core::time::from_micros;

    #[test]
    fn guessing_is_braked_by_name() {
        let brake = Brake::default();
        let at = |secs: i64| from_micros(secs * 1_000_000);
        for _ in 0..FAILURES_MAX {
            assert!(brake.allow("ana", at(0)).is_ok());
            brake.note("ana", false, at(0));
        }
        assert!(brake.allow("ana", at(1)).is_err());
        assert!(brake.allow("bo", at(1)).is_ok());
        assert!(brake.allow("ana", at(301)).is_ok());
        brake.note("ana", true, at(301));
        brake.note("ana", false, at(302));
        assert!(brake.allow("ana", at(302)).is_ok());
    }
}
