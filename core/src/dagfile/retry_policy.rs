//! `retry_policy:` → rules, in the order of the file. What a rule means is said in `retry`.

use crate::dag::{RetryAction, RetryRule};

use super::fields::Fields;
use super::report::Report;
use super::tree::{Entry, Kind, Node};
use super::{config, value};
use crate::suggest::did_you_mean;

const FORM: &str = "write `- {exit_code: [2, 3], then: fail}` or \
                    `- {reason: a text, then: retry, delay: 30s}`; the first rule that holds counts";

const WORDS: &[&str] = &["exit_code", "reason", "then", "delay"];

/// The most rules of one task.
const RULES_MAX: usize = 50;

/// Reads the rules of a task.
pub(crate) fn read(report: &mut Report<'_>, fields: &Fields<'_>) -> Vec<RetryRule> {
    let Some(node) = fields.value("retry_policy") else { return Vec::new() };
    let Kind::List(items) = &node.kind else {
        value::wrong(report, "retry_policy", node, "a list of rules", FORM);
        return Vec::new();
    };
    if items.len() > RULES_MAX {
        let message = format!("`retry_policy` has {} rules; at most {RULES_MAX}", items.len());
        report.error(value::value_span(node), "bad-value", message).help("join some of them");
        return Vec::new();
    }
    items.iter().filter_map(|item| rule(report, item)).collect()
}

fn rule(report: &mut Report<'_>, node: &Node) -> Option<RetryRule> {
    let Some(entries) = node.map() else {
        value::wrong(report, "retry_policy", node, "a list of maps", FORM);
        return None;
    };
    let mut rule = RetryRule {
        exit_codes: Vec::new(),
        reason: None,
        then: RetryAction::Default,
        delay_secs: None,
    };
    let mut then = None;
    for entry in entries {
        match entry.key.as_str() {
            "exit_code" | "exit_codes" => {
                rule.exit_codes = config::int_list(report, "exit_code", &entry.value)?;
            }
            "reason" => rule.reason = Some(value::text(report, "reason", &entry.value)?),
            "then" => then = Some(action(report, entry)?),
            "delay" => rule.delay_secs = Some(value::seconds(report, "delay", &entry.value)?),
            word => {
                let hint = did_you_mean(word, WORDS.iter().copied());
                let message = format!("unknown key \"{word}\" in `retry_policy`{hint}");
                report.error(entry.key_span, "unknown-key", message).help(FORM);
                return None;
            }
        }
    }
    let Some(then) = then else {
        let at = value::value_span(node);
        report.error(at, "missing-key", "a rule of `retry_policy` without `then`").help(FORM);
        return None;
    };
    rule.then = then;
    if rule.delay_secs.is_some() && then != RetryAction::Retry {
        let message = "`delay` goes with `then: retry` alone";
        report.error(value::value_span(node), "bad-value", message).help(FORM);
        return None;
    }
    Some(rule)
}

fn action(report: &mut Report<'_>, entry: &Entry) -> Option<RetryAction> {
    match value::word(report, "then", &entry.value, &["retry", "fail", "default"])? {
        "retry" => Some(RetryAction::Retry),
        "fail" => Some(RetryAction::Fail),
        _ => Some(RetryAction::Default),
    }
}
