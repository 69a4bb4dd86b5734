//! Files that load, and what they become.

use std::path::Path;

use serde_json::json;

use super::fixture;
use super::*;
use crate::dag::RetryAction;
use crate::dag::Task;
use crate::state::{TriggerRule, WeightRule};
use crate::timetable::Timetable;

fn read_with(name: &str, text: &str, folder: Option<&Path>) -> Vec<Document> {
    let zones = Zones::bundled();
    let known = Known::new(&zones);
    let mut file =
        SourceFile { name: name.to_owned(), text: text.to_owned(), files: BTreeMap::new() };
    for wanted in read(&file, &known).into_iter().flat_map(|document| document.unread) {
        let found = match folder {
            Some(folder) => fixture::text(&folder.join(&wanted)),
            None => Ok(format!("-- {wanted}")),
        };
        file.files.insert(wanted, found);
    }
    read(&file, &known)
}

fn shown(documents: &[Document]) -> String {
    let found = documents.iter().flat_map(|document| &document.diagnostics);
    found.map(|found| found.render(crate::diagnostic::Paint::Plain)).collect()
}

/// The one DAG of a text; notes are allowed.
fn dag(text: &str) -> Dag {
    let mut documents = read_with("test.yaml", text, None);
    let shown = shown(&documents);
    assert_eq!(documents.len(), 1, "{shown}");
    documents.remove(0).dag.unwrap_or_else(|| panic!("it does not load:\n{shown}"))
}

fn task<'d>(dag: &'d Dag, task_id: &str) -> &'d Task {
    dag.task(task_id).unwrap_or_else(|| panic!("no task {task_id}")).1
}

fn upstream(dag: &Dag, task_id: &str) -> Vec<String> {
    let (at, _) = dag.task(task_id).unwrap_or_else(|| panic!("no task {task_id}"));
    dag.upstream(at).into_iter().map(|at| dag.tasks[at].task_id.to_string()).collect()
}

#[test]
fn the_examples_load() {
    let mut loaded = 0;
    for path in fixture::yaml_files("dags") {
        let text = fixture::text(&path).expect("an example");
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let documents = read_with(&name, &text, path.parent());
        assert!(documents.iter().all(|d| d.dag.is_some()), "{name}:\n{}", shown(&documents));
        assert_eq!(shown(&documents), "", "{name}");
        loaded += documents.len();
    }
    assert!(loaded >= 5, "only {loaded} examples");
}

#[test]
fn a_mistake_in_the_grid_starts_nothing() {
    let path = fixture::repository("dags/credit_score_classification_ct.yaml");
    let text = fixture::text(&path).expect("the example");
    let documents = read_with("ct.yaml", &text, path.parent());
    let params = &documents[0].dag.as_ref().expect("it loads").params;
    let check = |grid: serde_json::Value, expected: Result<(), &str>| {
        let conf = json!({"grid": grid}).as_object().cloned().unwrap_or_default();
        let got = params.merge(&conf).map(|_| ()).map_err(|problems| {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        });
        assert_eq!(got, expected.map_err(str::to_owned), "{grid}");
    };
    check(json!({"depth": [4]}), Ok(()));
    check(json!({"dept": [4]}), Err("conf.grid: unknown key \"dept\"; did you mean \"depth\"?"));
    check(json!({"depth": ["4"]}), Err("conf.grid.depth[0]: \"4\" is not of the type integer"));
    check(json!({"depth": [99]}), Err("conf.grid.depth[0]: 99 is more than the maximum of 10"));
}

#[test]
fn every_key_of_the_format_loads() {
    let path = fixture::repository("tests/fixtures/good/every_key.yaml");
    let text = fixture::text(&path).expect("the fixture");
    let documents = read_with("every_key.yaml", &text, None);
    assert_eq!(shown(&documents), "");
    let dag = documents[0].dag.as_ref().expect("it loads");
    for key in keys::DAG_KEYS.iter().filter(|key| key.support == keys::Support::Read) {
        assert!(text.contains(&format!("\n{}:", key.name)), "the fixture lacks `{}`", key.name);
    }
    let elsewhere = ["task_id", "task_group_name", "with"];
    for key in keys::TASK_KEYS.iter().filter(|key| key.support == keys::Support::Read) {
        let there = text.contains(&format!("    {}:", key.name));
        assert!(there || elsewhere.contains(&key.name), "the fixture lacks `{}`", key.name);
    }
    assert_eq!(dag.dag_id, "every_key");
    assert_eq!(dag.timezone, "Asia/Seoul");
    assert_eq!(dag.start_date.map(|at| at.to_string()).as_deref(), Some("2024-12-31T15:00:00Z"));
    assert_eq!(dag.dagrun_timeout_secs, Some(7_200.0));
    assert!(matches!(dag.timetable, Timetable::Cron { data_intervals: true, .. }));
    assert_eq!(dag.schedule_text.as_deref(), Some("0 15 * * *"));
    let full = task(dag, "full");
    assert_eq!(full.trigger_rule, TriggerRule::AllDone);
    assert_eq!((full.retries, full.retry_delay_secs), (3, 90.0));
    assert!((full.retry_exponential_backoff - 2.0).abs() < f64::EPSILON);
    assert_eq!(full.no_retry_exit_codes, [2, 64]);
    let rules: Vec<_> = full.retry_policy.iter().map(|r| (&r.exit_codes[..], r.then)).collect();
    let expected: [(&[i32], RetryAction); 3] =
        [(&[2, 3], RetryAction::Fail), (&[], RetryAction::Retry), (&[64], RetryAction::Default)];
    assert_eq!(rules, expected);
    assert_eq!(full.retry_policy[1].reason.as_deref(), Some("connection refused"));
    assert_eq!(full.retry_policy[1].delay_secs, Some(30.0));
    assert_eq!(full.start_date.map(|at| at.to_string()).as_deref(), Some("2025-01-01T15:00:00Z"));
    assert_eq!(full.run_as_user.as_deref(), Some("nobody"));
    assert!(full.multiple_outputs && full.wait_for_past_depends_before_skipping);
    assert!(task(dag, "unmake").on_failure_fail_dagrun);
    assert_eq!(full.pools.get("gpu"), Some(&1));
    assert_eq!(full.weight_rule, WeightRule::Absolute);
    assert_eq!(full.resources.get("memory"), Some(&4_294_967_296.0));
    let outlets: Vec<&str> = full.outlets.iter().map(|asset| asset.name.as_str()).collect();
    assert_eq!(outlets, ["model://credit", "s3://bucket/x"]);
    assert_eq!(full.callbacks.on_failure[0].kind, "webhook");
    assert_eq!(
        full.callbacks.on_retry[0].config,
        *json!({"message": "again"}).as_object().unwrap()
    );
    assert!(full.depends_on_past && full.wait_for_downstream);
    assert!(task(dag, "make").is_setup);
    assert_eq!(task(dag, "unmake").trigger_rule, TriggerRule::AllDoneSetupSuccess);
    assert_eq!(upstream(dag, "unmake"), ["make", "full"]);
}

#[test]
fn what_is_inherited() {
    let dag = dag(r#"
dag_id: inherit
default_args: {owner: ml, retries: 2, retry_delay: 1m, conn_id: db, env: {A: "1"}}
templates:
  base: {append_env: true, env: {A: base, B: base}}
  box: {extends: [base], operator: bash, bash_command: echo box, env: {B: box, C: box}}
tasks:
  plain: {operator: bash, bash_command: "true"}
  query: {operator: sql, sql: select 1, retries: 0}
  boxed: {extends: box, env: {C: own}}
  both: {extends: [box, base], env: null}
"#);
    assert_eq!(dag.owner, "ml");
    let check = |task_id: &str, env: &[(&str, &str)]| {
        let got: Vec<(&str, &str)> =
            task(&dag, task_id).env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(got, env, "{task_id}");
    };
    check("plain", &[("A", "1")]);
    check("boxed", &[("C", "own"), ("B", "box"), ("A", "base")]);
    assert_eq!(task(&dag, "plain").retries, 2);
    assert_eq!(task(&dag, "query").retries, 0);
    assert_eq!(task(&dag, "query").config["conn_id"], json!("db"));
    assert!(task(&dag, "boxed").append_env && !task(&dag, "plain").append_env);
    assert_eq!(task(&dag, "boxed").config["bash_command"], json!("echo box"));
}

#[test]
fn groups_prefix_and_wire_their_tasks() {
    let dag = dag(r#"
dag_id: groups
task_groups:
  prep:
    needs: [start]
    default_args: {retries: 5}
    tasks:
      clean: {operator: empty}
      split: {operator: empty, needs: [clean]}
    task_groups:
      inner:
        needs: [split]
        tasks: {deep: {operator: empty}}
  flat: {prefix_group_id: false, needs: [prep], tasks: {fit: {operator: empty}}}
tasks:
  start: {operator: empty}
  late: {operator: empty, task_group_name: prep, needs: [prep.split]}
  decide: {operator: branch, needs: [fit], choose: [{when: "{{ 1 == 1 }}", then: end}, {else: stop}]}
  end: {operator: empty, needs: [decide, prep]}
  stop: {operator: empty, needs: [decide]}
"#);
    assert_eq!(upstream(&dag, "prep.clean"), ["start"]);
    assert_eq!(upstream(&dag, "prep.split"), ["prep.clean"]);
    assert_eq!(upstream(&dag, "prep.inner.deep"), ["prep.split"]);
    assert_eq!(upstream(&dag, "prep.late"), ["prep.split"]);
    assert_eq!(upstream(&dag, "fit"), ["prep.inner.deep", "prep.late"]);
    assert_eq!(upstream(&dag, "end"), ["prep.inner.deep", "prep.late", "decide"]);
    assert_eq!(task(&dag, "prep.clean").retries, 5);
    assert_eq!(task(&dag, "start").retries, 0);
    assert_eq!(
        task(&dag, "decide").config["choose"],
        json!([{"when": "{{ 1 == 1 }}", "then": ["end"]}, {"then": ["stop"]}])
    );
}

#[test]
fn priorities_follow_the_weight_rule() {
    let dag = dag(r"
dag_id: weights
tasks:
  a: {operator: empty, priority_weight: 3}
  b: {operator: empty, needs: [a], priority_weight: 2}
  c: {operator: empty, needs: [a], weight_rule: upstream}
  d: {operator: empty, needs: [b, c], weight_rule: absolute, priority_weight: 2147483647}
");
    let check = |task_id: &str, expected| {
        assert_eq!(task(&dag, task_id).effective_priority, expected, "{task_id}");
    };
    check("a", i32::MAX);
    check("b", i32::MAX);
    check("c", 4);
    check("d", i32::MAX);
}

#[test]
fn what_people_paste_loads() {
    let documents = read_with(
        "factory.yaml",
        r#"
default:
  default_args: {owner: ml, start_date: 2025-01-01, retries: 1}
  schedule_interval: "@daily"
first:
  default_args: {retries: 3}
  task_groups: [{group_name: prep, tooltip: x}]
  tasks:
    - {task_id: a, operator: airflow.providers.standard.operators.bash.BashOperator, bash_command: echo, task_group_name: prep}
    - {task_id: b, operator: EmptyOperator, dependencies: [prep.a]}
second:
  schedule: null
  tasks: {x: {uses: bash, with: {command: echo}, upstream: []}}
"#,
        None,
    );
    assert_eq!(documents.len(), 2);
    let [first, second] = &documents[..] else { panic!("two documents") };
    let first_dag = first.dag.as_ref().unwrap_or_else(|| panic!("{}", shown(&documents)));
    let second_dag = second.dag.as_ref().unwrap_or_else(|| panic!("{}", shown(&documents)));
    assert_eq!(first_dag.schedule_text.as_deref(), Some("@daily"));
    assert_eq!(task(first_dag, "prep.a").retries, 3);
    assert_eq!(task(first_dag, "prep.a").owner, "ml");
    assert_eq!(upstream(first_dag, "b"), ["prep.a"]);
    assert_eq!(second_dag.schedule_text, None);
    assert_eq!(task(second_dag, "x").config["bash_command"], json!("echo"));
    assert!(second_dag.start_date.is_some());
    assert_ne!(first.content_hash, second.content_hash);
}

#[test]
fn values_keep_what_was_written() {
    let dag = dag("
dag_id: values
params: {plain: 5, list: [1, two], none: null, nested: {a: {b: 1}}}
tasks:
  a:
    operator: docker
    image: 3.10
    user: 1000
    command: [echo, 010, true, !raw '{{ x }}', on]
    environment: {V: 1.50, B: yes, RAW: !raw \"{{ y }}\"}
    mem_limit: 512m
    cpus: 1.5
    ports: [22:22]
    env: {RAW: {$raw: '{{ z }}'}, T: {$t: '{{ ds }}'}}
  b: {operator: http, url: http://x, output_on_error: null, timeout: 1m, json: {a: [1, null]}}
  c: {operator: bash, bash_command: true}
");
    assert_eq!(
        serde_json::Value::Object(task(&dag, "a").config.clone()),
        json!({
            "image": "3.10", "user": "1000",
            "command": ["echo", "010", "true", {"$raw": "{{ x }}"}, "on"],
            "environment": {"V": "1.50", "B": "yes", "RAW": {"$raw": "{{ y }}"}},
            "mem_limit": 536_870_912, "cpus": 1.5, "ports": ["22:22"],
        })
    );
    assert_eq!(task(&dag, "a").env["RAW"], "{% raw %}{{ z }}{% endraw %}");
    assert_eq!(task(&dag, "a").env["T"], "{{ ds }}");
    let http = &task(&dag, "b").config;
    assert_eq!(http["output_on_error"], json!(null));
    assert_eq!(http["timeout"], json!(60));
    assert_eq!(task(&dag, "c").config["bash_command"], json!("true"));
    assert_eq!(
        serde_json::Value::Object(dag.params.defaults.clone()),
        json!({"plain": 5, "list": [1, "two"], "none": null, "nested": {"a": {"b": 1}}})
    );
}

#[test]
fn anchors_and_merges_are_read() {
    let dag = dag(r"
x-box: &box {operator: bash, bash_command: echo, retries: 1}
dag_id: anchors
tasks:
  a: *box
  b: {<<: *box, retries: 2}
  c:
    <<: [{retries: 9}, *box]
    needs: &up [a, b]
  d: {<<: *box, needs: *up}
");
    let retries: Vec<u32> = dag.tasks.iter().map(|task| task.retries).collect();
    assert_eq!(retries, [1, 2, 9, 1]);
    assert_eq!(upstream(&dag, "d"), ["a", "b"]);
}

#[test]
fn files_are_asked_for_then_read() {
    let text = "dag_id: files\ntasks:\n  a: {operator: sql, conn_id: c, sql: [sql/x.sql, select 1]}\n  \
                b: {operator: bash, bash_command: ./run.sh}\n  c: {operator: bash, bash_command: bash run.sh}\n";
    let zones = Zones::bundled();
    let known = Known::new(&zones);
    let mut file = SourceFile { name: "f.yaml".into(), text: text.into(), files: BTreeMap::new() };
    let first = read(&file, &known).remove(0);
    assert!(first.dag.is_none() && first.diagnostics.is_empty());
    assert_eq!(first.unread, ["sql/x.sql", "./run.sh"]);
    file.files.insert("sql/x.sql".into(), Ok("select 2".into()));
    file.files.insert("./run.sh".into(), Ok("echo".into()));
    let second = read(&file, &known).remove(0);
    let dag = second.dag.expect("it loads");
    assert_eq!(task(&dag, "a").files["sql/x.sql"], "select 2");
    assert_eq!(second.file_refs, first.file_refs);
    assert_ne!(second.content_hash, first.content_hash);
    file.files.insert("./run.sh".into(), Ok("echo 2".into()));
    assert_ne!(read(&file, &known)[0].content_hash, second.content_hash);
}

#[test]
fn line_ends_and_marks_do_not_move_columns() {
    for text in [
        "\u{feff}dag_id: x\r\n# 한국어\r\ntasks:\r\n  a: {operator: empty, 설명: 1}\r\n",
        "dag_id: x\n# 한국어\ntasks:\n  a: {operator: empty, 설명: 1}\n",
    ] {
        let documents = read_with("x.yaml", text, None);
        let found = &documents[0].diagnostics[0];
        assert_eq!((found.line, found.column, found.end_column), (4, 24, 26), "{text:?}");
    }
}

#[test]
fn limits_answer_at_once() {
    let big = format!("dag_id: big\ndoc_md: {}\n", "x".repeat(FILE_BYTES_MAX));
    let check = |text: &str, code: &str| {
        let documents = read_with("big.yaml", text, None);
        assert_eq!(documents[0].diagnostics[0].code, code);
        assert!(documents[0].dag.is_none());
    };
    check(&big, "file-too-large");
    check("", "no-dag");
    check("# nothing\n", "no-dag");
    check("- a\n- b\n", "no-dag");
    let keys: String = (0..20_000).fold("x-a:\n".to_owned(), |mut text, n| {
        let _ = writeln!(text, "  k{n}: 1");
        text
    });
    check(&keys, "too-many-keys");
    let tasks: String = (0..5_001).fold("dag_id: many\ntasks:\n".to_owned(), |mut text, n| {
        let _ = writeln!(text, "  t{n}: {{operator: empty}}");
        text
    });
    check(&tasks, "too-many-tasks");
}

#[test]
fn the_same_text_has_the_same_hash() {
    let files = BTreeMap::new();
    assert_eq!(content_hash("a: 1\n", &files), content_hash("a: 1", &files));
    assert_ne!(content_hash("a: 1", &files), content_hash("a: 2", &files));
    assert_eq!(content_hash("", &files).len(), 64);
}

#[test]
fn a_dag_may_wait_for_assets() {
    let check = |schedule: &str, condition: serde_json::Value, text: &str| {
        let read = format!("dag_id: d\nschedule: {schedule}\ntasks: {{a: {{operator: empty}}}}\n");
        let dag = dag(&read);
        let found = dag.assets.as_ref().map(|found| found.expression(&|asset| json!(asset.name)));
        assert_eq!(found, Some(condition), "{schedule}");
        assert_eq!(dag.schedule_text.as_deref(), Some(text), "{schedule}");
    };
    let (a, b, c) = (json!({"asset": "a"}), json!({"asset": "b"}), json!({"asset": "c"}));
    let both = json!({"all": [a, b]});
    check("[a, b]", both.clone(), "Asset");
    check("{assets: [a, b]}", both.clone(), "Asset");
    check("{datasets: [a, b]}", both.clone(), "Asset");
    check("{assets: a}", json!({"all": [a]}), "Asset");
    check("{assets: {asset: a, uri: s3://a}}", a.clone(), "Asset");
    check("{assets: [{asset: a}, {uri: b}]}", both.clone(), "Asset");
    check("{assets: {any: [a, b]}}", json!({"any": [a, b]}), "Asset");
    check("{any: [a, b]}", json!({"any": [a, b]}), "Asset");
    check("{datasets: {or: [a, {and: [b, c]}]}}", json!({"any": [a, {"all": [b, c]}]}), "Asset");
    check("\"a & (b | c)\"", json!({"all": [a, {"any": [b, c]}]}), "Asset");
    check("{assets: [a, {any: [b, c]}]}", json!({"all": [a, {"any": [b, c]}]}), "Asset");
    check("{assets: [a, b], cron: \"@daily\"}", both.clone(), "Asset or 0 0 * * *");
    check("{assets: [a, b], every: 1h}", both, "Asset or every 1h");
    let dag = dag(
        "dag_id: d\ntasks:\n  a:\n    operator: empty\n    outlets:\n      - {asset: m, uri: \"s3://m\", \
         group: models, extra: {owner: ml}}\n    inlets: s3://in\n",
    );
    let outlet = &task(&dag, "a").outlets[0];
    assert_eq!((outlet.name.as_str(), outlet.uri(), outlet.group()), ("m", "s3://m", "models"));
    assert_eq!(outlet.extra, json!({"owner": "ml"}).as_object().cloned());
    assert_eq!(task(&dag, "a").inlets[0].group(), "asset");
}

#[test]
fn schedules_by_dates_and_without_holidays() {
    let firings = |schedule: &str| -> String {
        let text = format!(
            "dag_id: d\ntimezone: Asia/Seoul\nstart_date: 2025-12-23\nschedule: {schedule}\n\
             catchup: true\ntasks:\n  a: {{operator: empty}}\n"
        );
        let zones = Zones::bundled();
        let files = [
            ("days.txt", "2025-12-24 # eve\n\n2025-12-25,Christmas\n"),
            ("days.ics", "BEGIN:VEVENT\nDTSTART;VALUE=DATE:20251224\nEND:VEVENT\n"),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), Ok(text.to_owned())));
        let file = SourceFile { name: "d.yaml".to_owned(), text, files: BTreeMap::from(files) };
        let documents = read(&file, &Known::new(&zones));
        assert_eq!(shown(&documents), "", "{schedule}");
        let dag = documents[0].dag.as_ref().expect("it loads");
        let bounds = crate::timetable::Bounds { start: dag.start_date, end: None, catchup: true };
        let now = "2026-02-01T00:00:00Z".parse().expect("an instant");
        let mut last = None;
        let mut found = Vec::new();
        for _ in 0..3 {
            let Some(run) = dag.timetable.next_run(last, &bounds, now) else { break };
            last = Some(run.data_interval);
            found.push(run.logical_date.to_string());
        }
        found.join(" ")
    };
    let check = |schedule: &str, expected: &str| {
        assert_eq!(firings(schedule), expected, "{schedule}");
    };
    let plain = "2025-12-22T15:00:00Z 2025-12-23T15:00:00Z 2025-12-24T15:00:00Z";
    check("{cron: '0 0 * * *'}", plain);
    let without = "2025-12-22T15:00:00Z 2025-12-25T15:00:00Z 2025-12-26T15:00:00Z";
    check("{cron: '0 0 * * *', except: [2025-12-24, 2025-12-25]}", without);
    check("{cron: '0 0 * * *', except: days.txt}", without);
    check(
        "{cron: ['0 0 * * *', '0 12 * * *'], except: days.ics}",
        "2025-12-22T15:00:00Z 2025-12-23T03:00:00Z 2025-12-24T15:00:00Z",
    );
    check(
        "{events: [2026-01-05, 2025-12-24T09:30, 2026-01-05]}",
        "2025-12-24T00:30:00Z 2026-01-04T15:00:00Z",
    );
    check("{events: days.txt}", "2025-12-23T15:00:00Z 2025-12-24T15:00:00Z");
}

#[test]
fn files_that_templates_take_in_belong_to_the_version() {
    let text = "dag_id: d\ntasks:\n  q: {operator: sql, conn_id: db, sql: q.sql}\n";
    let zones = Zones::bundled();
    let mut file =
        SourceFile { name: "d.yaml".to_owned(), text: text.to_owned(), files: BTreeMap::new() };
    let texts = [("q.sql", "{% include 'head.sql' %} select 1"), ("head.sql", "-- head")];
    let mut hashes = Vec::new();
    for _ in 0..3 {
        let documents = read(&file, &Known::new(&zones));
        hashes.push(documents[0].content_hash.clone());
        for name in &documents[0].unread {
            let text = texts.iter().find(|(known, _)| known == name).expect("a known file").1;
            file.files.insert(name.clone(), Ok(text.to_owned()));
        }
    }
    let documents = read(&file, &Known::new(&zones));
    let dag = documents[0].dag.as_ref().expect("it loads");
    let names: Vec<&String> = task(dag, "q").files.keys().collect();
    assert_eq!(names, ["q.sql", "head.sql"]);
    file.files.insert("head.sql".to_owned(), Ok("-- other".to_owned()));
    let changed = read(&file, &Known::new(&zones));
    assert_ne!(changed[0].content_hash, documents[0].content_hash, "another version");
}

/// What a mapped task of a file becomes, as JSON.
fn mapping_of(text: &str, task_id: &str) -> serde_json::Value {
    let dag = dag(text);
    serde_json::to_value(&task(&dag, task_id).mapping).expect("plain data")
}

#[test]
fn what_is_mapped_over() {
    let check = |expand: &str, expected: serde_json::Value| {
        let text = format!(
            "dag_id: d\ntasks:\n  list: {{operator: bash, bash_command: echo}}\n  each:\n    \
             operator: bash\n    bash_command: echo\n    expand: {expand}\n"
        );
        assert_eq!(mapping_of(&text, "each")["expand"], expected, "{expand}");
        let loaded = dag(&text);
        let is_over = expected.to_string().contains("\"task_id\":\"list\"");
        assert_eq!(!upstream(&loaded, "each").is_empty(), is_over, "the edge comes by itself");
    };
    let from = json!({"x_com": {"task_id": "list", "key": "return_value"}});
    check("{cwd: [/a, /b]}", json!({"product": {"cwd": {"literal": ["/a", "/b"]}}}));
    check("{cwd: {xcom: list}}", json!({"product": {"cwd": from}}));
    check("{cwd: list.output}", json!({"product": {"cwd": from}}));
    check("{cwd: \"{{ ti.xcom_pull('list') }}\"}", json!({"product": {"cwd": from}}));
    check(
        "{env: {xcom: list, key: k}, cwd: [/a]}",
        json!({"product": {
            "env": {"x_com": {"task_id": "list", "key": "k"}}, "cwd": {"literal": ["/a"]},
        }}),
    );
    check("{xcom: list}", json!({"maps": from}));
    check("\"{{ xcom('list') }}\"", json!({"maps": from}));
    check(
        "[{cwd: /a, env: {A: 1}}, {cwd: /b, env: {A: 2}}]",
        json!({"maps": {"literal": [
            {"cwd": "/a", "env": {"A": "1"}}, {"cwd": "/b", "env": {"A": "2"}},
        ]}}),
    );
}

#[test]
fn a_mapped_group_maps_its_tasks_and_its_first_tasks_come_after_the_source() {
    let text = "dag_id: d\ntasks:\n  list: {operator: bash, bash_command: echo}\ntask_groups:\n  \
        g:\n    expand: {day: {xcom: list}}\n    partial: {base: 1}\n    tasks:\n      \
        first: {operator: bash, bash_command: 'echo {{ day }} {{ base }} {{ item.day }}'}\n      \
        second: {operator: bash, needs: [first], bash_command: 'echo {{ xcom(\"g.first\") }}'}\n";
    let expected = json!({
        "expand": {"product": {"day": {"x_com": {"task_id": "list", "key": "return_value"}}}},
        "group": {"id": "g", "partial": {"base": 1}},
    });
    assert_eq!(mapping_of(text, "g.first"), expected);
    assert_eq!(mapping_of(text, "g.second"), expected);
    let loaded = dag(text);
    assert_eq!(upstream(&loaded, "g.first"), ["list"]);
    assert_eq!(upstream(&loaded, "g.second"), ["g.first"]);
    assert_eq!(shown(&read_with("test.yaml", text, None)), "", "the names are known");
}
