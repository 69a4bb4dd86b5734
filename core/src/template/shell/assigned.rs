//! Which names a template sets and which expressions it emits, for `taint` and `mark`.
//!
//! Owns walks over statements only; nothing is judged here.

use minijinja::machinery::ast::{Expr, Stmt};
use minijinja::machinery::{Span, Token};

use crate::template::scope::{NAMES, ScopeData};

/// Whether a template brings in others.
pub(super) fn includes(tokens: &[(Token<'_>, Span)]) -> bool {
    tokens.windows(2).any(|pair| {
        matches!(pair[0].0, Token::BlockStart)
            && matches!(pair[1].0, Token::Ident("include" | "import" | "from" | "extends"))
    })
}

/// Files that share names with others must not give the context's names a new meaning: each file
/// is judged by itself.
pub(super) fn shadowed(tree: &Stmt<'_>, scope: &ScopeData) -> Option<String> {
    let mut names = Vec::new();
    assigned_names(tree, &mut names);
    let known =
        |name: &&String| NAMES.contains(&name.as_str()) || scope.context.macros.contains_key(*name);
    names.iter().find(known).map(|name| {
        format!("\"{name}\" is a name of the context; a command that includes files must choose another name")
    })
}

/// Every name that a template sets, in any way.
pub(crate) fn assigned_names(stmt: &Stmt<'_>, found: &mut Vec<String>) {
    fn targets(expr: &Expr<'_>, found: &mut Vec<String>) {
        match expr {
            Expr::Var(var) => found.push(var.id.to_string()),
            Expr::List(list) => list.items.iter().for_each(|item| targets(item, found)),
            _ => {}
        }
    }
    let all = |body: &[Stmt<'_>], found: &mut Vec<String>| {
        for stmt in body {
            assigned_names(stmt, found);
        }
    };
    match stmt {
        Stmt::Template(node) => all(&node.children, found),
        Stmt::ForLoop(node) => {
            targets(&node.target, found);
            all(&node.body, found);
            all(&node.else_body, found);
        }
        Stmt::IfCond(node) => {
            all(&node.true_body, found);
            all(&node.false_body, found);
        }
        Stmt::WithBlock(node) => {
            node.assignments.iter().for_each(|(target, _)| targets(target, found));
            all(&node.body, found);
        }
        Stmt::Set(node) => targets(&node.target, found),
        Stmt::SetBlock(node) => {
            targets(&node.target, found);
            all(&node.body, found);
        }
        Stmt::AutoEscape(node) => all(&node.body, found),
        Stmt::FilterBlock(node) => all(&node.body, found),
        Stmt::Block(node) => all(&node.body, found),
        Stmt::Import(node) => targets(&node.name, found),
        Stmt::FromImport(node) => node
            .names
            .iter()
            .for_each(|(name, alias)| targets(alias.as_ref().unwrap_or(name), found)),
        Stmt::Macro(node) => {
            node.args.iter().for_each(|arg| targets(arg, found));
            all(&node.body, found);
        }
        Stmt::CallBlock(node) => {
            node.macro_decl.args.iter().for_each(|arg| targets(arg, found));
            all(&node.macro_decl.body, found);
        }
        _ => {}
    }
}

pub(super) fn collect_emits<'t, 'a>(stmt: &'t Stmt<'a>, found: &mut Vec<&'t Expr<'a>>) {
    let mut all = |body: &'t [Stmt<'a>]| body.iter().for_each(|stmt| collect_emits(stmt, found));
    match stmt {
        Stmt::EmitExpr(node) => found.push(&node.expr),
        Stmt::Template(node) => all(&node.children),
        Stmt::ForLoop(node) => {
            all(&node.body);
            all(&node.else_body);
        }
        Stmt::IfCond(node) => {
            all(&node.true_body);
            all(&node.false_body);
        }
        Stmt::WithBlock(node) => all(&node.body),
        Stmt::SetBlock(node) => all(&node.body),
        Stmt::AutoEscape(node) => all(&node.body),
        Stmt::FilterBlock(node) => all(&node.body),
        Stmt::Block(node) => all(&node.body),
        Stmt::Macro(node) => all(&node.body),
        Stmt::CallBlock(node) => all(&node.macro_decl.body),
        _ => {}
    }
}
