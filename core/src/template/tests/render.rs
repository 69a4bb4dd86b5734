//! What templates give: lookups, operators on dates, macros, methods, values.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{check, check_error, context, lookups, scope};
use crate::template::{
    Answer, Lookup, Lookups, RenderError, Renderer, ResponseView, Scope, static_lookups,
};

#[test]
fn values_from_outside() {
    check("{{ xcom('train').accuracy }}", "0.9");
    check("{{ ti.xcom_pull('train').accuracy >= 0.8 }}", "True");
    check("{{ ti.xcom_pull(task_ids=['train', 'gone']) }}", "[{'accuracy': 0.9}, None]");
    check("{{ xcom('gone') }}", "None");
    check("{{ metrics('train').loss }}", "0.25");
    check("{{ var.value.env }}/{{ var.json.cfg.n + 1 }}", "prod/4");
    check("{{ var.value.get('none', 'd') }}{{ var.json.get('none', default_var=[1]) }}", "d[1]");
    check("{{ conn.get('none', 'd') }}", "d");
    check("{{ env('HOME') }} {{ env('NOPE', 'x') }}", "/root x");
    check_error("{{ var.value.none }}", "variable \"none\" is not set");
    check_error("{{ conn.none.host }}", "connection \"none\" does not exist");
    check_error("{{ env('NOPE') }}", "environment variable \"NOPE\" is not set");
}

#[test]
fn a_missing_lookup_ends_the_render_with_all_that_is_needed() {
    let scope = Scope::new(context(), Lookups::new());
    let template = "{{ xcom('a') }}{{ var.value.b }}{{ conn['c'].host }}{{ var.json.get('d', 1) }}\
                    {{ xcom('a') }}{{ ti.xcom_pull(task_ids=['e', 'f'], key='k') }}";
    let expected = vec![
        Lookup::xcom("a", "return_value"),
        Lookup::Variable { key: "b".to_string() },
        Lookup::Connection { conn_id: "c".to_string() },
        Lookup::Variable { key: "d".to_string() },
        Lookup::xcom("e", "k"),
        Lookup::xcom("f", "k"),
    ];
    let found = Renderer::default().render("t", template, &scope);
    assert_eq!(found, Err(RenderError::Needs(expected.clone())));
    assert_eq!(
        static_lookups([template], &context(), &std::collections::BTreeMap::new()),
        expected
    );
    // A test that swallows the error still asks.
    let swallowed = Renderer::default().render("t", "{{ var.value.b is defined }}", &scope);
    assert!(matches!(swallowed, Err(RenderError::Needs(_))), "{swallowed:?}");
}

#[test]
fn computed_lookups_are_asked_for_while_rendering() {
    let renderer = Renderer::default();
    let template = "{% for t in params.list %}{{ xcom(t) }}{% endfor %}";
    let mut scope = Scope::new(context(), Lookups::new());
    let mut passes = 0;
    let text = loop {
        passes += 1;
        match renderer.render("t", template, &scope) {
            Ok(text) => break text,
            Err(RenderError::Needs(needs)) => {
                let mut lookups = scope.lookups().clone();
                for need in needs {
                    lookups.insert(need, Answer::Value(json!(1)));
                }
                scope = scope.with_lookups(lookups);
            }
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!((text.as_str(), passes), ("11", 3));
}

#[test]
fn operators_work_on_dates_as_in_python() {
    check("{{ logical_date - macros.timedelta(days=1) }}", "2025-02-28 00:00:00+00:00");
    check("{{ macros.timedelta(days=1) + logical_date }}", "2025-03-02 00:00:00+00:00");
    check("{{ (data_interval_end - data_interval_start).in_hours() }}", "24");
    check(
        "{{ data_interval_end - data_interval_start }}",
        "<Interval [2025-03-01 00:00:00+00:00 -> 2025-03-02 00:00:00+00:00]>",
    );
    check("{{ (data_interval_end - data_interval_start).in_words() }}", "1 day");
    check("{{ -macros.timedelta(hours=1) }}", "-1 day, 23:00:00");
    check(
        "{{ macros.timedelta(days=1) * 2 }} {{ 2 * macros.timedelta(days=1) }}",
        "2 days, 0:00:00 2 days, 0:00:00",
    );
    check("{{ macros.timedelta(days=1) / 2 }}", "12:00:00");
    check("{{ macros.timedelta(days=1) / macros.timedelta(hours=6) }}", "4.0");
    check("{{ macros.timedelta(days=1) > macros.timedelta(hours=6) }}", "True");
    check("{{ data_interval_start < logical_date.add(days=1) <= data_interval_end }}", "True");
    check(
        "{{ logical_date == data_interval_start and logical_date != data_interval_end }}",
        "True",
    );
    check(
        "{{ (logical_date + macros.dateutil.relativedelta.relativedelta(day=31)) | ds }}",
        "2025-03-31",
    );
    check("{{ logical_date.date() - macros.timedelta(1) }}", "2025-02-28");
    check("{{ (logical_date) - (macros.timedelta(days = (1 + 1))) }}", "2025-02-27 00:00:00+00:00");
    check("{{ ((logical_date - macros.timedelta(1)) - macros.timedelta(1)) | ds }}", "2025-02-27");
    check("{{ '%s is %03d' % (logical_date, params.n) }}", "2025-03-01 00:00:00+00:00 is 003");
    check("{{ params.n * 2 - 1 }} {{ 'ab' * params.n }} {{ [1] * 2 }}", "5 ababab [1, 1]");
    check("{{ 'x' not in params.list }} {{ 'q' not in params.list and 1 in [1] }}", "False True");
    check("{{ not 'x' in params.list }}", "False");
    check("{%- set a = logical_date -%}{%- if a-macros.timedelta(1)<a -%}y{%- endif -%}", "y");
    check_error("{{ logical_date - 1 }}", "\"-\" is not possible between DateTime and int");
    check_error("{{ ds < logical_date }}", "cannot compare str with DateTime");
    check_error("{{ xcom('bare') >= 0.8 }}", "cannot compare str with float");
    check_error(
        "{{ logical_date + data_interval_end }}",
        "not possible between DateTime and DateTime",
    );
}

#[test]
fn enum_words_compare_with_text() {
    check("{{ dag_run.run_type == 'manual' }}{{ 'scheduled' != dag_run.run_type }}", "TrueTrue");
    check("{{ dag_run.run_type in ['manual', 'backfill'] }}", "True");
    check(
        "{{ dag_run.run_type }} {{ dag_run.run_type.value.upper() }}",
        "DagRunType.MANUAL MANUAL",
    );
    check("{{ dag_run.run_type.startswith('man') }}", "True");
}

#[test]
fn macros_of_the_dag_are_names() {
    check("{{ kst_ds }}", "2025-03-01");
    let mut context = context();
    for (name, text) in [
        ("day", "{{ logical_date.subtract(days=1) }}"),
        ("again", "{{ day | ds }} and text"),
        ("round", "{{ trip }}"),
        ("trip", "{{ round }}"),
        ("broken", "{{ nope }}"),
    ] {
        context.macros.insert(name.to_string(), text.to_string());
    }
    let scope = Scope::new(context, lookups());
    let render = |text: &str| Renderer::default().render("t", text, &scope);
    assert_eq!(render("{{ day.day }} {{ again }}").as_deref(), Ok("28 2025-02-28 and text"));
    let message = |text: &str| render(text).map_err(|error| error.to_string());
    assert!(message("{{ round }}").is_err_and(|error| error.contains("uses itself")));
    assert!(message("{{ broken }}").is_err_and(|error| error.contains("macro \"broken\"")));
}

#[test]
fn python_methods_and_lists() {
    check(
        "{{ '7'.zfill(3) }}{{ '-7'.zfill(4) }}{{ 'a'.ljust(3) }}|{{ 'ab'.center(5) }}|",
        "007-007a  |  ab |",
    );
    check("{{ 'a.b.c'.rsplit('.', 1) }}{{ 'k=v'.partition('=') }}", "['a.b', 'c']('k', '=', 'v')");
    check("{{ 'xa'.removeprefix('x') }}{{ 'aB'.swapcase() }}", "aAb");
    check(
        "{% set l = [] %}{% do l.append(1) %}{% do l.extend([2, 3]) %}{{ l }}{{ l.pop() }}{{ l | length }}",
        "[1, 2, 3]32",
    );
    check(
        "{% set d = {'a': 1} %}{% do d.update({'b': 2}) %}{{ d.items() | list }}",
        "[('a', 1), ('b', 2)]",
    );
    check("{% set l = [] %}{% do l.append({'a': [1]}) %}{{ l }}", "[{'a': [1]}]");
    check("{% set d = {} %}{% do d.setdefault('a', []).append(1) %}{{ d }}", "{'a': [1]}");
    check("{% set l = [1] %}{% set m = l %}{% do m.append(2) %}{{ l }}", "[1, 2]");
    check("{{ ''[::-1] }}{{ [1, 2, 3][::-1][:2] }}{{ (1, 2)[1:] }}", "[3, 2](2,)");
    check(
        "{{ params.name | tojson }} {{ params | tojson }}",
        r#""a b" {"list": ["x", "y z"], "n": 3, "name": "a b"}"#,
    );
    check_error("{% do params.list.append(1) %}", "cannot be changed");
}

#[test]
fn dates_from_text() {
    check("{{ ('2025-01-31' | to_datetime).add(months=1) | ds }}", "2025-02-28");
    check("{{ '2025-01-31T09:00:00+09:00' | to_datetime }}", "2025-01-31 09:00:00+09:00");
    check(
        "{{ '31/01/2025' | to_datetime('%d/%m/%Y', tz='Asia/Seoul') }}",
        "2025-01-31 00:00:00+09:00",
    );
    check("{{ '2025-01-31 10:00' | to_datetime | ts }}", "2025-01-31T10:00:00+00:00");
    check_error("{{ 'soon' | to_datetime }}", "\"soon\" is not a date that is understood");
    check_error("{{ logical_date.in_timezone('Asia/Seuol') }}", "Asia/Seoul");
}

#[test]
fn random_values_are_the_same_for_the_same_attempt() {
    let renderer = Renderer::default();
    let template = "{{ macros.random() }} {{ macros.random() }} {{ macros.uuid.uuid4() }}";
    let first = renderer.render("t", template, &scope()).expect("renders");
    assert_eq!(first, renderer.render("t", template, &scope()).expect("renders"));
    let parts: Vec<&str> = first.split(' ').collect();
    assert_ne!(parts[0], parts[1]);
    assert_eq!(&parts[2][14..15], "4");
}

#[test]
fn structures_render_inside_and_keep_their_keys() {
    let given = json!({"{{ ds }}": ["{{ ds }}", 1, null, {"a": "{{ params.n }}"}]});
    let renderer = Renderer::default();
    let found = renderer.render_value("t", &given, &scope()).expect("renders");
    assert_eq!(found, json!({"{{ ds }}": ["2025-03-01", 1, null, {"a": "3"}]}));
    let native = renderer.render_value_native("t", &given, &scope()).expect("renders");
    assert_eq!(native["{{ ds }}"][3]["a"], json!(3));
}

#[test]
fn expressions_give_values() {
    let eval = |text: &str, scope: &Scope| -> Result<Value, String> {
        Renderer::default().eval_expression("t", text, scope).map_err(|error| error.to_string())
    };
    let scope = scope();
    assert_eq!(eval("xcom('train').accuracy >= 0.8", &scope), Ok(json!(true)));
    assert_eq!(eval("{{ xcom('train').accuracy >= 0.8 }}", &scope), Ok(json!(true)));
    assert_eq!(eval("{{ params.list }}", &scope), Ok(json!(["x", "y z"])));
    assert_eq!(eval("{{- logical_date -}}", &scope), Ok(json!("2025-03-01 00:00:00+00:00")));
    assert_eq!(eval("n is {{ params.n }}", &scope), Ok(json!("n is 3")));
    assert!(eval("params.m + 1", &scope).is_err_and(|error| error.contains("t:1:")));
    let response = ResponseView {
        status_code: 200,
        text: r#"{"status": "up"}"#.to_string(),
        headers: super::object(json!({"content-type": "application/json"})),
        ..ResponseView::default()
    };
    let scope = scope.with_response(response);
    assert_eq!(eval("response.json().status == 'up'", &scope), Ok(json!(true)));
    assert_eq!(eval("response.status_code", &scope), Ok(json!(200)));
    assert_eq!(eval("response.headers['Content-Type']", &scope), Ok(json!("application/json")));
}

#[test]
fn conditions_are_true_or_false() {
    let condition = |text: &str| {
        Renderer::default().eval_condition("t", text, &scope()).map_err(|error| error.to_string())
    };
    for (text, expected) in [
        ("params.n > 2", true),
        ("{{ params.list }}", true),
        ("{{ [] }}", false),
        ("{% if params.n > 5 %}true{% else %}false{% endif %}", false),
        ("{{ none }}", false),
        ("{{ 0.0 }}", false),
    ] {
        assert_eq!(condition(text), Ok(expected), "{text}");
    }
    assert!(condition("{{ ds }}").is_err_and(|error| error.contains("neither true nor false")));
}

#[test]
fn files_are_included_by_name_alone() {
    let files = [
        ("head.sql", "-- {{ ds }} {{ logical_date - macros.timedelta(1) }}"),
        ("lib.sql", "{% macro day(d) %}dt='{{ d | ds }}'{% endmacro %}"),
    ];
    let files = files.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
    let scope = scope().with_files(Arc::new(files));
    let render = |text: &str| Renderer::default().render("t", text, &scope);
    assert_eq!(
        render("{% include 'head.sql' %}").as_deref(),
        Ok("-- 2025-03-01 2025-02-28 00:00:00+00:00")
    );
    assert_eq!(
        render("{% from 'lib.sql' import day %}{{ day(logical_date) }}").as_deref(),
        Ok("dt='2025-03-01'")
    );
    let missing = render("{% include '../etc/passwd' %}").expect_err("no such file");
    assert!(missing.to_string().contains("non-existing template"), "{missing}");
}

#[test]
fn contexts_travel_as_json() {
    let text = serde_json::to_string(&(context(), lookups())).expect("serialises");
    let (context_again, lookups_again): (_, Lookups) =
        serde_json::from_str(&text).expect("deserialises");
    assert_eq!((context_again, lookups_again), (context(), lookups()));
}
