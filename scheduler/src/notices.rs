//! Completes a notice for a worker: what to send, and the attempt that it speaks of.

use std::sync::Arc;

use millrace_core::dag::{Callback, Callbacks, Dag};
use millrace_core::record::{AttemptKey, NoticeRow, RunKey, RunRow, TiRow, VersionRow};
use millrace_core::state::TaskState;
use millrace_core::template::Lookups;
use millrace_core::wire::{Assignment, NoticeTi, NoticeWork, Work};

use millrace_store::{StoreError, dag_run};

use crate::current::Place;
use crate::prepared::Prepared;
use crate::term::Shared;

/// The work of a notice; nothing when what it speaks of is gone.
pub(crate) async fn work(shared: &Shared, notice: NoticeRow) -> Option<Work> {
    let loaded = load(shared, notice.run).await;
    let (run, tis, version) = match loaded {
        Ok(found) => found?,
        Err(error) => {
            tracing::warn!(%error, notice = notice.id, "a notice waits for the database");
            return None;
        }
    };
    let dag = crate::versions::dag_of(&version, &shared.config).ok()?;
    let callback = callback(&dag, &notice, &tis)?.clone();
    let prepared = Prepared::new(&dag, &shared.config.dags_folder, &version.file);
    let ti = if let Some(key) = notice.ti {
        tis.iter().find(|ti| ti.id == key)
    } else {
        // A notice about the run speaks through the task instance that ended last; one whose task
        // is gone from the DAG cannot speak.
        let known = tis.iter().filter(|ti| prepared.index(&ti.task_id).is_some());
        known.max_by_key(|ti| ti.end_date)
    }?;
    let seen = seen(&notice, ti);
    let mut about = about(&prepared, run, ti, notice.try_number)?;
    about.expanded_count = expanded_count(ti, &tis);
    let about = crate::decide::with_previous(&shared.store, about).await;
    shared.current.notice(about.key, Place { run: notice.run, log_epoch: about.key.epoch });
    Some(Work::Notice(Box::new(NoticeWork { notice, callback, about, ti: seen })))
}

/// How many instances the mapped task of an instance has; none when it is not mapped.
fn expanded_count(ti: &TiRow, tis: &[TiRow]) -> Option<u32> {
    let of_task = |other: &&TiRow| {
        other.task_id == ti.task_id && other.map_index >= 0 && other.state != TaskState::Removed
    };
    let count = tis.iter().filter(of_task).count();
    (ti.map_index >= 0).then(|| u32::try_from(count).unwrap_or(u32::MAX))
}

/// The task instance as it was when the notice came about: by now it may be tried again.
fn seen(notice: &NoticeRow, ti: &TiRow) -> NoticeTi {
    let state = match (notice.ti, notice.occasion.as_str()) {
        (Some(_), "success") => TaskState::Success,
        (Some(_), "failure") => TaskState::Failed,
        (Some(_), "retry") => TaskState::UpForRetry,
        (Some(_), "execute") => TaskState::Running,
        (Some(_), "skipped") => TaskState::Skipped,
        _ => ti.state,
    };
    let end_date = match state {
        TaskState::Running => None,
        _ if notice.ti.is_some() => Some(notice.created_at),
        _ => ti.end_date,
    };
    NoticeTi { state: state.as_str().to_owned(), start_date: ti.start_date, end_date }
}

/// A run with its task instances and its version.
async fn load(
    shared: &Shared,
    run: RunKey,
) -> Result<Option<(RunRow, Vec<TiRow>, VersionRow)>, StoreError> {
    match dag_run::by_key(&shared.store, run).await? {
        Some(run) => shared.store.load_run(run.dag_id.as_str(), run.run_id.as_str()).await,
        None => Ok(None),
    }
}

fn about(prepared: &Prepared, run: RunRow, ti: &TiRow, try_number: u32) -> Option<Assignment> {
    let index = prepared.index(&ti.task_id)?;
    let try_number = if try_number == 0 { ti.try_number } else { try_number };
    Some(Assignment {
        key: AttemptKey { ti: ti.id, try_number, epoch: ti.epoch },
        map_index: ti.map_index,
        expanded_count: None,
        siblings: prepared.siblings[index].clone(),
        max_tries: ti.max_tries,
        task: Arc::clone(&prepared.tasks[index]),
        dag: Arc::clone(&prepared.brief),
        run,
        previous_success: None,
        downstream: prepared.downstream[index].clone(),
        lookups: Lookups::default(),
        secrets: Vec::new(),
    })
}

fn callback<'a>(dag: &'a Dag, notice: &NoticeRow, tis: &[TiRow]) -> Option<&'a Callback> {
    if notice.occasion == "deadline" {
        let name = notice.cause.as_deref()?;
        let deadline = dag.deadlines.iter().find(|deadline| deadline.name == name)?;
        return deadline.callbacks.get(notice.position as usize);
    }
    let callbacks = match notice.ti {
        None => &dag.callbacks,
        Some(key) => {
            let ti = tis.iter().find(|ti| ti.id == key)?;
            &dag.task(ti.task_id.as_str())?.1.callbacks
        }
    };
    list(callbacks, &notice.occasion)?.get(notice.position as usize)
}

fn list<'a>(callbacks: &'a Callbacks, occasion: &str) -> Option<&'a Vec<Callback>> {
    Some(match occasion {
        "success" => &callbacks.on_success,
        "failure" => &callbacks.on_failure,
        "retry" => &callbacks.on_retry,
        "execute" => &callbacks.on_execute,
        "skipped" => &callbacks.on_skipped,
        _ => return None,
    })
}
