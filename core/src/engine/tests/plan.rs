//! Random histories: of which DAG, with which results, and how one is made smaller.

use super::mapping::{grouped, mapped, over};
use super::model::Deed;
use super::outcomes::Lcg;
use super::world::{dag, task};
use crate::dag::{Dag, Task};
use crate::operator::Place;
use crate::state::TriggerRule;

/// One task of a history's DAG.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    /// Its name, which it keeps when others are taken out.
    pub(super) name: usize,
    pub(super) kind: &'static str,
    pub(super) rule: TriggerRule,
    pub(super) upstream: Vec<usize>,
    retries: u32,
    cuts_direct: bool,
    pub(super) depends_on_past: bool,
    pub(super) wait_for_downstream: bool,
    fails_run: bool,
    pool: bool,
    pub(super) mapped: Mapped,
    /// At most one instance of it in a run at a time.
    limited: bool,
}

/// Over what a task is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mapped {
    No,
    /// So many elements in the file.
    Literals(usize),
    /// What another task gives.
    Over(usize),
    /// It is in the one group that is mapped over what another task gives.
    Group(usize),
}

/// A history: it follows from this alone.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) salt: u64,
    pub(super) specs: Vec<Spec>,
    max_active_tasks: u32,
    max_active_runs: u32,
    /// Numbers that say what happens next.
    pub(super) steps: Vec<usize>,
}

fn random_spec(random: &mut Lcg, name: usize, upstream: Vec<usize>) -> Spec {
    let kind =
        ["bash", "bash", "bash", "bash", "branch", "short_circuit", "latest_only"][random.below(7)];
    let rule = TriggerRule::ALL[random.below(TriggerRule::ALL.len())];
    let past = random.below(24);
    Spec {
        name,
        kind,
        rule: if random.below(3) == 0 { TriggerRule::AllSuccess } else { rule },
        upstream,
        retries: u32::try_from(random.below(5).saturating_sub(2)).expect("small"),
        cuts_direct: random.below(2) == 0,
        depends_on_past: past == 0,
        wait_for_downstream: past == 1,
        fails_run: random.below(4) == 0,
        pool: random.below(3) == 0,
        mapped: Mapped::No,
        limited: random.below(3) == 0,
    }
}

/// Maps some of the tasks: over literals, over what one above gives, or together as a group.
fn map_some(random: &mut Lcg, specs: &mut [Spec]) {
    let group = random.below(3) == 0;
    let group_source = random.below(specs.len());
    for index in 0..specs.len() {
        let source = random.below(index.max(1));
        let is_plain = specs[index].kind == "bash";
        let gives = |source: usize, specs: &[Spec]| {
            source < index
                && specs[source].kind == "bash"
                && !matches!(specs[source].mapped, Mapped::Group(_))
        };
        let way = random.below(6);
        if group && way < 3 && gives(group_source, specs) {
            let is_member = |up: &usize| matches!(specs[*up].mapped, Mapped::Group(_));
            let is_inner = specs[index].upstream.iter().any(is_member);
            specs[index].mapped = Mapped::Group(group_source);
            if !is_inner {
                specs[index].upstream.push(group_source);
            }
        } else if way == 3 && is_plain {
            specs[index].mapped = Mapped::Literals(random.below(4));
        } else if way > 3 && is_plain && gives(source, specs) {
            specs[index].mapped = Mapped::Over(source);
            specs[index].upstream.push(source);
        }
        specs[index].upstream.sort_unstable();
        specs[index].upstream.dedup();
    }
}

pub(super) fn random_plan(seed: u64) -> Plan {
    let mut random = Lcg(seed);
    let count = 2 + random.below(7);
    let mut specs: Vec<Spec> = Vec::new();
    for name in 0..count {
        let upstream = (0..name).filter(|_| random.below(5) < 2).collect();
        specs.push(random_spec(&mut random, name, upstream));
    }
    if random.below(2) == 0 {
        map_some(&mut random, &mut specs);
    }
    for _ in 0..random.below(6).saturating_sub(3) {
        // A setup above one task, its teardown below another.
        let setup = random.below(count);
        if matches!(specs[setup].kind, "teardown" | "branch" | "short_circuit" | "latest_only") {
            continue;
        }
        specs[setup].kind = "setup";
        let work = setup + random.below(count - setup);
        let name = specs.len();
        let teardown = random_spec(&mut random, name, vec![setup, work]);
        let rule = TriggerRule::AllDoneSetupSuccess;
        specs.push(Spec { kind: "teardown", rule, ..teardown });
    }
    let length = 10 + random.below(70);
    Plan {
        salt: seed,
        specs,
        max_active_tasks: [1, 2, 16][random.below(3)],
        max_active_runs: [1, 2, 16][random.below(3)],
        steps: (0..length).map(|_| random.below(1 << 20)).collect(),
    }
}

pub(super) fn id(name: usize) -> String {
    format!("t{name}")
}

fn build_task(spec: &Spec) -> Task {
    let mut task: Task = task(&id(spec.name));
    task.trigger_rule = spec.rule;
    task.retries = spec.retries;
    task.retry_delay_secs = 20.0;
    task.depends_on_past = spec.depends_on_past;
    task.wait_for_downstream = spec.wait_for_downstream;
    task.is_setup = spec.kind == "setup";
    task.is_teardown = spec.kind == "teardown";
    if spec.pool {
        task.pools = [("small".to_owned(), 1)].into_iter().collect();
    }
    task.max_active_tis_per_dagrun = spec.limited.then_some(1);
    if matches!(spec.kind, "branch" | "short_circuit" | "latest_only") {
        spec.kind.clone_into(&mut task.operator);
        task.place = Place::Scheduler;
        if spec.cuts_direct {
            task.config.insert("ignore_downstream_trigger_rules".to_owned(), false.into());
        }
    }
    task.on_failure_fail_dagrun = spec.fails_run && task.is_teardown;
    match spec.mapped {
        Mapped::No => task,
        Mapped::Literals(count) => mapped(task, &[("k", vec![1; count].into())]),
        Mapped::Over(source) => over(task, &id(source)),
        Mapped::Group(source) => grouped(task, "g", &id(source)),
    }
}

pub(super) fn build(plan: &Plan) -> Dag {
    let tasks: Vec<Task> = plan.specs.iter().map(build_task).collect();
    let upstream = |spec: &Spec| spec.upstream.iter().map(|&up| id(up)).collect();
    let needs: Vec<Vec<String>> = plan.specs.iter().map(upstream).collect();
    let needs: Vec<Vec<&str>> =
        needs.iter().map(|ids| ids.iter().map(String::as_str).collect()).collect();
    let listed = tasks.into_iter().zip(needs.iter().map(Vec::as_slice));
    let mut dag = dag("d", listed.collect());
    dag.max_active_tasks = plan.max_active_tasks;
    dag.max_active_runs = plan.max_active_runs;
    dag
}

impl Plan {
    /// What a try of a task's instance does: it follows from the salt.
    pub(super) fn deed(&self, run: usize, task: usize, index: i32, try_number: u32) -> Deed {
        let name = self.specs[task].name as u64;
        let item = u64::from((index + 1).unsigned_abs());
        let mut random = Lcg(self.salt
            ^ (run as u64) << 40
            ^ item << 32
            ^ (name + 1) << 20
            ^ u64::from(try_number) << 8);
        random.below(2);
        match random.below(10) {
            0..=2 => Deed::Fails,
            3 => Deed::Skips,
            _ => {
                let names: Vec<String> = self.specs.iter().map(|spec| id(spec.name)).collect();
                let chosen = names.into_iter().filter(|_| random.below(4) == 0).collect();
                let goes_on = random.below(2) == 0;
                let gives = match random.below(40) {
                    0 => Some(1025),
                    1..=4 => None,
                    length => Some(length as u64 % 4),
                };
                Deed::Succeeds { chosen, goes_on, gives }
            }
        }
    }

    /// The plan without a task.
    fn without(&self, index: usize) -> Self {
        let mut plan = self.clone();
        let gone = plan.specs.remove(index).name;
        for spec in &mut plan.specs {
            spec.upstream.retain(|up| *up != gone);
            if matches!(spec.mapped, Mapped::Over(source) | Mapped::Group(source) if source == gone)
            {
                spec.mapped = Mapped::No;
            }
        }
        plan
    }

    /// A smaller plan that fails as well: fewer steps, fewer tasks, as long as one can go.
    pub(super) fn shrink(self, fails: impl Fn(&Self) -> bool) -> Self {
        let mut plan = self;
        loop {
            let mut smaller: Vec<Self> = Vec::new();
            let mut chunk = plan.steps.len();
            while chunk > 0 {
                for start in (0..plan.steps.len()).step_by(chunk) {
                    let mut fewer = plan.clone();
                    fewer.steps.drain(start..(start + chunk).min(plan.steps.len()));
                    smaller.push(fewer);
                }
                chunk /= 2;
            }
            if plan.specs.len() > 1 {
                smaller.extend((0..plan.specs.len()).map(|index| plan.without(index)));
            }
            for index in 0..plan.specs.len() {
                smaller.extend(plan.simpler(index));
            }
            match smaller.into_iter().find(&fails) {
                Some(found) => plan = found,
                None => return plan,
            }
        }
    }

    /// The plan with a simpler task.
    fn simpler(&self, index: usize) -> Vec<Self> {
        let mut found = Vec::new();
        let mut with = |edit: &dyn Fn(&mut Spec)| {
            let mut plan = self.clone();
            edit(&mut plan.specs[index]);
            found.push(plan);
        };
        let spec = &self.specs[index];
        if spec.retries > 0 {
            with(&|spec| spec.retries = 0);
        }
        if spec.pool || spec.limited {
            with(&|spec| (spec.pool, spec.limited) = (false, false));
        }
        if matches!(spec.mapped, Mapped::Literals(_)) {
            with(&|spec| spec.mapped = Mapped::No);
        }
        for place in 0..spec.upstream.len() {
            let up = spec.upstream[place];
            let is_source = matches!(spec.mapped, Mapped::Over(of) | Mapped::Group(of) if of == up);
            if !is_source {
                with(&|spec| {
                    spec.upstream.remove(place);
                });
            }
        }
        found
    }
}
