//! The worker's end of the protocol over HTTP: each call is a POST of its JSON to
//! `{base}/worker/v1/{call}`, with the worker's token.
//!
//! Says what the transport is and nothing of what the calls mean. Whatever is no answer of the
//! scheduler (no connection, a proxy's page, a broken body) becomes `Unavailable`: try again.

use std::time::Duration;

use millrace_core::wire::{
    Answer, AppendLog, Claim, Finish, Finished, Found, LogAppended, LookUp, ProtocolError,
    Register, Registered, Renew, Renewed, Work, WorkerProtocol,
};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The path below the server's address.
const PREFIX: &str = "worker/v1";

/// The limit of a call that the scheduler answers at once.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// How much longer than its own waiting time a claim may take.
const CLAIM_EXTRA: Duration = Duration::from_secs(10);

/// Why no link could be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpLinkError {
    /// The address is not one.
    #[error("\"{base}\" is no address of a Millrace server; write http://host:port")]
    Base {
        /// The address.
        base: String,
    },
    /// The token cannot be sent.
    #[error("the worker's token has characters that cannot be sent; copy it again")]
    Token,
    /// The HTTP client could not be made.
    #[error("no HTTP client: {0}")]
    Client(#[source] reqwest::Error),
}

/// The scheduler behind an HTTP address.
pub struct HttpLink {
    base: String,
    client: reqwest::Client,
}

impl std::fmt::Debug for HttpLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpLink").field("base", &self.base).finish_non_exhaustive()
    }
}

impl HttpLink {
    /// A link to the server at `base` (`https://millrace.example`), with a worker's token.
    ///
    /// # Errors
    /// See [`HttpLinkError`]. The server is not called yet.
    pub fn new(base: &str, token: &str) -> Result<Self, HttpLinkError> {
        install_crypto();
        let base = base.trim_end_matches('/').to_owned();
        let is_http = reqwest::Url::parse(&base)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !is_http {
            return Err(HttpLinkError::Base { base });
        }
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| HttpLinkError::Token)?;
        bearer.set_sensitive(true);
        let client = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            .build()
            .map_err(HttpLinkError::Client)?;
        Ok(Self { base, client })
    }

    async fn call<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        name: &str,
        request: &Q,
        limit: Duration,
    ) -> Result<A, ProtocolError> {
        let url = format!("{}/{PREFIX}/{name}", self.base);
        let sent = self.client.post(url).timeout(limit).json(request).send().await;
        let response = sent.map_err(|error| unavailable(&error))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| unavailable(&error))?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| ProtocolError::Unavailable {
                reason: format!("the answer to {name} is not understood: {error}"),
            });
        }
        Err(serde_json::from_slice(&body).unwrap_or_else(|_| of_status(name, status)))
    }
}

/// The cryptography of every TLS connection in the process; two providers would be refused.
pub(crate) fn install_crypto() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("the TLS provider was installed before");
        }
    });
}

fn unavailable(error: &reqwest::Error) -> ProtocolError {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason = cause.to_string();
        source = cause.source();
    }
    ProtocolError::Unavailable { reason }
}

/// What an answer without a `ProtocolError` means: a wrong token does not become right by trying.
fn of_status(name: &str, status: reqwest::StatusCode) -> ProtocolError {
    match status.as_u16() {
        401 | 403 => ProtocolError::Invalid {
            reason: format!("{name}: the server does not accept the worker's token ({status})"),
        },
        404 | 405 => ProtocolError::Invalid {
            reason: format!("{name}: there is no Millrace server at this address ({status})"),
        },
        _ => ProtocolError::Unavailable { reason: format!("{name}: the server answers {status}") },
    }
}

macro_rules! calls {
    ($($call:ident($request:ty) -> $answer:ty, $limit:expr;)+) => {
        impl WorkerProtocol for HttpLink {
            $(fn $call(&self, request: $request) -> Answer<'_, $answer> {
                Box::pin(async move {
                    let limit: fn(&$request) -> Duration = $limit;
                    self.call(stringify!($call), &request, limit(&request)).await
                })
            })+
        }
    };
}

calls! {
    register(Register) -> Registered, |_| CALL_LIMIT;
    claim(Claim) -> Vec<Work>, |claim| Duration::from_millis(claim.wait_ms) + CLAIM_EXTRA;
    renew(Renew) -> Renewed, |_| Duration::from_secs(10);
    finish(Finish) -> Finished, |_| CALL_LIMIT;
    look_up(LookUp) -> Found, |_| CALL_LIMIT;
    append_log(AppendLog) -> LogAppended, |_| CALL_LIMIT;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::testing::key;

    /// A server that gives one answer to everything and hands the request back.
    async fn serve(status: &str, body: &str) -> (HttpLink, tokio::task::JoinHandle<String>) {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}/", listener.local_addr().expect("an address"));
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a call");
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut buffer = [0; 4096];
                let size = stream.read(&mut buffer).await.expect("a request");
                request.extend_from_slice(&buffer[..size]);
            }
            stream.write_all(answer.as_bytes()).await.expect("an answer");
            String::from_utf8_lossy(&request).into_owned()
        });
        (HttpLink::new(&base, "t0ken").expect("a link"), served)
    }

    fn renew() -> Renew {
        Renew { worker: "w1".to_owned(), incarnation: 7, running: vec![key(3)] }
    }

    #[tokio::test]
    async fn calls_and_answers_are_json() {
        let kill = r#"{"kill":[{"key":{"ti":3,"try_number":1,"epoch":1},"reason":"r"}]}"#;
        let (link, served) = serve("200 OK", kill).await;
        let renewed = link.renew(renew()).await.expect("an answer");
        assert_eq!(renewed.kill[0].key, key(3));
        let request = served.await.expect("served");
        assert!(request.starts_with("POST /worker/v1/renew HTTP/1.1"), "{request}");
        assert!(request.contains("authorization: Bearer t0ken"), "{request}");
        assert!(request.contains(r#""running":[{"ti":3,"try_number":1,"epoch":1}]"#), "{request}");
        assert!(!format!("{link:?}").contains("t0ken"));
    }

    #[tokio::test]
    async fn errors_are_told_apart() {
        let check = async |status: &str, body: &str, expected: &str| {
            let (link, _served) = serve(status, body).await;
            let error = link.renew(renew()).await.expect_err("no renewal");
            assert_eq!(error.to_string(), expected);
        };
        check(
            "409 Conflict",
            r#"{"code":"not_registered","worker":"w1"}"#,
            "worker w1 is not registered; register again",
        )
        .await;
        check(
            "401 Unauthorized",
            "no",
            "renew: the server does not accept the worker's token (401 Unauthorized)",
        )
        .await;
        check(
            "502 Bad Gateway",
            "no",
            "the scheduler is not available: renew: the server answers 502 Bad Gateway; try again",
        )
        .await;
        let link = HttpLink::new("http://127.0.0.1:9", "t").expect("a link");
        let error = link.renew(renew()).await.expect_err("nobody listens");
        assert!(matches!(error, ProtocolError::Unavailable { .. }), "{error}");
        assert!(HttpLink::new("ftp://x", "t").is_err());
    }
}
