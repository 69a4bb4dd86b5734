//! What can be said of a template without rendering it: its syntax, and the names that it uses.
//!
//! Owns the reading of names from the tree, for the check of a DAG file. It must not evaluate
//! anything, nor decide which names there are.

use std::collections::BTreeMap;

use minijinja::machinery::Token;
use minijinja::machinery::ast::{Call, CallArg, Expr};

use super::engine::is_template;
use super::error::{Origin, RenderError, TemplateError};
use super::rewrite::{Parsed, parse_bounded};
use super::scope::NAMES;
use super::walk::{for_each_child, for_each_root_expr};

/// One name that a template uses, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use<'t> {
    /// What it is the name of.
    pub(crate) what: What<'t>,
    /// Line in the template, from 1.
    pub(crate) line: usize,
    /// Column in characters, from 1.
    pub(crate) column: usize,
}

/// What a name is the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What<'t> {
    /// A name of the context; not one that the template defines, or guards by `is defined` or
    /// `default`.
    Name(&'t str),
    /// `params.x`
    Param(&'t str),
    /// `xcom('x')`, `ti.xcom_pull('x')`
    Task(&'t str),
    /// `| x`
    Filter(&'t str),
    /// `is x`
    Test(&'t str),
}

/// Every name that the context of a task has.
pub(crate) fn context_names() -> &'static [&'static str] {
    NAMES
}

/// The names that a template uses. A text that is an expression may be bare, without `{{ }}`.
///
/// # Errors
/// The syntax error, with its place.
pub(crate) fn uses<R>(
    text: &str,
    is_expression: bool,
    read: impl FnOnce(Vec<Use<'_>>) -> R,
) -> Result<Option<R>, Box<TemplateError>> {
    let bare = is_expression && !is_template(text);
    if !bare && !is_template(text) {
        return Ok(None);
    }
    let wrapped;
    let (source, prefix) = if bare {
        wrapped = format!("{{{{{text}}}}}");
        (wrapped.as_str(), 2)
    } else {
        (text, 0)
    };
    let files = BTreeMap::new();
    let parsed = parse_bounded("", source).map_err(|error| {
        let origin = Origin { name: "", text, prefix, files: &files, scope: None };
        match RenderError::from_engine(&error, None, &origin) {
            RenderError::Template(error) => error,
            RenderError::Needs(_) => Box::new(unchecked()),
        }
    })?;
    let mut finder = Finder { text, prefix, bound: bound_names(&parsed), found: Vec::new() };
    for_each_root_expr(&parsed.tree, &mut |expr| finder.guards(expr));
    for_each_root_expr(&parsed.tree, &mut |expr| finder.visit(expr));
    Ok(Some(read(finder.found)))
}

/// Without a run nothing is looked up, so that nothing can be needed.
fn unchecked() -> TemplateError {
    TemplateError {
        fault: super::TemplateFault::Failed,
        message: "the template cannot be checked".to_owned(),
        file: String::new(),
        line: 0,
        column: 0,
    }
}

/// The names that a template defines itself, anywhere: by `set`, `for`, `with`, `macro`, `import`.
fn bound_names<'t>(parsed: &Parsed<'t>) -> Vec<&'t str> {
    let mut bound = vec!["loop", "caller", "self", "super", "varargs", "kwargs"];
    let mut tokens = parsed.tokens.iter().map(|(token, _)| token);
    while let Some(token) = tokens.next() {
        if !matches!(token, Token::BlockStart) {
            continue;
        }
        let Some(Token::Ident(word)) = tokens.next() else { continue };
        let ends_at_value = matches!(*word, "set" | "for");
        if !ends_at_value && !matches!(*word, "with" | "macro" | "import" | "from" | "call") {
            continue;
        }
        for token in tokens.by_ref() {
            match token {
                Token::BlockEnd => break,
                Token::Assign if ends_at_value => break,
                Token::Ident("in") if *word == "for" => break,
                Token::Ident(name) => bound.push(name),
                _ => {}
            }
        }
    }
    bound
}

struct Finder<'t> {
    text: &'t str,
    prefix: usize,
    bound: Vec<&'t str>,
    found: Vec<Use<'t>>,
}

impl<'t> Finder<'t> {
    /// Takes names that are asked whether they are defined for names that may be missing.
    fn guards<'a>(&mut self, expr: &Expr<'a>)
    where
        'a: 't,
    {
        let guarded = match expr {
            Expr::Test(node) if matches!(node.name, "defined" | "undefined") => Some(&node.expr),
            Expr::Filter(node) if matches!(node.name, "default" | "d") => node.expr.as_ref(),
            _ => None,
        };
        let mut root = guarded;
        while let Some(Expr::GetAttr(node)) = root {
            root = Some(&node.expr);
        }
        if let Some(Expr::Var(var)) = root {
            self.bound.push(var.id);
        }
        for_each_child(expr, &mut |child| self.guards(child));
    }

    fn visit<'a>(&mut self, expr: &Expr<'a>)
    where
        'a: 't,
    {
        match expr {
            Expr::Var(var) if !self.bound.contains(&var.id) => {
                self.add(What::Name(var.id), var.span().start_offset);
            }
            Expr::GetAttr(node) => {
                let of_params = matches!(&node.expr, Expr::Var(var) if var.id == "params");
                if of_params && node.name != "get" && !self.bound.contains(&"params") {
                    self.add(What::Param(node.name), node.span().start_offset);
                }
            }
            Expr::Filter(node) => self.add(What::Filter(node.name), node.span().start_offset),
            Expr::Test(node) => self.add(What::Test(node.name), node.span().start_offset),
            Expr::Call(call) => self.task_of(call),
            _ => {}
        }
        for_each_child(expr, &mut |child| self.visit(child));
    }

    fn task_of(&mut self, call: &Call<'_>) {
        let pulls = match &call.expr {
            Expr::Var(var) => var.id == "xcom",
            Expr::GetAttr(node) => node.name == "xcom_pull",
            _ => false,
        };
        if !pulls {
            return;
        }
        let argument = call.args.iter().find_map(|arg| match arg {
            CallArg::Pos(value) | CallArg::Kwarg("task_ids" | "task_id", value) => Some(value),
            _ => None,
        });
        let Some(Expr::Const(constant)) = argument else { return };
        let Some(name) = constant.value.as_str() else { return };
        // The constant owns its text; the template has the same one.
        let start = (constant.span().start_offset as usize).saturating_sub(self.prefix);
        let after = self.text.get(start..).unwrap_or_default();
        if let Some(at) = after.find(name).filter(|at| *at <= 2) {
            let name = &after[at..at + name.len()];
            self.add_at(What::Task(name), start + at);
        }
    }

    fn add(&mut self, what: What<'t>, offset: u32) {
        self.add_at(what, (offset as usize).saturating_sub(self.prefix));
    }

    fn add_at(&mut self, what: What<'t>, offset: usize) {
        let offset = offset.min(self.text.len());
        let before = self.text.get(..offset).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        self.found.push(Use {
            what,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let got = uses(text, false, |found| {
            found
                .iter()
                .map(|found| format!("{:?} {}:{}", found.what, found.line, found.column))
                .collect::<Vec<_>>()
        });
        assert_eq!(got.expect("it parses").unwrap_or_default(), expected, "{text}");
    }

    #[test]
    fn names_with_their_places() {
        check("plain", &[]);
        check("echo {{ ds }}", &["Name(\"ds\") 1:9"]);
        check("a\n  {{ x | upper }}", &["Filter(\"upper\") 2:10", "Name(\"x\") 2:6"]);
        check("{% set a = b %}{{ a }}", &["Name(\"b\") 1:12"]);
        check(
            "{% for i, j in rows %}{{ i + j + loop.index }}{% endfor %}",
            &["Name(\"rows\") 1:16"],
        );
        check("{{ x | default(1) }}{{ x }}", &["Filter(\"default\") 1:8"]);
        check("{% if y is defined %}{{ y.z }}{% endif %}", &["Test(\"defined\") 1:12"]);
        check("{{ params.depth }}", &["Param(\"depth\") 1:4", "Name(\"params\") 1:4"]);
        check("{{ xcom('train').x }}", &["Task(\"train\") 1:10", "Name(\"xcom\") 1:4"]);
        check("{{ ti.xcom_pull(task_ids='a') }}", &["Task(\"a\") 1:27", "Name(\"ti\") 1:4"]);
        check("{% macro m(p) %}{{ p }}{% endmacro %}{{ m(1) }}", &[]);
        check("{% raw %}{{ x }}{% endraw %}", &[]);
    }

    #[test]
    fn a_bare_expression_keeps_its_columns() {
        let check = |text: &str, expected: &[usize]| {
            let columns = |found: Vec<Use<'_>>| found.iter().map(|f| f.column).collect::<Vec<_>>();
            let got = uses(text, true, columns).expect("it parses").unwrap_or_default();
            assert_eq!(got, expected, "{text}");
        };
        check("'가' == ds", &[8]);
        check("{{ ds }}", &[4]);
        check("true", &[]);
        let error = uses("a\n{{ ds", false, |_| ()).expect_err("not closed");
        assert_eq!(error.line, 2);
    }
}
