//! The URI form of a connection: `type://login:password@host:port/schema?key=value`.
//!
//! Owns percent-coding and Airflow's `__extra__` parameter. It parses by hand: hosts such as
//! `http://127.0.0.1` and types with underscores are no RFC 3986 URLs.

use serde_json::{Map, Value};

use super::{Connection, ConnectionError};

/// Airflow's parameter that carries a whole JSON object of extras.
const WHOLE_EXTRA: &str = "__extra__";

pub(super) fn parse(conn_id: &str, text: &str) -> Result<Connection, ConnectionError> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(ConnectionError::Unreadable { conn_id: conn_id.to_string() });
    };
    if scheme.is_empty() || !scheme.bytes().all(is_scheme_byte) {
        return Err(ConnectionError::Unreadable { conn_id: conn_id.to_string() });
    }
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    // A nested protocol, `http://https://host`, belongs to the host (Airflow writes it so).
    let (protocol, rest) = match rest.split_once("://") {
        Some((protocol, inner)) if protocol.bytes().all(is_scheme_byte) => (Some(protocol), inner),
        _ => (None, rest),
    };
    let (credentials, location) = match rest.rsplit_once('@') {
        Some((credentials, location)) => (Some(credentials), location),
        None => (None, rest),
    };
    let (place, schema) = match location.split_once('/') {
        Some((place, schema)) => (place, Some(schema)),
        None => (location, None),
    };
    let (host, port) =
        split_port(place).ok_or_else(|| ConnectionError::Port { conn_id: conn_id.to_string() })?;
    let (login, password) = match credentials {
        None => (None, None),
        Some(credentials) => match credentials.split_once(':') {
            Some((login, password)) => (filled(login), Some(decode(password))),
            None => (filled(credentials), None),
        },
    };
    let host = filled(host).map(|host| match protocol {
        Some(protocol) => format!("{protocol}://{host}"),
        None => host,
    });
    Ok(Connection {
        conn_id: conn_id.to_string(),
        conn_type: plain_type(scheme),
        host,
        login,
        password,
        port,
        schema: schema.and_then(filled),
        extra: query.map(read_query).unwrap_or_default(),
        description: None,
    })
}

pub(super) fn build(connection: &Connection) -> String {
    let mut text = format!("{}://", connection.conn_type.replace('_', "-"));
    let host = connection.host.as_deref().unwrap_or_default();
    let (protocol, host) = match host.split_once("://") {
        Some((protocol, host)) => (Some(protocol), host),
        None => (None, host),
    };
    if let Some(protocol) = protocol {
        text.push_str(protocol);
        text.push_str("://");
    }
    if connection.login.is_some() || connection.password.is_some() {
        text.push_str(&encode(connection.login.as_deref().unwrap_or_default()));
        if let Some(password) = &connection.password {
            text.push(':');
            text.push_str(&encode(password));
        }
        text.push('@');
    }
    text.push_str(&encode_host(host));
    if let Some(port) = connection.port {
        text.push(':');
        text.push_str(&port.to_string());
    }
    if let Some(schema) = &connection.schema {
        text.push('/');
        text.push_str(&encode(schema));
    }
    push_extra(&mut text, connection);
    text
}

/// The type of a scheme: the driver of a SQLAlchemy URL goes, old names of PostgreSQL join.
pub(super) fn plain_type(scheme: &str) -> String {
    let dialect = scheme.split('+').next().unwrap_or_default().to_ascii_lowercase();
    match dialect.as_str() {
        "postgresql" => "postgres".to_string(),
        other => other.replace('-', "_"),
    }
}

/// Percent-encodes all but unreserved characters (RFC 3986).
pub(super) fn encode(text: &str) -> String {
    encode_except(text, b"-_.~")
}

fn encode_host(host: &str) -> String {
    encode_except(host, b"-_.~:[],")
}

fn encode_except(text: &str, kept: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(hex_digit(byte >> 4));
            out.push(hex_digit(byte & 15));
        }
    }
    out
}

fn push_extra(text: &mut String, connection: &Connection) {
    if connection.extra.is_empty() {
        return;
    }
    let separator = if connection.schema.is_none() { "/?" } else { "?" };
    text.push_str(separator);
    let flat = connection
        .extra
        .values()
        .all(|value| matches!(value, Value::String(text) if !text.is_empty()));
    if flat {
        let pairs: Vec<String> = connection
            .extra
            .iter()
            .map(|(key, value)| {
                format!("{}={}", encode(key), encode(value.as_str().unwrap_or_default()))
            })
            .collect();
        text.push_str(&pairs.join("&"));
    } else {
        let whole = Value::Object(connection.extra.clone()).to_string();
        text.push_str(WHOLE_EXTRA);
        text.push('=');
        text.push_str(&encode(&whole));
    }
}

fn read_query(query: &str) -> Map<String, Value> {
    let mut extra = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decode_query(key), decode_query(value));
        if key == WHOLE_EXTRA
            && let Ok(Value::Object(whole)) = serde_json::from_str(&value)
        {
            extra.extend(whole);
        } else {
            extra.insert(key, Value::String(value));
        }
    }
    extra
}

/// Splits `host:port`; `None` when the port is no port. Brackets hold an IPv6 address.
fn split_port(place: &str) -> Option<(&str, Option<u16>)> {
    let tail = place.rfind(']').map_or(0, |end| end + 1);
    let Some(colon) = place[tail..].rfind(':').map(|at| at + tail) else {
        return Some((place, None));
    };
    // Lists of hosts (`a:1,b:2`, as Kafka and MongoDB have) stay whole.
    if place.contains(',') {
        return Some((place, None));
    }
    let port = &place[colon + 1..];
    if port.is_empty() {
        return Some((&place[..colon], None));
    }
    Some((&place[..colon], Some(port.parse().ok()?)))
}

fn filled(text: &str) -> Option<String> {
    if text.is_empty() { None } else { Some(decode(text)) }
}

fn decode_query(text: &str) -> String {
    decode(&text.replace('+', " "))
}

/// Decodes `%XX`; a stray `%` stays, as Python's `unquote` keeps it.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        if let Some(byte) = escaped {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex_digit(value: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(value)])
}

fn is_scheme_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_')
}
