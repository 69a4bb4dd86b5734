//! Which lookups a template names outright, so that a shell can fetch them before rendering.
//!
//! Owns the reading of constant names from the tree. What is computed (`conn[params.id]`) shows
//! only when it is rendered. It must not evaluate anything.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::machinery::ast::{Call, CallArg, Expr};

use super::context::TemplateContext;
use super::engine::is_template;
use super::lookup::Lookup;
use super::rewrite::parse_bounded;
use super::walk::{for_each_child, for_each_root_expr};
use super::xcom::RETURN_VALUE;

/// The lookups that the templates name, each once, in the order found; the DAG's macros and
/// included files are followed. A text that does not parse names nothing.
pub(crate) fn lookups_of<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    context: &TemplateContext,
    files: &BTreeMap<String, String>,
) -> Vec<Lookup> {
    let mut finder = Finder { context, files, found: Vec::new(), seen: BTreeSet::new() };
    for text in texts {
        finder.read(text);
    }
    finder.found
}

struct Finder<'c> {
    context: &'c TemplateContext,
    files: &'c BTreeMap<String, String>,
    found: Vec<Lookup>,
    /// Macros and files already followed.
    seen: BTreeSet<String>,
}

impl Finder<'_> {
    fn read(&mut self, text: &str) {
        if !is_template(text) {
            return;
        }
        if let Ok(parsed) = parse_bounded("", text) {
            for_each_root_expr(&parsed.tree, &mut |expr| self.visit(expr));
        }
    }

    fn visit(&mut self, expr: &Expr<'_>) {
        match expr {
            Expr::Call(call) => self.visit_call(call),
            Expr::GetAttr(node) => self.visit_member(&node.expr, node.name),
            Expr::GetItem(node) => {
                if let Some(name) = text_of(&node.subscript_expr) {
                    self.visit_member(&node.expr, &name);
                }
            }
            Expr::Var(var) => self.follow_macro(var.id),
            // Included and imported files appear as constant names.
            Expr::Const(_) => {
                if let Some(name) = text_of(expr) {
                    self.follow_file(&name);
                }
            }
            _ => {}
        }
        for_each_child(expr, &mut |child| self.visit(child));
    }

    fn visit_member(&mut self, object: &Expr<'_>, name: &str) {
        if name == "get" {
            return;
        }
        if is_var(object, &["conn"]) {
            self.add(Lookup::Connection { conn_id: name.to_string() });
        } else if is_variables(object) {
            self.add(Lookup::Variable { key: name.to_string() });
        }
    }

    fn visit_call(&mut self, call: &Call<'_>) {
        if let Expr::Var(function) = &call.expr {
            match function.id {
                "xcom" => self.add_xcoms(call, "task_id", false),
                "metrics" => {
                    if let Some(task_id) = argument(call, 0, "task_id").and_then(text_of) {
                        self.add(Lookup::Metrics { task_id });
                    }
                }
                _ => {}
            }
            return;
        }
        let Expr::GetAttr(method) = &call.expr else { return };
        if method.name == "xcom_pull" && is_var(&method.expr, &["ti", "task_instance"]) {
            self.add_xcoms(call, "task_ids", true);
        } else if method.name == "get" {
            let first = |name| argument(call, 0, name).and_then(text_of);
            if is_var(&method.expr, &["conn"]) {
                if let Some(conn_id) = first("conn_id") {
                    self.add(Lookup::Connection { conn_id });
                }
            } else if is_variables(&method.expr)
                && let Some(key) = first("key")
            {
                self.add(Lookup::Variable { key });
            }
        }
    }

    /// Pulls by constant task ids; a pull with more than a key is left to the render.
    fn add_xcoms(&mut self, call: &Call<'_>, task_arg: &str, is_pull: bool) {
        let allowed = ["task_ids", "task_id", "key", "default"];
        let plain = call.args.iter().enumerate().all(|(index, arg)| match arg {
            CallArg::Kwarg(name, _) => allowed.contains(name),
            CallArg::Pos(_) => index == 0 || (!is_pull && index == 1),
            CallArg::PosSplat(_) | CallArg::KwargSplat(_) => false,
        });
        if !plain {
            return;
        }
        let key =
            match argument(call, 1, "key").filter(|_| !is_pull).or_else(|| keyword(call, "key")) {
                None => Some(RETURN_VALUE.to_string()),
                Some(expr) => text_of(expr),
            };
        let Some(key) = key else { return };
        let tasks = match argument(call, 0, task_arg) {
            None if is_pull => vec![self.context.task_id.clone()],
            None => Vec::new(),
            Some(Expr::List(list)) => list.items.iter().filter_map(text_of).collect(),
            Some(Expr::Tuple(tuple)) => tuple.items.iter().filter_map(text_of).collect(),
            Some(expr) => text_of(expr).into_iter().collect(),
        };
        for task_id in tasks {
            self.add(Lookup::xcom(task_id, key.clone()));
        }
    }

    fn follow_macro(&mut self, name: &str) {
        if let Some(text) = self.context.macros.get(name)
            && self.seen.insert(format!("macro {name}"))
        {
            let text = text.clone();
            self.read(&text);
        }
    }

    fn follow_file(&mut self, name: &str) {
        if let Some(text) = self.files.get(name)
            && self.seen.insert(format!("file {name}"))
        {
            self.read(text);
        }
    }

    fn add(&mut self, lookup: Lookup) {
        if !self.found.contains(&lookup) {
            self.found.push(lookup);
        }
    }
}

fn is_var(expr: &Expr<'_>, names: &[&str]) -> bool {
    matches!(expr, Expr::Var(var) if names.contains(&var.id))
}

fn is_variables(expr: &Expr<'_>) -> bool {
    matches!(expr, Expr::GetAttr(node)
        if matches!(node.name, "value" | "json") && is_var(&node.expr, &["var"]))
}

fn argument<'t, 'a>(call: &'t Call<'a>, place: usize, name: &str) -> Option<&'t Expr<'a>> {
    match call.args.get(place) {
        Some(CallArg::Pos(value)) => Some(value),
        _ => keyword(call, name),
    }
}

fn keyword<'t, 'a>(call: &'t Call<'a>, name: &str) -> Option<&'t Expr<'a>> {
    call.args.iter().find_map(|arg| match arg {
        CallArg::Kwarg(known, value) if *known == name => Some(value),
        _ => None,
    })
}

fn text_of(expr: &Expr<'_>) -> Option<String> {
    match expr {
        Expr::Const(constant) => constant.value.as_str().map(str::to_string),
        _ => None,
    }
}
