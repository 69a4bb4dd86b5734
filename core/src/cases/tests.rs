//! Cases and walks over whole DAG files.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{FindingKind, run_case, walk};
use crate::dagfile::{Document, Known, SourceFile, read};
use crate::diagnostic::{Paint, Severity};
use crate::timetable::Zones;

const FLOW: &str = "dag_id: d
schedule: \"0 9 * * *\"
timezone: Asia/Seoul
start_date: 2025-01-01
params: {least: {type: number, default: 0.8}}
tasks:
  train: {operator: bash, bash_command: echo, retries: 1, retry_delay: 1h}
  good:
    operator: branch
    needs: [train]
    choose:
      - when: \"{{ xcom('train').accuracy >= params.least and var.value.region == 'kr' }}\"
        then: deploy
      - else: keep
  deploy: {operator: bash, needs: [good], bash_command: 'echo {{ ds }} {{ xcom(\"train\").accuracy }}'}
  keep: {operator: empty, needs: [good]}
  again: {operator: short_circuit, needs: [keep], condition: \"{{ xcom('train').accuracy < 0.5 }}\"}
  retrain: {operator: bash, needs: [again], bash_command: echo}
  weekly: {operator: bash, when: \"{{ logical_date.day_of_week == 4 }}\", bash_command: echo}
  probe: {operator: branch, bash_command: probe}
  alarm: {operator: bash, needs: [probe], bash_command: echo}
cases:
";

fn document(text: &str) -> Document {
    let zones = Zones::bundled();
    let file = SourceFile { name: "d.yaml".into(), text: text.into(), files: BTreeMap::new() };
    let mut documents = read(&file, &Known::new(&zones));
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

/// What the cases of a text say: a line for each failure.
fn failures(cases: &str) -> String {
    failures_of(FLOW, cases)
}

fn failures_of(flow: &str, cases: &str) -> String {
    let document = document(&format!("{flow}{cases}"));
    let found: String = document.diagnostics.iter().map(|d| d.render(Paint::Plain)).collect();
    let dag = document.dag.as_ref().unwrap_or_else(|| panic!("{found}"));
    let mut out = String::new();
    for case in &document.cases {
        for failure in run_case(dag, case).failures {
            let found = document.finding(
                "d.yaml",
                Severity::Error,
                failure.code,
                failure.place,
                failure.message,
            );
            let help = failure.help.unwrap_or_default();
            writeln!(out, "{}:{}: {} [{help}]", found.line, found.column, found.message)
                .expect("a string");
        }
    }
    out
}

#[test]
fn cases_are_played_on_the_engine() {
    let check = |case: &str, expected: &str| {
        assert_eq!(failures(&format!("  - {case}\n")), expected, "{case}");
    };
    let good = "date: '2025-08-22', variables: {region: kr}, stub: {train: {xcom: {accuracy: 0.91}}, probe: {choice: alarm}}";
    check(
        &format!(
            "{{{good}, expect: {{success: [deploy, alarm], skipped: [keep, retrain], not_run: [again], state: success}}}}"
        ),
        "",
    );
    // A block text ends in a line break, what is rendered does not.
    check(
        &format!(
            "{{{good}, expect: {{rendered: {{deploy: {{bash_command: \"echo 2025-08-21 0.91\\n\"}}}}, xcom: {{train: {{accuracy: 0.91}}}}}}}}"
        ),
        "",
    );
    check(
        "{params: {least: 0.95}, stub: {train: {xcom: {accuracy: 0.91}}, probe: {choice: []}}, variables: {region: kr}, expect: {success: [keep], skipped: [deploy, retrain, alarm]}}",
        "",
    );
    check(
        "{stub: {train: {xcom: {accuracy: 0.3}}, probe: {exit_code: 99}}, variables: {region: kr}, expect: {success: [retrain], skipped: [probe, alarm]}}",
        "",
    );
    // The second try succeeds; without it the run fails an hour later.
    check(
        "{stub: {train: [{state: failed}, {xcom: {accuracy: 1}}]}, variables: {region: us}, expect: {success: [train, keep]}}",
        "",
    );
    check(
        "{stub: {train: {exit_code: 3}, probe: {choice: [alarm]}}, expect: {failed: [train], upstream_failed: [good, retrain], success: [alarm], state: failed}}",
        "",
    );
    // 2025-08-22 is a Friday, 23:00 UTC of the 21st is not.
    check(
        "{date: 2025-08-22T09:00, stub: {train: {state: skipped}}, expect: {success: [weekly]}}",
        "",
    );
    check(
        "{date: '2025-08-21T23:00:00Z', stub: {train: {state: skipped}}, expect: {skipped: [weekly]}}",
        "",
    );
}

/// Mapped tasks, a mapped group, what waits without a worker, and a start by assets.
const MAPPED: &str = "dag_id: m
schedule: {assets: [model, {asset: rows, uri: 's3://rows'}]}
start_date: 2025-01-01
tasks:
  rates: {operator: bash, bash_command: echo}
  train: {operator: bash, needs: [rates], expand: {bash_command: {xcom: rates}}}
  best:
    operator: bash
    needs: [train]
    trigger_rule: all_done
    bash_command: \"best {{ xcom('train') | length }} of {{ triggering_asset_events['s3://rows'][0].extra.day }} on {{ ds }}\"
  file: {operator: sensor, file: /data/x, timeout: 1h}
  maybe: {operator: sensor, file: /data/y, timeout: 1h, soft_fail: true}
  later: {operator: sensor, delta: 2h}
  ask: {operator: approval, needs: [file], subject: 'go?'}
  go: {operator: empty, needs: [ask]}
  other: {operator: trigger_dag, dag: other, wait_for_completion: true}
task_groups:
  each:
    expand: {n: {xcom: rates}}
    tasks:
      one: {operator: bash, bash_command: 'echo {{ n }}'}
      two: {operator: bash, needs: [one], bash_command: echo}
cases:
";

#[test]
fn mapped_tasks_are_tested_by_item() {
    let check = |case: &str, expected: &str| {
        assert_eq!(failures_of(MAPPED, &format!("  - {case}\n")), expected, "{case}");
    };
    let rates = "rates: {xcom: [a, b, c]}";
    check(
        &format!(
            "{{stub: {{{rates}, train: {{xcom: 1}}}}, expect: {{count: {{train: 3, each.one: 3}}, success: [train, 'train[2]', each.two], rendered: {{'train[1]': {{bash_command: b}}, 'each.one[2]': {{bash_command: echo c}}}}, xcom: {{train: [1, 1, 1], 'train[0]': 1}}}}}}"
        ),
        "",
    );
    // One item fails: the others of the group go on, and the task as a whole is what is worst.
    check(
        &format!(
            "{{stub: {{{rates}, 'train[1]': {{state: failed}}, 'each.one[0]': {{state: skipped}}}}, expect: {{success: ['train[0]', 'each.two[1]', best], failed: ['train[1]'], skipped: ['each.two[0]'], state: success}}}}"
        ),
        "",
    );
    check("{stub: {rates: {xcom: []}}, expect: {skipped: [train], count: {each.one: 0}}}", "");
    let said = failures_of(
        MAPPED,
        &format!(
            "  - {{stub: {{{rates}}}, expect: {{count: {{train: 2}}, success: ['train[7]'], rendered: {{train: {{bash_command: a}}}}}}}}\n"
        ),
    );
    for expected in [
        "there is no item \"train[7]\" [\"train\" has 3 items]\n",
        "\"train\" has 3 items, not 2 []\n",
        "\"train\" has items, each with texts of its own [name the item, as in \"train[0]\"]\n",
    ] {
        assert!(said.contains(expected), "lacks {expected}{said}");
    }
    assert_eq!(said.lines().count(), 3, "{said}");
}

#[test]
fn what_waits_and_what_starts_by_assets_is_tested() {
    let check = |case: &str, expected: &str| {
        assert_eq!(failures_of(MAPPED, &format!("  - {case}\n")), expected, "{case}");
    };
    let rates = "rates: {xcom: [a]}";
    check(
        &format!(
            "{{date: 2025-03-01, assets: {{model: {{}}, rows: {{day: monday}}}}, stub: {{{rates}, train: {{xcom: 1}}}}, expect: {{success: [file, maybe, later, ask, go, other], rendered: {{best: {{bash_command: best 1 of monday on 2025-03-01}}}}}}}}"
        ),
        "",
    );
    check(
        &format!(
            "{{assets: [rows], stub: {{{rates}, ask: {{go_on: false}}, maybe: {{state: failed}}, other: {{state: failed}}, later: {{state: skipped}}}}, expect: {{success: [ask], skipped: [go, maybe, later], failed: [other], state: failed}}}}"
        ),
        "",
    );
    check(
        &format!(
            "{{stub: {{{rates}, file: {{state: failed}}}}, expect: {{failed: [file], upstream_failed: [ask, go]}}}}"
        ),
        "",
    );
}

#[test]
fn names_of_items_and_assets_are_checked() {
    let check = |case: &str, expected: &str| {
        let document = document(&format!("{MAPPED}  - {case}\n"));
        let found: Vec<String> = document.diagnostics.iter().map(ToString::to_string).collect();
        assert!(found.iter().any(|found| found.ends_with(expected)), "{case}: {found:?}");
    };
    check(
        "{assets: [rowz], expect: {state: failed}}",
        "the schedule has no asset \"rowz\"; did you mean \"rows\"?",
    );
    check("{expect: {success: ['best[0]']}}", "error: \"best\" is not mapped and has no items");
    check("{expect: {success: ['train[x]']}}", "error: \"x\" is no item of \"train\"");
    check("{expect: {count: {best: 1}}}", "error: \"best\" is not mapped");
    check(
        "{stub: {'trian[0]': {}}, expect: {state: failed}}",
        "error: unknown task \"trian\"; did you mean \"train\"?",
    );
}

#[test]
fn failures_say_what_came_and_why() {
    let check = |case: &str, expected: &str| {
        assert_eq!(failures(&format!("  - {case}\n")), expected, "{case}");
    };
    check(
        "{stub: {train: {xcom: {accuracy: 0.91}}, probe: {choice: []}}, variables: {region: us}, expect: {success: [deploy], state: failed}}",
        "23:112: \"deploy\" is skipped, not success [branch \"good\" did not choose it]\n23:128: the run is success, not failed []\n",
    );
    let said =
        failures("  - {stub: {train: {xcom: {accuracy: 0.91}}}, expect: {success: [deploy]}}\n");
    assert!(said.contains("\"deploy\" is upstream_failed, not success"), "{said}");
    let said = failures("  - {expect: {success: [alarm], state: success}}\n");
    assert!(said.contains("stub: {probe: {choice: …}}"), "{said}");
    let said = failures(
        "  - {stub: {train: {state: failed}}, expect: {rendered: {deploy: {bash_command: x}}, xcom: {train: 1}}}\n",
    );
    assert!(said.contains("was never rendered: it did not run"), "{said}");
    assert!(said.contains("the result of \"train\" is null, not 1"), "{said}");
}

#[test]
fn names_in_cases_are_checked() {
    let check = |case: &str, expected: &str| {
        let document = document(&format!("{FLOW}  - {case}\n"));
        let found: Vec<String> = document.diagnostics.iter().map(ToString::to_string).collect();
        let is_it = |found: &&String| found.starts_with("d.yaml:2") && found.ends_with(expected);
        assert!(found.iter().any(|found| is_it(&found)), "{case}: {found:?}");
    };
    check(
        "{expect: {success: [deplo]}}",
        "error: unknown task \"deplo\"; did you mean \"deploy\"?",
    );
    check(
        "{stub: {trian: {}}, expect: {state: failed}}",
        "error: unknown task \"trian\"; did you mean \"train\"?",
    );
    check("{stubs: {}}", "error: unknown key \"stubs\" in a case; did you mean \"stub\"?");
    check(
        "{stub: {train: {xcmo: 1}}}",
        "error: unknown key \"xcmo\" in a stub; did you mean \"xcom\"?",
    );
    check(
        "{expect: {succes: []}}",
        "error: unknown key \"succes\" in `expect`; did you mean \"success\"?",
    );
    check(
        "{stub: {good: {choice: depoly}}}",
        "error: unknown task \"depoly\"; did you mean \"deploy\"?",
    );
    check("{stub: {train: {choice: keep}}}", "error: `choice` is for branch, approval, not bash");
    check(
        "{stub: {train: {state: sucess}}}",
        "error: unknown state \"sucess\"; did you mean \"success\"?",
    );
    check("{params: {least: high}}", "error: conf.least: \"high\" is not of the type number");
    check(
        "{expect: {success: [keep], failed: keep}}",
        "error: \"keep\" is expected to be success and failed at once",
    );
    check("{date: tomorrow}", "error: the date \"tomorrow\" of `date` is no date");
    check("{name: x}", "warning: the case \"x\" expects nothing");
    check("{name: x, expect: {state: success}}\n  - {name: x}", "error: a second case \"x\"");
}

#[test]
fn a_persons_answer_is_stubbed_and_walked() {
    const ASK: &str = "  ask: {operator: approval, subject: ok?}
  go: {operator: empty, needs: [ask]}
  pick: {operator: approval, subject: which?, options: [a, b]}
  a: {operator: empty, needs: [pick]}
  b: {operator: empty, needs: [pick]}
";
    assert_eq!(walked(ASK), "");
    let join = format!("{ASK}  join: {{operator: empty, needs: [a, b]}}\n");
    assert!(walked(&join).starts_with("NeverRuns \"join\""), "{}", walked(&join));
    let text = format!(
        "dag_id: d\nschedule: null\ntasks:\n{ASK}cases:\n  - {{stub: {{ask: {{go_on: false}}, pick: {{choice: b}}}}, expect: {{skipped: [go, a], success: [b]}}}}\n"
    );
    let document = document(&text);
    let verdict = run_case(document.dag.as_ref().expect("it loads"), &document.cases[0]);
    assert!(verdict.failures.is_empty(), "{:?}", verdict.failures);
}

/// The walk over `tasks`, a line for each finding.
fn walked(tasks: &str) -> String {
    let document = document(&format!("dag_id: d\nschedule: null\ntasks:\n{tasks}"));
    let found: String = document.diagnostics.iter().map(|d| d.render(Paint::Plain)).collect();
    let dag = document.dag.as_ref().unwrap_or_else(|| panic!("{found}"));
    let walk = walk(dag);
    assert!(walk.is_complete(), "{} of {}", walk.scenarios, walk.combinations);
    let mut out = String::new();
    for found in &walk.findings {
        writeln!(out, "{:?} {}: {}", found.kind, found.message, found.help).expect("a string");
    }
    out
}

const PICK: &str = "  pick: {operator: branch, choose: [{when: 'true', then: a}, {else: b}]}
  a: {operator: bash, needs: [pick], bash_command: echo}
  b: {operator: bash, needs: [pick], bash_command: echo}
";

#[test]
fn tasks_that_never_run_are_found() {
    let check = |tasks: &str, expected: &str| assert_eq!(walked(tasks), expected, "{tasks}");
    check(
        &format!(
            "{PICK}  join: {{operator: empty, needs: [a, b]}}\n  after: {{operator: empty, needs: [join]}}\n"
        ),
        "NeverRuns \"join\" can never run: its rule all_success wants every upstream to succeed, but branch \"pick\" never lets that happen (a success, b skipped; a skipped, b success): write `trigger_rule: none_failed_min_one_success`, with which it runs\n",
    );
    check(
        &format!("{PICK}  lost: {{operator: bash, needs: [pick], bash_command: echo}}\n"),
        "NeverRuns \"lost\" can never run: no line of `choose` of branch \"pick\" leads to it: add `then: lost` to a line of `choose`, or remove the task\n",
    );
    check(
        &format!(
            "{PICK}  join: {{operator: empty, needs: [a, b], trigger_rule: none_failed_min_one_success}}\n"
        ),
        "",
    );
    // An alarm runs when something fails, a skip is hoped for where a rule wants one.
    check(
        &format!(
            "{PICK}  alarm: {{operator: bash, needs: [a, b], trigger_rule: one_failed, bash_command: echo}}\n  none: {{operator: bash, needs: [a, b], trigger_rule: all_skipped, bash_command: echo}}\n"
        ),
        "",
    );
    check(
        "  gate: {operator: short_circuit, condition: 'true'}\n  a: {operator: empty, needs: [gate]}\n  w: {operator: empty, when: 'true'}\n  b: {operator: empty, needs: [w, a]}\n",
        "",
    );
    check(
        "  a: {operator: empty}\n  b: {operator: bash, needs: [a], trigger_rule: all_failed, bash_command: echo}\n",
        "NeverRuns \"b\" can never run: its rule all_failed wants every upstream to fail, but that never happens (a success): write `trigger_rule: none_failed_min_one_success`, with which it runs\n",
    );
    let said = walked(
        "  probe: {operator: branch, bash_command: x}\n  a: {operator: empty, needs: [probe]}\n  b: {operator: empty, needs: [probe]}\n  join: {operator: empty, needs: [a, b]}\n",
    );
    assert!(said.starts_with("OnlyTogether \"join\" runs only when branch \"probe\""), "{said}");
}

#[test]
fn a_walk_over_mapped_tasks_plays_one_item_of_each() {
    let items = (0..1_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let mut tasks = format!(
        "{PICK}  wide: {{operator: bash, needs: [a], expand: {{bash_command: [{items}]}}}}\n  none: {{operator: bash, expand: {{bash_command: []}}}}\n"
    );
    for n in 0..8 {
        writeln!(tasks, "  g{n}: {{operator: short_circuit, condition: 'true'}}\n  t{n}: {{operator: bash, needs: [g{n}, wide], expand: {{bash_command: [{items}]}}}}")
            .expect("a string");
    }
    let document = document(&format!("dag_id: d\nschedule: null\ntasks:\n{tasks}"));
    let walk = walk(document.dag.as_ref().expect("it loads"));
    let found: Vec<_> = walk.findings.iter().map(|f| (f.kind, f.task_id.as_str())).collect();
    // With every item played this would be hundreds of thousands of task instances.
    assert!(!walk.is_complete() && walk.scenarios > 20, "{}", walk.scenarios);
    assert_eq!(found.iter().map(|(_, id)| *id).collect::<Vec<_>>(), ["none"]);
}

#[test]
fn a_space_that_is_too_large_is_sampled_and_still_answered() {
    let mut tasks = String::from(PICK);
    for n in 0..14 {
        writeln!(
            tasks,
            "  w{n}: {{operator: bash, when: 'true', bash_command: echo}}\n  j{n}: {{operator: bash, needs: [w{n}], trigger_rule: all_done, bash_command: echo}}"
        )
        .expect("a string");
    }
    tasks.push_str("  join: {operator: empty, needs: [a, b]}\n");
    let document = document(&format!("dag_id: d\nschedule: null\ntasks:\n{tasks}"));
    let walk = walk(document.dag.as_ref().expect("it loads"));
    assert!(!walk.is_complete() && walk.scenarios < 500, "{}", walk.scenarios);
    // What is upstream of the join has few outcomes: about it the walk is certain.
    let found: Vec<_> = walk.findings.iter().map(|f| (f.kind, f.task_id.as_str())).collect();
    assert_eq!(found, [(FindingKind::NeverRuns, "join")]);
}
