//! A small SMTP server that takes messages and remembers them.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What a server does.
#[derive(Clone, Default)]
pub(crate) struct Mood {
    /// What STARTTLS gives; without it the word is not offered.
    pub(crate) starttls: Option<TlsAcceptor>,
    /// Encrypted from the first byte.
    pub(crate) wrapped: Option<TlsAcceptor>,
    /// Only with this login and password (as `AUTH PLAIN` spells them in base64).
    pub(crate) login: Option<&'static str>,
    /// So many messages are put off with 451 before one is taken.
    pub(crate) put_off: usize,
    /// Answers nothing at all.
    pub(crate) silent: bool,
}

/// One message that was taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mail {
    pub(crate) recipients: Vec<String>,
    pub(crate) text: String,
    pub(crate) encrypted: bool,
}

/// See the module.
pub(crate) struct MailServer {
    pub(crate) port: u16,
    taken: Arc<Mutex<Vec<Mail>>>,
}

struct State {
    mood: Mood,
    put_off: Mutex<usize>,
    taken: Arc<Mutex<Vec<Mail>>>,
}

impl MailServer {
    pub(crate) async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let put_off = Mutex::new(mood.put_off);
        let state = Arc::new(State { mood, put_off, taken: Arc::clone(&taken) });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&state)));
            }
        });
        Self { port, taken }
    }

    pub(crate) fn taken(&self) -> Vec<Mail> {
        self.taken.lock().expect("no test panics with the lock").clone()
    }
}

async fn serve(stream: tokio::net::TcpStream, state: Arc<State>) {
    if let Some(acceptor) = &state.mood.wrapped {
        if let Ok(stream) = acceptor.accept(stream).await {
            talk(BufStream::new(stream), &state, true, true).await;
        }
        return;
    }
    let Some(stream) = talk(BufStream::new(stream), &state, false, true).await else { return };
    let Some(acceptor) = &state.mood.starttls else { return };
    if let Ok(stream) = acceptor.accept(stream.into_inner()).await {
        talk(BufStream::new(stream), &state, true, false).await;
    }
}

/// Talks until the client leaves; gives the stream back for an upgrade.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufStream<S>,
    state: &State,
    encrypted: bool,
    greets: bool,
) -> Option<BufStream<S>> {
    if state.mood.silent {
        std::future::pending::<()>().await;
    }
    if greets {
        say(&mut stream, "220 test").await?;
    }
    let mut mail = Mail { encrypted, ..Mail::default() };
    let mut is_known = state.mood.login.is_none();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|size| *size > 0)?;
        let word = line.trim_end().to_owned();
        let answer = match word.split(' ').next().unwrap_or_default().to_ascii_uppercase().as_str()
        {
            "EHLO" if state.mood.starttls.is_some() && !encrypted => {
                "250-test\r\n250-STARTTLS\r\n250 AUTH PLAIN"
            }
            "EHLO" => "250-test\r\n250 AUTH PLAIN",
            "STARTTLS" => {
                say(&mut stream, "220 go on").await?;
                return Some(stream);
            }
            "AUTH" => {
                is_known = state.mood.login.is_some_and(|login| word.ends_with(login));
                if is_known { "235 ok" } else { "535 5.7.8 wrong password" }
            }
            _ if !is_known => "530 5.7.0 log in first",
            "RCPT" if word.contains("nobody@") => "550 5.1.1 no such user",
            "RCPT" => {
                mail.recipients.push(word.trim_start_matches("RCPT TO:").to_owned());
                "250 ok"
            }
            "DATA" => {
                say(&mut stream, "354 go on").await?;
                data(&mut stream, &mut mail).await?;
                let mut left = state.put_off.lock().expect("no test panics with the lock");
                if *left > 0 {
                    *left -= 1;
                    "451 4.3.0 later"
                } else {
                    let mut taken = state.taken.lock().expect("no test panics with the lock");
                    taken.push(std::mem::take(&mut mail));
                    "250 taken"
                }
            }
            "QUIT" => {
                say(&mut stream, "221 bye").await?;
                return None;
            }
            _ => "250 ok",
        };
        say(&mut stream, answer).await?;
    }
}

async fn data<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
    mail: &mut Mail,
) -> Option<()> {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|size| *size > 0)?;
        if line == ".\r\n" {
            return Some(());
        }
        mail.text.push_str(&line);
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
    text: &str,
) -> Option<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).await.ok()?;
    stream.flush().await.ok()
}
