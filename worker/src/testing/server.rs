//! A small HTTP server that answers by path and remembers what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::authority::Authority;

/// See the module.
pub(crate) struct Server {
    pub(crate) base: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves `answers`: path, status line, body. A path that is not there is a 404; a status of
    /// `hang` never answers.
    pub(crate) async fn start(answers: &[(&str, &str, &str)]) -> Self {
        Self::start_with(answers, None).await
    }

    /// The same over TLS, with a certificate of the authority.
    pub(crate) async fn start_tls(answers: &[(&str, &str, &str)], authority: &Authority) -> Self {
        Self::start_with(answers, Some(authority.acceptor())).await
    }

    async fn start_with(
        answers: &[(&str, &str, &str)],
        acceptor: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let base = format!("{scheme}://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answers: Vec<[String; 3]> =
            answers.iter().map(|(p, s, b)| [p, s, b].map(|text| (*text).to_owned())).collect();
        let (heard, answers) = (Arc::clone(&requests), Arc::new(answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, heard) = (Arc::clone(&answers), Arc::clone(&heard));
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, answers, heard).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, answers, heard).await;
                            }
                        }
                    }
                });
            }
        });
        Self { base, requests }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no test panics with the lock").clone()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: Arc<Vec<[String; 3]>>,
    heard: Arc<Mutex<Vec<String>>>,
) {
    let mut request = String::new();
    let mut buffer = [0; 4096];
    loop {
        let size = stream.read(&mut buffer).await.unwrap_or(0);
        request.push_str(&String::from_utf8_lossy(&buffer[..size]));
        let Some((head, body)) = request.split_once("\r\n\r\n") else {
            if size == 0 {
                return;
            }
            continue;
        };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    heard.lock().expect("no test panics with the lock").push(request);
    let found = answers.iter().find(|answer| path.split('?').next() == Some(answer[0].as_str()));
    let (status, body) =
        found.map_or(("404 Not Found", ""), |answer| (answer[1].as_str(), answer[2].as_str()));
    if status == "hang" {
        std::future::pending::<()>().await;
    }
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    drop(stream.write_all(answer.as_bytes()).await);
    drop(stream.shutdown().await);
}
