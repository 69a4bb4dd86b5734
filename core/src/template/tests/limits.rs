//! Hostile templates end with an error, soon and without much memory.

use std::sync::Arc;

use super::{check, check_error, scope};
use crate::template::{Limits, RenderError, Renderer, Scope, TemplateFault};

fn fault_of(template: &str, scope: &Scope) -> TemplateFault {
    match Renderer::default().render("t", template, scope) {
        Err(RenderError::Template(error)) => error.fault,
        other => panic!("{}: {other:?}", &template[..template.len().min(60)]),
    }
}

#[test]
fn work_and_size_are_bounded() {
    let scope = scope();
    for template in [
        "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
        "{% set x = 'abcdefghij' * 90000 %}{{ x }}{{ x }}",
    ] {
        assert_eq!(fault_of(template, &scope), TemplateFault::Limit, "{template}");
    }
    let long = format!("{{{{ ds }}}}{}", "x".repeat(Limits::default().source_bytes));
    assert_eq!(fault_of(&long, &scope), TemplateFault::Limit);
    let wide = format!("{{{{ ds }}}}\n{{{{ ds {}", "x".repeat(65_534));
    assert_eq!(fault_of(&wide, &scope), TemplateFault::Limit);
    check_error("{{ range(1000000000) }}", "more than 100000 items");
    check_error("{{ 'x' * 1000000000 }}", "more than 1000000 items");
    check_error("{{ '%0999999999d' % 1 }}", "format width");
    check_error("{{ '{:>999999999}'.format(1) }}", "format width");
    check_error("{{ 'x'.ljust(999999999) }}", "width of more than");
    check_error("{{ 'x' | center(999999999) }}", "width of more than");
}

#[test]
fn depth_is_bounded() {
    let scope = scope();
    let deep = |open: &str, close: &str, count: usize| {
        format!("{}x{}", open.repeat(count), close.repeat(count))
    };
    for template in [
        deep("{% if ds %}", "{% endif %}", 10_000),
        format!("{{{{ {} }}}}", deep("(", ")", 10_000)),
        format!("{{{{ {} }}}}", deep("[", "]", 10_000)),
        format!("{{{{ 1{} }}}}", "+ds".repeat(10_000)),
        format!("{{{{ {}ds }}}}", "not ".repeat(10_000)),
        format!("{{{{ ds{} }}}}", ".a".repeat(10_000)),
        format!("{{{{ ds{} }}}}", "[0]".repeat(10_000)),
        format!("{{{{ ds{} }}}}", "|upper".repeat(10_000)),
        format!("{{% if ds %}}{}{{% endif %}}", "{% elif ds %}".repeat(10_000)),
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_string(),
    ] {
        let found = Renderer::default().render("t", &template, &scope);
        assert!(found.is_err(), "{}", &template[..60]);
    }
    let files = [("a".to_string(), "{% include 'a' %}".to_string())];
    let scope = scope.with_files(Arc::new(files.into_iter().collect()));
    assert!(Renderer::default().render("t", "{% include 'a' %}", &scope).is_err());
}

/// A template nested so many times, what it gives, and what nests in it.
type Nested<'a> = (&'a dyn Fn(usize) -> String, &'a str, &'a str);

/// What nests as deep as is allowed renders on the stack of an ordinary thread; one more is
/// refused with what to do, also where the template is broken behind that.
#[test]
fn brackets_and_blocks_nest_forty_deep() {
    let nested = |open: &str, inside: &str, close: &str, count: usize| {
        format!("{}{inside}{}", open.repeat(count), close.repeat(count))
    };
    let expression = |open: &str, inside: &str, close: &str, count: usize| {
        format!("{{{{ {} }}}}", nested(open, inside, close, count))
    };
    let table: [Nested<'_>; 7] = [
        (&|count| expression("(", "1", ")", count), "1", "brackets"),
        (&|count| expression("[", "1", "][0]", count), "1", "brackets"),
        (&|count| expression("{'a': ", "1", "}['a']", count), "1", "brackets"),
        (&|count| expression("params.get('m', ", "1", ")", count), "1", "brackets"),
        (&|count| expression("(not ", "params.n", ")", count), "True", "brackets"),
        (&|count| nested("{% if ds %}", "1", "{% endif %}", count), "1", "blocks"),
        (&|count| nested("{% filter upper %}", "a", "{% endfilter %}", count), "A", "blocks"),
    ];
    for (template, expected, what) in table {
        check(&template(40), expected);
        check_error(&template(41), &format!("more than 40 {what} inside each other; split it"));
        let broken = format!("{}{{{{ ' }}}}", template(41));
        check_error(&broken, &format!("more than 40 {what} inside each other; split it"));
    }
    // Side by side they are no depth.
    check(&"{% set a = (1) %}{% set b %}{% endset %}".repeat(60), "");
    check(&format!("{{{{ 0{} }}}}", "+(1)".repeat(60)), "60");
}

/// Everything that makes the engine recurse, at its limit at once.
#[test]
fn the_limits_together_fit_on_the_stack() {
    let inside = format!("{}ds", "not ".repeat(400));
    let brackets = format!("{}{inside}{}", "[".repeat(40), "]".repeat(40));
    let block = format!("{{{{ {brackets} | length }}}}");
    let blocks = format!("{}{block}{}", "{% if ds %}".repeat(40), "{% endif %}".repeat(40));
    check(&blocks, "1");
    check_error(&format!("{{{{ ds {} ( }}}}", "- \n".repeat(33_000)), "operators");
    check_error(&format!("{{{{ ds {} ' }}}}", "- \n".repeat(33_000)), "operators");
}

#[test]
fn a_long_line_is_refused_wherever_it_stands() {
    let long = "x".repeat(70_000);
    check_error(&format!("{{{{ 1 + 1 }}}}\n{{{{ '{long} }}}}"), "line 2 of the template has more");
    let files = [("a".to_string(), format!("{{{{ 1 + 1 }}}}{long}"))];
    let scope = scope().with_files(Arc::new(files.into_iter().collect()));
    let found = Renderer::default().render("t", "{% include 'a' %}", &scope);
    let error = found.expect_err("a long line").to_string();
    assert!(error.contains("line 1 of the template has more than 65000 bytes"), "{error}");
}

#[test]
fn nested_values_cannot_be_grown_without_end() {
    for template in [
        "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x=()) %}{% for i in range(99999) %}{% set ns.x = (ns.x,) %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x={}) %}{% for i in range(99999) %}{% set ns.x = {'a': ns.x} %}{% endfor %}{{ ns.x }}",
        "{% set l = [] %}{% for i in range(99999) %}{% do l.append([l]) %}{% endfor %}{{ l | length }}",
    ] {
        let found = Renderer::default().render("t", template, &scope());
        assert!(found.is_err(), "{template}");
    }
}

#[test]
fn values_cannot_grow_faster_than_the_template() {
    let doubling = |start: &str, step: &str| {
        format!(
            "{{% set s = {start} %}}{}{{{{ s | length }}}}",
            format!("{{% set s = {step} %}}").repeat(60)
        )
    };
    for template in [
        doubling("'x'", "s ~ s"),
        doubling("'x'", "s + s"),
        doubling("'x'", "'%s%s' % (s, s)"),
        doubling("'x'", "'{}{}'.format(s, s)"),
        doubling("'x'", "[s, s] | join"),
        doubling("'x'", "''.join([s, s])"),
        doubling("'x'", "s.replace('x', 'xx')"),
        doubling("'x'", "s | replace('x', 'xx')"),
        doubling("'x'", "[s, s] | string"),
        doubling("['x']", "s + s"),
        doubling("['x']", "s * 2"),
        format!("{}{{{{ s | tojson }}}}", doubling("['x']", "[s, s]")),
        format!("{}{{{{ s ~ '' }}}}", doubling("['x']", "{'a': s, 'b': s}")),
        "{{ [1] | batch(1000000000, 0) | list }}".to_string(),
        "{{ [1] | slice(1000000000) | list }}".to_string(),
        "{{ 'x' | indent(1000000000, true) }}".to_string(),
    ] {
        let found = Renderer::default().render("t", &template, &scope());
        assert!(found.is_err(), "{template}: {found:?}");
    }
    check(
        "{{ '20250101_%s %05.1f' % ('x', 2) }}{{ '20250101 {:>4}'.format(1) }}",
        "20250101_x 002.020250101    1",
    );
}

/// Few instructions that each look at much: fuel alone would let them go on for minutes.
#[test]
fn what_instructions_look_at_is_counted() {
    let each = |set: &str, body: &str| {
        format!("{{% set s = {set} %}}{{% for i in range(1000) %}}{body}{{% endfor %}}")
    };
    let (text, list) = ("'x' * 250000", "range(100000) | list");
    for template in [
        each(text, "{% set a = s | upper %}"),
        each(text, "{% set a = s | trim | title | length %}"),
        each(text, "{% set a = s.upper() %}"),
        each(text, "{% set a = 'y' in s %}"),
        each(text, "{% set a = s ~ 'y' %}"),
        each(text, "{% set a = s | tojson %}"),
        each(text, "{% set a = s == s ~ '' %}"),
        each(text, "{% set a = '%s' % s %}"),
        each(text, "{% set a %}{{ s }}{% endset %}"),
        each(list, "{% set a = i in s %}"),
        each(list, "{% set a = (s) | sort %}"),
        each(list, "{% set a = s | sum %}"),
        each(list, "{% set a = s + s %}"),
        each(list, "{% set a = s | join %}"),
        each(list, "{% set a = s | map('string') | list %}"),
        each(list, "{% set a = s.index(99999) %}"),
        each(list, "{% set a = s[1:] %}"),
        each(text, "{% set a = s[1:] %}"),
    ] {
        let found = Renderer::default().render("t", &template, &scope());
        let Err(RenderError::Template(error)) = found else { panic!("{template}: {found:?}") };
        assert_eq!(error.fault, TemplateFault::Limit, "{template}: {error}");
        assert!(error.message.contains("too much work; shorten its loops"), "{error}");
    }
    check("{{ range(100000) | list | sort | map('string') | join | length }}", "488890");
    check(
        "{% for i in range(2000) %}{{ 'ab' | upper | replace('A', '') | trim }}{% endfor %}",
        &"B".repeat(2000),
    );
    // What does not look at each item costs nothing, however often.
    let cheap = "{% if i in range(99999) and i in {1: 2} %}{% endif %}{% set a = s | length + (s | last) %}";
    check(&each(list, &format!("{cheap}{{{{ s | default(1) | first }}}}")), &"0".repeat(1000));
    check(
        "{% set l = [] %}{% for i in range(3000) %}{% do l.append(i) %}{% endfor %}{{ l | length }}",
        "3000",
    );
    check_error(&format!("{{{{ 'a\\'b' {} }}}}", "| shellquote".repeat(45)), "cannot be combined");
    // Quotes that double, and a lookup that is not there, are what they were.
    check_error(&format!("{{{{ 'a\"b' {} }}}}", "| tojson".repeat(45)), "cannot be combined");
    check("{{ missing | default('x') }}{{ params.gone | d('y') | upper }}", "xY");
}

#[test]
fn ordinary_big_templates_are_within_the_limits() {
    check("{% for i in range(2000) %}{{ i }}{% endfor %}{{ ds }}"[..].trim(), &{
        let mut text: String = (0..2000).map(|i| i.to_string()).collect();
        text.push_str("2025-03-01");
        text
    });
    let row = "INSERT INTO t VALUES ('{{ ds }}', {{ params.n + 1 }});\n";
    let found = Renderer::default().render("t", &row.repeat(2000), &scope());
    assert!(found.is_ok(), "{found:?}");
}
