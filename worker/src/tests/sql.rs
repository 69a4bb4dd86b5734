//! SQL tasks on a real MariaDB and on SQLite files.

use millrace_core::connection::Connection;
use millrace_core::wire::{Assignment, AttemptResult, Kill, Outcome, Work};
use serde_json::{Value, json};

use crate::testing::{TestWorker, assignment, key, mariadb, task, until, with_task};

/// Comments, quotes and names that hold semicolons; the last statement has none.
const HARD: &str = r#"
-- 1. a comment with a ; semicolon, an apostrophe ' and 한글
CREATE TABLE hard (n INT PRIMARY KEY, v VARCHAR(100));
INSERT INTO hard VALUES (1, 'a;b'); INSERT INTO hard VALUES (2, 'it''s; fine');
INSERT INTO hard VALUES (3, 'back\'slash; "q"'); # hash comment; with ' quote
INSERT INTO hard VALUES (4, "double; 'quoted' ""x"""); /* block ; comment
  over 'two lines; */ INSERT INTO hard VALUES (5, '-- no comment; /* nor this */ # nor this');
;;
INSERT INTO hard VALUES (6, '한글;세미콜론 😀 100% ? :name %s');
CREATE TABLE `ha;rd` (n INT);
INSERT INTO `ha;rd` SELECT 5--1;
-- a last comment, then a last statement without semicolon
SELECT n, v FROM hard ORDER BY n
"#;

fn sql(ti: i64, config: Value) -> Assignment {
    let mut config = config;
    config["conn_id"] = json!("db");
    assignment(ti, task("sql", &config))
}

fn with_connection(worker: &TestWorker, connection: &Connection) {
    worker.link.lock().connections.insert("db".to_owned(), connection.clone());
}

fn value(result: &AttemptResult) -> &Value {
    assert_eq!(result.outcome, Outcome::Success, "{:?}", result.reason);
    &result.xcoms["return_value"]
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_texts_run_statement_by_statement() {
    let worker = TestWorker::start();
    with_connection(&worker, &mariadb::database());
    let result = worker.run(sql(1, json!({"sql": HARD}))).await;
    let expected = json!([
        [1, "a;b"],
        [2, "it's; fine"],
        [3, "back'slash; \"q\""],
        [4, "double; 'quoted' \"x\""],
        [5, "-- no comment; /* nor this */ # nor this"],
        [6, "한글;세미콜론 😀 100% ? :name %s"],
    ]);
    assert_eq!(value(&result), &expected);
    let log = worker.link.log(key(1));
    assert!(
        log.contains("statement 2 of 10 (line 4):\nINSERT INTO hard VALUES (1, 'a;b')\n"),
        "{log}"
    );
    assert!(log.contains("1 rows affected in 0."), "{log}");
    assert!(log.contains("6 rows in 0."), "{log}");
    assert!(!log.contains("root:root"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing_unless_autocommit() {
    let worker = TestWorker::start();
    let connection = mariadb::database();
    with_connection(&worker, &connection);
    let schema = connection.schema.clone().expect("a database");
    let count = || mariadb::sql(&format!("SELECT COUNT(*) FROM {schema}.t"));
    mariadb::sql(&format!(
        "CREATE TABLE {schema}.t (n INT PRIMARY KEY); INSERT INTO {schema}.t VALUES (1), (2)"
    ));
    let text = "DELETE FROM t;\n-- then\nINSERT INTO t VALUES ('no number at all', 1)";
    let result = worker.run(sql(1, json!({"sql": text}))).await;
    assert_eq!(result.outcome, Outcome::Failed);
    let reason = result.reason.expect("a reason");
    assert!(reason.contains("statement 2 of 2 (line 3) `-- then\nINSERT"), "{reason}");
    assert!(reason.contains("error 1136 (21S01)"), "{reason}");
    assert!(worker.link.log(key(1)).contains("rolled back"));
    assert_eq!(count(), "2", "the rows of before");
    worker.run(sql(2, json!({"sql": text, "autocommit": true}))).await;
    assert_eq!(count(), "0", "each statement by itself");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_bounds_and_all_results() {
    let worker = TestWorker::start();
    with_connection(&worker, &mariadb::database());
    let nasty = "x' OR 1=1 -- \\ \" ; 한글";
    let config = json!({"sql": "SELECT %(a)s, :b, '%s ?'", "parameters": {"a": nasty, "b": 2}});
    let result = worker.run(sql(1, config)).await;
    assert_eq!(value(&result), &json!([[nasty, 2, "%s ?"]]));
    let many = "SELECT seq FROM seq_1_to_50; SELECT 1 WHERE 1 = 0";
    let config = json!({"sql": many, "max_rows": 3, "return_last": false});
    let result = worker.run(sql(2, config)).await;
    assert_eq!(value(&result), &json!([[[1], [2], [3]], []]));
    assert!(worker.link.log(key(2)).contains("only the first 3 rows are kept"));
    let types = "SELECT CAST(0.5 AS DECIMAL(5,2)), DATE '2025-08-22', NULL, 1e3, TRUE, NOW() > 0";
    let result = worker.run(sql(3, json!({"sql": types}))).await;
    assert_eq!(value(&result), &json!([[0.5, "2025-08-22", null, 1000, 1, 1]]));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_query_ends_at_the_server() {
    let worker = TestWorker::start();
    with_connection(&worker, &mariadb::database());
    let asleep =
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(61%'";
    let sleeping = sql(1, json!({"sql": "SELECT SLEEP(61)"}));
    let timed = with_task(sleeping.clone(), |task| task.execution_timeout_secs = Some(0.3));
    let result = worker.run(timed).await;
    assert!(result.reason.expect("a reason").contains("timed out"));
    assert_eq!(mariadb::sql(asleep), "0");
    let mut killed = sleeping;
    killed.key = key(2);
    worker.link.give(killed);
    until("the query", || (mariadb::sql(asleep) == "1").then_some(())).await;
    worker.link.give_work(Work::Kill(Kill { key: key(2), reason: "cleared".to_owned() }));
    assert_eq!(worker.link.result(key(2)).await.outcome, Outcome::Killed);
    assert_eq!(mariadb::sql(asleep), "0");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_fail_say_why() {
    let worker = TestWorker::start();
    let mut connection = mariadb::database();
    connection.password = Some("wr0ng-password".to_owned());
    with_connection(&worker, &connection);
    let result = worker.run(sql(1, json!({"sql": "SELECT 1"}))).await;
    let reason = result.reason.expect("a reason");
    assert!(reason.contains("connection \"db\": error 1045"), "{reason}");
    assert!(!reason.contains("wr0ng"), "{reason}");
    worker.link.lock().connections.clear();
    let result = worker.run(sql(2, json!({"sql": "SELECT 1"}))).await;
    assert!(result.reason.expect("a reason").contains("connection \"db\" does not exist"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_files_too() {
    let worker = TestWorker::start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("data.db").display().to_string();
    let connection = Connection {
        conn_id: "db".to_owned(),
        conn_type: "sqlite".to_owned(),
        host: Some(file),
        ..Connection::default()
    };
    with_connection(&worker, &connection);
    let text = "CREATE TABLE t (n INTEGER, v TEXT, r REAL);\n\
                INSERT INTO t VALUES (1, 'a;b', 0.5), (2, NULL, 1)";
    worker.run(sql(1, json!({"sql": text}))).await;
    let config = json!({"sql": "SELECT * FROM t WHERE n <= ? ORDER BY n", "parameters": [2]});
    let result = worker.run(sql(2, config)).await;
    assert_eq!(value(&result), &json!([[1, "a;b", 0.5], [2, null, 1.0]]));
    let broken = "DELETE FROM t; INSERT INTO nowhere VALUES (1)";
    let result = worker.run(sql(3, json!({"sql": broken}))).await;
    assert!(result.reason.expect("a reason").contains("no such table: nowhere"));
    let result = worker.run(sql(4, json!({"sql": ["SELECT COUNT(*) FROM t"]}))).await;
    assert_eq!(value(&result), &json!([[2]]));
    worker.stop().await;
}
