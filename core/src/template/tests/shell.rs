//! Input in shell commands: the words that a shell would see, in every context.

use std::sync::Arc;

use serde_json::json;

use super::{context, lookups, object};
use crate::template::{RenderError, Renderer, Scope, TemplateFault};

/// Values that would do harm as shell text.
const HOSTILE: &[&str] = &[
    "",
    "plain",
    "two words",
    "\"; id #",
    "$(id)",
    "`id`",
    "'; id; '",
    "a\nb",
    "$HOME ${HOME}",
    "\\",
    "\\'\\\"\\$",
    "한글 é 🦀",
    "*?[a]{b,c}~!",
    "-rf",
    "a=b",
    "#x",
    "'\"'\"'",
    "$'x'",
    "\t| & ; < > ( )",
    "EOF",
];

fn shell(template: &str, value: &str) -> Result<String, RenderError> {
    let mut context = context();
    context.params = object(json!({"x": value, "n": 3, "list": [value, "b c"]}));
    context.conf = json!({"x": value});
    context.note = Some(value.to_string());
    context.macros.insert("job".to_string(), "{{ params.x }}".to_string());
    context.macros.insert("day".to_string(), "{{ ds }} 'x'".to_string());
    let files = [
        ("part.sh", "echo {{ params.x }} {{ outer }}"),
        ("lib.sh", "{% macro say(w) %}echo {{ w }}{% endmacro %}{% set raw = params.x %}"),
    ];
    let files = files.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
    let scope = Scope::new(context, lookups()).with_files(Arc::new(files));
    Renderer::default().render_shell("t.sh", template, &scope)
}

/// The words of simple commands: quotes as a POSIX shell reads them; anything that would be
/// expanded or would end the command is an error.
fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut chars) = (Vec::new(), None::<String>, text.chars());
    while let Some(c) = chars.next() {
        match c {
            ' ' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or("open '")? {
                        '\'' => break,
                        inner => word.push(inner),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or("open \"")? {
                        '"' => break,
                        '\\' => match chars.next().ok_or("open \\")? {
                            escaped @ ('$' | '`' | '"' | '\\') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        '$' | '`' => return Err(format!("expansion in double quotes: {text}")),
                        inner => word.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')' | '$' | '`' | '*' | '?' | '[' | '{'
            | '~' | '#' => return Err(format!("the shell would act on {c:?} in {text}")),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

fn check(template: &str, value: &str, expected: &[&str]) {
    let text = shell(template, value).unwrap_or_else(|error| panic!("{template}: {error}"));
    assert_eq!(
        words(&text),
        Ok(expected.iter().map(ToString::to_string).collect()),
        "{template} → {text}"
    );
}

fn check_refused(template: &str, value: &str, expected: &str) {
    match shell(template, value) {
        Err(RenderError::Template(error)) => {
            assert!(error.message.contains(expected), "{template}: {error}");
        }
        other => panic!("{template} with {value:?} gave {other:?}"),
    }
}

#[test]
fn every_input_is_one_word() {
    for value in HOSTILE {
        for template in [
            "echo {{ params.x }} end",
            "echo {{ dag_run.conf.x }} end",
            "echo {{ dag_run.conf['x'] }} end",
            "echo {{ dag_run['note'] }} end",
            "echo {{ (dag_run.conf or {}).get('x', ds) }} end",
            "echo {% set v = params.x %}{{ v }} end",
            "echo {% for v in params.list[:1] %}{{ v }}{% endfor %} end",
            "echo {% with v = params.x %}{{ v }}{% endwith %} end",
            "{% set ns = namespace(v='') %}{% set ns.v = params.x %}echo {{ ns.v }} end",
            "{% set l = [] %}{% set m = l %}{% do m.append(params.x) %}echo {{ l | join }} end",
            "echo {{ params.x | trim('\u{1}') | string }} end",
            "echo {{ params['x'] if params.n else 'y' }} end",
            "{% macro m(v) %}{{ v }}{% endmacro %}echo {{ m(params.x) }} end",
            "{% macro m(v) %}echo {{ v }}{% endmacro %}{{ m(v=params.x) }} end",
            "{% set c %}echo {{ params.x }}{% endset %}{{ c }} end",
            "{% set c %}{{ params.x }}{% endset %}echo {{ c | string | string }} end",
            "echo {{ job }} end",
            "echo {{ params.x | shellquote }} end",
            "echo {{ [params.x] | map('shellquote') | join(' ') }} end",
            "echo {{ '' ~ params.x ~ '' }} end",
            "echo {{ '%s' % params.x }} end",
            "echo {{ '{}'.format(params.x) }} end",
            "{% from 'lib.sh' import say %}{{ say(params.x) }} end",
            "{% import 'lib.sh' as lib %}{{ lib.say(params.x) }} end",
            "{% from 'lib.sh' import raw %}echo {{ raw }} end",
            "echo \"{{ params.x }}\" end",
            "echo '{{ params.x }}' end",
            "echo \"{{ params.x | shellquote }}\" end",
            "echo '{{ params.x | shellquote }}' end",
        ] {
            check(template, value, &["echo", value, "end"]);
        }
        check("echo --x={{ params.x }}.y", value, &["echo", &format!("--x={value}.y")]);
        check(
            "echo '{{ params.x }} b'\" {{ params.x }}\"",
            value,
            &["echo", &format!("{value} b {value}")],
        );
        check("echo {{ '--x=' ~ params.x }}", value, &["echo", &format!("--x={value}")]);
        check("echo {{ 'a b ' ~ params.x }}", value, &["echo", "a", "b", value]);
        check("{% set outer = params.x %}{% include 'part.sh' %}", value, &["echo", value, value]);
        check("{{ params.x }} arg", value, &[value, "arg"]);
    }
}

#[test]
fn xcom_and_run_ids_are_input() {
    check("echo {{ xcom('bare') }}", "", &["echo", "it's $HOME"]);
    check("echo {{ ti.xcom_pull('bare') }}", "", &["echo", "it's $HOME"]);
    let text = |template: &str| shell(template, "").expect("renders");
    assert_eq!(text("echo {{ run_id }}"), "echo manual__2025-03-01T00:00:00+00:00");
    let mut context = context();
    context.run_id = "a;id".to_string();
    let scope = Scope::new(context, lookups());
    for name in ["run_id", "dag_run.run_id", "ti.run_id", "ti.dag_run.run_id"] {
        let template = format!("echo {{{{ {name} }}}}");
        let found = Renderer::default().render_shell("t", &template, &scope).expect("renders");
        assert_eq!(found, "echo 'a;id'", "{name}");
    }
}

#[test]
fn what_the_author_wrote_stays_as_it_is() {
    let text = |template: &str| shell(template, "$(id) x").expect("renders");
    assert_eq!(text("echo {{ params.x | unquoted }}"), "echo $(id) x");
    assert_eq!(
        text("echo {{ ds }} {{ var.value.env }} {{ day }}"),
        "echo 2025-03-01 prod 2025-03-01 'x'"
    );
    assert_eq!(
        text("echo {{ '$HOME; ls' }} {{ logical_date }}"),
        "echo $HOME; ls 2025-03-01 00:00:00+00:00"
    );
    assert_eq!(text("echo {{ params.n }} {{ params.n > 2 }}"), "echo 3 True");
    assert_eq!(text("{% if params.x == 'q' %}a{% else %}b{% endif %}"), "b");
    assert_eq!(
        text("{% set c %}{{ params.n }}{% endset %}{{ c | length }}{{ c == '3' }}"),
        "'1'True"
    );
    assert_eq!(
        text("if true; then\n  ls \"it's\" # don't\nfi\n"),
        "if true; then\n  ls \"it's\" # don't\nfi"
    );
}

#[test]
fn nesting_decides_the_quotes() {
    let text = |template: &str| shell(template, "a'b $(id)").expect("renders");
    for (template, expected) in [
        ("x=\"$(echo {{ params.x }})\"", "x=\"$(echo 'a'\"'\"'b $(id)')\""),
        ("x=\"$(echo \"{{ params.x }}\")\"", "x=\"$(echo \"a'b \\$(id)\")\""),
        ("x=$(echo $(cat \"{{ params.x }}\"))", "x=$(echo $(cat \"a'b \\$(id)\"))"),
        ("x=`echo {{ params.x }}`", "x=`echo 'a'\"'\"'b \\$(id)'`"),
        ("x=`echo \"{{ params.x }}\"`", "x=`echo \"a'b \\\\\\$(id)\"`"),
        ("ls # it's {{ params.x }}\nid", "ls # it's a'b $(id)\nid"),
        ("echo $'\\t{{ params.x }}'", "echo $'\\ta\\'b $(id)'"),
        ("cat <<EOF\n'\" {{ params.x }}\nEOF\n", "cat <<EOF\n'\" a'b \\$(id)\nEOF"),
        ("cat <<'EOF'\n{{ params.x }}\nEOF\nid", "cat <<'EOF'\na'b $(id)\nEOF\nid"),
        (
            "cat <<-\"EOF\"; ls\n\t{{ params.x }}\n\tEOF\nid",
            "cat <<-\"EOF\"; ls\n\ta'b $(id)\n\tEOF\nid",
        ),
        ("cat <<A <<B\n{{ params.x }}\nA\nb\nB\nid", "cat <<A <<B\na'b \\$(id)\nA\nb\nB\nid"),
        ("cat <<EOF\n$(echo {{ params.x }})\nEOF\n", "cat <<EOF\n$(echo 'a'\"'\"'b $(id)')\nEOF"),
        ("cat <<< {{ params.x }}", "cat <<< 'a'\"'\"'b $(id)'"),
        ("case $a in x) echo {{ params.x }};; esac", "case $a in x) echo 'a'\"'\"'b $(id)';; esac"),
        (
            "v=\"$(case $a in x) echo {{ params.x }};; esac)\"",
            "v=\"$(case $a in x) echo 'a'\"'\"'b $(id)';; esac)\"",
        ),
        (
            "v=\"$(echo case; echo x)\" {{ params.x }}",
            "v=\"$(echo case; echo x)\" 'a'\"'\"'b $(id)'",
        ),
        ("bash -c 'echo \"$1\"' _ {{ params.x }}", "bash -c 'echo \"$1\"' _ 'a'\"'\"'b $(id)'"),
        ("echo \"${HOME:-\"x\"}\" {{ params.x }}", "echo \"${HOME:-\"x\"}\" 'a'\"'\"'b $(id)'"),
        (
            "for i in {{ params.x }}; do echo $i; done",
            "for i in 'a'\"'\"'b $(id)'; do echo $i; done",
        ),
        ("echo $# {{ params.x }}", "echo $# 'a'\"'\"'b $(id)'"),
        ("a=(1 {{ params.x }})", "a=(1 'a'\"'\"'b $(id)')"),
        ("echo \\\n  {{ params.x }}", "echo \\\n  'a'\"'\"'b $(id)'"),
    ] {
        assert_eq!(text(template), expected, "{template}");
    }
    assert_eq!(shell("echo {{ params.n }}>x", "").as_deref(), Ok("echo '3'>x"));
    assert_eq!(shell("echo $(( {{ params.n }} + 1 ))", "").as_deref(), Ok("echo $(( 3 + 1 ))"));
    assert_eq!(shell("echo ${x:-{{ params.n }}}", "").as_deref(), Ok("echo ${x:-3}"));
    assert_eq!(
        shell("cat <<EOF\n{{ params.x }}\nEOF", "a\nb").as_deref(),
        Ok("cat <<EOF\na\nb\nEOF")
    );
    assert_eq!(shell("# {{ params.x }}\nls", "a\nid").as_deref(), Ok("# a id\nls"));
}

#[test]
fn what_no_quoting_can_protect_is_refused() {
    for (template, value, expected) in [
        ("echo {{ params.x }}", "a\0b", "NUL byte"),
        ("echo {{ params.x }}", "\u{FDD2}; id", "noncharacter"),
        ("bash -c \"ls {{ params.x }}\"", "; id", "script for another shell"),
        ("/bin/sh -ec 'ls {{ params.x }}'", "x", "script for another shell"),
        ("ssh host \"ls {{ params.x }}\"", "x", "script for another shell"),
        ("ssh host ls {{ params.x }}", "x", "script for another shell"),
        ("eval ls {{ params.x }}", "x", "script for another shell"),
        ("ssh host <<EOF\nls {{ params.x }}\nEOF", "x", "script for another shell"),
        ("cat <<'EOF' | bash\nls {{ params.x }}\nEOF", "x", "script for another shell"),
        ("echo $(( {{ params.x }} ))", "a[$(id)]", "whole number"),
        ("(( x = {{ params.x }} ))", "a[$(id)]", "whole number"),
        ("[[ {{ params.x }} -gt 3 ]]", "a[$(id)]", "whole number"),
        ("[[ 3 -lt \"{{ params.x }}\" ]]", "a[$(id)]", "whole number"),
        ("let y={{ params.x }}", "a[$(id)]", "whole number"),
        ("a[{{ params.x }}]=1", "$(id)", "whole number"),
        ("echo ${x:-{{ params.x }}}", "$(id)", "${…}"),
        ("echo \"${x:-\"{{ params.x }}\"}\"", "{b,c}", "${…}"),
        ("echo ${{ params.x }}", "(id)", "right after \"$\""),
        ("echo \"${{ params.x }}\"", "(id)", "right after \"$\""),
        ("echo \\{{ params.x }}", "'; id", "backslash"),
        ("echo \"\\{{ params.x }}\"", "$(id)", "backslash"),
        ("echo $'\\{{ params.x }}'", "'; id", "backslash"),
        ("cat <<EOF\n{{ params.x }}\nEOF", "EOF\nid", "would end the here-document"),
        ("cat <<EOF\n{{ params.x }}F\nEOF", "EO", "would end the here-document"),
        ("cat <<{{ params.x }}\nEOF", "EOF", "delimiter"),
        ("cat <<EOF\n{{ params.x }}", "x", "no closing line"),
        ("echo \"{{ params.x }}", "x", "do not match"),
        ("x=\"`echo {{ params.x }}`\"", "$(id)", "nested backquotes"),
        ("{% call xcom('bare') %}{% endcall %}", "x", "{% call %} needs a macro"),
        ("{% set ds = params.x %}{% include 'part.sh' %}", "x", "choose another name"),
    ] {
        check_refused(template, value, expected);
    }
    let fault = shell("ls\necho \"$(( {{ params.x }} ))\"", "x").expect_err("refused");
    let error = fault.template_error().expect("a mistake");
    assert_eq!((error.fault, error.line), (TemplateFault::UnsafeShell, 2));
}

#[test]
fn a_dollar_that_is_text_may_stand_before_input() {
    assert_eq!(shell("echo \\${{ params.n }}", "").as_deref(), Ok("echo \\$3"));
    assert_eq!(shell("echo '${{ params.n }}'", "").as_deref(), Ok("echo '$3'"));
    check_refused("echo \\\\${{ params.n }}", "", "right after \"$\"");
}
