//! Sends notices: into the log, to a webhook, by e-mail, by a command. A notice that fails is reported and
//! fails nothing.

mod email;

use std::sync::Arc;
use std::time::Duration;

use millrace_core::log_line::{self, Source as LogSource};
use millrace_core::operator::notify::{EmailConfig, MESSAGE_KEYS};
use millrace_core::record::{NoticeRow, RunRow};
use millrace_core::time::isoformat;
use millrace_core::wire::{AppendLog, NoticeWork};
use serde_json::{Map, Value, json};

use crate::attempt::Surroundings;
use crate::environment;
use crate::log::AttemptLog;
use crate::operator::http;
use crate::process::{self, ProcessSpec};
use crate::render::{self, Source, Templates};
use crate::stop::StopSender;

/// A webhook or an e-mail is tried so often.
const TRIES: u32 = 3;

/// The pause after the first try; doubled after each further one.
const PAUSE: Duration = Duration::from_secs(1);

/// The limit of a command, and of one request.
const COMMAND_LIMIT: Duration = Duration::from_mins(5);
const REQUEST_LIMIT_SECS: f64 = 30.0;

/// Sends one notice; the error says what went wrong.
pub(crate) async fn send(surroundings: Surroundings, work: NoticeWork) -> Result<(), String> {
    let NoticeWork { notice, callback, about, ti } = work;
    let settings = Arc::clone(&surroundings.settings);
    // What a notice says of itself goes to the worker's own log: the attempt's is closed.
    let log = AttemptLog::open(
        Arc::new(Silent),
        about.key,
        0,
        Arc::clone(&settings.clock),
        settings.log_bytes_max,
    );
    log.add_secrets(about.secrets.iter().map(|secret| secret.0.clone()));
    let source =
        Source { link: surroundings.link.clone(), assignment: Arc::new(about), log: log.clone() };
    let mut templates = Templates::new(source.clone(), settings.clock.as_ref()).with_context(|c| {
        c.exception.clone_from(&notice.reason);
        c.reason = Some(reason_word(&notice).to_owned());
        if let Some(deadline) = deadline(&notice, &source.assignment.run) {
            c.extra.insert("deadline".to_owned(), deadline);
        }
        // One about the run speaks of no try of its own.
        if notice.try_number > 0 {
            c.try_number = notice.try_number;
        }
        c.ti_state.clone_from(&ti.state);
        c.ti_start_date = ti.start_date.or(c.ti_start_date);
        c.ti_end_date = ti.end_date;
    });
    // Without its item a notice can still say what happened.
    if let Err(failure) = templates.load_item().await {
        tracing::warn!(
            notice = notice.id,
            reason = failure.reason(),
            "the mapped item is not known"
        );
    }
    let sent = match callback.kind.as_str() {
        "log" => say(&surroundings, &source, &mut templates, &callback.config, &notice).await,
        "command" => {
            command(&surroundings, &source, &mut templates, &callback.config, &notice).await
        }
        kind => {
            let rendered = templates.value("callback", &Value::Object(callback.config)).await;
            match rendered.map_err(said) {
                Ok(Value::Object(mut settings)) => {
                    if kind == "email" {
                        add_defaults(&mut settings, &notice, &source);
                    }
                    deliver(&source, kind, settings).await
                }
                Ok(_) => Err("the notice's settings are no map".to_owned()),
                Err(problem) => Err(problem),
            }
        }
    };
    log.close(false).await;
    sent.map_err(|problem| {
        let problem = log.redactor().redact(&problem).into_owned();
        tracing::warn!(notice = notice.id, occasion = notice.occasion, problem, "notice not sent");
        problem
    })
}

/// `reason` of a template: why the run ended in Airflow's words, else the occasion.
fn reason_word(notice: &NoticeRow) -> &str {
    match notice.cause.as_deref() {
        Some(cause) if notice.occasion != "deadline" => cause,
        _ => &notice.occasion,
    }
}

/// `deadline` of a template: the missed deadline's name and instant.
fn deadline(notice: &NoticeRow, run: &RunRow) -> Option<Value> {
    let name = notice.cause.as_deref().filter(|_| notice.occasion == "deadline")?;
    let found = run.deadlines.iter().find(|deadline| deadline.name == name)?;
    Some(json!({ "name": name, "deadline_time": isoformat(found.at) }))
}

/// Into the attempt's log, behind what it said itself, and into the worker's.
async fn say(
    surroundings: &Surroundings,
    source: &Source,
    templates: &mut Templates,
    config: &Map<String, Value>,
    notice: &NoticeRow,
) -> Result<(), String> {
    let text = match config.get("message").and_then(Value::as_str) {
        Some(message) => templates.text("callback.message", message).await.map_err(said)?,
        None => format!(
            "{}: {}",
            notice.occasion,
            notice.reason.as_deref().unwrap_or("no further reason")
        ),
    };
    let text = source.log.redactor().redact(&text).into_owned();
    let task_id = &source.assignment.task.task_id;
    tracing::info!(dag_id = %source.assignment.run.dag_id, %task_id, occasion = notice.occasion, text, "notice");
    let key = source.assignment.key;
    let empty = AppendLog { key, offset: 0, text: String::new(), last: false };
    // An attempt that ended long ago has no log to write to; the worker's own has the text.
    let Ok(end) = surroundings.link.append_log(empty).await else { return Ok(()) };
    let mut lines = String::new();
    let now = surroundings.settings.clock.now();
    text.lines().for_each(|line| log_line::write(&mut lines, now, LogSource::Info, line));
    let piece = AppendLog { key, offset: end.next_offset, text: lines, last: true };
    if let Err(error) = surroundings.link.append_log(piece).await {
        tracing::debug!(%error, attempt = %key, "notice not in the attempt's log");
    }
    Ok(())
}

/// Sends a rendered webhook or e-mail, again after a while when it may help.
pub(crate) async fn deliver(
    source: &Source,
    kind: &str,
    settings: Map<String, Value>,
) -> Result<(), String> {
    let mut pause = PAUSE;
    for attempt in 1.. {
        let sent = match kind {
            "webhook" => webhook(source, settings.clone()).await,
            "email" => email(source, settings.clone()).await,
            other => Err((format!("a notice of the kind \"{other}\" is not known here"), false)),
        };
        match sent {
            Ok(()) => break,
            Err((problem, true)) if attempt < TRIES => {
                let problem = source.log.redactor().redact(&problem).into_owned();
                tracing::info!(problem, attempt, kind, "notice failed; trying again");
            }
            Err((problem, _)) => return Err(problem),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Ok(())
}

/// One request. What went wrong, and whether a second try may help.
async fn webhook(source: &Source, mut settings: Map<String, Value>) -> Result<(), (String, bool)> {
    settings.entry("timeout").or_insert(REQUEST_LIMIT_SECS.into());
    // `text`, `blocks`, …: the message as Slack wants it.
    let message: Map<String, Value> = MESSAGE_KEYS
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), settings.shift_remove(*key)?)))
        .collect();
    if !message.is_empty() {
        settings.entry("json").or_insert(Value::Object(message));
    }
    let config = serde_json::from_value(Value::Object(settings))
        .map_err(|error| (format!("webhook: {error}"), false))?;
    http::send_notice(source, &config).await.map_err(|problem| (problem, true))
}

/// One delivery. What went wrong, and whether a second try may help.
async fn email(source: &Source, settings: Map<String, Value>) -> Result<(), (String, bool)> {
    let config: EmailConfig = serde_json::from_value(Value::Object(settings))
        .map_err(|error| (format!("email: {error}"), false))?;
    let connection =
        connection(source, &config.conn_id).await.map_err(|problem| (problem, false))?;
    email::send(&config, &connection).await.map_err(|fault| (fault.text, fault.is_passing))
}

/// What an e-mail says when its author did not: who, what, which run, and why.
fn add_defaults(settings: &mut Map<String, Value>, notice: &NoticeRow, source: &Source) {
    let run = &source.assignment.run;
    let subject = match notice.ti {
        Some(_) => {
            format!("{}.{}: {}", run.dag_id, source.assignment.task.task_id, notice.occasion)
        }
        None => format!("{}: {}", run.dag_id, notice.occasion),
    };
    let has_body =
        ["text", "body", "html", "html_content"].iter().any(|key| settings.contains_key(*key));
    if !has_body {
        let reason = notice.reason.as_deref().unwrap_or("no further reason");
        let reason = source.log.redactor().redact(reason).into_owned();
        let text = format!(
            "{subject}\n\nRun: {}\nTry: {}\nReason: {reason}\n",
            run.run_id, notice.try_number
        );
        settings.insert("text".to_owned(), Value::from(text));
    }
    settings.entry("subject").or_insert(Value::from(subject));
}

async fn command(
    surroundings: &Surroundings,
    source: &Source,
    templates: &mut Templates,
    config: &Map<String, Value>,
    notice: &NoticeRow,
) -> Result<(), String> {
    let text = ["command", "bash_command"]
        .iter()
        .find_map(|name| config.get(*name))
        .and_then(Value::as_str)
        .ok_or("the notice has no `command`")?;
    let script = templates.shell("callback.command", text).await.map_err(said)?;
    let mut variables = environment::inherited(environment::public(), false, false);
    variables.extend(environment::ids(&source.assignment));
    let reason = notice.reason.as_deref().unwrap_or_default();
    variables.insert("MILLRACE_OCCASION".to_owned(), notice.occasion.clone());
    variables.insert("MILLRACE_REASON".to_owned(), reason.replace('\0', ""));
    let spec = ProcessSpec {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        variables,
        cwd: surroundings.settings.home.clone(),
        grace: surroundings.settings.kill_grace,
        umask: surroundings.settings.umask,
        account: None,
    };
    let stop = StopSender::new();
    let end = process::run(spec, &source.log, &stop.receiver(Some(COMMAND_LIMIT)), |_| {})
        .await
        .map_err(|error| format!("command: {error}"))?;
    match end.exit_code {
        0 => Ok(()),
        code => Err(format!("command: exit code {code}: {}", end.last_errors.join("\n"))),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn said(failure: crate::report::Failure) -> String {
    failure.reason().to_owned()
}

/// Looks up the connection that a webhook names.
pub(crate) async fn connection(
    source: &Source,
    conn_id: &str,
) -> Result<millrace_core::connection::Connection, String> {
    let mut found =
        render::look_up(source, Vec::new(), vec![conn_id.to_owned()]).await.map_err(said)?;
    found
        .connections
        .swap_remove(conn_id)
        .ok_or_else(|| format!("connection \"{conn_id}\" does not exist"))
}

/// Takes a log and keeps nothing.
struct Silent;

mod silent {
    //! The protocol's other calls are never made on it.

    use millrace_core::wire::{
        Answer, AppendLog, Claim, Finish, Finished, Found, LogAppended, LookUp, ProtocolError,
        Register, Registered, Renew, Renewed, Work, WorkerProtocol,
    };

    use super::Silent;

    fn never<'a, T: Send + 'a>() -> Answer<'a, T> {
        let reason = "a notice's log makes no such call".to_owned();
        Box::pin(std::future::ready(Err(ProtocolError::Invalid { reason })))
    }

    impl WorkerProtocol for Silent {
        fn register(&self, _: Register) -> Answer<'_, Registered> {
            never()
        }
        fn claim(&self, _: Claim) -> Answer<'_, Vec<Work>> {
            never()
        }
        fn renew(&self, _: Renew) -> Answer<'_, Renewed> {
            never()
        }
        fn finish(&self, _: Finish) -> Answer<'_, Finished> {
            never()
        }
        fn look_up(&self, _: LookUp) -> Answer<'_, Found> {
            never()
        }
        fn append_log(&self, piece: AppendLog) -> Answer<'_, LogAppended> {
            let next_offset = piece.offset + piece.text.len() as u64;
            Box::pin(std::future::ready(Ok(LogAppended { next_offset })))
        }
    }
}
