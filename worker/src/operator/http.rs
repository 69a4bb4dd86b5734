//! Runs `http`: one request, its answer checked and filtered.

use std::time::{Duration, Instant};

use millrace_core::connection::Connection;
use millrace_core::operator::http::HttpConfig;
use millrace_core::template::ResponseView;
use reqwest::{Client, Method, RequestBuilder, Url};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Context, Failure, Report};
use crate::notice;
use crate::render::Source;
use crate::xcom::{XCOM_BYTES_MAX, value_of};

/// The largest answer that is read.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Sends the request and judges the answer.
pub(super) async fn run(context: &Context) -> Result<Report, Failure> {
    let config: HttpConfig = context.config()?;
    let connection = match &config.conn_id {
        Some(conn_id) => Some(context.connection(conn_id).await?),
        None => None,
    };
    let done = tokio::select! {
        done = call(context, &config, connection.as_ref()) => done,
        reason = context.stop.wait() => return Err(Failure::stopped(&reason)),
    };
    match (done, &config.output_on_error) {
        (Ok(value), _) => Ok(Report::success(Some(value))),
        (Err(failure), Some(output)) => {
            context
                .log
                .warn(format!("{}; the task succeeds with `output_on_error`", failure.reason()));
            Ok(Report::success(Some(output.clone())))
        }
        (Err(failure), None) => Err(failure),
    }
}

/// Asks once whether something is there: its value, or why it is not there yet. A status among
/// `not_yet` and a `response_check` that is false mean "not yet".
pub(super) async fn poke(
    context: &Context,
    config: &HttpConfig,
    not_yet: &[Value],
) -> Result<Result<Value, String>, Failure> {
    let connection = match &config.conn_id {
        Some(conn_id) => Some(context.connection(conn_id).await?),
        None => None,
    };
    let (url, response) = tokio::select! {
        done = exchange(context, config, connection.as_ref()) => done?,
        reason = context.stop.wait() => return Err(Failure::stopped(&reason)),
    };
    let status = response.status_code;
    let is_expected = is_allowed(&config.allowed_status, status)?;
    if !is_expected && !not_yet.is_empty() && is_allowed(not_yet, status)? {
        return Ok(Err(format!("{}: status {status} {}", shown(&url), response.reason)));
    }
    if is_expected && let Some(check) = &config.response_check {
        let mut templates = context.templates.lock().await;
        if !templates.condition("response_check", check, &response).await? {
            return Ok(Err(format!("{}: `response_check` is false: {check}", shown(&url))));
        }
    }
    judge(context, config, &url, &response).await.map(Ok)
}

async fn call(
    context: &Context,
    config: &HttpConfig,
    connection: Option<&Connection>,
) -> Result<Value, Failure> {
    let (url, response) = exchange(context, config, connection).await?;
    judge(context, config, &url, &response).await
}

/// Sends the request and reads the answer.
async fn exchange(
    context: &Context,
    config: &HttpConfig,
    connection: Option<&Connection>,
) -> Result<(Url, ResponseView), Failure> {
    let url = address(config, connection)?;
    let method = Method::from_bytes(config.method.to_ascii_uppercase().as_bytes())
        .map_err(|_| Failure::for_good(format!("`method` is \"{}\"", config.method)))?;
    context.log.info(format!("{method} {}", shown(&url)));
    let started = Instant::now();
    let request = request(config, connection, &client(config)?, method, url.clone())?;
    let limit = Duration::try_from_secs_f64(config.timeout).unwrap_or(Duration::MAX);
    let answered = async {
        let response = request.send().await.map_err(|error| failure(&url, &error))?;
        read(response, &url, started).await
    };
    let response = match tokio::time::timeout(limit, answered).await {
        Ok(response) => response?,
        Err(_) => {
            return Err(Failure::failed(format!(
                "{}: no answer within {}",
                shown(&url),
                crate::report::seconds(limit)
            )));
        }
    };
    context.log.info(format!(
        "{} {} ({} bytes in {:.3} s)",
        response.status_code,
        response.reason,
        response.text.len(),
        response.elapsed_secs
    ));
    if config.log_response {
        context.log.info(&response.text);
    }
    Ok((url, response))
}

/// Status, check, filter.
async fn judge(
    context: &Context,
    config: &HttpConfig,
    url: &Url,
    response: &ResponseView,
) -> Result<Value, Failure> {
    let status = response.status_code;
    if !is_allowed(&config.allowed_status, status)? {
        let body: String = response.text.chars().take(300).collect();
        let text = format!("{}: status {status} {}: {body}", shown(url), response.reason);
        return Err(Failure::failed(text.trim_end_matches([' ', ':']).to_owned()));
    }
    let mut templates = context.templates.lock().await;
    if let Some(check) = &config.response_check
        && !templates.condition("response_check", check, response).await?
    {
        return Err(Failure::failed(format!("{}: `response_check` is false: {check}", shown(url))));
    }
    let value = match &config.response_filter {
        Some(filter) => templates.expression("response_filter", filter, response).await?,
        None => value_of(&response.text),
    };
    let size = value.to_string().len();
    if size <= XCOM_BYTES_MAX || !context.task().do_xcom_push {
        return Ok(value);
    }
    if config.response_filter.is_none() {
        context.log.warn(format!(
            "the answer has {size} bytes and is not kept as an XCom; choose a part of it with \
             `response_filter`"
        ));
        return Ok(Value::Null);
    }
    Err(Failure::failed(crate::xcom::check_size(&value).err().unwrap_or_default()))
}

/// Sends a notice's request; only the status of its answer counts.
pub(crate) async fn send_notice(source: &Source, config: &HttpConfig) -> Result<(), String> {
    let connection = match &config.conn_id {
        Some(conn_id) => Some(notice::connection(source, conn_id).await?),
        None => None,
    };
    let sent = async {
        let url = address(config, connection.as_ref())?;
        let method = Method::from_bytes(config.method.to_ascii_uppercase().as_bytes())
            .map_err(|_| Failure::for_good(format!("`method` is \"{}\"", config.method)))?;
        let limit = Duration::try_from_secs_f64(config.timeout).unwrap_or(Duration::MAX);
        let request = request(config, connection.as_ref(), &client(config)?, method, url.clone())?;
        let answer = request.timeout(limit).send().await.map_err(|error| failure(&url, &error))?;
        let status = answer.status();
        if is_allowed(&config.allowed_status, status.as_u16())? {
            return Ok(());
        }
        Err(Failure::failed(format!("{}: status {status}", shown(&url))))
    };
    sent.await.map_err(|failure: Failure| failure.reason().to_owned())
}

/// What a service says to a plain request, for a trial of its connection. Any answer but a refused
/// login means that it is there.
pub(crate) async fn answer_of(connection: &Connection) -> Result<String, String> {
    let config = HttpConfig::deserialize(json!({ "conn_id": connection.conn_id }))
        .map_err(|error| error.to_string())?;
    let asked = async {
        let url = address(&config, Some(connection))?;
        let request =
            request(&config, Some(connection), &client(&config)?, Method::GET, url.clone())?;
        let status = request.send().await.map_err(|error| failure(&url, &error))?.status();
        if matches!(status.as_u16(), 401 | 403) {
            return Err(Failure::failed(format!(
                "{}: the login is refused: status {status}",
                shown(&url)
            )));
        }
        Ok(format!("{} answers with status {status}", shown(&url)))
    };
    asked.await.map_err(|failure: Failure| failure.reason().to_owned())
}

/// The address: `url`, or the connection's host (with or without scheme) and `endpoint`.
fn address(config: &HttpConfig, connection: Option<&Connection>) -> Result<Url, Failure> {
    let text = match (&config.url, connection) {
        (Some(url), _) => url.clone(),
        (None, Some(connection)) => base_of(connection),
        (None, None) => {
            return Err(Failure::for_good("`http` needs `conn_id` (with `endpoint`) or `url`"));
        }
    };
    let endpoint = config.endpoint.as_deref().unwrap_or_default();
    let text = if endpoint.is_empty() {
        text
    } else {
        format!("{}/{}", text.trim_end_matches('/'), endpoint.trim_start_matches('/'))
    };
    let mut url = Url::parse(&text)
        .map_err(|error| Failure::for_good(format!("\"{text}\" is no address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Failure::for_good(format!("\"{text}\": only http and https are known")));
    }
    if !config.query.is_empty() {
        let pairs = config.query.iter().map(|(name, value)| (name, text_of(value)));
        url.query_pairs_mut().extend_pairs(pairs);
    }
    Ok(url)
}

/// As Airflow's HttpHook: a host with a scheme is taken as it is; else the schema is the scheme.
/// The password of a `slackwebhook` connection is the secret part of the address.
fn base_of(connection: &Connection) -> String {
    if connection.conn_type == "slackwebhook" {
        let host = connection.host.as_deref().unwrap_or("https://hooks.slack.com/services");
        let host = if host.contains("://") { host.to_owned() } else { format!("https://{host}") };
        return match connection.password.as_deref() {
            Some(token) => format!("{}/{}", host.trim_end_matches('/'), token.trim_matches('/')),
            None => host,
        };
    }
    let host = connection.host.as_deref().unwrap_or("localhost");
    let base = if host.contains("://") {
        host.trim_end_matches('/').to_owned()
    } else {
        let by_type = if connection.conn_type == "https" { "https" } else { "http" };
        let schema = connection.schema.as_deref().filter(|s| matches!(*s, "http" | "https"));
        format!("{}://{host}", schema.unwrap_or(by_type))
    };
    match connection.port {
        Some(port) => match Url::parse(&base) {
            Ok(mut url) if url.port().is_none() => match url.set_port(Some(port)) {
                Ok(()) => url.to_string().trim_end_matches('/').to_owned(),
                Err(()) => base,
            },
            _ => base,
        },
        None => base,
    }
}

fn client(config: &HttpConfig) -> Result<Client, Failure> {
    crate::http_link::install_crypto();
    let mut builder = Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .tls_danger_accept_invalid_certs(!config.verify)
        .redirect(if config.follow_redirects {
            reqwest::redirect::Policy::limited(10)
        } else {
            reqwest::redirect::Policy::none()
        });
    if let Some(file) = &config.ca_file {
        let bytes = std::fs::read(file)
            .map_err(|error| Failure::failed(format!("ca_file \"{file}\": {error}")))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&bytes)
            .map_err(|error| Failure::for_good(format!("ca_file \"{file}\": {error}")))?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| Failure::failed(format!("no HTTP client: {error}")))
}

fn request(
    config: &HttpConfig,
    connection: Option<&Connection>,
    client: &Client,
    method: Method,
    url: Url,
) -> Result<RequestBuilder, Failure> {
    let mut request = client.request(method, url);
    if let Some(login) = connection.and_then(|connection| connection.login.as_deref()) {
        let password = connection.and_then(|connection| connection.password.as_deref());
        request = request.basic_auth(login, password);
    }
    for (name, value) in &config.headers {
        request = request.header(name, text_of(value));
    }
    match (&config.json, &config.data) {
        (Some(_), Some(_)) => {
            return Err(Failure::for_good("`json` and `data` exclude each other; keep one"));
        }
        (Some(json), None) => request = request.json(json),
        (None, Some(Value::Object(form))) => {
            let pairs = form.iter().map(|(name, value)| (name, text_of(value)));
            let body = Url::parse_with_params("http://form/", pairs)
                .ok()
                .and_then(|url| url.query().map(str::to_owned))
                .unwrap_or_default();
            request = request
                .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(body);
        }
        (None, Some(data)) => request = request.body(text_of(data)),
        (None, None) => {}
    }
    Ok(request)
}

async fn read(
    mut response: reqwest::Response,
    url: &Url,
    started: Instant,
) -> Result<ResponseView, Failure> {
    let status = response.status();
    let headers = response.headers().iter().map(|(name, value)| {
        (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes()).into_owned()))
    });
    let mut view = ResponseView {
        status_code: status.as_u16(),
        reason: status.canonical_reason().unwrap_or_default().to_owned(),
        url: response.url().to_string(),
        headers: headers.collect::<Map<_, _>>(),
        text: String::new(),
        elapsed_secs: 0.0,
    };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(url, &error))? {
        body.extend_from_slice(&chunk);
        if body.len() > BODY_BYTES_MAX {
            return Err(Failure::failed(format!(
                "{}: the answer has more than {BODY_BYTES_MAX} bytes; fetch it with `curl` in a \
                 `bash` task and give its path on",
                shown(url)
            )));
        }
    }
    view.text = String::from_utf8_lossy(&body).into_owned();
    view.elapsed_secs = started.elapsed().as_secs_f64();
    Ok(view)
}

/// What went wrong on the way: nobody listens, no such host, no trust, no answer.
fn failure(url: &Url, error: &reqwest::Error) -> Failure {
    let mut chain = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        chain.push(cause.to_string());
        source = cause.source();
    }
    let cause = chain.last().cloned().unwrap_or_else(|| error.to_string());
    let what = if error.is_timeout() {
        "no answer in time"
    } else if cause.contains("refused") {
        "connection refused; nobody listens there"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_redirect() {
        "redirected too often"
    } else {
        "request failed"
    };
    Failure::failed(format!("{}: {what}: {cause}", shown(url)))
}

/// `2xx` when nothing is said; numbers, and texts such as `4xx` or `200-204`.
fn is_allowed(allowed: &[Value], status: u16) -> Result<bool, Failure> {
    if allowed.is_empty() {
        return Ok((200..300).contains(&status));
    }
    for value in allowed {
        let text = text_of(value).trim().to_ascii_lowercase();
        let range = if let Ok(one) = text.parse::<u16>() {
            one..=one
        } else if let Some(class) = text.strip_suffix("xx").and_then(|c| c.parse::<u16>().ok()) {
            class * 100..=class * 100 + 99
        } else if let Some((from, to)) = text
            .split_once('-')
            .and_then(|(from, to)| Some((from.trim().parse().ok()?, to.trim().parse().ok()?)))
        {
            from..=to
        } else {
            return Err(Failure::for_good(format!(
                "`allowed_status` has \"{text}\"; write 200, 2xx or 200-204"
            )));
        };
        if range.contains(&status) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An address without credentials.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "***".to_owned();
    }
    url.to_string()
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statuses() {
        let check = |allowed: Value, status: u16, expected: bool| {
            let allowed = allowed.as_array().expect("a list").clone();
            assert_eq!(is_allowed(&allowed, status).expect("well formed"), expected, "{status}");
        };
        check(json!([]), 204, true);
        check(json!([]), 301, false);
        check(json!([200, "404"]), 404, true);
        check(json!(["4xx"]), 503, false);
        check(json!(["200-204"]), 204, true);
        assert!(is_allowed(&[json!("ok")], 200).is_err());
    }

    #[test]
    fn addresses_of_connections() {
        let check = |uri: &str, endpoint: &str, expected: &str| {
            let connection = Connection::parse("c", uri).expect("a connection");
            let config: HttpConfig =
                serde_json::from_value(json!({"conn_id": "c", "endpoint": endpoint})).expect("ok");
            let got = address(&config, Some(&connection)).expect("an address");
            assert_eq!(got.as_str(), expected, "{uri}");
        };
        check("http://127.0.0.1:3000", "healthz", "http://127.0.0.1:3000/healthz");
        check("https://api.example", "/v1/x?y=1", "https://api.example/v1/x?y=1");
        check("http://:@example:80/https", "a", "https://example:80/a");
        let json = r#"{"conn_type": "http", "host": "http://127.0.0.1", "port": 8080}"#;
        check(json, "a", "http://127.0.0.1:8080/a");
        let json = r#"{"conn_type": "slackwebhook", "password": "T0/B0/xyz"}"#;
        check(json, "", "https://hooks.slack.com/services/T0/B0/xyz");
    }
}
