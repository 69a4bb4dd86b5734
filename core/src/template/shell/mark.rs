//! Makes the edits that mark input in a template.
//!
//! Owns where marks go; `taint` says what is input. Captured text carries its own marks, so that
//! a macro may build a command: they come off where the text is used as a value.

use minijinja::machinery::ast::{BinOpKind, Expr, FilterBlock, Stmt};
use minijinja::machinery::{Span, Token};

use super::assigned::{collect_emits, includes, shadowed};
use super::taint::{Level, Levels, name_of};
use crate::template::rewrite::{Edit, Parsed};
use crate::template::scope::ScopeData;
use crate::template::walk::{arg_value, for_each_child};

/// The edits that mark input: `outer` ones enclose operators that begin or end at the same place,
/// `inner` ones are enclosed by them.
#[derive(Default)]
pub(super) struct Marks {
    /// Why the template cannot be marked.
    pub(super) refused: Option<String>,
    pub(super) outer_starts: Vec<Edit>,
    pub(super) outer_ends: Vec<Edit>,
    pub(super) inner_starts: Vec<Edit>,
    pub(super) inner_ends: Vec<Edit>,
}

/// Marks a parsed template. In an `included` one, names that it does not set are input as well:
/// the including template may have set them.
pub(super) fn marks(parsed: &Parsed<'_>, scope: &ScopeData, included: bool) -> Marks {
    let mut levels = Levels::new(scope, included, Vec::new());
    levels.settle(&parsed.tree);
    let mut marker = Marker { parsed, levels: &mut levels, marks: Marks::default() };
    marker.stmt(&parsed.tree, true);
    let mut marks = marker.marks;
    if marks.refused.is_none() && (included || includes(&parsed.tokens)) {
        marks.refused = shadowed(&parsed.tree, scope);
    }
    marks
}

/// Makes the edits.
struct Marker<'p, 's, 'a> {
    parsed: &'p Parsed<'a>,
    levels: &'p mut Levels<'s, 'a>,
    marks: Marks,
}

impl<'a> Marker<'_, '_, 'a> {
    /// Visits a statement; where `emits` is false the text goes through a filter and is marked as
    /// a whole behind it.
    fn stmt(&mut self, stmt: &Stmt<'a>, emits: bool) {
        match stmt {
            Stmt::EmitExpr(node) => {
                let (start, end) = self.inside_braces(node.span());
                if emits {
                    self.emitted(&node.expr, start, end);
                } else {
                    self.plain_captures(&node.expr);
                }
            }
            // A capture is apart from the text around it.
            Stmt::SetBlock(node) => self.body(&node.body, node.filter.is_none()),
            Stmt::FilterBlock(node) => self.filter_block(node, emits),
            Stmt::Template(node) => self.body(&node.children, emits),
            Stmt::ForLoop(node) => {
                self.value(&node.iter);
                node.filter_expr.iter().for_each(|filter| self.value(filter));
                self.body(&node.body, emits);
                self.body(&node.else_body, emits);
            }
            Stmt::IfCond(node) => {
                self.value(&node.expr);
                self.body(&node.true_body, emits);
                self.body(&node.false_body, emits);
            }
            Stmt::WithBlock(node) => {
                node.assignments.iter().for_each(|(_, value)| self.value(value));
                self.body(&node.body, emits);
            }
            Stmt::Set(node) => self.value(&node.expr),
            Stmt::AutoEscape(node) => self.body(&node.body, emits),
            Stmt::Block(node) => self.body(&node.body, emits),
            Stmt::Macro(node) => self.body(&node.body, true),
            Stmt::CallBlock(node) => {
                let macro_name = name_of(&node.call.expr).unwrap_or_default();
                if !self.levels.callables.contains(macro_name) {
                    let message =
                        "{% call %} needs a macro of this template, or one imported by name";
                    self.marks.refused = Some(message.to_string());
                }
                node.call.args.iter().for_each(|arg| self.plain_captures(arg_value(arg)));
                self.body(&node.macro_decl.body, true);
            }
            Stmt::Do(node) => {
                node.call.args.iter().for_each(|arg| self.plain_captures(arg_value(arg)));
            }
            Stmt::EmitRaw(_)
            | Stmt::Import(_)
            | Stmt::FromImport(_)
            | Stmt::Extends(_)
            | Stmt::Include(_) => {}
        }
    }

    fn body(&mut self, body: &[Stmt<'a>], emits: bool) {
        for stmt in body {
            self.stmt(stmt, emits);
        }
    }

    fn filter_block(&mut self, node: &FilterBlock<'a>, emits: bool) {
        self.body(&node.body, false);
        let mut found = Vec::new();
        node.body.iter().for_each(|stmt| collect_emits(stmt, &mut found));
        let input = found.into_iter().any(|expr| self.levels.level(expr) > Level::Clean)
            || self.levels.level(&node.filter) > Level::Clean;
        if emits && input {
            push(&mut self.marks.outer_ends, end_of(node.filter.span()), "|__mr_mark");
        }
    }

    /// A value that is kept: captured text keeps its marks only when it is assigned whole.
    fn value(&mut self, expr: &Expr<'a>) {
        if self.levels.is_captured(expr) {
            if let Expr::Call(call) = expr {
                call.args.iter().for_each(|arg| self.plain_captures(arg_value(arg)));
            }
        } else {
            self.plain_captures(expr);
        }
    }

    /// An emitted expression at `start..end` of the text.
    fn emitted(&mut self, expr: &Expr<'a>, start: usize, end: usize) {
        if self.levels.is_captured(expr) {
            self.value(expr);
            return;
        }
        // Each part of `a ~ b` stands for itself, so only the input among them is quoted.
        if let Expr::BinOp(node) = expr
            && matches!(node.op, BinOpKind::Concat)
            && let Some((left_end, right_start)) = self.tilde_after(end_of(node.left.span()))
        {
            self.emitted(&node.left, start, left_end);
            self.emitted(&node.right, right_start, end);
            return;
        }
        self.plain_captures(expr);
        let function = match self.levels.level(expr) {
            Level::Clean => return,
            Level::Quoted => "__mr_mark_quoted((",
            Level::Input => "__mr_mark((",
        };
        push(&mut self.marks.outer_starts, start, function);
        push(&mut self.marks.outer_ends, end, "))");
    }

    /// Takes the marks off captured text that is used inside an expression.
    fn plain_captures(&mut self, expr: &Expr<'a>) {
        if self.levels.is_captured(expr) && !matches!(expr, Expr::Filter(_)) {
            push(&mut self.marks.inner_starts, start_of(expr), "__mr_plain(");
            if let Expr::Call(call) = expr {
                call.args.iter().for_each(|arg| self.plain_captures(arg_value(arg)));
            }
            push(&mut self.marks.inner_ends, end_of(expr.span()), ")");
            return;
        }
        let mut children = Vec::new();
        for_each_child(expr, &mut |child| children.push(child));
        for child in children {
            self.plain_captures(child);
        }
    }

    /// What lies between `{{` and `}}`.
    fn inside_braces(&self, span: Span) -> (usize, usize) {
        let tokens = &self.parsed.tokens;
        let opening = tokens.partition_point(|(_, token)| token.start_offset < span.start_offset);
        let start = tokens.get(opening).map_or(0, |(_, token)| token.end_offset as usize);
        let end = tokens[opening..]
            .iter()
            .find(|(token, _)| matches!(token, Token::VariableEnd))
            .map_or(start, |(_, token)| token.start_offset as usize);
        (start, end)
    }

    /// The place of the `~` that follows an operand.
    fn tilde_after(&self, offset: usize) -> Option<(usize, usize)> {
        let tokens = &self.parsed.tokens;
        let next = tokens.partition_point(|(_, token)| (token.start_offset as usize) < offset);
        match tokens.get(next) {
            Some((Token::Tilde, span)) => {
                Some((span.start_offset as usize, span.end_offset as usize))
            }
            _ => None,
        }
    }
}

/// The exact start of a name or call: the parser reports a later one for chained calls.
fn start_of(expr: &Expr<'_>) -> usize {
    match expr {
        Expr::Call(node) => start_of(&node.expr),
        Expr::GetAttr(node) => start_of(&node.expr),
        other => other.span().start_offset as usize,
    }
}

fn end_of(span: Span) -> usize {
    span.end_offset as usize
}

fn push(edits: &mut Vec<Edit>, at: usize, inserted: &str) {
    edits.push(Edit { at, deleted: 0, inserted: inserted.to_string() });
}
