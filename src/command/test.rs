//! `millrace test`: plays the `cases:` of DAG files, and walks over every outcome of their decisions.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use millrace_core::cases::{Finding, FindingKind, Walk, run_case, walk};
use millrace_core::dag::Dag;
use millrace_core::dagfile::Document;
use millrace_core::diagnostic::{Diagnostic, Paint, Severity, has_errors};
use millrace_core::ids::TaskId;
use millrace_scheduler::disk::read_dag_file;
use serde_json::{Map, Value, json};

use super::validate::files_of;
use crate::failure::Failure;
use crate::junit;
use crate::output::{Format, Output, print, print_json};
use crate::settings::Settings;

/// The name of the walk among the tests of a report.
const WALK_NAME: &str = "every task can run";

/// Options of `test`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  millrace test dags/                          all cases of all files
  millrace test dags/report.yaml --case \"a good model\"
  millrace test dags/ --exhaustive             also: can every task run?
  millrace test dags/ --junit report.xml       for CI

The cases stand in the DAG file:

  cases:
    - name: a good model is deployed
      date: 2025-08-22
      stub: {train: {xcom: {accuracy: 0.91}}}
      expect: {success: [deploy], skipped: [keep_old_model]}

Tasks are not run: each gives what its stub says, else it succeeds and gives nothing. Decisions (`choose`, `condition`, `when`) are evaluated. The exit code is 1 when something is not as expected.")]
pub(crate) struct Test {
    /// DAG files or folders [default: the DAG folder]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Only cases whose name holds this text
    #[arg(long = "case", short = 'k', value_name = "TEXT")]
    case: Option<String>,

    /// Also play every outcome of the decisions, and report tasks that can never run
    #[arg(long)]
    exhaustive: bool,

    /// Also write the results to this file, as JUnit's XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    #[command(flatten)]
    format: Format,
}

impl Test {
    /// Plays, reports, and ends with 1 when something is wrong.
    pub(crate) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let paths = if self.paths.is_empty() { vec![settings.dags()] } else { self.paths.clone() };
        let zones = settings.zones()?;
        let known = settings.known(&zones);
        let mut results = Results::default();
        for (path, name) in files_of(&paths)? {
            for document in read_dag_file(&path, &name, &known).documents {
                match &document.dag {
                    Some(dag) => self.dag(&name, &document, dag, &mut results)?,
                    None => self.broken(&document, &mut results)?,
                }
            }
        }
        if let Some(path) = &self.junit {
            std::fs::write(path, junit::document(&results.suites)).map_err(|error| {
                Failure::usage(format!("{} cannot be written: {error}", path.display()))
            })?;
        }
        self.finish(&results)
    }

    /// A file that does not load fails as a whole.
    fn broken(&self, document: &Document, results: &mut Results) -> Result<(), Failure> {
        let errors: Vec<&Diagnostic> =
            document.diagnostics.iter().filter(|found| found.is_error()).collect();
        for error in &errors {
            self.say(&error.render(paint()))?;
        }
        results.is_bad = true;
        results.diagnostics.extend(errors.into_iter().cloned());
        Ok(())
    }

    fn dag(
        &self,
        file: &str,
        document: &Document,
        dag: &Dag,
        results: &mut Results,
    ) -> Result<(), Failure> {
        let wanted = |name: &str| self.case.as_deref().is_none_or(|text| name.contains(text));
        let cases: Vec<_> = document.cases.iter().filter(|case| wanted(&case.name)).collect();
        if cases.is_empty() && !self.exhaustive {
            return Ok(());
        }
        let mut suite =
            junit::Suite { name: dag.dag_id.to_string(), file: file.to_owned(), tests: Vec::new() };
        self.say(&format!("{} ({file})", dag.dag_id))?;
        for case in cases {
            let verdict = run_case(dag, case);
            let place = document.finding(file, Severity::Note, "case", case.place, "");
            let found: Vec<Diagnostic> = verdict
                .failures
                .into_iter()
                .map(|failure| {
                    let (code, at) = (failure.code, failure.place);
                    let mut found =
                        document.finding(file, Severity::Error, code, at, failure.message);
                    found.help = failure.help;
                    found
                })
                .collect();
            self.say_result(found.is_empty(), &case.name, &found)?;
            let states: Map<String, Value> = verdict
                .tasks
                .iter()
                .map(|(task, state, _)| (task.to_string(), json!(state)))
                .collect();
            results.cases.push(json!({
                "file": file, "dag_id": dag.dag_id, "name": case.name, "line": place.line,
                "ok": found.is_empty(), "run_state": verdict.run, "tasks": states,
                "failures": found,
            }));
            results.add(&mut suite, &case.name, place.line, &found);
        }
        if self.exhaustive {
            self.walk(file, document, dag, &mut suite, results)?;
        }
        results.suites.push(suite);
        Ok(())
    }

    fn walk(
        &self,
        file: &str,
        document: &Document,
        dag: &Dag,
        suite: &mut junit::Suite,
        results: &mut Results,
    ) -> Result<(), Failure> {
        let walk = walk(dag);
        let found: Vec<Diagnostic> =
            walk.findings.iter().map(|finding| diagnostic(file, document, finding)).collect();
        let is_fine = !has_errors(&found);
        self.say_result(is_fine, &words(&walk), &found)?;
        results.walks.push(json!({
            "file": file, "dag_id": dag.dag_id, "ok": is_fine, "complete": walk.is_complete(),
            "combinations": walk.combinations, "scenarios": walk.scenarios,
            "decided_by": walk.factors, "findings": found,
        }));
        let bad: Vec<Diagnostic> = found.into_iter().filter(Diagnostic::is_error).collect();
        results.add(suite, WALK_NAME, 1, &bad);
        Ok(())
    }

    fn say_result(&self, is_ok: bool, name: &str, found: &[Diagnostic]) -> Result<(), Failure> {
        self.say(&format!("  {}  {name}", if is_ok { "ok  " } else { "FAIL" }))?;
        for found in found {
            self.say(found.render(paint()).trim_end())?;
        }
        Ok(())
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        if self.format.output == Output::Table { print(text) } else { Ok(()) }
    }

    fn finish(&self, results: &Results) -> Result<(), Failure> {
        if self.format.output == Output::Json {
            print_json(&json!({
                "ok": !results.is_bad, "cases": results.cases, "walks": results.walks,
                "diagnostics": results.diagnostics,
            }))?;
        }
        let passed = results.cases.iter().filter(|case| case["ok"] == true).count();
        let failed = results.cases.len() - passed;
        self.say(&format!("{passed} passed, {failed} failed"))?;
        let nothing = results.cases.is_empty() && results.walks.is_empty();
        if nothing && !results.is_bad {
            return Err(Failure::wrong(match &self.case {
                Some(text) => format!("no case has \"{text}\" in its name"),
                None => {
                    "there are no cases; write some below `cases:`, or use --exhaustive".to_owned()
                }
            }));
        }
        if results.is_bad { Err(Failure { code: 1, message: String::new() }) } else { Ok(()) }
    }
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Results {
    is_bad: bool,
    cases: Vec<Value>,
    walks: Vec<Value>,
    diagnostics: Vec<Diagnostic>,
    suites: Vec<junit::Suite>,
}

impl Results {
    fn add(&mut self, suite: &mut junit::Suite, name: &str, line: u32, found: &[Diagnostic]) {
        self.is_bad |= has_errors(found);
        let text = |found: &Diagnostic| {
            let help = found.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{found}{help}\n")
        };
        let failure = (!found.is_empty()).then(|| found.iter().map(text).collect());
        suite.tests.push(junit::Test { name: name.to_owned(), line, failure });
    }
}

fn paint() -> Paint {
    if std::io::stdout().is_terminal() { Paint::Colour } else { Paint::Plain }
}

/// A finding of the walk at its place; one that is not certain is a warning.
fn diagnostic(file: &str, document: &Document, finding: &Finding) -> Diagnostic {
    let (severity, code) = match finding.kind {
        FindingKind::NeverRuns => (Severity::Error, "never-runs"),
        FindingKind::NotSeenRunning => (Severity::Warning, "not-seen-running"),
        FindingKind::OnlyTogether => (Severity::Note, "only-together"),
    };
    let task = finding.task_id.as_str();
    let places = &document.places;
    let place = if finding.is_about_rule { places.trigger_rule(task) } else { places.task(task) };
    let mut found =
        document.finding(file, severity, code, place.unwrap_or_default(), &finding.message);
    found.help(&finding.help);
    found
}

/// What a walk has looked at.
fn words(walk: &Walk) -> String {
    let names: Vec<&str> = walk.factors.iter().take(5).map(TaskId::as_str).collect();
    let more = walk.factors.len() - names.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let of = if names.is_empty() {
        String::new()
    } else {
        format!(" of the outcomes of {}{more}", names.join(", "))
    };
    let many = walk.combinations;
    if walk.is_complete() {
        let all = if many == 1 {
            "the only combination".to_owned()
        } else {
            format!("all {many} combinations")
        };
        return format!("{WALK_NAME}: {all}{of}");
    }
    format!(
        "{WALK_NAME}: {many} combinations{of} are too many; looked at {}, which hold every pair of outcomes, and at what is upstream of each task that did not run there",
        walk.scenarios
    )
}
