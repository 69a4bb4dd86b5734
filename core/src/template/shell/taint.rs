//! Finds the emitted expressions that derive from a run's input.
//!
//! Owns the list of inputs (params, conf, note, run id, XCom and what else outsiders write) and
//! how they spread through `set`, `for`, `with`, macros, filters and calls. It reads the tree
//! alone, before anything is rendered, and when in doubt says "input". Names are not scoped: what
//! is input once is input everywhere in the template.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::machinery::ast::{BinOpKind, Call, CallArg, Expr, FromImport, Import, Stmt};

use super::assigned::{assigned_names, collect_emits};
use crate::template::rewrite::{MUTATORS, parse_bounded};
use crate::template::scope::{NAMES, ScopeData};
use crate::template::walk::{arg_value, for_each_child};

/// Attributes of `dag_run` that no outsider chooses.
const SAFE_DAG_RUN: &[&str] = &[
    "clear_number",
    "dag_id",
    "data_interval_end",
    "data_interval_start",
    "end_date",
    "logical_date",
    "run_after",
    "run_type",
    "start_date",
    "state",
];
/// Attributes of `ti` that no outsider chooses.
const SAFE_TI: &[&str] = &[
    "dag_id",
    "duration",
    "end_date",
    "get_dagrun_state",
    "hostname",
    "logical_date",
    "map_index",
    "max_tries",
    "start_date",
    "state",
    "task",
    "task_id",
    "try_number",
];
/// Names of the context that hold input.
const INPUT_NAMES: &[&str] = &[
    "exception",
    "inlet_events",
    "map_index_template",
    "metrics",
    "params",
    "partition_key",
    "reason",
    "response",
    "run_id",
    "task_instance_key_str",
    "triggering_asset_events",
    "xcom",
];
/// Filters after which text quoted by `shellquote` still is.
const KEEPS_QUOTES: &[&str] = &["default", "first", "join", "last", "list", "safe", "string"];
/// Filters that leave the marks of a captured text whole.
const KEEPS_MARKS: &[&str] = &["indent", "safe", "string", "trim"];

/// How a value relates to input; the greater wins where two meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Clean,
    /// Input that `| shellquote` has quoted.
    Quoted,
    Input,
}

/// What is known about the names of a template.
pub(super) struct Levels<'s, 'a> {
    scope: &'s ScopeData,
    included: bool,
    /// Names that the template sets.
    locals: BTreeMap<String, Level>,
    /// Names that hold captured, marked text: `{% set x %}…{% endset %}`.
    captured: BTreeSet<String>,
    /// What gives captured text when it is called: macros, also as `module.macro`, and `caller`.
    pub(super) callables: BTreeSet<String>,
    /// The template's macros with their parameters.
    macros: BTreeMap<&'a str, Vec<&'a str>>,
    /// Some list or dict is changed with input: it may be known under any name.
    changes_with_input: bool,
    /// DAG macros being followed, against endless rounds.
    following: Vec<String>,
    changed: bool,
}

impl<'s, 'a> Levels<'s, 'a> {
    /// Knows nothing yet; `following` are the DAG macros that led here.
    pub(super) fn new(scope: &'s ScopeData, included: bool, following: Vec<String>) -> Self {
        Levels {
            scope,
            included,
            locals: BTreeMap::new(),
            captured: BTreeSet::new(),
            callables: BTreeSet::new(),
            changes_with_input: false,
            macros: BTreeMap::new(),
            following,
            changed: false,
        }
    }

    /// Repeats the reading until nothing changes: loops carry values back.
    pub(super) fn settle(&mut self, tree: &Stmt<'a>) {
        loop {
            self.changed = false;
            self.read(tree);
            if !self.changed {
                return;
            }
        }
    }

    fn read(&mut self, stmt: &Stmt<'a>) {
        match stmt {
            Stmt::Template(node) => self.read_all(&node.children),
            Stmt::EmitExpr(node) => self.read_expr(&node.expr),
            Stmt::EmitRaw(_) | Stmt::Extends(_) | Stmt::Include(_) => {}
            Stmt::ForLoop(node) => {
                self.read_expr(&node.iter);
                let level = self.level(&node.iter);
                self.assign(&node.target, level);
                self.assign_name("loop", level);
                self.read_all(&node.body);
                self.read_all(&node.else_body);
            }
            Stmt::IfCond(node) => {
                self.read_expr(&node.expr);
                self.read_all(&node.true_body);
                self.read_all(&node.false_body);
            }
            Stmt::WithBlock(node) => {
                for (target, value) in &node.assignments {
                    self.read_assignment(target, value);
                }
                self.read_all(&node.body);
            }
            Stmt::Set(node) => self.read_assignment(&node.target, &node.expr),
            Stmt::SetBlock(node) => {
                self.read_all(&node.body);
                // A filter works on the text with its marks removed: the result is input.
                let level = if node.filter.is_some() { Level::Input } else { Level::Clean };
                self.assign(&node.target, level);
                if node.filter.is_none() {
                    self.capture(&node.target);
                }
            }
            Stmt::AutoEscape(node) => self.read_all(&node.body),
            Stmt::FilterBlock(node) => self.read_all(&node.body),
            Stmt::Block(node) => self.read_all(&node.body),
            Stmt::Import(node) => self.read_import(node),
            Stmt::FromImport(node) => self.read_from_import(node),
            Stmt::Macro(node) => {
                let params: Vec<&str> = node.args.iter().filter_map(name_of).collect();
                let required = params.len().saturating_sub(node.defaults.len());
                for (param, default) in params[required..].iter().zip(&node.defaults) {
                    let level = self.level(default);
                    self.assign_name(param, level);
                }
                if self.included {
                    for param in &params {
                        self.assign_name(param, Level::Input);
                    }
                }
                self.macros.insert(node.name, params);
                self.callables.insert(node.name.to_string());
                self.read_all(&node.body);
            }
            Stmt::CallBlock(node) => {
                self.read_call(&node.call);
                self.callables.insert("caller".to_string());
                // What the macro hands to its caller is not followed.
                for param in node.macro_decl.args.iter().filter_map(name_of) {
                    self.assign_name(param, Level::Input);
                }
                self.read_all(&node.macro_decl.body);
            }
            Stmt::Do(node) => self.read_call(&node.call),
        }
    }

    fn read_all(&mut self, body: &[Stmt<'a>]) {
        for stmt in body {
            self.read(stmt);
        }
    }

    /// Looks for calls inside an expression: they hand input to macros and changeable lists.
    fn read_expr(&mut self, expr: &Expr<'a>) {
        if let Expr::Call(call) = expr {
            self.read_call(call);
        }
        for_each_child(expr, &mut |child| self.read_expr(child));
    }

    fn read_call(&mut self, call: &Call<'a>) {
        for arg in &call.args {
            self.read_expr(arg_value(arg));
        }
        if let Expr::GetAttr(method) = &call.expr
            && MUTATORS.contains(&method.name)
            && self.args_level(&call.args) > Level::Clean
            && !self.changes_with_input
        {
            self.changes_with_input = true;
            self.changed = true;
        }
        let Expr::Var(callee) = &call.expr else { return };
        let Some(params) = self.macros.get(callee.id).cloned() else { return };
        for (index, arg) in call.args.iter().enumerate() {
            let level = self.level(arg_value(arg));
            match arg {
                CallArg::Pos(_) => {
                    params.get(index).iter().for_each(|param| self.assign_name(param, level));
                }
                CallArg::Kwarg(name, _) => self.assign_name(name, level),
                CallArg::PosSplat(_) | CallArg::KwargSplat(_) => {
                    for param in &params {
                        self.assign_name(param, level);
                    }
                }
            }
        }
    }

    fn read_assignment(&mut self, target: &Expr<'a>, value: &Expr<'a>) {
        self.read_expr(value);
        if self.is_captured(value) {
            self.assign(target, Level::Clean);
            self.capture(target);
        } else {
            let level = self.level(value);
            self.assign(target, level);
        }
    }

    /// `{% import 'f' as m %}`: `m.x()` gives captured text where `x` is a macro of that file.
    fn read_import(&mut self, node: &Import<'a>) {
        let Some(module) = name_of(&node.name) else { return };
        for name in self.macros_of(&node.expr) {
            self.callables.insert(format!("{module}.{name}"));
        }
        self.assign_name(module, Level::Input);
    }

    fn read_from_import(&mut self, node: &FromImport<'a>) {
        let known = self.macros_of(&node.expr);
        for (name, alias) in &node.names {
            let (Some(name), Some(local)) =
                (name_of(name), name_of(alias.as_ref().unwrap_or(name)))
            else {
                continue;
            };
            if known.contains(name) {
                self.callables.insert(local.to_string());
            } else {
                self.assign_name(local, Level::Input);
            }
        }
    }

    /// The macros of an importable file that nothing in it replaces.
    fn macros_of(&self, file: &Expr<'_>) -> BTreeSet<String> {
        let Expr::Const(constant) = file else { return BTreeSet::new() };
        let Some(text) = constant.value.as_str().and_then(|name| self.scope.files.get(name)) else {
            return BTreeSet::new();
        };
        let Ok(parsed) = parse_bounded("", text) else { return BTreeSet::new() };
        let mut names = BTreeSet::new();
        let mut set = Vec::new();
        if let Stmt::Template(template) = &parsed.tree {
            for stmt in &template.children {
                if let Stmt::Macro(node) = stmt {
                    names.insert(node.name.to_string());
                }
            }
            assigned_names(&parsed.tree, &mut set);
        }
        names.retain(|name| !set.contains(name));
        names
    }

    fn assign(&mut self, target: &Expr<'_>, level: Level) {
        match target {
            Expr::Var(var) => self.assign_name(var.id, level),
            Expr::List(list) => list.items.iter().for_each(|item| self.assign(item, level)),
            // `{% set ns.x = … %}`: all of `ns` counts.
            Expr::GetAttr(node) => self.assign(&node.expr, level),
            _ => {}
        }
    }

    fn assign_name(&mut self, name: &str, level: Level) {
        match self.locals.get_mut(name) {
            Some(known) if *known >= level => {}
            Some(known) => {
                *known = level;
                self.changed = true;
            }
            None => {
                self.locals.insert(name.to_string(), level);
                self.changed = true;
            }
        }
    }

    fn capture(&mut self, target: &Expr<'_>) {
        if let Some(name) = name_of(target)
            && self.captured.insert(name.to_string())
        {
            self.changed = true;
        }
    }

    /// Whether an expression gives captured text with its marks whole.
    pub(super) fn is_captured(&self, expr: &Expr<'_>) -> bool {
        match expr {
            // Where a name also holds other input, or may be set elsewhere, it is plain input.
            Expr::Var(var) => {
                self.captured.contains(var.id)
                    && !self.included
                    && self.locals.get(var.id).is_none_or(|level| *level == Level::Clean)
            }
            Expr::Call(call) => match &call.expr {
                Expr::Var(var) => {
                    self.callables.contains(var.id) && !self.locals.contains_key(var.id)
                }
                Expr::GetAttr(node) => name_of(&node.expr).is_some_and(|module| {
                    self.callables.contains(&format!("{module}.{}", node.name))
                }),
                _ => false,
            },
            Expr::Filter(node) => {
                KEEPS_MARKS.contains(&node.name)
                    && node.expr.as_ref().is_some_and(|inner| self.is_captured(inner))
            }
            _ => false,
        }
    }

    pub(super) fn level(&mut self, expr: &Expr<'_>) -> Level {
        match expr {
            Expr::Const(_) | Expr::Compare(_) | Expr::Test(_) => Level::Clean,
            Expr::UnaryOp(node) => self.level(&node.expr),
            Expr::Var(var) => self.name_level(var.id),
            Expr::BinOp(node) => match node.op {
                BinOpKind::Eq
                | BinOpKind::Ne
                | BinOpKind::Lt
                | BinOpKind::Lte
                | BinOpKind::Gt
                | BinOpKind::Gte
                | BinOpKind::In => Level::Clean,
                _ => self.level(&node.left).max(self.level(&node.right)),
            },
            Expr::IfExpr(node) => {
                let otherwise = node.false_expr.as_ref().map_or(Level::Clean, |e| self.level(e));
                self.level(&node.true_expr).max(otherwise)
            }
            Expr::Filter(node) => {
                let args = self.args_level(&node.args);
                let inner = node.expr.as_ref().map_or(Level::Clean, |inner| self.level(inner));
                filter_level(node.name, &node.args, inner, args)
            }
            Expr::GetAttr(node) => self.member_level(&node.expr, Some(node.name)),
            Expr::GetItem(node) => match &node.subscript_expr {
                Expr::Const(constant) => self.member_level(&node.expr, constant.value.as_str()),
                subscript => self.member_level(&node.expr, None).max(self.level(subscript)),
            },
            Expr::Call(call) => {
                let args = self.args_level(&call.args);
                if self.is_captured(expr) {
                    return Level::Input;
                }
                self.level(&call.expr).max(args)
            }
            Expr::Slice(_) | Expr::List(_) | Expr::Tuple(_) | Expr::Map(_) => {
                let mut level = Level::Clean;
                for_each_child(expr, &mut |child| level = level.max(self.level(child)));
                level
            }
        }
    }

    fn args_level(&mut self, args: &[CallArg<'_>]) -> Level {
        args.iter().map(|arg| self.level(arg_value(arg))).max().unwrap_or(Level::Clean)
    }

    fn member_level(&mut self, object: &Expr<'_>, name: Option<&str>) -> Level {
        let safe = |known: &[&str]| name.is_some_and(|name| known.contains(&name));
        let judged = |is_safe: bool| if is_safe { Level::Clean } else { Level::Input };
        match object {
            Expr::Var(var) if self.locals.contains_key(var.id) && var.id != "loop" => {
                self.name_level(var.id)
            }
            Expr::Var(var) if var.id == "loop" => {
                let steps = ["previtem", "nextitem", "cycle", "changed"];
                if safe(&steps) { self.name_level("loop") } else { Level::Clean }
            }
            Expr::Var(var) if var.id == "dag_run" => judged(safe(SAFE_DAG_RUN)),
            Expr::Var(var) if matches!(var.id, "ti" | "task_instance") => judged(safe(SAFE_TI)),
            Expr::GetAttr(node)
                if node.name == "dag_run"
                    && matches!(name_of(&node.expr), Some("ti" | "task_instance")) =>
            {
                judged(safe(SAFE_DAG_RUN))
            }
            _ => self.level(object),
        }
    }

    fn name_level(&mut self, name: &str) -> Level {
        if self.captured.contains(name) || self.callables.contains(name) {
            return Level::Input;
        }
        if let Some(level) = self.locals.get(name) {
            let uncertain = self.included || self.changes_with_input;
            return if uncertain { Level::Input } else { *level };
        }
        if INPUT_NAMES.contains(&name) || matches!(name, "dag_run" | "ti" | "task_instance") {
            return Level::Input;
        }
        if let Some(text) = self.scope.context.macros.get(name) {
            return self.macro_level(name, text);
        }
        if NAMES.contains(&name) {
            return Level::Clean;
        }
        if self.included || self.scope.context.extra.contains_key(name) {
            Level::Input
        } else {
            Level::Clean
        }
    }

    /// A DAG macro is input when anything that it emits is.
    fn macro_level(&mut self, name: &str, text: &str) -> Level {
        if self.following.iter().any(|followed| followed == name) {
            return Level::Clean;
        }
        let Ok(parsed) = parse_bounded(name, text) else { return Level::Input };
        let mut following = self.following.clone();
        following.push(name.to_string());
        let mut inner = Levels::new(self.scope, false, following);
        inner.settle(&parsed.tree);
        let mut emits = Vec::new();
        collect_emits(&parsed.tree, &mut emits);
        // Included text is not followed from here.
        let included = text.contains("include") || text.contains("import");
        let level = emits.into_iter().map(|expr| inner.level(expr)).max().unwrap_or(Level::Clean);
        if included { Level::Input } else { level }
    }
}

/// The name of a plain variable.
pub(super) fn name_of<'a>(expr: &Expr<'a>) -> Option<&'a str> {
    match expr {
        Expr::Var(var) => Some(var.id),
        _ => None,
    }
}

/// The level behind a filter.
fn filter_level(name: &str, args: &[CallArg<'_>], inner: Level, args_level: Level) -> Level {
    let maps = |filter: &str| {
        name == "map"
            && matches!(args, [CallArg::Pos(Expr::Const(first))]
                if first.value.as_str() == Some(filter))
    };
    let level = inner.max(args_level);
    if name == "unquoted" || maps("unquoted") {
        Level::Clean
    } else if (name == "shellquote" || maps("shellquote")) && level > Level::Clean {
        Level::Quoted
    } else if level == Level::Quoted && !KEEPS_QUOTES.contains(&name) {
        Level::Input
    } else {
        level
    }
}
