//! Measures the scheduler's commit: `cargo run --release -p millrace-store --example hand_over --
//! URL [BATCHES]`, on an empty database.
//!
//! One hand-over is what a finished task with one successor writes: one task instance becomes
//! `success`, the next one `running`, two attempts and four events. It is measured alone, and with
//! 16 of them gathered in one transaction.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use millrace_core::record::{AttemptKey, AttemptRow, Change, EventRow, RunRow, TiRow};
use millrace_core::state::{RunState, RunType, TaskState, TriggeredBy};
use millrace_store::Store;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: hand_over URL [BATCHES]")?;
    let batches: i64 = arguments.next().map_or(Ok(300), |text| text.parse())?;
    let store = Store::open(&url).await?;
    store.migrate(Timestamp::UNIX_EPOCH).await?;
    for (first_run, chains) in [(1, 1), (2, 16)] {
        measure(&store, first_run, chains, batches).await?;
    }
    Ok(())
}

async fn measure(store: &Store, first: i64, chains: i64, batches: i64) -> Result<(), Failure> {
    let epoch = store.acquire("bench").await?.ok_or("somebody else leads this database")?;
    let runs: Vec<i64> = (first..first + chains).collect();
    let mut created = Vec::new();
    for &id in &runs {
        let mut tis: Vec<_> = (0..=batches).map(|at| ti(id, at)).collect();
        tis[0] = running(&tis[0]);
        created.push(Change::RunCreated(Box::new(run(id)?), tis));
    }
    store.apply(epoch, &created).await?;
    let mut times = Vec::new();
    let began = Instant::now();
    for at in 0..batches {
        let changes: Vec<_> = runs.iter().flat_map(|&id| hand_over(id, at)).collect();
        let started = Instant::now();
        store.apply(epoch, &changes).await?;
        times.push(started.elapsed());
    }
    let all = began.elapsed();
    times.sort_unstable();
    let quantile = |of: usize| times.get(times.len() * of / 100).copied().unwrap_or(Duration::ZERO);
    println!(
        "{chains:>3} hand-overs a commit: median {:?}, p95 {:?}, {:.0} commits/s, {:.0} hand-overs/s",
        quantile(50),
        quantile(95),
        f64::from(u32::try_from(batches)?) / all.as_secs_f64(),
        f64::from(u32::try_from(batches * chains)?) / all.as_secs_f64(),
    );
    Ok(())
}

fn hand_over(run: i64, at: i64) -> Vec<Change> {
    let before = running(&ti(run, at));
    let mut done = before.clone();
    (done.state, done.end_date, done.exit_code) =
        (TaskState::Success, Some(Timestamp::UNIX_EPOCH), Some(0));
    let queued = ti(run, at + 1);
    let next = running(&queued);
    let mut changes = vec![change(&before, &done), change(&queued, &next)];
    for row in [&done, &next] {
        changes.push(Change::Attempt(Box::new(attempt(row))));
        changes.push(Change::Event(event(row)));
        changes.push(Change::Event(event(row)));
    }
    changes
}

fn change(from: &TiRow, row: &TiRow) -> Change {
    Change::Ti {
        from: from.state,
        from_try: from.try_number,
        from_epoch: from.epoch,
        row: Box::new(row.clone()),
    }
}

fn run(id: i64) -> Result<RunRow, Failure> {
    Ok(RunRow {
        id,
        dag_id: "bench".parse()?,
        run_id: format!("manual__{id}").parse()?,
        run_type: RunType::Manual,
        state: RunState::Running,
        version: 1,
        logical_date: None,
        data_interval_start: None,
        data_interval_end: None,
        run_after: Timestamp::UNIX_EPOCH,
        queued_at: Timestamp::UNIX_EPOCH,
        start_date: None,
        end_date: None,
        conf: None,
        params: serde_json::Map::new(),
        note: None,
        triggered_by: TriggeredBy::Test,
        triggering_user: None,
        clear_number: 0,
        reason: None,
        deadlines: Vec::new(),
    })
}

fn ti(run: i64, at: i64) -> TiRow {
    TiRow {
        id: run * 1_000_000 + at,
        run,
        task_id: format!("task_{at}").parse().expect("letters and digits are an id"),
        map_index: -1,
        rendered_map_index: None,
        state: TaskState::Queued,
        try_number: 0,
        max_tries: 1,
        epoch: 0,
        infra_tries: 0,
        version: 1,
        pool: "default_pool".to_owned(),
        pool_slots: 1,
        queue: "default".to_owned(),
        priority_weight: 1,
        operator: "bash".to_owned(),
        scheduled_at: Some(Timestamp::UNIX_EPOCH),
        queued_at: Some(Timestamp::UNIX_EPOCH),
        start_date: None,
        end_date: None,
        retry_at: None,
        worker: None,
        exit_code: None,
        reason: None,
        note: None,
        skip_memory: None,
        wait: None,
    }
}

fn running(from: &TiRow) -> TiRow {
    TiRow {
        state: TaskState::Running,
        try_number: 1,
        epoch: 1,
        start_date: Some(Timestamp::UNIX_EPOCH),
        worker: Some("worker-1".to_owned()),
        ..from.clone()
    }
}

fn attempt(row: &TiRow) -> AttemptRow {
    AttemptRow {
        key: AttemptKey { ti: row.id, try_number: row.try_number, epoch: row.epoch },
        run: row.run,
        version: row.version,
        worker: "worker-1".to_owned(),
        outcome: row.state.is_terminal().then_some(row.state),
        start_date: Timestamp::UNIX_EPOCH,
        end_date: row.end_date,
        exit_code: row.exit_code,
        reason: None,
        rendered: None,
    }
}

fn event(row: &TiRow) -> EventRow {
    EventRow {
        at: Timestamp::UNIX_EPOCH,
        dag_id: None,
        run: Some(row.run),
        ti: Some(row.id),
        kind: "ti_state".to_owned(),
        from: None,
        to: Some(row.state.to_string()),
        try_number: Some(row.try_number),
        epoch: Some(row.epoch),
        actor: None,
        detail: None,
    }
}
