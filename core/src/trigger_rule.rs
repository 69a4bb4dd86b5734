//! Trigger rules: whether a task may run, given how many of its upstreams ended how.
//!
//! Owns the thirteen rules and the constraints of setup and teardown tasks exactly as Airflow 3
//! evaluates them (its `TriggerRuleDep`), from counters alone: an evaluation looks at no task.
//! [`evaluate`] answers like Airflow at any moment; [`Situation::depends_on_order`] says where that
//! answer depends on which upstream happens to end first. Nothing here knows a dag run.

use crate::state::{TaskState, TriggerRule};

/// How many direct upstream task instances ended in each way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Upstream {
    /// All of them, finished or not.
    pub total: u32,
    /// In `success`.
    pub success: u32,
    /// In `failed`.
    pub failed: u32,
    /// In `upstream_failed`.
    pub upstream_failed: u32,
    /// In `skipped`.
    pub skipped: u32,
    /// In `removed`.
    pub removed: u32,
    /// Those that are setup tasks, finished or not.
    pub setups: u32,
    /// Setup tasks in `success`.
    pub setups_success: u32,
    /// Setup tasks in `skipped`.
    pub setups_skipped: u32,
}

impl Upstream {
    /// How many are finished.
    pub const fn done(&self) -> u32 {
        self.success + self.failed + self.upstream_failed + self.skipped + self.removed
    }

    /// Counts one upstream more, in `state`.
    pub fn add(&mut self, state: TaskState, is_setup: bool) {
        self.total += 1;
        self.setups += u32::from(is_setup);
        self.finish(state, is_setup);
    }

    /// An upstream that was counted as unfinished is now in `state`; unfinished states change
    /// nothing.
    pub fn finish(&mut self, state: TaskState, is_setup: bool) {
        match state {
            TaskState::Success => {
                self.success += 1;
                self.setups_success += u32::from(is_setup);
            }
            TaskState::Skipped => {
                self.skipped += 1;
                self.setups_skipped += u32::from(is_setup);
            }
            TaskState::Failed => self.failed += 1,
            TaskState::UpstreamFailed => self.upstream_failed += 1,
            TaskState::Removed => self.removed += 1,
            _ => {}
        }
    }

    /// These and others, counted together.
    #[must_use]
    pub const fn and(&self, other: &Self) -> Self {
        Self {
            total: self.total + other.total,
            success: self.success + other.success,
            failed: self.failed + other.failed,
            upstream_failed: self.upstream_failed + other.upstream_failed,
            skipped: self.skipped + other.skipped,
            removed: self.removed + other.removed,
            setups: self.setups + other.setups,
            setups_success: self.setups_success + other.setups_success,
            setups_skipped: self.setups_skipped + other.setups_skipped,
        }
    }

    const fn bad(&self) -> u32 {
        self.failed + self.upstream_failed
    }
}

/// How many setup tasks further up, whose scope a task is in, ended in each way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Setups {
    /// All of them.
    pub total: u32,
    /// In `success`.
    pub success: u32,
    /// In `failed` or `upstream_failed`.
    pub failed: u32,
    /// In `skipped`.
    pub skipped: u32,
}

impl Setups {
    /// These and others, counted together.
    #[must_use]
    pub const fn and(&self, other: &Self) -> Self {
        Self {
            total: self.total + other.total,
            success: self.success + other.success,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }

    /// A setup that was counted as unfinished is now in `state`.
    pub fn finish(&mut self, state: TaskState) {
        match state {
            TaskState::Success => self.success += 1,
            TaskState::Failed | TaskState::UpstreamFailed => self.failed += 1,
            TaskState::Skipped => self.skipped += 1,
            _ => {}
        }
    }
}

/// What a rule says about a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may run.
    Run,
    /// Nothing yet.
    Wait,
    /// It is skipped.
    Skipped,
    /// It can no longer run, since an upstream failed.
    UpstreamFailed,
    /// Its mapped item no longer exists.
    Removed,
}

/// What the rules look at.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The task's rule.
    pub rule: TriggerRule,
    /// Its direct upstreams.
    pub upstream: &'a Upstream,
    /// The setups further up; empty for teardowns, which look at direct setups only.
    pub setups: &'a Setups,
    /// The mapped item, -1 when the task is not mapped.
    pub map_index: i32,
}

/// What Airflow would do at this moment.
pub fn evaluate(situation: &Situation<'_>) -> Verdict {
    let setups = situation.setups;
    if situation.rule == TriggerRule::Always {
        return Verdict::Run;
    }
    if setups.failed > 0 {
        return Verdict::UpstreamFailed;
    }
    if setups.skipped > 0 {
        return Verdict::Skipped;
    }
    let verdict = by_rule(situation.rule, situation.upstream, situation.map_index);
    if verdict == Verdict::Run && setups.success < setups.total {
        return Verdict::Wait;
    }
    verdict
}

impl Situation<'_> {
    /// Whether what [`evaluate`] says could be different had the same tasks ended in another order,
    /// or can still turn when the unfinished ones end. Only `all_success` (a failure or a skip may
    /// come first) and the scope of setups depend on order.
    pub fn depends_on_order(&self) -> bool {
        let (up, setups) = (self.upstream, self.setups);
        let all_done = up.done() >= up.total;
        let setups_well = setups.success >= setups.total;
        match self.rule {
            TriggerRule::AllSuccess => {
                !(setups_well && all_done && (up.bad() == 0 || up.skipped == 0))
            }
            TriggerRule::Always => false,
            _ => !setups_well,
        }
    }
}

#[expect(clippy::match_same_arms, reason = "one line a case reads as a table")]
fn by_rule(rule: TriggerRule, up: &Upstream, map_index: i32) -> Verdict {
    use Verdict::{Removed, Run, Skipped, UpstreamFailed, Wait};
    let n = up.total;
    if n == 0 {
        return Run;
    }
    let done = up.done() >= n;
    let when = |holds: bool| if holds { Run } else { Wait };
    match rule {
        TriggerRule::AllSuccess if up.bad() > 0 => UpstreamFailed,
        TriggerRule::AllSuccess if up.skipped > 0 => Skipped,
        TriggerRule::AllSuccess
            if up.removed > 0
                && up.success > 0
                && i64::from(map_index) >= i64::from(up.success) =>
        {
            Removed
        }
        TriggerRule::AllSuccess => when(up.success + up.removed >= n),
        TriggerRule::AllFailed if up.success + up.skipped > 0 => Skipped,
        TriggerRule::AllFailed => when(up.bad() + up.removed >= n),
        TriggerRule::AllDone => when(done),
        TriggerRule::AllDoneMinOneSuccess if up.skipped > 0 => Skipped,
        TriggerRule::AllDoneMinOneSuccess if !done => Wait,
        TriggerRule::AllDoneMinOneSuccess if up.success == 0 => UpstreamFailed,
        TriggerRule::AllDoneMinOneSuccess => Run,
        TriggerRule::AllDoneSetupSuccess if !done => Wait,
        TriggerRule::AllDoneSetupSuccess if up.setups == 0 || up.setups_success > 0 => Run,
        TriggerRule::AllDoneSetupSuccess if up.setups_skipped >= up.setups => Skipped,
        TriggerRule::AllDoneSetupSuccess => UpstreamFailed,
        TriggerRule::OneSuccess if up.success > 0 => Run,
        TriggerRule::OneSuccess if done && up.skipped == up.done() => Skipped,
        TriggerRule::OneSuccess if done => UpstreamFailed,
        TriggerRule::OneFailed if up.bad() > 0 => Run,
        TriggerRule::OneDone if up.success + up.failed > 0 => Run,
        TriggerRule::OneFailed | TriggerRule::OneDone if done => Skipped,
        TriggerRule::OneSuccess | TriggerRule::OneFailed | TriggerRule::OneDone => Wait,
        TriggerRule::NoneFailed if up.bad() > 0 => UpstreamFailed,
        TriggerRule::NoneFailed => when(done),
        TriggerRule::NoneFailedMinOneSuccess if up.bad() > 0 => UpstreamFailed,
        TriggerRule::NoneFailedMinOneSuccess if up.skipped == n => Skipped,
        TriggerRule::NoneFailedMinOneSuccess if done && up.success == 0 => UpstreamFailed,
        TriggerRule::NoneFailedMinOneSuccess => when(done),
        TriggerRule::NoneSkipped if up.skipped > 0 => Skipped,
        TriggerRule::NoneSkipped => when(done),
        TriggerRule::AllSkipped if up.success + up.bad() > 0 => Skipped,
        TriggerRule::AllSkipped => when(up.skipped >= n),
        TriggerRule::Always => Run,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn state(word: &Value) -> TaskState {
        let word = word.as_str().expect("a state");
        TaskState::from_word(word).unwrap_or(TaskState::NoStatus)
    }

    fn verdict(case: &Value) -> &'static str {
        let mut upstream = Upstream::default();
        for one in case["upstream"].as_array().expect("upstream") {
            match one {
                Value::Object(map) => {
                    upstream.add(state(&map["state"]), map["setup"].as_bool().expect("setup"));
                }
                word => upstream.add(state(word), false),
            }
        }
        let mut setups = Setups::default();
        for one in case["indirect_setups"].as_array().into_iter().flatten() {
            setups.total += 1;
            setups.finish(state(one));
        }
        let situation = Situation {
            rule: TriggerRule::from_word(case["rule"].as_str().expect("rule")).expect("known"),
            upstream: &upstream,
            setups: &setups,
            map_index: case["map_index"].as_i64().map_or(-1, |i| i32::try_from(i).expect("small")),
        };
        match evaluate(&situation) {
            Verdict::Run => "run",
            Verdict::Wait => "wait",
            Verdict::Skipped => "skipped",
            Verdict::UpstreamFailed => "upstream_failed",
            Verdict::Removed => "removed",
        }
    }

    #[test]
    fn trigger_rule_vectors_all_hold() {
        crate::vectors::judge_file("trigger_rules.json", |case| match verdict(case) {
            got if got == case["outcome"] => Ok(()),
            got => Err(format!("{case} got {got}")),
        });
    }

    /// A verdict that does not depend on order stays the same whatever the unfinished upstreams do.
    #[test]
    fn a_verdict_free_of_order_is_never_taken_back() {
        let ends =
            [TaskState::Success, TaskState::Failed, TaskState::UpstreamFailed, TaskState::Skipped];
        let setups = Setups::default();
        let look = |rule, upstream: &Upstream| {
            let situation = Situation { rule, upstream, setups: &setups, map_index: -1 };
            (evaluate(&situation), situation.depends_on_order())
        };
        for &rule in TriggerRule::ALL {
            for now in 0..625_u32 {
                let mut upstream = Upstream::default();
                let mut rest = 0;
                for i in 0..4 {
                    let digit = now / 5_u32.pow(i) % 5;
                    match ends.get(digit as usize) {
                        Some(&state) => upstream.add(state, false),
                        None => rest += 1,
                    }
                }
                upstream.total += rest;
                let (verdict, depends) = look(rule, &upstream);
                if verdict == Verdict::Wait || depends || rest == 0 {
                    continue;
                }
                for end in ends {
                    let mut later = upstream;
                    later.finish(end, false);
                    assert_eq!(look(rule, &later).0, verdict, "{rule} {upstream:?} then {end}");
                }
            }
        }
    }
}
