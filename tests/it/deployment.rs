//! The deployment DAG's shape with canned decisions: what `trigger_rule` alone changes.
//!
//! The expected states are those of Airflow 3.3.2 on the same topology.

use serde_json::json;

use crate::harness::{Metadata, Millrace, wait_for};

/// The course's topology: the branch points at `deploy` and, behind the look-ups, at it again.
pub(crate) fn deployment(trigger_rule: &str) -> String {
    format!(
        r#"
dag_id: deployment
max_active_runs: 1
params:
  api: {{enum: [up, down], default: down}}
  model: {{enum: [newer, same], default: newer}}
tasks:
  branch:
    operator: branch
    bash_command: |
      if [ {{{{ params.api }}}} = up ]; then echo '["get_deployed", "get_latest"]'; else echo deploy; fi
  get_deployed: {{operator: bash, needs: [branch], bash_command: echo 1}}
  get_latest:
    operator: bash
    needs: [branch]
    bash_command: "[ {{{{ params.model }}}} = same ] && echo 1 || echo 2"
  decide:
    operator: branch
    needs: [get_deployed, get_latest]
    choose:
      - when: "{{{{ xcom('get_latest') > xcom('get_deployed') }}}}"
        then: deploy
      - else: skip
  deploy:
    operator: bash
    needs: [branch, decide]
    trigger_rule: {trigger_rule}
    bash_command: echo deployed
  skip: {{operator: bash, needs: [decide], bash_command: echo kept}}
"#
    )
}

/// One letter a task, as the course writes it: S success, K skipped, F failed.
pub(crate) fn letters(millrace: &Millrace, run: &str) -> String {
    let states = millrace.states("deployment", run);
    ["branch", "get_deployed", "get_latest", "decide", "deploy", "skip"]
        .map(|task| match states.get(task).map(String::as_str) {
            Some("success") => 'S',
            Some("skipped") => 'K',
            Some("failed") => 'F',
            _ => '?',
        })
        .iter()
        .collect()
}

/// Puts the file in place and waits until new runs follow this rule.
fn set_rule(millrace: &Millrace, rule: &str) {
    millrace.add_dag("deployment", &deployment(rule));
    wait_for(&format!("trigger_rule {rule}"), 30, || {
        let (_, task) = millrace.get("/api/v2/dags/deployment/tasks/deploy");
        if task["trigger_rule"] == rule { Ok(()) } else { Err(task.to_string()) }
    });
}

fn check_rules(metadata: Metadata) {
    let millrace = Millrace::start(metadata);
    let table = [
        ("all_success", "down", "newer", "SKKKKK"),
        ("all_success", "down", "same", "SKKKKK"),
        ("all_success", "up", "newer", "SSSSSK"),
        ("all_success", "up", "same", "SSSSKS"),
        ("one_success", "down", "newer", "SKKKSK"),
        ("one_success", "down", "same", "SKKKSK"),
        ("one_success", "up", "newer", "SSSSSK"),
        ("one_success", "up", "same", "SSSSSS"),
        ("none_failed_min_one_success", "down", "newer", "SKKKSK"),
        ("none_failed_min_one_success", "down", "same", "SKKKSK"),
        ("none_failed_min_one_success", "up", "newer", "SSSSSK"),
        ("none_failed_min_one_success", "up", "same", "SSSSKS"),
    ];
    let mut rule_in_place = "";
    for (rule, api, model, expected) in table {
        if rule != rule_in_place {
            set_rule(&millrace, rule);
            rule_in_place = rule;
        }
        let conf = json!({ "conf": { "api": api, "model": model } });
        let run = millrace.trigger("deployment", conf);
        let state = millrace.wait_for_run("deployment", &run, 60);
        let what = format!("{rule}, API {api}, model {model}, {metadata:?}");
        assert_eq!(letters(&millrace, &run), expected, "{what}");
        assert_eq!(state, "success", "{what}: only skipped leaves are a success too");
    }
}

#[test]
fn the_trigger_rule_alone_changes_the_table_on_sqlite() {
    check_rules(Metadata::Sqlite);
}

#[test]
fn the_trigger_rule_alone_changes_the_table_on_mariadb() {
    check_rules(Metadata::MariaDb);
}
