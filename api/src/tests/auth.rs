//! Every route without credentials, with wrong ones, and with those of each role.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use super::harness::Server;
use crate::access::{Action, PUBLIC, Role};

/// A path with the variable parts filled in.
fn filled(route: &str) -> String {
    let mut path = String::new();
    for step in route.split('/').skip(1) {
        let step = if step.starts_with('{') { "1" } else { step };
        path = format!("{path}/{step}");
    }
    path
}

fn routes() -> Vec<(Method, &'static str, Option<Action>)> {
    crate::routes::all().finish().1.routes()
}

#[tokio::test]
async fn every_route_refuses_strangers() {
    let server = Server::leaderless().await;
    let routes = routes();
    assert!(routes.len() > 70, "{} routes", routes.len());
    for (method, route, action) in &routes {
        let is_public = PUBLIC.contains(&(method.as_str(), *route));
        assert_eq!(is_public, action.is_none(), "{method} {route}");
        if is_public {
            continue;
        }
        let path = filled(route);
        let got = server.call_as("", method.clone(), &path, &json!({})).await;
        assert_eq!(got.status, 401, "{method} {route}");
        assert_eq!(got.json(), json!({"detail": "Not authenticated"}));
        let got = server.call_as("nothing", method.clone(), &path, &json!({})).await;
        assert_eq!(got.status, 403, "{method} {route}");
        assert_eq!(got.json(), json!({"detail": "Invalid JWT token"}));
    }
}

#[tokio::test]
async fn no_way_of_writing_a_path_gets_around_the_guard() {
    let server = Server::leaderless().await;
    let tricks = [
        "/health",
        "/ready",
        "/configs",
        "/version",
        "/login",
        ";x",
        ";/health",
        "%2e",
        "/.",
        "//",
        "/",
        ".json",
        "/monitor/health",
        "%00",
        "?token=x",
        "/assets/index.js",
        "#x",
    ];
    for (method, route, action) in routes() {
        if action.is_none() {
            continue;
        }
        let path = filled(route);
        let mut paths: Vec<String> = tricks.iter().map(|trick| format!("{path}{trick}")).collect();
        paths.push(path.to_uppercase());
        paths.push(format!("/{path}"));
        paths.push(path.replacen("/api", "/%61pi", 1));
        paths.push(path.replacen("/api/", "/api//", 1));
        paths.push(path.replacen("/worker", "/Worker", 1));
        paths.push(format!("/api/v2/version/..{path}"));
        for path in paths {
            let Ok(uri) = path.parse::<axum::http::Uri>() else { continue };
            let request = Request::builder().method(method.clone()).uri(uri);
            let got = server.send(request.body(Body::empty()).expect("a request")).await;
            assert!([401, 404].contains(&got.status.as_u16()), "{method} {path}: {}", got.status);
        }
    }
}

#[tokio::test]
async fn only_bearer_tokens_in_the_header_count() {
    let server = Server::leaderless().await;
    let check = async |value: &str, expected: u16| {
        let request = Request::builder().uri("/api/v2/dags").header("authorization", value);
        let got = server.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(got.status.as_u16(), expected, "{value}");
    };
    check(&format!("Bearer {}", server.admin), 200).await;
    check(&format!("bearer {}", server.admin), 200).await;
    check(&format!("Basic {}", server.admin), 401).await;
    check("Bearer", 401).await;
    check("Bearer  ", 401).await;
    check("Bearer nothing", 403).await;
    let path = format!("/api/v2/dags?token={}&access_token={}", server.admin, server.admin);
    server.call_as("", Method::GET, &path, &Value::Null).await.expect(401);
}

#[tokio::test]
async fn each_role_may_what_the_table_says() {
    let server = Server::leaderless().await;
    let roles = [Role::Viewer, Role::Operator, Role::Editor, Role::Admin, Role::Worker];
    for role in roles {
        let token = server.token(role.as_str()).await;
        for (method, route, action) in routes() {
            let Some(action) = action else { continue };
            if route == "/api/v1/events" || route.ends_with("/wait") {
                continue;
            }
            let got = server.call_as(&token, method.clone(), &filled(route), &json!({})).await;
            let is_forbidden = got.status == 403 && got.text.contains("\"Forbidden\"");
            assert_eq!(is_forbidden, !role.may(action), "{role:?} {method} {route}: {}", got.text);
        }
    }
}

#[tokio::test]
async fn a_login_gives_a_token_that_ends() {
    let server = Server::leaderless().await;
    let now = crate::app::Clock::now(&*server.clock);
    millrace_store::user::create(&server.store, "ana", "correct horse", "operator", now)
        .await
        .expect("a user");
    let check = async |body: Value, status: u16| {
        server.call_as("", Method::POST, "/auth/token", &body).await.expect(status)
    };
    let wrong = check(json!({"username": "ana", "password": "nope"}), 401).await;
    assert_eq!(wrong, json!({"detail": "Invalid credentials"}));
    check(json!({"username": "nobody", "password": "nope"}), 401).await;
    check(json!({"username": "ana"}), 422).await;
    check(json!({"username": "ana", "password": "x", "role": "admin"}), 422).await;
    let right = check(json!({"username": "ana", "password": "correct horse"}), 201).await;
    let token = right["access_token"].as_str().expect("a token").to_owned();
    let whoami = server.call_as(&token, Method::GET, "/api/v1/whoami", &Value::Null).await;
    assert_eq!(whoami.expect(200), json!({"name": "ana", "role": "operator"}));
    millrace_store::user::set_role(&server.store, "ana", "operator", true).await.expect("sets");
    server.call_as(&token, Method::GET, "/api/v1/whoami", &Value::Null).await.expect(403);
    millrace_store::user::set_role(&server.store, "ana", "viewer", false).await.expect("sets");
    let whoami = server.call_as(&token, Method::GET, "/api/v1/whoami", &Value::Null).await;
    assert_eq!(whoami.expect(200)["role"], "viewer", "the role of today counts");
    server.clock.forward(25 * 3600);
    server.call_as(&token, Method::GET, "/api/v1/whoami", &Value::Null).await.expect(403);
}

#[tokio::test]
async fn answers_carry_security_headers_and_an_id() {
    let server = Server::leaderless().await;
    for path in ["/", "/api/v2/version", "/api/v2/dags", "/api/nothing", "/dags/x"] {
        let got = server.call_as("", Method::GET, path, &Value::Null).await;
        let check = |name: &str, part: &str| {
            let value = got.headers.get(name).map(|value| value.to_str().expect("text"));
            let value = value.unwrap_or_else(|| panic!("{path} has no {name}"));
            assert!(value.contains(part), "{path} {name}: {value}");
        };
        check("content-security-policy", "frame-ancestors 'none'");
        check("content-security-policy", "script-src 'self';");
        check("x-content-type-options", "nosniff");
        check("referrer-policy", "no-referrer");
        check("cross-origin-opener-policy", "same-origin");
        check("x-request-id", "-");
        check("cache-control", if path.starts_with("/api") { "no-store" } else { "no-" });
    }
}
