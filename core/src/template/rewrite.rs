//! Python's operators for a template engine without operator overloading.
//!
//! `dt - macros.timedelta(days=1)` is rewritten, before compilation, to a call of a function of
//! `ops`, and `x | upper` to `x |__mr_work| upper`, by editing the template's text at the exact places that the parser reports. Lines never
//! change, and [`Rewritten::original_offset`] maps a column back. It also bounds the depth that
//! the engine's parser and compiler must recurse. It must not evaluate anything.

use std::borrow::Cow;

use minijinja::machinery::{Span, Token, ast, parse, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Error, ErrorKind};

/// Operators, attribute steps and the like allowed in one `{{ … }}` or `{% … %}`.
const MAX_STEPS_PER_BLOCK: usize = 500;
/// Brackets open at once, and blocks open at once: for each the engine's parser and compiler recurse,
/// 20 KiB of stack deep where nothing is optimised.
const MAX_NESTED: usize = 40;
/// The longest line of a template: the engine counts columns in 16 bits.
const LINE_BYTES_MAX: usize = 65_000;
/// `{% elif %}` branches allowed in one template (the engine recurses once for each).
const MAX_ELIFS: usize = 200;
/// The function around what a loop walks.
const ITERATE: &str = "__mr_iter";
/// Methods that change a list or dict in place; only then do literals become changeable.
pub(crate) const MUTATORS: &[&str] = &[
    "append",
    "extend",
    "insert",
    "pop",
    "remove",
    "clear",
    "update",
    "setdefault",
    "sort",
    "reverse",
];

/// Filters that cost the same for a long list as for a short one.
const LOOKS_AT_NO_ITEM: &[&str] =
    &["default", "d", "length", "count", "first", "last", "safe", "attr", "unquoted"];

/// A template's text after rewriting.
#[derive(Debug)]
pub(crate) struct Rewritten {
    /// The text to compile.
    pub(crate) text: String,
    edits: Vec<Edit>,
}

/// One change of the text: `deleted` bytes at `at` become `inserted`.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) at: usize,
    pub(crate) deleted: usize,
    pub(crate) inserted: String,
}

impl Rewritten {
    /// The offset in the original text of an offset in the rewritten one.
    pub(crate) fn original_offset(&self, offset: usize) -> usize {
        let mut shifted = 0_usize;
        let mut original = 0_usize;
        for edit in &self.edits {
            let edit_start = shifted + (edit.at - original);
            if offset < edit_start {
                break;
            }
            if offset < edit_start + edit.inserted.len() {
                return edit.at;
            }
            shifted = edit_start + edit.inserted.len();
            original = edit.at + edit.deleted;
        }
        original + (offset - shifted)
    }
}

/// A parsed template with its tokens, for this module and for `taint`.
pub(crate) struct Parsed<'a> {
    pub(crate) tree: ast::Stmt<'a>,
    pub(crate) tokens: Vec<(Token<'a>, Span)>,
}

/// Parses a template after checking its bounds; errors carry their place.
pub(crate) fn parse_bounded<'a>(name: &'a str, text: &'a str) -> Result<Parsed<'a>, Error> {
    if let Some(line) = long_line(text) {
        let message = format!(
            "line {line} of the template has more than {LINE_BYTES_MAX} bytes; break it into several"
        );
        return Err(Error::new(ErrorKind::OutOfFuel, message));
    }
    let mut tokens = Vec::new();
    let mut unread = None;
    for found in tokenize(text, false, SyntaxConfig::default()) {
        match found {
            Ok(token) => tokens.push(token),
            Err(error) => {
                unread = Some(error);
                break;
            }
        }
    }
    // Also before a fault, which the parser reports with the template's name: to get there it
    // recurses over all that stands before it.
    check_bounds(&tokens)?;
    let tree = parse(text, name, SyntaxConfig::default())?;
    unread.map_or(Ok(Parsed { tree, tokens }), Err)
}

/// The number of the first line that is too long for the engine.
pub(crate) fn long_line(text: &str) -> Option<usize> {
    let at = text.split('\n').position(|line| line.len() > LINE_BYTES_MAX)?;
    Some(at + 1)
}

/// A template's text as the engine can read it, with every place where it was: `\r\n` is `\n` (as
/// Jinja2 reads it), and a plus sign before a number, which the engine does not know, is a blank.
pub(crate) fn readable(text: &str) -> Cow<'_, str> {
    let text = if text.contains('\r') {
        Cow::from(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::from(text)
    };
    if !text.contains('+') || long_line(&text).is_some() {
        return text;
    }
    let Some(signs) = plus_signs(&text) else { return text };
    if signs.is_empty() {
        return text;
    }
    let mut bytes = text.into_owned();
    for at in signs {
        bytes.replace_range(at..=at, " ");
    }
    Cow::from(bytes)
}

/// Where a plus is a sign; none when the text cannot be read at all.
fn plus_signs(text: &str) -> Option<Vec<usize>> {
    let mut signs = Vec::new();
    let mut is_operand = false;
    for found in tokenize(text, false, SyntaxConfig::default()) {
        let (token, span) = found.ok()?;
        if matches!(token, Token::Plus) && !is_operand {
            signs.push(start_of(span));
        }
        is_operand = match token {
            Token::Ident(word) => !matches!(
                word,
                "not" | "and" | "or" | "if" | "else" | "elif" | "is" | "in" | "set" | "do" | "for"
            ),
            Token::Str(_)
            | Token::String(_)
            | Token::Int(_)
            | Token::Int128(_)
            | Token::Float(_)
            | Token::BracketClose
            | Token::ParenClose
            | Token::BraceClose => true,
            _ => false,
        };
    }
    Some(signs)
}

/// Rewrites the operators of a template.
pub(crate) fn rewrite(name: &str, text: &str) -> Result<Rewritten, Error> {
    let parsed = parse_bounded(name, text)?;
    Ok(apply(text, operator_edits(&parsed)))
}

/// The edits that turn operators into calls.
pub(crate) fn operator_edits(parsed: &Parsed<'_>) -> Vec<Edit> {
    let mut editor = Editor {
        tokens: &parsed.tokens,
        edits: Vec::new(),
        literals_change: mutates(&parsed.tokens),
    };
    let (mut edits, ends) = loop_edits(&parsed.tokens);
    super::walk::for_each_root_expr(&parsed.tree, &mut |expr| editor.visit(expr));
    edits.append(&mut editor.edits);
    edits.extend(ends);
    edits
}

/// `{% for x in value %}` asks whether the value can be walked: the engine walks none as nothing.
fn loop_edits(tokens: &[(Token<'_>, Span)]) -> (Vec<Edit>, Vec<Edit>) {
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    let is_for = |index: usize| {
        matches!(tokens[index].0, Token::BlockStart)
            && matches!(tokens.get(index + 1), Some((Token::Ident("for"), _)))
    };
    for start in (0..tokens.len()).filter(|index| is_for(*index)) {
        let (mut depth, mut opened) = (0_usize, false);
        for (index, (token, span)) in tokens.iter().enumerate().skip(start + 2) {
            match token {
                Token::BracketOpen | Token::ParenOpen | Token::BraceOpen => depth += 1,
                Token::BracketClose | Token::ParenClose | Token::BraceClose => {
                    depth = depth.saturating_sub(1);
                }
                Token::Ident("in") if depth == 0 && !opened => {
                    let Some((_, next)) = tokens.get(index + 1) else { break };
                    let inserted = format!("{ITERATE}((");
                    starts.push(Edit { at: start_of(*next), deleted: 0, inserted });
                    opened = true;
                }
                Token::Ident("if" | "recursive") | Token::BlockEnd if depth == 0 => {
                    if opened {
                        let inserted = "))".to_owned();
                        ends.push(Edit { at: start_of(*span), deleted: 0, inserted });
                    }
                    break;
                }
                _ => {}
            }
        }
    }
    (starts, ends)
}

/// Applies edits; those at one place keep the order in which they were made.
pub(crate) fn apply(text: &str, mut edits: Vec<Edit>) -> Rewritten {
    edits.sort_by_key(|edit| edit.at);
    let mut out = String::with_capacity(text.len() + edits.len() * 16);
    let mut from = 0;
    for edit in &edits {
        out.push_str(&text[from..edit.at]);
        out.push_str(&edit.inserted);
        from = edit.at + edit.deleted;
    }
    out.push_str(&text[from..]);
    Rewritten { text: out, edits }
}

fn check_bounds(tokens: &[(Token<'_>, Span)]) -> Result<(), Error> {
    let mut steps = 0;
    let mut elifs = 0;
    let mut brackets = 0_usize;
    let mut blocks = 0_usize;
    let mut continues = false;
    for (at, (token, span)) in tokens.iter().enumerate() {
        match token {
            Token::VariableStart | Token::BlockStart => (steps, brackets) = (0, 0),
            Token::Ident("elif") => elifs += 1,
            Token::BracketOpen | Token::ParenOpen if !continues => {}
            _ => steps += usize::from(is_step(token)),
        }
        match token {
            Token::BracketOpen | Token::ParenOpen | Token::BraceOpen => brackets += 1,
            Token::BracketClose | Token::ParenClose | Token::BraceClose => {
                brackets = brackets.saturating_sub(1);
            }
            Token::BlockStart => blocks = blocks_after(blocks, &tokens[at + 1..]),
            _ => {}
        }
        // A bracket after an operand is one more step; elsewhere it opens a literal.
        continues = matches!(
            token,
            Token::Ident(_) | Token::BracketClose | Token::ParenClose | Token::Str(_)
        );
        if steps > MAX_STEPS_PER_BLOCK {
            return Err(too_deep(*span, MAX_STEPS_PER_BLOCK, "operators in one expression"));
        }
        if brackets > MAX_NESTED {
            return Err(too_deep(*span, MAX_NESTED, "brackets inside each other"));
        }
        if blocks > MAX_NESTED {
            return Err(too_deep(*span, MAX_NESTED, "blocks inside each other"));
        }
        if elifs > MAX_ELIFS {
            return Err(too_deep(*span, MAX_ELIFS, "elif branches"));
        }
    }
    Ok(())
}

/// How many blocks are open behind a `{%`, of which `rest` is the inside and what follows.
fn blocks_after(blocks: usize, rest: &[(Token<'_>, Span)]) -> usize {
    let mut inside =
        rest.iter().map(|(token, _)| token).take_while(|token| !matches!(token, Token::BlockEnd));
    match inside.next() {
        Some(Token::Ident(
            "for" | "if" | "with" | "autoescape" | "filter" | "block" | "macro" | "call",
        )) => blocks + 1,
        // Without a value it is a block that ends with `endset`.
        Some(Token::Ident("set")) if !inside.any(|token| matches!(token, Token::Assign)) => {
            blocks + 1
        }
        Some(Token::Ident(word)) if word.starts_with("end") => blocks.saturating_sub(1),
        _ => blocks,
    }
}

fn is_step(token: &Token<'_>) -> bool {
    match token {
        Token::Ident(name) => matches!(*name, "not" | "and" | "or" | "if" | "is" | "in"),
        Token::TemplateData(_)
        | Token::VariableEnd
        | Token::BlockEnd
        | Token::Str(_)
        | Token::String(_)
        | Token::Int(_)
        | Token::Int128(_)
        | Token::Float(_)
        | Token::Comma
        | Token::Colon
        | Token::Assign
        | Token::BracketClose
        | Token::ParenClose
        | Token::BraceOpen
        | Token::BraceClose => false,
        _ => true,
    }
}

fn too_deep(span: Span, limit: usize, what: &str) -> Error {
    let line = span.start_line;
    Error::new(
        ErrorKind::SyntaxError,
        format!(
            "line {line}: more than {limit} {what}; split it with {{% set %}}, or compute the value in a task"
        ),
    )
}

/// Whether some `.append(` or the like occurs.
fn mutates(tokens: &[(Token<'_>, Span)]) -> bool {
    tokens.windows(3).any(|window| {
        matches!(
            (&window[0].0, &window[1].0, &window[2].0),
            (Token::Dot, Token::Ident(name), Token::ParenOpen) if MUTATORS.contains(name)
        )
    })
}

struct Editor<'t, 'a> {
    tokens: &'t [(Token<'a>, Span)],
    edits: Vec<Edit>,
    literals_change: bool,
}

impl Editor<'_, '_> {
    fn visit(&mut self, expr: &ast::Expr<'_>) {
        match expr {
            ast::Expr::BinOp(op) => self.visit_binary(op),
            ast::Expr::Compare(chain) => self.visit_chain(chain),
            ast::Expr::UnaryOp(op)
                if matches!(op.op, ast::UnaryOpKind::Neg)
                    && !matches!(op.expr, ast::Expr::Const(_)) =>
            {
                self.replace(start_of(op.span()), 1, "__mr_neg(");
                self.visit(&op.expr);
                self.replace(end_of(op.span()), 0, ")");
            }
            ast::Expr::Slice(slice) => {
                super::walk::for_each_child(expr, &mut |child| self.visit(child));
                self.replace_slice(end_of(slice.expr.span()));
            }
            ast::Expr::Filter(filter) => {
                if let Some(input) = &filter.expr
                    && !matches!(input, ast::Expr::Const(_))
                {
                    let pipe = self.operator_after(end_of(input.span()));
                    if let Some((Token::Pipe, span)) = self.tokens.get(pipe) {
                        let work = if LOOKS_AT_NO_ITEM.contains(&filter.name) {
                            "|__mr_work_of_text"
                        } else {
                            "|__mr_work"
                        };
                        self.replace(start_of(*span), 0, work);
                    }
                }
                super::walk::for_each_child(expr, &mut |child| self.visit(child));
            }
            ast::Expr::List(list) if self.literals_change => {
                self.wrap("__mr_list(", list.span(), expr);
            }
            ast::Expr::Map(map) if self.literals_change => {
                self.wrap("__mr_dict(", map.span(), expr);
            }
            _ => super::walk::for_each_child(expr, &mut |child| self.visit(child)),
        }
    }

    fn wrap(&mut self, opening: &str, span: Span, expr: &ast::Expr<'_>) {
        self.replace(start_of(span), 0, opening);
        super::walk::for_each_child(expr, &mut |child| self.visit(child));
        self.replace(end_of(span), 0, ")");
    }

    fn visit_binary(&mut self, node: &ast::Spanned<ast::BinOp<'_>>) {
        if matches!(node.op, ast::BinOpKind::Concat) {
            self.visit_concat(node);
            return;
        }
        let Some(function) = function_for(node) else {
            self.visit(&node.left);
            self.visit(&node.right);
            return;
        };
        let span = node.span();
        let start =
            if is_comparison(node.op) { self.start_after(start_of(span)) } else { start_of(span) };
        let operator = self.operator_after(end_of(node.left.span()));
        let negated = matches!(self.tokens.get(operator), Some((Token::Ident("not"), _)));
        let function = if negated { "__mr_not_in(" } else { function };
        self.replace(start, 0, function);
        self.visit(&node.left);
        self.replace_operator(operator, ",");
        if negated {
            // The parser wraps `a not in b` in a negation that has no text of its own.
            self.replace_operator(operator + 1, "");
        }
        self.visit(&node.right);
        self.replace(end_of(span), 0, ")");
    }

    /// `a ~ b` stays, with both operands bounded: `shell` marks them one by one.
    fn visit_concat(&mut self, node: &ast::Spanned<ast::BinOp<'_>>) {
        let span = node.span();
        let tilde = self.operator_after(end_of(node.left.span()));
        let Some((_, tilde)) = self.tokens.get(tilde) else { return };
        let (left_end, right_start) = (start_of(*tilde), end_of(*tilde));
        for (operand, start, end) in
            [(&node.left, start_of(span), left_end), (&node.right, right_start, end_of(span))]
        {
            let checked = !matches!(operand, ast::Expr::Const(_));
            if checked {
                self.replace(start, 0, "__mr_part((");
            }
            self.visit(operand);
            if checked {
                self.replace(end, 0, "))");
            }
        }
    }

    /// `[a:b:c]` becomes the call of a method: the engine's own slices give no lists.
    fn replace_slice(&mut self, from: usize) {
        let opening = self.operator_after(from);
        if !matches!(self.tokens.get(opening), Some((Token::BracketOpen, _))) {
            return;
        }
        self.replace_operator(opening, &format!(" .{}(", super::slices::METHOD));
        let (mut depth, mut colons, mut is_empty) = (0_usize, 0, true);
        for index in opening + 1..self.tokens.len() {
            match &self.tokens[index].0 {
                Token::BracketClose if depth == 0 => {
                    let blanks = ["none,none,none)", "none,none)", "none)"];
                    let blanks = match (colons, is_empty) {
                        (0..=2, true) => blanks[colons],
                        (0, false) => ",none,none)",
                        (1, false) => ",none)",
                        _ => ")",
                    };
                    self.replace_operator(index, blanks);
                    return;
                }
                Token::Colon if depth == 0 => {
                    self.replace_operator(index, if is_empty { "none," } else { "," });
                    (colons, is_empty) = (colons + 1, true);
                    continue;
                }
                Token::BracketOpen | Token::ParenOpen | Token::BraceOpen => depth += 1,
                Token::BracketClose | Token::ParenClose | Token::BraceClose => {
                    depth = depth.saturating_sub(1);
                }
                _ => {}
            }
            is_empty = false;
        }
    }

    fn visit_chain(&mut self, node: &ast::Spanned<ast::Compare<'_>>) {
        let span = node.span();
        self.replace(self.start_after(start_of(span)), 0, "__mr_chain(");
        self.visit(&node.expr);
        let mut left_end = end_of(node.expr.span());
        for step in &node.ops {
            let operator = self.operator_after(left_end);
            let (name, words) = match step.op {
                ast::CompareOpKind::Eq => ("==", 1),
                ast::CompareOpKind::Ne => ("!=", 1),
                ast::CompareOpKind::Lt => ("<", 1),
                ast::CompareOpKind::Lte => ("<=", 1),
                ast::CompareOpKind::Gt => (">", 1),
                ast::CompareOpKind::Gte => (">=", 1),
                ast::CompareOpKind::In => ("in", 1),
                ast::CompareOpKind::NotIn => ("not in", 2),
            };
            self.replace_operator(operator, &format!(",'{name}',"));
            if words == 2 {
                self.replace_operator(operator + 1, "");
            }
            self.visit(&step.expr);
            left_end = end_of(step.expr.span());
        }
        self.replace(end_of(span), 0, ")");
    }

    fn replace(&mut self, at: usize, deleted: usize, inserted: &str) {
        self.edits.push(Edit { at, deleted, inserted: inserted.to_string() });
    }

    fn replace_operator(&mut self, index: usize, inserted: &str) {
        if let Some((_, span)) = self.tokens.get(index) {
            let at = start_of(*span);
            self.replace(at, end_of(*span) - at, inserted);
        }
    }

    /// The start of the token after the one at `offset`: comparisons report the token before.
    fn start_after(&self, offset: usize) -> usize {
        let index = self.tokens.partition_point(|(_, span)| start_of(*span) <= offset);
        self.tokens.get(index).map_or(offset, |(_, span)| start_of(*span))
    }

    /// The index of the first token from `offset` on that is not a closing parenthesis.
    fn operator_after(&self, offset: usize) -> usize {
        let mut index = self.tokens.partition_point(|(_, span)| start_of(*span) < offset);
        while matches!(self.tokens.get(index), Some((Token::ParenClose, _))) {
            index += 1;
        }
        index
    }
}

/// The function for an operator; `None` where the engine's own operator is Python's.
fn function_for(node: &ast::BinOp<'_>) -> Option<&'static str> {
    let constant = |expr: &ast::Expr<'_>| matches!(expr, ast::Expr::Const(_));
    let number =
        |expr: &ast::Expr<'_>| matches!(expr, ast::Expr::Const(c) if c.value.as_str().is_none());
    let (left, right) = (&node.left, &node.right);
    // The engine joins and counts constants as Python does, but compares any two.
    let alike = matches!(
        node.op,
        ast::BinOpKind::Add | ast::BinOpKind::Sub | ast::BinOpKind::Div | ast::BinOpKind::FloorDiv
    );
    if (number(left) && number(right) && !is_comparison(node.op))
        || (constant(left) && constant(right) && alike)
    {
        return None;
    }
    Some(match node.op {
        ast::BinOpKind::Rem if number(left) => return None,
        ast::BinOpKind::Eq | ast::BinOpKind::Ne if number(left) || number(right) => return None,
        ast::BinOpKind::Add => "__mr_add(",
        ast::BinOpKind::Sub => "__mr_sub(",
        ast::BinOpKind::Mul => "__mr_mul(",
        ast::BinOpKind::Div => "__mr_div(",
        ast::BinOpKind::FloorDiv => "__mr_floordiv(",
        ast::BinOpKind::Rem => "__mr_mod(",
        ast::BinOpKind::Eq => "__mr_eq(",
        ast::BinOpKind::Ne => "__mr_ne(",
        ast::BinOpKind::Lt => "__mr_lt(",
        ast::BinOpKind::Lte => "__mr_le(",
        ast::BinOpKind::Gt => "__mr_gt(",
        ast::BinOpKind::Gte => "__mr_ge(",
        ast::BinOpKind::In => "__mr_in(",
        ast::BinOpKind::ScAnd
        | ast::BinOpKind::ScOr
        | ast::BinOpKind::Pow
        | ast::BinOpKind::Concat => return None,
    })
}

fn is_comparison(op: ast::BinOpKind) -> bool {
    matches!(
        op,
        ast::BinOpKind::Eq
            | ast::BinOpKind::Ne
            | ast::BinOpKind::Lt
            | ast::BinOpKind::Lte
            | ast::BinOpKind::Gt
            | ast::BinOpKind::Gte
            | ast::BinOpKind::In
    )
}

fn start_of(span: Span) -> usize {
    span.start_offset as usize
}

fn end_of(span: Span) -> usize {
    span.end_offset as usize
}
