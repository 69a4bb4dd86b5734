//! `sql` on a real PostgreSQL.

use millrace_core::connection::Connection;
use millrace_core::wire::{Assignment, AttemptResult, Kill, Outcome, Work};
use serde_json::{Value, json};

use crate::testing::{TestWorker, assignment, key, postgres, task, until, with_task};

fn sql(ti: i64, config: Value) -> Assignment {
    let mut config = config;
    config["conn_id"] = json!("db");
    assignment(ti, task("sql", &config))
}

fn start(connection: &Connection) -> TestWorker {
    let worker = TestWorker::start();
    worker.link.lock().connections.insert("db".to_owned(), connection.clone());
    worker
}

fn schema(connection: &Connection) -> &str {
    connection.schema.as_deref().expect("a database")
}

fn value(result: &AttemptResult) -> &Value {
    assert_eq!(result.outcome, Outcome::Success, "{:?}", result.reason);
    &result.xcoms["return_value"]
}

/// Bodies in dollar quotes, nested comments, both kinds of strings.
const HARD: &str = r#"
/* outer; /* inner; */ still; */ CREATE TABLE hard (n INT PRIMARY KEY, v TEXT);
CREATE FUNCTION twice(x INT) RETURNS INT LANGUAGE plpgsql AS $body$
BEGIN
  -- a comment; with 'quotes
  RETURN x * 2;
END;
$body$;
DO $$ BEGIN INSERT INTO hard VALUES (twice(1), 'a;b'); END $$;
INSERT INTO hard VALUES (1, E'it\'s; fine'), (3, 'back\slash; "q" $1 %s ?'), (4, '한글;😀');
WITH gone AS (DELETE FROM hard WHERE n = 99 RETURNING n) INSERT INTO hard SELECT 5, 'none; ' || count(*) FROM gone;
CREATE TABLE "ha;rd" (n INT);
SELECT n, v FROM hard ORDER BY n
"#;

#[tokio::test(flavor = "multi_thread")]
async fn hard_texts_run_statement_by_statement() {
    let worker = start(&postgres::database());
    let result = worker.run(sql(1, json!({"sql": HARD}))).await;
    let expected = json!([
        [1, "it's; fine"],
        [2, "a;b"],
        [3, "back\\slash; \"q\" $1 %s ?"],
        [4, "한글;😀"],
        [5, "none; 0"],
    ]);
    assert_eq!(value(&result), &expected);
    let log = worker.link.log(key(1));
    for part in [
        "statement 2 of 7 (line 3):\nCREATE FUNCTION",
        "statement 4 of 7 (line 10): 3 rows affected in 0.",
        "statement 5 of 7 (line 11): 1 rows affected in 0.",
        "statement 7 of 7 (line 13): 5 rows in 0.",
        "committed",
    ] {
        assert!(log.contains(part), "{part} is not in {log}");
    }
    assert!(!log.contains("root:root"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_all_common_types() {
    let worker = start(&postgres::database());
    let text = "SELECT 1::smallint, 2::bigint, 0.5::numeric, 1e-3::float8, true, NULL, 'x'::varchar, \
                '{\"a\": [1, null]}'::jsonb, DATE '2025-08-22', TIMESTAMPTZ '2025-08-22 00:00+09', \
                INTERVAL '1 day', 'hé'::bytea, ARRAY[1, NULL, 3], ARRAY['a', 'b c'], \
                '5b6a7c1e-0000-4000-8000-000000000001'::uuid, 'NaN'::float8";
    let result = worker.run(sql(1, json!({"sql": text}))).await;
    let expected = json!([[
        1,
        2,
        0.5,
        0.001,
        true,
        null,
        "x",
        {"a": [1, null]},
        "2025-08-22",
        "2025-08-21 15:00:00+00",
        "1 day",
        "hé",
        [1, null, 3],
        ["a", "b c"],
        "5b6a7c1e-0000-4000-8000-000000000001",
        "NaN"
    ]]);
    assert_eq!(value(&result), &expected);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing_unless_autocommit() {
    let connection = postgres::database();
    let worker = start(&connection);
    let count = || postgres::sql(schema(&connection), "SELECT COUNT(*) FROM t");
    postgres::sql(
        schema(&connection),
        "CREATE TABLE t (n INT PRIMARY KEY); INSERT INTO t VALUES (1), (2)",
    );
    let text = "DELETE FROM t;\n-- then\nINSERT INTO t VALUES (3), (3)";
    let result = worker.run(sql(1, json!({"sql": text}))).await;
    assert_eq!(result.outcome, Outcome::Failed);
    let reason = result.reason.expect("a reason");
    assert!(reason.contains("statement 2 of 2 (line 3) `-- then\nINSERT"), "{reason}");
    assert!(reason.contains("error 23505: duplicate key"), "{reason}");
    assert!(reason.contains("detail: Key (n)=(3) already exists."), "{reason}");
    assert!(worker.link.log(key(1)).contains("rolled back"));
    assert_eq!(count(), "2", "the rows of before");
    worker.run(sql(2, json!({"sql": text, "autocommit": true}))).await;
    assert_eq!(count(), "0", "each statement by itself");
    // What must not be in a transaction needs `autocommit`, as in Airflow.
    let result = worker.run(sql(3, json!({"sql": "VACUUM t"}))).await;
    assert!(result.reason.expect("a reason").contains("cannot run inside a transaction block"));
    let result = worker.run(sql(4, json!({"sql": "VACUUM t", "autocommit": true}))).await;
    assert_eq!(result.outcome, Outcome::Success);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_bounds_and_all_results() {
    let worker = start(&postgres::database());
    let nasty = "x' OR 1=1 -- \\ \" ; 한글";
    let config = json!({
        "sql": "SELECT %(a)s, :b - %(c)s, 2 = ANY(%(d)s), %(e)s::jsonb ? 'k', '%s ?'",
        "parameters": {"a": nasty, "b": 2, "c": -1, "d": [1, 2], "e": {"k": 1}},
    });
    let result = worker.run(sql(1, config)).await;
    assert_eq!(value(&result), &json!([[nasty, 3, true, true, "%s ?"]]));
    let many = "SELECT generate_series(1, 50); SELECT 1 WHERE false";
    let config = json!({"sql": many, "max_rows": 3, "return_last": false});
    let result = worker.run(sql(2, config)).await;
    assert_eq!(value(&result), &json!([[[1], [2], [3]], []]));
    assert!(worker.link.log(key(2)).contains("only the first 3 rows are kept"));
    let result = worker.run(sql(3, json!({"sql": "COPY (SELECT 1) TO STDOUT"}))).await;
    let reason = result.reason.expect("a reason");
    assert!(reason.contains("COPY from STDIN or to STDOUT needs a client's stream"), "{reason}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_query_ends_at_the_server() {
    let connection = postgres::database();
    let worker = start(&connection);
    let asleep = || {
        let active = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                      AND state = 'active' AND query LIKE 'SELECT pg_sleep(61%'";
        postgres::sql(schema(&connection), active)
    };
    let sleeping = sql(1, json!({"sql": "SELECT pg_sleep(61); CREATE TABLE later (n INT)"}));
    let timed = with_task(sleeping.clone(), |task| task.execution_timeout_secs = Some(0.3));
    let result = worker.run(timed).await;
    assert!(result.reason.expect("a reason").contains("timed out"));
    assert_eq!(asleep(), "0");
    let mut killed = sleeping;
    killed.key = key(2);
    worker.link.give(killed);
    until("the query", || (asleep() == "1").then_some(())).await;
    worker.link.give_work(Work::Kill(Kill { key: key(2), reason: "cleared".to_owned() }));
    assert_eq!(worker.link.result(key(2)).await.outcome, Outcome::Killed);
    assert_eq!(asleep(), "0");
    assert_eq!(postgres::sql(schema(&connection), "SELECT to_regclass('later') IS NULL"), "t");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_is_not_the_task_s_fault() {
    let connection = postgres::database();
    let worker = start(&connection);
    worker.link.give(sql(1, json!({"sql": "SELECT pg_sleep(62)"})));
    let end = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep(62%'";
    until("the query", || (postgres::sql(schema(&connection), end) == "1").then_some(())).await;
    let result = worker.link.result(key(1)).await;
    assert_eq!(result.outcome, Outcome::Lost, "{:?}", result.reason);
    let reason = result.reason.expect("a reason");
    assert!(reason.contains("57P01") && reason.contains("rolled back"), "{reason}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_fail_say_why() {
    let mut connection = postgres::database();
    let worker = start(&connection);
    let mut ti = 0;
    let mut check = async |connection: &Connection, expected: &str| {
        ti += 1;
        worker.link.lock().connections.insert("db".to_owned(), connection.clone());
        let reason = worker.run(sql(ti, json!({"sql": "SELECT 1"}))).await.reason;
        let reason = reason.expect("a reason");
        assert!(reason.contains(expected), "{expected} is not in {reason}");
        assert!(!reason.contains("wr0ng"), "{reason}");
    };
    connection.extra.insert("sslmode".to_owned(), json!("verify-full"));
    check(&connection, "connection \"db\": `sslmode` is \"verify-full\"; this build").await;
    connection.extra.insert("sslmode".to_owned(), json!("prefer"));
    connection.extra.insert("options".to_owned(), json!("-c no_such_setting=1"));
    check(&connection, "connection \"db\": error 42704").await;
    connection.extra.clear();
    connection.schema = Some("nowhere".to_owned());
    check(&connection, "connection \"db\": error 3D000").await;
    connection.password = Some("wr0ng-password".to_owned());
    check(&connection, "connection \"db\": error 28P01").await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_the_settings_of_its_connection() {
    let mut connection = postgres::database();
    connection.extra.insert("timezone".to_owned(), json!("Asia/Seoul"));
    connection.extra.insert("options".to_owned(), json!("-c statement_timeout=300ms"));
    let worker = start(&connection);
    let text = "SELECT TIMESTAMPTZ '2025-08-21 21:24:23Z'::date, \
                current_setting('statement_timeout'), current_setting('application_name')";
    let result = worker.run(sql(1, json!({"sql": text}))).await;
    assert_eq!(value(&result), &json!([["2025-08-22", "300ms", "millrace"]]));
    let result = worker.run(sql(2, json!({"sql": "SELECT pg_sleep(30)"}))).await;
    assert!(result.reason.expect("a reason").contains("due to statement timeout"));
    worker.stop().await;
}
