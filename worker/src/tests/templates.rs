//! Templates on a worker: what they see, what they ask for, and what never reaches a shell.

use millrace_core::connection::Connection;
use millrace_core::template::{Answer, Lookup};
use millrace_core::wire::Outcome;
use serde_json::json;

use crate::testing::{TestWorker, bash, key, with_task};

#[tokio::test(flavor = "multi_thread")]
async fn dates_lookups_and_variables() {
    let worker = TestWorker::start();
    {
        let mut script = worker.link.lock();
        script.lookups.insert(Lookup::xcom("train", "return_value"), Answer::Value(json!(0.5)));
        let text = "mysql://u:geheim99@db.example:3306/mlops";
        let connection = Connection::parse("db", text).expect("a connection");
        let wanted = Lookup::Connection { conn_id: "db".to_owned() };
        script.lookups.insert(wanted, Answer::Connection(Box::new(connection.clone())));
        script.connections.insert("db".to_owned(), connection);
    }
    let command = "echo {{ ds }} {{ xcom('train') + 1 }} $DAY {{ conn.db.host }}; \
                   echo {{ conn.db.password }} $PASSWORD >&2";
    let task = with_task(bash(1, command), |task| {
        task.env.insert("DAY".to_owned(), "{{ ds_nodash }}".to_owned());
        task.env.insert("PASSWORD".to_owned(), "{{ conn.db.password }}".to_owned());
    });
    let result = worker.run(task).await;
    assert_eq!(result.xcoms["return_value"], "2025-08-21 1.5 20250821 db.example", "{result:?}");
    assert!(worker.link.log(key(1)).contains("*** ***\n"), "{}", worker.link.log(key(1)));
    let rendered = result.rendered.expect("rendered fields");
    assert!(!rendered.to_string().contains("geheim99"), "{rendered}");
    assert_eq!(rendered["env"], json!({"DAY": "20250821", "PASSWORD": "***"}));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_template_fails_for_good_and_names_its_place() {
    let worker = TestWorker::start();
    let result = worker.run(bash(1, "echo {{ dss }}")).await;
    assert_eq!(result.outcome, Outcome::FailedForGood);
    let reason = result.reason.expect("a reason");
    assert!(reason.contains("the_task.bash_command:1") && reason.contains("dss"), "{reason}");
    worker.stop().await;
}
#[tokio::test(flavor = "multi_thread")]
async fn run_input_never_becomes_shell_text() {
    let worker = TestWorker::start();
    let folder = tempfile::tempdir().expect("a folder");
    let canary = folder.path().join("canary");
    let touch = format!("touch {}", canary.display());
    let inputs = [
        format!("\"; {touch} #"),
        format!("'; {touch} #"),
        format!("$({touch})"),
        format!("`{touch}`"),
        format!("\n{touch}\n"),
        format!("& {touch} &"),
        format!("' && {touch} && '"),
        "{{ 7 * 7 }}".to_owned(),
        "a'b\"c\\d $HOME *".to_owned(),
        "한글 😀".to_owned(),
        "-n -e".to_owned(),
    ];
    let commands = [
        "printf '%s' {{ params.x }}",
        "x={{ params.x }}; printf '%s' \"$x\"",
        "printf '%s' {{ dag_run.conf['x'] }}",
    ];
    let mut ti = 0;
    for input in &inputs {
        for command in commands {
            ti += 1;
            let mut assignment = bash(ti, command);
            let given = json!({ "x": input });
            assignment.run.params = given.as_object().expect("a map").clone();
            assignment.run.conf = Some(assignment.run.params.clone());
            let result = worker.run(assignment).await;
            assert!(!canary.exists(), "{command} with {input:?}");
            if result.outcome == Outcome::Success {
                let last = input.lines().last().unwrap_or_default();
                let expected = crate::xcom::value_of(last.trim_end());
                assert_eq!(result.xcoms["return_value"], expected, "{command} with {input:?}");
            } else {
                let reason = result.reason.expect("a reason");
                assert!(reason.contains("template"), "{command} with {input:?}: {reason}");
            }
        }
    }
    worker.stop().await;
}
