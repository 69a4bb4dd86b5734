//! The worker protocol's routes: the token, the absence of a scheduler, errors as JSON.

use axum::http::Method;
use millrace_core::wire::ProtocolError;
use serde_json::json;

use super::harness::Server;

#[tokio::test]
async fn only_workers_speak_it_and_only_to_a_scheduler() {
    let server = Server::leaderless().await;
    let worker = server.token("worker").await;
    let call = async |token: &str, name: &str, body: serde_json::Value| {
        server.call_as(token, Method::POST, &format!("/worker/v1/{name}"), &body).await
    };
    let renew = json!({"worker": "w", "incarnation": 1, "running": []});
    call(&server.admin, "renew", renew.clone()).await.expect(403);
    call("", "renew", renew.clone()).await.expect(401);
    let claim = json!({"worker": "w", "incarnation": 1, "free_slots": 1, "wait_ms": 1});
    let got = call(&worker, "claim", claim).await.expect(503);
    let error: ProtocolError = serde_json::from_value(got).expect("a protocol error");
    assert!(matches!(error, ProtocolError::Unavailable { .. }), "{error:?}");
    let got = call(&worker, "claim", json!({"worker": 7})).await.expect(400);
    let error: ProtocolError = serde_json::from_value(got).expect("a protocol error");
    assert!(matches!(error, ProtocolError::Invalid { .. }), "{error:?}");
}
