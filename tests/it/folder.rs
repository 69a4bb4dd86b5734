//! The DAG folder of a running server: how soon a change is live, what is read for it, and that no
//! way of writing makes a version of half a file.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

use crate::harness::{Metadata, Millrace, wait_for};

/// DAGs in the folder whose changes are timed.
const DAGS: usize = 100;

/// How soon a change must be live, from its writer's last step to the API's answer.
const LIVE_MAX: Duration = Duration::from_millis(300);

/// A DAG of so many tasks: every whole line of it makes a DAG that loads.
fn text(dag_id: &str, tasks: usize) -> String {
    let mut text =
        format!("dag_id: {dag_id}\nschedule: '0 3 * * *'\nstart_date: 2025-01-01\ntasks:\n");
    for task in 0..tasks {
        let command = format!("echo {{{{ ds }}}} {task}");
        let line = format!("  t{task}: {{operator: bash, bash_command: '{command}'}}\n");
        text.push_str(&line);
    }
    text
}

fn dag_name(number: usize) -> String {
    format!("many_{number:03}")
}

/// A server over a folder with [`DAGS`] files.
fn with_many() -> Millrace {
    let home = tempfile::Builder::new().prefix("millrace-home-").tempdir().expect("a folder");
    let dags = home.path().join("dags");
    fs::create_dir(&dags).expect("a folder");
    for number in 0..DAGS {
        let dag_id = dag_name(number);
        fs::write(dags.join(format!("{dag_id}.yaml")), text(&dag_id, 10)).expect("written");
    }
    let millrace = Millrace::start_in(Metadata::Sqlite, home, dags, BTreeMap::new());
    wait_for("all DAGs", 60, || {
        match millrace.get("/api/v2/dags?limit=1").1["total_entries"].as_u64() {
            Some(count) if count == DAGS as u64 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    millrace
}

fn versions(millrace: &Millrace, dag_id: &str) -> u64 {
    let (_, found) = millrace.get(&format!("/api/v2/dags/{dag_id}/dagVersions"));
    found["total_entries"].as_u64().unwrap_or(0)
}

fn rename_over(dags: &Path, dag_id: &str, text: &str) {
    let part = dags.join(format!(".{dag_id}.part"));
    fs::write(&part, text).expect("written");
    fs::rename(&part, dags.join(format!("{dag_id}.yaml"))).expect("renamed");
}

fn in_place(dags: &Path, dag_id: &str, text: &str) {
    fs::write(dags.join(format!("{dag_id}.yaml")), text).expect("written");
}

/// A way to put a text into a DAG's file.
type Way = fn(&Path, &str, &str);

/// The files below a watched folder that were opened since the last call, each as often.
fn opened(watch: &OwnedFd) -> Vec<String> {
    let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
    let mut events = Reader::new(watch, &mut buffer);
    let mut names = Vec::new();
    while let Ok(event) = events.next() {
        let name = event.file_name().map(|name| name.to_string_lossy().into_owned());
        names.extend(name.filter(|name| !name.starts_with('.')));
    }
    names
}

#[test]
fn a_changed_file_is_live_in_300_ms_and_only_it_is_read() {
    let millrace = with_many();
    let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).expect("inotify");
    inotify::add_watch(&watch, &millrace.dags, WatchFlags::OPEN).expect("a watch");
    // By a write in place the test itself opens the file once more.
    let ways: [(&str, Way, usize); 2] =
        [("renamed over", rename_over, 1), ("written in place", in_place, 2)];
    for (way, (name, write, opens)) in ways.into_iter().enumerate() {
        let mut live = Vec::new();
        for number in 0..9 {
            let dag_id = dag_name(way * 9 + number);
            let changed = text(&dag_id, 11);
            opened(&watch);
            let begun = Instant::now();
            write(&millrace.dags, &dag_id, &changed);
            while versions(&millrace, &dag_id) < 2 {
                assert!(begun.elapsed() < Duration::from_secs(30), "{dag_id} {name}");
                std::thread::sleep(Duration::from_millis(1));
            }
            live.push(begun.elapsed());
            assert_eq!(opened(&watch), vec![format!("{dag_id}.yaml"); opens], "{name}");
        }
        live.sort();
        println!("{name}: live after {live:?}");
        assert!(live[live.len() / 2] < LIVE_MAX, "{name}: live after {live:?}");
    }
}

/// How a file came to be written: the longest time in which its writer did nothing.
type Writer = fn(&Path, &str, &str) -> Duration;

/// Runs each step after a pause; gives the longest time from one to the next.
fn paced(pause: Duration, steps: impl Iterator<Item = impl FnOnce()>) -> Duration {
    let mut longest = Duration::ZERO;
    let mut before = Instant::now();
    for step in steps {
        step();
        std::thread::sleep(pause); // a slow writer is what is tested
        longest = longest.max(before.elapsed());
        before = Instant::now();
    }
    longest
}

/// One writer that truncates, and goes on for a second before it closes.
fn bursts(dags: &Path, dag_id: &str, text: &str) -> Duration {
    let file = File::create(dags.join(format!("{dag_id}.yaml"))).expect("truncated");
    let lines = text.split_inclusive('\n');
    paced(
        Duration::from_millis(60),
        lines.map(|line| || (&file).write_all(line.as_bytes()).expect("written")),
    )
}

/// A script of many `>>`: opened and closed for each line.
fn appends(dags: &Path, dag_id: &str, text: &str) -> Duration {
    let path = dags.join(format!("{dag_id}.yaml"));
    fs::write(&path, "").expect("truncated");
    let append = |line: &str| {
        let mut file = OpenOptions::new().append(true).open(&path).expect("opened");
        file.write_all(line.as_bytes()).expect("written");
    };
    paced(Duration::from_millis(5), text.split_inclusive('\n').map(|line| move || append(line)))
}

/// A link that comes to mean another file, which was there before.
fn swapped_link(dags: &Path, dag_id: &str, text: &str) -> Duration {
    let beside = dags.join(format!(".{dag_id}.target"));
    fs::write(&beside, text).expect("written");
    let link = dags.join(format!(".{dag_id}.link"));
    std::os::unix::fs::symlink(&beside, &link).expect("a link");
    fs::rename(&link, dags.join(format!("{dag_id}.yaml"))).expect("renamed");
    Duration::ZERO
}

/// A link to a file that is written slowly elsewhere: its events are out of sight.
fn slow_behind_a_link(dags: &Path, dag_id: &str, text: &str) -> Duration {
    let elsewhere = dags.parent().expect("a home").join(format!("{dag_id}.elsewhere"));
    let file = File::create(&elsewhere).expect("a file");
    let link = dags.join(format!(".{dag_id}.link"));
    std::os::unix::fs::symlink(&elsewhere, &link).expect("a link");
    fs::rename(&link, dags.join(format!("{dag_id}.yaml"))).expect("renamed");
    let lines = text.split_inclusive('\n');
    paced(
        Duration::from_millis(60),
        lines.map(|line| || (&file).write_all(line.as_bytes()).expect("written")),
    )
}

#[test]
fn no_way_of_writing_makes_a_version_of_half_a_file() {
    const TASKS: usize = 8;
    let millrace = Millrace::start(Metadata::Sqlite);
    let writers: [(&str, Writer, u64); 4] = [
        ("bursts", bursts, 150),
        ("appends", appends, 40),
        ("swapped", swapped_link, 150),
        ("behind", slow_behind_a_link, 150),
    ];
    for (name, write, pause_max) in writers {
        // On a busy machine the writer itself may stop for so long that its file looks whole.
        let dag_id = (0..20)
            .map(|attempt| format!("{name}_{attempt}"))
            .find(|dag_id| {
                millrace.add_dag(dag_id, &text(dag_id, 1));
                let longest = write(&millrace.dags, dag_id, &text(dag_id, TASKS));
                longest < Duration::from_millis(pause_max)
            })
            .expect("a writer that is not held up");
        wait_for(&format!("the tasks of {dag_id}"), 30, || {
            let (_, tasks) = millrace.get(&format!("/api/v2/dags/{dag_id}/tasks"));
            if tasks["total_entries"] == TASKS { Ok(()) } else { Err(tasks.to_string()) }
        });
        assert_eq!(versions(&millrace, &dag_id), 2, "{dag_id}");
    }
}

#[test]
fn a_checkout_of_many_files_is_one_version_of_each() {
    let millrace = with_many();
    for number in 0..DAGS {
        in_place(&millrace.dags, &dag_name(number), &text(&dag_name(number), 12));
    }
    for number in 0..DAGS {
        let dag_id = dag_name(number);
        wait_for(&format!("a version of {dag_id}"), 30, || {
            let (_, tasks) = millrace.get(&format!("/api/v2/dags/{dag_id}/tasks"));
            if tasks["total_entries"] == 12 {
                Ok(())
            } else {
                Err(tasks["total_entries"].to_string())
            }
        });
        assert_eq!(versions(&millrace, &dag_id), 2, "{dag_id}");
    }
}
