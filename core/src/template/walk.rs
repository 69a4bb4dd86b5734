//! Walks over parsed templates: every expression of every statement, and their children.
//!
//! Owns only the shape of the tree. Targets of assignments are not expressions and are left out.

use minijinja::machinery::ast::{CallArg, Expr, Stmt};

/// Calls `visit` for each expression that stands by itself in a statement, in text order.
pub(crate) fn for_each_root_expr<'t, 'a>(stmt: &'t Stmt<'a>, visit: &mut dyn FnMut(&'t Expr<'a>)) {
    match stmt {
        Stmt::Template(node) => each(&node.children, visit),
        Stmt::EmitExpr(node) => visit(&node.expr),
        Stmt::EmitRaw(_) => {}
        Stmt::ForLoop(node) => {
            visit(&node.iter);
            node.filter_expr.iter().for_each(&mut *visit);
            each(&node.body, visit);
            each(&node.else_body, visit);
        }
        Stmt::IfCond(node) => {
            visit(&node.expr);
            each(&node.true_body, visit);
            each(&node.false_body, visit);
        }
        Stmt::WithBlock(node) => {
            node.assignments.iter().for_each(|(_, value)| visit(value));
            each(&node.body, visit);
        }
        Stmt::Set(node) => visit(&node.expr),
        Stmt::SetBlock(node) => {
            node.filter.iter().for_each(&mut *visit);
            each(&node.body, visit);
        }
        Stmt::AutoEscape(node) => {
            visit(&node.enabled);
            each(&node.body, visit);
        }
        Stmt::FilterBlock(node) => {
            visit(&node.filter);
            each(&node.body, visit);
        }
        Stmt::Block(node) => each(&node.body, visit),
        Stmt::Import(node) => visit(&node.expr),
        Stmt::FromImport(node) => visit(&node.expr),
        Stmt::Extends(node) => visit(&node.name),
        Stmt::Include(node) => visit(&node.name),
        Stmt::Macro(node) => {
            node.defaults.iter().for_each(&mut *visit);
            each(&node.body, visit);
        }
        Stmt::CallBlock(node) => {
            for_each_call_child(&node.call.expr, &node.call.args, visit);
            node.macro_decl.defaults.iter().for_each(&mut *visit);
            each(&node.macro_decl.body, visit);
        }
        Stmt::Do(node) => for_each_call_child(&node.call.expr, &node.call.args, visit),
    }
}

/// Calls `visit` for each direct child of an expression, in text order.
pub(crate) fn for_each_child<'t, 'a>(expr: &'t Expr<'a>, visit: &mut dyn FnMut(&'t Expr<'a>)) {
    match expr {
        Expr::Var(_) | Expr::Const(_) => {}
        Expr::Slice(node) => {
            visit(&node.expr);
            [&node.start, &node.stop, &node.step].into_iter().flatten().for_each(&mut *visit);
        }
        Expr::UnaryOp(node) => visit(&node.expr),
        Expr::BinOp(node) => {
            visit(&node.left);
            visit(&node.right);
        }
        Expr::Compare(node) => {
            visit(&node.expr);
            node.ops.iter().for_each(|op| visit(&op.expr));
        }
        Expr::IfExpr(node) => {
            visit(&node.true_expr);
            visit(&node.test_expr);
            node.false_expr.iter().for_each(&mut *visit);
        }
        Expr::Filter(node) => {
            node.expr.iter().for_each(&mut *visit);
            each_arg(&node.args, visit);
        }
        Expr::Test(node) => {
            visit(&node.expr);
            each_arg(&node.args, visit);
        }
        Expr::GetAttr(node) => visit(&node.expr),
        Expr::GetItem(node) => {
            visit(&node.expr);
            visit(&node.subscript_expr);
        }
        Expr::Call(node) => for_each_call_child(&node.expr, &node.args, visit),
        Expr::List(node) => node.items.iter().for_each(visit),
        Expr::Tuple(node) => node.items.iter().for_each(visit),
        Expr::Map(node) => {
            node.keys.iter().zip(&node.values).for_each(|(key, value)| {
                visit(key);
                visit(value);
            });
        }
    }
}

fn for_each_call_child<'t, 'a>(
    callee: &'t Expr<'a>,
    args: &'t [CallArg<'a>],
    visit: &mut dyn FnMut(&'t Expr<'a>),
) {
    visit(callee);
    each_arg(args, visit);
}

fn each_arg<'t, 'a>(args: &'t [CallArg<'a>], visit: &mut dyn FnMut(&'t Expr<'a>)) {
    for arg in args {
        visit(arg_value(arg));
    }
}

/// The expression of an argument, whatever its form.
pub(crate) fn arg_value<'t, 'a>(arg: &'t CallArg<'a>) -> &'t Expr<'a> {
    match arg {
        CallArg::Pos(value)
        | CallArg::Kwarg(_, value)
        | CallArg::PosSplat(value)
        | CallArg::KwargSplat(value) => value,
    }
}

fn each<'t, 'a>(body: &'t [Stmt<'a>], visit: &mut dyn FnMut(&'t Expr<'a>)) {
    for stmt in body {
        for_each_root_expr(stmt, visit);
    }
}
