//! Tables of connection texts and what they are read as.

use serde_json::json;

use super::*;

fn parsed(text: &str) -> Connection {
    Connection::parse("c", text).expect("readable")
}

#[test]
fn uris_are_read_as_airflow_reads_them() {
    type Row = (
        &'static str,
        &'static str,
        Option<&'static str>,
        Option<&'static str>,
        Option<&'static str>,
        Option<u16>,
        Option<&'static str>,
    );
    let rows: &[Row] = &[
        (
            "mysql://user:pw@host:3306/schema?charset=utf8",
            "mysql",
            Some("host"),
            Some("user"),
            Some("pw"),
            Some(3306),
            Some("schema"),
        ),
        ("mysql+pymysql://u:p@h/db", "mysql", Some("h"), Some("u"), Some("p"), None, Some("db")),
        ("postgresql+psycopg2://u@h/db", "postgres", Some("h"), Some("u"), None, None, Some("db")),
        ("mysql://u:p%40%3A%2F@h", "mysql", Some("h"), Some("u"), Some("p@:/"), None, None),
        ("mysql://u:p@ss@h/db", "mysql", Some("h"), Some("u"), Some("p@ss"), None, Some("db")),
        ("http://127.0.0.1:3000", "http", Some("127.0.0.1"), None, None, Some(3000), None),
        (
            "http://https://api.local:80/",
            "http",
            Some("https://api.local"),
            None,
            None,
            Some(80),
            None,
        ),
        ("sqlite:////data/x.db", "sqlite", None, None, None, None, Some("/data/x.db")),
        ("redis://[::1]:6379/0", "redis", Some("[::1]"), None, None, Some(6379), Some("0")),
        ("google-cloud-platform://", "google_cloud_platform", None, None, None, None, None),
        ("mysql://:only@h", "mysql", Some("h"), None, Some("only"), None, None),
        ("mysql://0.0.0.0:1/", "mysql", Some("0.0.0.0"), None, None, Some(1), None),
    ];
    for (text, conn_type, host, login, password, port, schema) in rows {
        let found = parsed(text);
        assert_eq!(found.conn_type, *conn_type, "{text}");
        assert_eq!(found.host.as_deref(), *host, "{text}");
        assert_eq!(found.login.as_deref(), *login, "{text}");
        assert_eq!(found.password.as_deref(), *password, "{text}");
        assert_eq!(found.port, *port, "{text}");
        assert_eq!(found.schema.as_deref(), *schema, "{text}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    let connections = [
        parsed("mysql://user:p%40w@host:3306/schema?charset=utf8&x=a%26b"),
        parsed(
            r#"{"conn_type": "http", "host": "http://127.0.0.1", "port": "3000", "extra": {"verify": false}}"#,
        ),
        parsed(
            r#"{"type": "aws", "login": "한글", "password": "a b/c?d", "extra": "{\"region\": \"ap\"}"}"#,
        ),
        parsed("redis://[::1]:6379/0"),
    ];
    for connection in connections {
        assert_eq!(parsed(&connection.get_uri()), connection, "{}", connection.get_uri());
    }
}

#[test]
fn json_gives_the_fields() {
    let found = parsed(
        r#"{"conn_type": "mysql+pymysql", "host": "http://127.0.0.1", "port": 3306, "extra": {"a": {"b": 1}}}"#,
    );
    assert_eq!(found.conn_type, "mysql");
    assert_eq!(found.host.as_deref(), Some("http://127.0.0.1"));
    assert_eq!(found.port, Some(3306));
    assert_eq!(found.extra_dejson()["a"], json!({"b": 1}));
    assert_eq!(parsed(r#"{"uri": "mysql://h:1/s"}"#).port, Some(1));
}

#[test]
fn mistakes_are_named_without_quoting_the_secret() {
    for (text, expected) in [
        ("just text secret", "is neither a URI"),
        ("mysql://u:secret@h:99999/", "the port must be a number"),
        ("mysql://u:sec/ret@h", "the port must be"),
        (r#"{"host": 3, "password": "secret"}"#, "field \"host\" must be text"),
        (r#"{"hots": "x"}"#, "field \"hots\" is unknown"),
        (r#"{"extra": "[1]"}"#, "field \"extra\" must be a JSON object"),
        ("[1]", "is neither a URI"),
    ] {
        match Connection::parse("c", text) {
            Ok(found) => assert!(text.contains("sec/ret"), "{text} gave {found:?}"),
            Err(error) => {
                let message = error.to_string();
                assert!(message.contains(expected), "{text}: {message}");
                assert!(!message.contains("secret"), "{message}");
            }
        }
    }
}

#[test]
fn secrets_are_listed_and_never_printed() {
    let connection = parsed(
        r#"{"conn_type": "x", "password": "p@ss", "extra": {"api_key": "k1", "nested": {"client_secret": "k2", "plain": "ok"}, "keyfile_dict": {"private": ["k3"]}, "region": "eu"}}"#,
    );
    assert_eq!(connection.secret_values(), ["p@ss", "p%40ss", "k1", "k2", "k3"]);
    let shown = format!("{connection:?}");
    for secret in connection.secret_values() {
        assert!(!shown.contains(&secret), "{shown}");
    }
}

#[test]
fn secret_names_are_airflows_words() {
    for name in
        ["password", "API_KEY", "my-secret", "Authorization", "aws_access_token", "passphrase"]
    {
        assert!(is_secret_name(name), "{name}");
    }
    for name in ["region", "charset", "key", "path"] {
        assert!(!is_secret_name(name), "{name}");
    }
}
