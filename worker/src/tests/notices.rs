//! Notices of all kinds, sent by callbacks and by `notify` tasks.

use millrace_core::connection::Connection;
use millrace_core::dag::Callback;
use millrace_core::record::{DeadlineState, NoticeRow, RunDeadline};
use millrace_core::wire::{NoticeTi, NoticeWork, Outcome, Work};
use serde_json::{Value, json};

use crate::testing::authority::Authority;
use crate::testing::mail::{MailServer, Mood};
use crate::testing::server::Server;
use crate::testing::{TestWorker, assignment, bash, key, task, until};

const ANSWERS: &[(&str, &str, &str)] = &[
    ("/healthz", "503 Service Unavailable", "warming up"),
    ("/hook", "200 OK", "ok"),
    ("/T0/B0/xyz", "200 OK", "ok"),
];

/// What became of a notice.
async fn done(worker: &TestWorker, id: i64) -> Option<String> {
    let of = || worker.link.lock().notices.iter().find(|notice| notice.0 == id).cloned();
    until("a notice", of).await.1
}

fn ended() -> NoticeTi {
    let at = |text: &str| Some(text.parse().expect("an instant"));
    NoticeTi {
        state: "failed".to_owned(),
        start_date: at("2025-08-21T05:59:30Z"),
        end_date: at("2025-08-21T06:00:00Z"),
    }
}

fn notice(id: i64, kind: &str, config: &Value) -> Work {
    let notice = NoticeRow {
        id,
        run: 1,
        ti: Some(1),
        occasion: "failure".to_owned(),
        cause: None,
        position: 0,
        try_number: 2,
        reason: Some("exit code 3: geheim77".to_owned()),
        created_at: "2025-08-21T06:00:00Z".parse().expect("an instant"),
    };
    let config = config.as_object().expect("a map").clone();
    let callback = Callback { kind: kind.to_owned(), config };
    let about = crate::testing::with_secrets(bash(1, "false"), &["geheim77"]);
    Work::Notice(Box::new(NoticeWork { notice, callback, about, ti: ended() }))
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_are_sent_and_reported() {
    let worker = TestWorker::start();
    let server = Server::start(ANSWERS).await;
    let done = async |id: i64| done(&worker, id).await;
    let text = "{{ dag.dag_id }}.{{ ti.task_id }} {{ reason }} {{ try_number }}";
    let config = json!({"url": format!("{}/hook", server.base), "json": {"text": text}});
    worker.link.give_work(notice(1, "webhook", &config));
    assert_eq!(done(1).await, None);
    let sent = server.requests().remove(0);
    assert!(sent.ends_with(r#"{"text":"the_dag.the_task failure 2"}"#), "{sent}");

    worker.link.give_work(notice(2, "log", &json!({"message": "broke: {{ exception }}"})));
    assert_eq!(done(2).await, None);
    assert!(worker.link.log(key(1)).contains("broke: exit code 3: ***"));

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("said");
    let command = format!("echo \"$MILLRACE_OCCASION $MILLRACE_TASK_ID\" > {}", file.display());
    worker.link.give_work(notice(3, "command", &json!({"command": command})));
    assert_eq!(done(3).await, None);
    assert_eq!(std::fs::read_to_string(file).expect("written"), "failure the_task\n");

    worker.link.give_work(notice(4, "command", &json!({"command": "echo geheim77 >&2; exit 5"})));
    assert_eq!(done(4).await.as_deref(), Some("command: exit code 5: ***"));
    let config = json!({"url": format!("{}/healthz", server.base)});
    worker.link.give_work(notice(6, "webhook", &config));
    assert!(done(6).await.expect("a problem").contains("503"));
    let tries = server.requests().iter().filter(|r| r.contains("/healthz")).count();
    assert_eq!(tries, 3);
    worker.stop().await;
}

/// What a template sees in each kind of notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_notice_tells_what_happened() {
    let worker = TestWorker::start();
    let server = Server::start(ANSWERS).await;
    let text = "{{ reason }} {{ ti.state.value }} {{ ti.try_number }} {{ ti.start_date | ts }} \
                {{ ti.end_date | ts }} {{ ti.duration }} {% if deadline is defined %}{{ deadline.name }} {{ deadline.deadline_time }}\
                {% else %}- -{% endif %}";
    let config = json!({"url": format!("{}/hook", server.base), "json": {"text": text}});
    let check = async |id: i64, occasion: &str, cause: Option<&str>, expected: &str| {
        let Work::Notice(mut work) = notice(id, "webhook", &config) else { panic!("a notice") };
        work.notice.occasion = occasion.to_owned();
        work.notice.cause = cause.map(str::to_owned);
        if cause.is_some() {
            (work.notice.ti, work.notice.try_number) = (None, 0);
        }
        work.about.run.deadlines = vec![RunDeadline {
            name: "two hours".to_owned(),
            at: "2025-08-21T08:00:00Z".parse().expect("an instant"),
            state: DeadlineState::Missed,
        }];
        worker.link.give_work(Work::Notice(work));
        assert_eq!(done(&worker, id).await, None);
        let sent = server.requests().pop().expect("a request");
        let times = "2025-08-21T05:59:30+00:00 2025-08-21T06:00:00+00:00 30.0";
        let expected = expected.replace("TIMES", times);
        assert!(sent.ends_with(&format!("{{\"text\":\"{expected}\"}}")), "{expected}: {sent}");
    };
    check(1, "failure", None, "failure failed 2 TIMES - -").await;
    check(2, "failure", Some("timed_out"), "timed_out failed 1 TIMES - -").await;
    check(3, "success", Some("success"), "success failed 1 TIMES - -").await;
    let late = "deadline failed 1 TIMES two hours 2025-08-21T08:00:00+00:00";
    check(4, "deadline", Some("two hours"), late).await;
    worker.stop().await;
}

fn smtp(port: u16, extra: &Value) -> Connection {
    Connection {
        conn_id: "smtp_default".to_owned(),
        conn_type: "smtp".to_owned(),
        host: Some("127.0.0.1".to_owned()),
        port: Some(port),
        extra: extra.as_object().expect("a map").clone(),
        ..Connection::default()
    }
}

fn with_smtp(worker: &TestWorker, connection: Connection) {
    worker.link.lock().connections.insert("smtp_default".to_owned(), connection);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_e_mail_reaches_everybody() {
    let worker = TestWorker::start();
    let server = MailServer::start(Mood { put_off: 1, ..Mood::default() }).await;
    with_smtp(&worker, smtp(server.port, &json!({"from": "Ops <ops@here.example>"})));
    let config = json!({
        "to": ["a@here.example", "b@here.example; c@here.example"], "cc": "d@here.example",
        "bcc": "hidden@here.example", "subject": "{{ dag.dag_id }} {{ reason }}: {{ exception }}\r\nBcc: x",
        "text": "try {{ try_number }}", "html": "<b>{{ ds }}</b>",
    });
    worker.link.give_work(notice(1, "email", &config));
    assert_eq!(done(&worker, 1).await, None);
    let taken = server.taken();
    let [mail] = taken.as_slice() else { panic!("one mail, not {taken:?}") };
    let mut recipients = mail.recipients.clone();
    recipients.sort();
    let expected = ["a", "b", "c", "d", "hidden"].map(|name| format!("<{name}@here.example>"));
    assert_eq!(recipients, expected);
    for part in [
        "From: Ops <ops@here.example>",
        "Subject: the_dag failure: exit code 3: geheim77 Bcc: x\r\n",
        "multipart/alternative",
        "text/plain",
        "try 2",
        "<b>2025-08-21</b>",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(mail.text.contains(part), "{part} is not in {}", mail.text);
    }
    assert!(!mail.text.contains("hidden@") && !mail.text.contains("\r\nBcc"), "{}", mail.text);

    // What nobody wrote: who, what, why; what is secret stays so.
    worker.link.give_work(notice(2, "email", &json!({"to": "a@here.example"})));
    assert_eq!(done(&worker, 2).await, None);
    let text = server.taken().remove(1).text;
    assert!(text.contains("Subject: the_dag.the_task: failure"), "{text}");
    assert!(text.contains("Reason: exit code 3: ***"), "{text}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_e_mail_that_cannot_be_sent_says_why() {
    let worker = TestWorker::start();
    let server = MailServer::start(Mood::default()).await;
    let silent = MailServer::start(Mood { silent: true, ..Mood::default() }).await;
    let mut id = 0;
    let mut check = async |connection: Option<Connection>, config: Value, expected: &str| {
        id += 1;
        worker.link.lock().connections.clear();
        if let Some(connection) = connection {
            with_smtp(&worker, connection);
        }
        worker.link.give_work(notice(id, "email", &config));
        let problem = done(&worker, id).await.expect("a problem");
        assert!(problem.contains(expected), "{expected} is not in {problem}");
        assert!(!problem.contains("geheim"), "{problem}");
    };
    let from = json!({"from": "ops@here.example"});
    let of = |port| Some(smtp(port, &from));
    let to = json!({"to": "a@here.example"});
    check(None, to.clone(), "connection \"smtp_default\" does not exist").await;
    check(Some(smtp(server.port, &json!({}))), to.clone(), "has no sender").await;
    check(of(server.port), json!({"to": "not an address"}), "is no e-mail address").await;
    check(of(server.port), json!({"to": "a@b.example\nX: {{ ds }}"}), "has a line break").await;
    check(of(server.port), json!({"to": "nobody@here.example"}), "no such user").await;
    check(of(server.port), json!({"to": "a@b.example", "text": "{{ nope }}"}), "nope").await;
    let mut with_password = smtp(server.port, &from);
    with_password.login = Some("kim".to_owned());
    with_password.password = Some("geheim77".to_owned());
    check(Some(with_password), to, "STARTTLS").await;
    let quick = json!({"to": "a@here.example", "timeout": 0.1});
    check(of(silent.port), quick, "127.0.0.1").await;
    assert!(server.taken().is_empty());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e_mail_is_encrypted_with_an_own_authority() {
    let worker = TestWorker::start();
    let authority = Authority::new();
    // base64 of "\0kim\0geheim77"
    let login = Some("AGtpbQBnZWhlaW03Nw==");
    let starttls = Mood { starttls: Some(authority.acceptor()), login, ..Mood::default() };
    let wrapped = Mood { wrapped: Some(authority.acceptor()), login, ..Mood::default() };
    let ca_file = authority.ca_file().display().to_string();
    let extra = |ssl: bool, ca: bool| {
        let mut extra = json!({"from": "ops@here.example", "ssl": ssl});
        if ca {
            extra["ca_file"] = json!(ca_file);
        }
        extra
    };
    for (id, mood, ssl) in [(1, starttls, false), (11, wrapped, true)] {
        let server = MailServer::start(mood).await;
        let mut connection = smtp(server.port, &extra(ssl, true));
        connection.login = Some("kim".to_owned());
        connection.password = Some("geheim77".to_owned());
        with_smtp(&worker, connection.clone());
        worker.link.give_work(notice(id, "email", &json!({"to": "a@here.example"})));
        assert_eq!(done(&worker, id).await, None);
        assert!(server.taken()[0].encrypted);
        connection.password = Some("wr0ng".to_owned());
        with_smtp(&worker, connection.clone());
        worker.link.give_work(notice(id + 1, "email", &json!({"to": "a@here.example"})));
        let problem = done(&worker, id + 1).await.expect("a problem");
        assert!(problem.contains("wrong password"), "{problem}");
        connection.extra = extra(ssl, false).as_object().expect("a map").clone();
        with_smtp(&worker, connection);
        worker.link.give_work(notice(id + 2, "email", &json!({"to": "a@here.example"})));
        let problem = done(&worker, id + 2).await.expect("a problem");
        assert!(problem.contains("ertificate"), "{problem}");
        assert_eq!(server.taken().len(), 1);
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notify_task_sends_and_never_fails() {
    let worker = TestWorker::start();
    let server = Server::start(ANSWERS).await;
    let mails = MailServer::start(Mood::default()).await;
    with_smtp(&worker, smtp(mails.port, &json!({"from": "ops@here.example"})));
    let slack = format!(
        r#"{{"conn_type": "slackwebhook", "host": "{}", "password": "T0/B0/xyz"}}"#,
        server.base
    );
    let slack = Connection::parse("slack", &slack).expect("a connection");
    worker.link.lock().connections.insert("slack".to_owned(), slack);
    let send = json!([
        {"email": {"to": "a@here.example", "subject": "{{ ds }}", "html": "<p>{{ run_id }}</p>"}},
        {"slack": {"conn_id": "slack", "text": "day {{ ds }}"}},
        {"webhook": {"url": "http://127.0.0.1:9/", "json": {}}},
    ]);
    let result = worker.run(assignment(1, task("notify", &json!({ "send": send })))).await;
    assert_eq!(result.outcome, Outcome::Success, "{:?}", result.reason);
    let sent = result.xcoms["return_value"].as_array().expect("a list").clone();
    let sent: Vec<bool> = sent.iter().map(|one| one["sent"] == true).collect();
    assert_eq!(sent, [true, true, false]);
    assert!(mails.taken()[0].text.contains("Subject: 2025-08-21"));
    let request = server.requests().remove(0);
    assert!(request.starts_with("POST /T0/B0/xyz HTTP/1.1"), "{request}");
    assert!(request.ends_with(r#"{"text":"day 2025-08-21"}"#), "{request}");
    let log = worker.link.log(key(1));
    assert!(log.contains("webhook: not sent") && log.contains("nobody listens"), "{log}");
    worker.stop().await;
}
