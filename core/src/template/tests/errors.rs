//! What errors say, and where they point.

use std::sync::Arc;

use super::{check_error, scope};
use crate::template::{RenderError, Renderer, TemplateFault};

fn error_of(template: &str) -> crate::template::TemplateError {
    match Renderer::default().render("dags/x.yaml", template, &scope()) {
        Err(RenderError::Template(error)) => *error,
        other => panic!("{template}: {other:?}"),
    }
}

#[test]
fn undefined_names_are_named_with_their_nearest() {
    check_error("{{ dss }}", "t.sql:1:4: \"dss\" is undefined; did you mean \"ds\"?");
    check_error(
        "a\nb {{ logical_dat }}",
        "t.sql:2:6: \"logical_dat\" is undefined; did you mean \"logical_date\"?",
    );
    check_error("{{ params.zzz }}", "\"params.zzz\" is undefined");
    check_error("{{ dag_run.conf.zzz }}", "\"dag_run.conf.zzz\" is undefined");
    check_error("{{ ds.split('-').nope }}", "an undefined value is used in \"('-').nope\"");
    check_error("{{ qqqqqqqq }}", "\"qqqqqqqq\" is undefined");
    check_error("{% if nope %}{% endif %}", "\"nope\" is undefined");
    check_error("{{ nope - 1 }}", "\"nope\" is undefined");
    check_error("{{ nope - ds }}", "\"nope\" is undefined");
    check_error("{{ params.zzz - ds }}", "an undefined value is used in \"params.zzz - ds\"");
    check_error("{{ ds | nofilter }}", "nofilter");
    check_error("{{ ds.nope() }}", "nope");
    check_error("{{ logical_date.nope() }}", "DateTime has no method \"nope\"");
}

#[test]
fn a_list_never_comes_to_hold_itself() {
    let refused = "a list or dict cannot be put into itself";
    for template in [
        "{% set l = [] %}{% do l.append(l) %}{{ l }}",
        "{% set l = [] %}{% set d = {'l': l} %}{% do l.append(d) %}{{ l }}",
        "{% set l = [] %}{% set m = [l] %}{% do l.insert(0, m) %}{{ l }}",
        "{% set d = {} %}{% do d.update({'a': [d]}) %}{{ d }}",
        "{% set d = {} %}{% do d.update(a=(d,)) %}{{ d }}",
    ] {
        check_error(template, refused);
    }
}

#[test]
fn names_that_airflow_removed_name_their_replacement() {
    check_error(
        "{{ execution_date }}",
        "\"execution_date\" was removed in Airflow 3; use logical_date",
    );
    check_error("{{ next_ds }}", "use data_interval_end | ds");
    check_error("{{ yesterday_ds }}", "use macros.ds_add(ds, -1)");
    check_error("{{ conf }}", "use dag_run.conf");
}

#[test]
fn places_are_those_of_the_authors_text() {
    let error =
        error_of("line 1\nline 2 {{ (ds ~ 'x') ~ (logical_date - macros.timedelta(1)) ~ nope }}");
    assert_eq!((error.line, error.column), (2, 63), "{error}");
    let error = error_of("한글 {{ logical_date - nope }}");
    assert_eq!(error.line, 1, "{error}");
    let error = error_of("a\n{% if %}");
    assert_eq!((error.fault, error.line), (TemplateFault::Syntax, 2), "{error}");
    let error = error_of("{{ macros.ds_add('x', 1) }}");
    assert!(error.message.contains("does not match format '%Y-%m-%d'"), "{error}");
}

#[test]
fn an_included_file_is_named_in_its_errors() {
    let files = [("sql/a.sql".to_string(), "select\n  {{ ds - nope }}".to_string())];
    let scope = scope().with_files(Arc::new(files.into_iter().collect()));
    let error = Renderer::default()
        .render("t", "{% include 'sql/a.sql' %}", &scope)
        .expect_err("undefined");
    let error = error.template_error().expect("a mistake").clone();
    assert_eq!((error.file.as_str(), error.line), ("sql/a.sql", 2), "{error}");
}

#[test]
fn errors_never_quote_values() {
    for template in ["{{ macros.json.loads(env('HOME') ~ 's3cret') }}", "{{ var.json.env }}"] {
        let error = error_of(template);
        assert!(!error.message.contains("s3cret") && !error.message.contains("prod"), "{error}");
    }
}
