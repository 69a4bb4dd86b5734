//! E-mail over SMTP: the message, the way to the server, and what may be wrong with either.

use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes, MultiPart, SinglePart, header};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use millrace_core::connection::Connection;
use millrace_core::operator::notify::EmailConfig;
use serde_json::Value;

/// The most addresses of one message.
const ADDRESSES_MAX: usize = 100;

/// The longest body, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The longest subject, in characters.
const SUBJECT_CHARS_MAX: usize = 300;

/// Why a message was not taken.
#[derive(Debug)]
pub(super) struct EmailFault {
    /// For people.
    pub(super) text: String,
    /// Whether a second try may help.
    pub(super) is_passing: bool,
}

impl EmailFault {
    fn lasting(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_passing: false }
    }
}

/// Sends one message by a connection.
///
/// # Errors
/// What the server said, or what cannot be sent.
pub(super) async fn send(config: &EmailConfig, connection: &Connection) -> Result<(), EmailFault> {
    let message = message(config, connection)?;
    let way = Way::of(connection)?;
    let place = format!("{}:{}", way.host, way.port);
    let limit = Duration::try_from_secs_f64(config.timeout).unwrap_or(Duration::MAX);
    let transport = transport(way, connection, limit)?;
    match tokio::time::timeout(limit, transport.send(message)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => {
            let mut text = format!("e-mail by {place}: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                let cause_text = cause.to_string();
                if !text.contains(&cause_text) {
                    text = format!("{text}: {cause_text}");
                }
                source = cause.source();
            }
            Err(EmailFault { text, is_passing: !error.is_permanent() && !error.is_tls() })
        }
        Err(_) => Err(EmailFault {
            text: format!("e-mail by {place}: no end within {}", crate::report::seconds(limit)),
            is_passing: true,
        }),
    }
}

fn message(config: &EmailConfig, connection: &Connection) -> Result<Message, EmailFault> {
    let of_connection = ["from", "from_email"].iter().find_map(|key| connection.extra.get(*key));
    let login = connection.login.as_deref().filter(|login| login.contains('@'));
    let from = config.from.as_deref().or(of_connection.and_then(Value::as_str)).or(login);
    let Some(from) = from else {
        return Err(EmailFault::lasting(format!(
            "e-mail has no sender; set `from` in the extra of connection \"{}\"",
            connection.conn_id
        )));
    };
    let mut builder = Message::builder().from(single("from", from)?);
    let mut count = 0;
    for (field, texts) in [
        ("to", &config.to),
        ("cc", &config.cc),
        ("bcc", &config.bcc),
        ("reply_to", &config.reply_to),
    ] {
        let found = mailboxes(field, texts)?;
        count += found.len();
        for mailbox in found {
            builder = match field {
                "to" => builder.to(mailbox),
                "cc" => builder.cc(mailbox),
                "bcc" => builder.bcc(mailbox),
                _ => builder.reply_to(mailbox),
            };
        }
    }
    if config.to.iter().all(|text| text.trim().is_empty()) || count > ADDRESSES_MAX {
        let problem = format!("e-mail needs 1 to {ADDRESSES_MAX} addresses; it has {count}");
        return Err(EmailFault::lasting(problem));
    }
    // A mailing list's robot must not answer a robot.
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    let builder = builder
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
        .subject(subject(config.subject.as_deref().unwrap_or_default()));
    let text = config.text.clone().map(|text| part(header::ContentType::TEXT_PLAIN, text));
    let html = config.html.clone().map(|html| part(header::ContentType::TEXT_HTML, html));
    let built = match (text, html) {
        (Some(text), Some(html)) => {
            builder.multipart(MultiPart::alternative().singlepart(text).singlepart(html))
        }
        (None, Some(one)) | (Some(one), None) => builder.singlepart(one),
        (None, None) => builder.singlepart(part(ContentType::TEXT_PLAIN, String::new())),
    };
    built.map_err(|error| EmailFault::lasting(format!("e-mail: {error}")))
}

fn part(kind: ContentType, mut text: String) -> SinglePart {
    if text.len() > BODY_BYTES_MAX {
        text.truncate(text.floor_char_boundary(BODY_BYTES_MAX));
        text.push_str("\n… (cut)");
    }
    SinglePart::builder().header(kind).body(text)
}

/// One line, whatever a template put in: a line break would begin a header of its own.
fn subject(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().take(SUBJECT_CHARS_MAX).collect()
}

fn single(field: &str, text: &str) -> Result<Mailbox, EmailFault> {
    let found = mailboxes(field, &[text.to_owned()])?;
    match <[Mailbox; 1]>::try_from(found) {
        Ok([one]) => Ok(one),
        Err(_) => {
            Err(EmailFault::lasting(format!("`{field}` is \"{text}\"; it takes one address")))
        }
    }
}

/// Addresses, several in one text with commas or semicolons (as Airflow takes them).
fn mailboxes(field: &str, texts: &[String]) -> Result<Vec<Mailbox>, EmailFault> {
    let mut found = Vec::new();
    for text in texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        if text.contains(char::is_control) {
            return Err(EmailFault::lasting(format!(
                "`{field}` has a line break or another control character; an address is one line"
            )));
        }
        let list = if text.contains('"') { text.to_owned() } else { text.replace(';', ",") };
        let list = list.trim_end_matches([',', ' ']);
        let parsed: Mailboxes = list.parse().map_err(|error| {
            EmailFault::lasting(format!("`{field}`: \"{text}\" is no e-mail address: {error}"))
        })?;
        found.extend(parsed);
    }
    Ok(found)
}

/// How a server is reached.
#[derive(Debug, PartialEq, Eq)]
struct Way {
    host: String,
    port: u16,
    security: Security,
}

/// When a connection becomes encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Security {
    /// From its first byte.
    Wrapped,
    /// By STARTTLS, or not at all.
    StartTls,
    /// By STARTTLS where the server has it.
    WhereOffered,
    /// Never.
    Plain,
}

impl Way {
    /// `ssl` and `starttls` in the extra decide (Airflow's `disable_ssl` and `disable_tls` turned
    /// round). Where they are silent: port 465 is encrypted, and a password never goes in clear.
    fn of(connection: &Connection) -> Result<Self, EmailFault> {
        let host = connection.host.clone().filter(|host| !host.is_empty()).ok_or_else(|| {
            EmailFault::lasting(format!("connection \"{}\" has no host", connection.conn_id))
        })?;
        let flag = |key: &str, disabled: &str| {
            let truth = |value: &Value| match value {
                Value::Bool(truth) => Some(*truth),
                Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
                _ => None,
            };
            let extra = &connection.extra;
            extra
                .get(key)
                .and_then(truth)
                .or_else(|| extra.get(disabled).and_then(truth).map(|off| !off))
        };
        let (ssl, starttls) = (flag("ssl", "disable_ssl"), flag("starttls", "disable_tls"));
        let security = match (ssl, starttls) {
            (Some(true), _) => Security::Wrapped,
            (_, Some(true)) => Security::StartTls,
            (_, Some(false)) => Security::Plain,
            (None, None) if connection.port == Some(465) => Security::Wrapped,
            (_, None) if connection.password.is_some() => Security::StartTls,
            (_, None) => Security::WhereOffered,
        };
        let port = connection.port.unwrap_or(match security {
            Security::Wrapped => 465,
            Security::StartTls => 587,
            Security::WhereOffered | Security::Plain => 25,
        });
        Ok(Self { host, port, security })
    }
}

fn transport(
    way: Way,
    connection: &Connection,
    limit: Duration,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, EmailFault> {
    let tls = match way.security {
        Security::Plain => Tls::None,
        security => {
            let parameters = tls(&way.host, connection)?;
            match security {
                Security::Wrapped => Tls::Wrapper(parameters),
                Security::StartTls => Tls::Required(parameters),
                _ => Tls::Opportunistic(parameters),
            }
        }
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(way.host)
        .port(way.port)
        .tls(tls)
        .timeout(Some(limit));
    if let (Some(login), Some(password)) = (&connection.login, &connection.password) {
        builder = builder.credentials(Credentials::new(login.clone(), password.clone()));
    }
    Ok(builder.build())
}

fn tls(host: &str, connection: &Connection) -> Result<TlsParameters, EmailFault> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(file) = connection.extra.get("ca_file").and_then(Value::as_str) {
        let wrong = |error: &dyn std::fmt::Display| {
            EmailFault::lasting(format!("ca_file \"{file}\": {error}"))
        };
        let bytes = std::fs::read(file).map_err(|error| wrong(&error))?;
        let certificate = Certificate::from_pem(&bytes).map_err(|error| wrong(&error))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(|error| EmailFault::lasting(format!("TLS: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn connection(port: Option<u16>, password: Option<&str>, extra: &Value) -> Connection {
        Connection {
            conn_id: "smtp_default".to_owned(),
            conn_type: "smtp".to_owned(),
            host: Some("mail.example".to_owned()),
            port,
            password: password.map(str::to_owned),
            extra: extra.as_object().expect("a map").clone(),
            ..Connection::default()
        }
    }

    #[test]
    fn a_password_never_goes_in_clear_unless_said() {
        let check = |port, password, extra: Value, expected: (u16, Security)| {
            let way = Way::of(&connection(port, password, &extra)).expect("a way");
            assert_eq!((way.port, way.security), expected, "{extra}");
        };
        check(None, None, json!({}), (25, Security::WhereOffered));
        check(None, Some("p"), json!({}), (587, Security::StartTls));
        check(Some(25), Some("p"), json!({"ssl": false}), (25, Security::StartTls));
        check(Some(465), Some("p"), json!({}), (465, Security::Wrapped));
        check(None, None, json!({"ssl": true}), (465, Security::Wrapped));
        check(Some(25), Some("p"), json!({"starttls": false}), (25, Security::Plain));
        check(None, Some("p"), json!({"disable_ssl": false}), (465, Security::Wrapped));
        check(
            None,
            Some("p"),
            json!({"disable_ssl": true, "disable_tls": "True"}),
            (25, Security::Plain),
        );
    }

    #[test]
    fn addresses_and_subjects_stay_one_line() {
        let count = |text: &str| mailboxes("to", &[text.to_owned()]).map(|found| found.len());
        assert_eq!(count("a@b.example; Jin <c@d.example>, e@f.example").ok(), Some(3));
        assert_eq!(count("\"Kim; Jin\" <c@d.example>").ok(), Some(1));
        for wrong in ["a", "a@b.example\r\nBcc: x@y.example", "a@b.example\nX: y", "a b@c.example"]
        {
            assert!(count(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            subject("failed:\r\nBcc: x@y.example\n\n code 3"),
            "failed: Bcc: x@y.example code 3"
        );
    }

    #[test]
    fn a_message_has_both_bodies_and_hides_blind_copies() {
        let config: EmailConfig = serde_json::from_value(json!({
            "to": ["a@b.example", "c@d.example"], "cc": "e@f.example", "bcc": "hidden@x.example",
            "subject": "실패: day", "text": "plain", "html": "<b>rich</b>", "from": "Ops <o@p.example>",
        }))
        .expect("settings");
        let message = message(&config, &connection(None, None, &json!({}))).expect("a message");
        assert_eq!(message.envelope().to().len(), 4);
        let text = String::from_utf8(message.formatted()).expect("ASCII");
        for part in ["To: a@b.example, c@d.example", "Cc: e@f.example", "multipart/alternative"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("hidden@"), "{text}");
    }
}
