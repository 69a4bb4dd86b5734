//! Retries: whether a failed try is repeated, and after how long.
//!
//! Delays are Airflow's to the second, including its jitter, which is not random: it is a hash of
//! the dag, the task, the logical date and the try. Nothing here knows a clock.

use jiff::Timestamp;
use sha1::{Digest, Sha1};

use crate::dag::{RetryRule, Task};

/// The longest backoff (Airflow: `MAX_RETRY_DELAY`), one day.
pub const BACKOFF_SECS_MAX: u64 = 24 * 60 * 60;

/// The task's own words about its retries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Seconds between tries.
    pub retry_delay_secs: f64,
    /// The factor from one delay to the next; 0 and 1 mean that all are the same.
    pub retry_exponential_backoff: f64,
    /// The longest delay, if there is backoff.
    pub max_retry_delay_secs: Option<f64>,
}

impl From<&Task> for Backoff {
    fn from(task: &Task) -> Self {
        Self {
            retry_delay_secs: task.retry_delay_secs,
            retry_exponential_backoff: task.retry_exponential_backoff,
            max_retry_delay_secs: task.max_retry_delay_secs,
        }
    }
}

/// What the jitter is a hash of.
#[derive(Debug, Clone, Copy)]
pub struct Salt<'a> {
    /// The DAG.
    pub dag_id: &'a str,
    /// The task.
    pub task_id: &'a str,
    /// The run's logical date.
    pub logical_date: Option<Timestamp>,
}

/// Whether the task's own budget allows another try after `try_number` (from 1) failed
/// (Airflow: `is_eligible_to_retry`).
pub const fn may_retry(try_number: u32, max_tries: u32) -> bool {
    max_tries != 0 && try_number <= max_tries
}

/// The first rule of a policy that holds for a failure.
pub fn rule<'a>(
    policy: &'a [RetryRule],
    exit_code: Option<i32>,
    reason: Option<&str>,
) -> Option<&'a RetryRule> {
    let reason = reason.unwrap_or_default().to_lowercase();
    policy.iter().find(|rule| {
        let code_holds = rule.exit_codes.is_empty()
            || exit_code.is_some_and(|code| rule.exit_codes.contains(&code));
        let reason_holds =
            rule.reason.as_ref().is_none_or(|text| reason.contains(&text.to_lowercase()));
        code_holds && reason_holds
    })
}

/// Seconds to wait after try `try_number` (from 1) failed, counted from its end (Airflow:
/// `next_retry_datetime`).
pub fn delay_secs(backoff: &Backoff, salt: &Salt<'_>, try_number: u32) -> f64 {
    let factor = backoff.retry_exponential_backoff;
    if factor == 0.0 || (factor - 1.0).abs() < f64::EPSILON {
        return backoff.retry_delay_secs;
    }
    // `powf` is what Python's `**` computes; `powi` rounds otherwise, and `ceil` would show it.
    let growth = factor.powf(f64::from(try_number.saturating_sub(1)));
    let shortest = (backoff.retry_delay_secs * growth).ceil().max(1.0);
    // Beyond the largest number even a delay of 0 has grown to the longest one.
    let delay = if shortest < SECS_MAX && growth.is_finite() {
        // Between 1 and 86,400 here, so the conversion is exact.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1..=86400")]
        let shortest = shortest as u64;
        let jitter = hash_modulo(salt, try_number, shortest);
        #[expect(clippy::cast_precision_loss, reason = "at most 86400")]
        let delay = (shortest + jitter).min(BACKOFF_SECS_MAX) as f64;
        delay
    } else {
        SECS_MAX
    };
    // A limit of 0 is no limit, as in Airflow.
    backoff.max_retry_delay_secs.filter(|most| *most > 0.0).map_or(delay, |most| delay.min(most))
}

#[expect(clippy::cast_precision_loss, reason = "86400 is exact")]
const SECS_MAX: f64 = BACKOFF_SECS_MAX as f64;

/// SHA-1 of Airflow's text, as a number, modulo `modulus` (not 0).
pub(crate) fn hash_modulo(salt: &Salt<'_>, try_number: u32, modulus: u64) -> u64 {
    let date = salt.logical_date.map_or_else(|| "None".to_owned(), python_str);
    let text = format!("{}#{}#{date}#{try_number}", salt.dag_id, salt.task_id);
    Sha1::digest(text.as_bytes())
        .iter()
        .fold(0, |rest, byte| (rest * 256 + u64::from(*byte)) % modulus)
}

/// Python's `str()` of an aware datetime in UTC: isoformat with a space.
fn python_str(at: Timestamp) -> String {
    crate::time::isoformat(at).replacen('T', " ", 1)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn retry_backoff_vectors_all_hold() {
        let salt = Salt {
            dag_id: "my_dag",
            task_id: "train",
            logical_date: Some("2025-01-01T00:00:00Z".parse().expect("an instant")),
        };
        let id = |case: &Value| {
            format!(
                "{} {} {} {}",
                case["retry_delay"],
                case["retry_exponential_backoff"],
                case["max_retry_delay"],
                case["try_number"]
            )
        };
        crate::vectors::judge_file_by("retry_backoff.json", id, |case| {
            let backoff = Backoff {
                retry_delay_secs: case["retry_delay"].as_f64().expect("a delay"),
                retry_exponential_backoff: case["retry_exponential_backoff"]
                    .as_f64()
                    .expect("a factor"),
                max_retry_delay_secs: case["max_retry_delay"].as_f64(),
            };
            let try_number = u32::try_from(case["try_number"].as_u64().expect("a try")).unwrap();
            let got = delay_secs(&backoff, &salt, try_number);
            let expected = case["delay_s"].as_f64().expect("a delay");
            // Python keeps microseconds.
            let same = (got - expected).abs() < 1e-6;
            if same { Ok(()) } else { Err(format!("{case}: got {got}")) }
        });
    }

    #[test]
    fn extreme_backoff_is_a_day() {
        let check = |delay: f64, factor: f64, try_number: u32, expected: f64| {
            let backoff = Backoff {
                retry_delay_secs: delay,
                retry_exponential_backoff: factor,
                max_retry_delay_secs: None,
            };
            let salt = Salt { dag_id: "d", task_id: "t", logical_date: None };
            let got = delay_secs(&backoff, &salt, try_number);
            assert!((got - expected).abs() < 1e-9, "{delay} {factor} {try_number}: {got}");
        };
        check(1.0, 2.0, u32::MAX, 86_400.0);
        check(1e300, 1e300, 3, 86_400.0);
        check(0.0, 5.0, 1_100, 86_400.0);
        check(7.5, 0.0, 9, 7.5);
        check(7.5, 1.0, 9, 7.5);
    }

    #[test]
    fn the_first_rule_that_holds_counts() {
        use crate::dag::RetryAction::{Default, Fail, Retry};
        let rule = |exit_codes: &[i32], reason: Option<&str>, then| RetryRule {
            exit_codes: exit_codes.to_vec(),
            reason: reason.map(str::to_owned),
            then,
            delay_secs: None,
        };
        let policy = [
            rule(&[2, 3], None, Fail),
            rule(&[137], Some("memory"), Fail),
            rule(&[], Some("Connection refused"), Retry),
            rule(&[1], None, Default),
        ];
        let check = |code, reason, expected| {
            let found = super::rule(&policy, code, reason).map(|rule| rule.then);
            assert_eq!(found, expected, "{code:?} {reason:?}");
        };
        check(Some(3), None, Some(Fail));
        check(Some(137), Some("out of Memory"), Some(Fail));
        check(Some(137), Some("killed"), None);
        check(Some(7), Some("curl: connection refused by db"), Some(Retry));
        check(None, Some("connection REFUSED"), Some(Retry));
        check(Some(1), Some("x"), Some(Default));
        check(None, None, None);
    }

    #[test]
    fn retries_last_as_long_as_airflows() {
        let check = |try_number, max_tries, expected| {
            assert_eq!(may_retry(try_number, max_tries), expected, "{try_number} of {max_tries}");
        };
        check(1, 0, false);
        check(1, 1, true);
        check(2, 1, false);
        check(3, 3, true);
    }
}
