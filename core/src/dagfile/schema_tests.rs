//! The schema against the files there are: what loads is valid, wrong keys and types are not.

use jsonschema::Validator;
use serde_json::Value;

use super::report::Report;
use super::source::Source;
use super::{compose, fixture, schema, split};

fn validator() -> Validator {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .build(&schema())
        .expect("the schema is one")
}

/// The YAML documents of a text, as JSON.
fn documents(text: &str) -> Vec<Value> {
    let source = Source::new("x", text);
    let spans = split::documents(text);
    let roots = spans.into_iter().filter_map(|span| {
        compose::compose(&mut Report::new(&source), span).map(|root| root.to_json())
    });
    roots.collect()
}

/// What is wrong with a text, by the schema alone.
fn problems(validator: &Validator, text: &str) -> Vec<String> {
    let documents = documents(text);
    assert!(!documents.is_empty(), "no YAML: {text}");
    documents
        .iter()
        .flat_map(|document| {
            let found = validator.iter_errors(document);
            found.map(|e| format!("{}: {e}", e.instance_path())).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_good_file_is_valid() {
    let validator = validator();
    for folder in ["dags", "tests/fixtures/good", "tests/fixtures/walk"] {
        for path in fixture::yaml_files(folder) {
            let text = fixture::text(&path).expect("a fixture");
            let found = problems(&validator, &text);
            assert!(found.is_empty(), "{}: {found:#?}", path.display());
        }
    }
}

#[test]
fn wrong_keys_and_types_are_not_valid() {
    let validator = validator();
    for name in ["01_unknown_key", "14_wrong_types", "17_unknown_operator", "22_not_supported"] {
        let path = fixture::repository(&format!("tests/fixtures/broken/{name}.yaml"));
        let text = fixture::text(&path).expect("a fixture");
        assert!(!problems(&validator, &text).is_empty(), "{name}");
    }
    let task = |keys: &str| format!("dag_id: d\ntasks:\n  a: {{{keys}}}\n");
    let check = |text: &str, is_valid: bool| {
        let found = problems(&validator, text);
        assert_eq!(found.is_empty(), is_valid, "{text}\n{found:#?}");
    };
    check(&task("operator: bash, bash_command: echo"), true);
    check(&task("operator: bash, comand: echo"), false);
    check(&task("operator: bash, image: x"), false);
    check(&task("operator: docker, image: x, command: [a, b]"), true);
    check(
        &task(
            "uses: airflow.providers.standard.operators.bash.BashOperator, with: {bash_command: x}",
        ),
        true,
    );
    check(&task("operator: nothing"), false);
    check(&task("extends: [box], image: x, retries: 1"), true);
    check(&task("operator: bash, bash_command: x, retries: many"), false);
    check(&task("operator: bash, bash_command: x, trigger_rule: all_sucess"), false);
    check(&task("operator: bash, bash_command: x, retry_delay: {minutes: 5}"), true);
    check(&task("operator: bash, bash_command: x, retry_delay: soon"), false);
    check(&task("operator: http, url: x, verify: '{{ params.verify }}'"), true);
    check(&task("operator: http, url: x, verify: sometimes"), false);
    check(&task("operator: branch, choose: [{wen: x, then: a}]"), false);
    let schedule = |text: &str| format!("dag_id: d\nschedule: {text}\ntasks: {{}}\n");
    check(&schedule("{assets: [a, {any: [b, {asset: c, uri: 's3://c'}]}], cron: '@daily'}"), true);
    check(&schedule("[a, b]"), true);
    check(&schedule("{assets: {anny: [a]}}"), false);
    check(&task("operator: empty, outlets: [a, {asset: b, extra: {x: 1}}], inlets: a"), true);
    check(&task("operator: empty, outlets: [{asset: b, urn: x}]"), false);
    check("dag_id: d\nshedule: null\ntasks: {}\n", false);
    check("dag_id: d\nschedule: null\n", false);
    check("d:\n  schedule: null\n  tasks: [{task_id: a, operator: empty}]\n", true);
    check("d:\n  schedul: null\n  tasks: [{task_id: a, operator: empty}]\n", false);
    check("dag_id: d\ntasks: [{operator: empty}]\n", false);
    check("dag_id: d\nmax_active_runs: 0\ntasks: {a: {operator: empty}}\n", false);
    check(
        "dag_id: d\ntasks: {a: {operator: empty}}\ncases: [{stub: {a: {stat: failed}}}]\n",
        false,
    );
    check("dag_id: d\ntasks: {a: {operator: empty}}\non_failure_callback: [{log: x}]\n", true);
    check("dag_id: d\ntasks: {a: {operator: empty}}\non_failure_callback: [{lg: x}]\n", false);
}

#[test]
fn editors_are_told_what_a_key_means() {
    let schema = schema();
    let at = |pointer: &str| schema.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(at("/$defs/dag/properties/max_active_runs/default"), 16);
    assert_eq!(
        at("/$defs/dag/properties/max_active_runs/description"),
        "the most dag runs at once (16)"
    );
    assert_eq!(at("/$defs/task/properties/depends_on/deprecated"), true);
    assert_eq!(at("/$defs/task/properties/depends_on/description"), "read as `needs`");
    let names = at("/$defs/operator/anyOf/0/enum");
    assert!(names.as_array().is_some_and(|names| names.contains(&"bash".into())), "{names}");
}
