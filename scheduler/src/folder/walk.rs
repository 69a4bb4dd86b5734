//! Finds the DAG files below a folder, and sees which changed and have settled.
//!
//! A file counts as changed when its size, time or inode differ from what was last read, and is
//! only handed out once it has stayed the same for a while, so that a half-written file is never
//! read. Symbolic links are followed; a loop of them is walked once. Nothing is parsed here.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Deeper folders are not looked at.
const DEPTH_MAX: usize = 32;

/// More files are not looked at.
const FILES_MAX: usize = 100_000;

/// The file in the DAG folder that names what to leave out, one glob a line.
pub(crate) const IGNORE_FILE: &str = ".millraceignore";

/// What of a file tells that it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified_nanos: i128,
    bytes: u64,
    inode: u64,
}

impl Stamp {
    /// The stamp of a path, following links; `None` when there is no such file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok()?;
        meta.is_file().then(|| Self {
            modified_nanos: i128::from(meta.mtime()) * 1_000_000_000
                + i128::from(meta.mtime_nsec()),
            bytes: meta.len(),
            inode: meta.ino(),
        })
    }

    /// Whether it was last written longer than `settle` before `wall`.
    fn is_older(&self, wall: Timestamp, settle: Duration) -> bool {
        let settle = i128::try_from(settle.as_nanos()).unwrap_or(i128::MAX);
        self.modified_nanos.saturating_add(settle) <= wall.as_nanosecond()
    }
}

/// Paths as they were seen.
pub(crate) type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// The state between two looks.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    /// What was last read, by path below the root: its own stamp and those of the files it names.
    read: BTreeMap<String, Stamps>,
    /// What the last look saw of files that differ from `read`, and when that was first seen.
    /// Looks come as often as events do: their number says nothing about whether a writer is done.
    unsettled: BTreeMap<String, (Vec<Option<Stamp>>, Instant)>,
}

/// How a look judges whether a file is whole.
#[derive(Debug)]
pub(crate) struct Patience<'a> {
    /// How long a changed file must have stayed the same.
    pub settle: Duration,
    /// The time of the look, on this machine's own clock that is never set.
    pub now: Instant,
    /// The wall clock, at a first look: what was last written before that is taken at once, since
    /// nobody is served by a start that waits. A wrong clock makes it wait, or trust too early.
    pub first: Option<Timestamp>,
    /// The files whose writers have closed them a while ago: they need no further time.
    pub closed: &'a BTreeSet<PathBuf>,
}

/// What one look found.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Files to read, by path below the root.
    pub settled: Vec<String>,
    /// The stamps of those files and of what they named when they were last read, by the same
    /// names.
    pub seen: BTreeMap<String, Stamps>,
    /// Files that were there and are gone.
    pub gone: Vec<String>,
    /// Whether some file changed and has not settled: look again soon.
    pub unsettled: bool,
}

impl Watcher {
    /// Looks at the folder. Without patience every file is taken at once. With `only` there is no
    /// other file.
    pub(crate) fn look(
        &mut self,
        root: &Path,
        only: Option<&str>,
        patience: Option<&Patience<'_>>,
    ) -> std::io::Result<Look> {
        let found = match only {
            Some(name) => BTreeSet::from([name.to_owned()]),
            None => dag_files(root)?,
        };
        let mut look = Look::default();
        for name in &found {
            let now = self.stamps(root, name);
            let before = self.read.get(name).map(|stamps| stamps.values().copied().collect());
            if before.as_ref() == Some(&now) {
                self.unsettled.remove(name);
            } else if self.is_settled(root, name, &now, patience) {
                self.unsettled.remove(name);
                let paths = self.read.get(name).map(|stamps| stamps.keys().cloned().collect());
                let paths: Vec<PathBuf> = paths.unwrap_or_else(|| vec![root.join(name)]);
                look.seen.insert(name.clone(), paths.into_iter().zip(now).collect());
                look.settled.push(name.clone());
            } else {
                look.unsettled = true;
            }
        }
        look.gone = self.read.keys().filter(|name| !found.contains(*name)).cloned().collect();
        for name in &look.gone {
            self.read.remove(name);
            self.unsettled.remove(name);
        }
        Ok(look)
    }

    /// Whether a changed file is whole, by its writer or by time; else this is remembered.
    fn is_settled(
        &mut self,
        root: &Path,
        name: &str,
        seen: &[Option<Stamp>],
        patience: Option<&Patience<'_>>,
    ) -> bool {
        let Some(Patience { settle, now, first, closed }) = patience else { return true };
        let is_old = |stamp: &Stamp| first.is_some_and(|wall| stamp.is_older(wall, *settle));
        if first.is_some() && seen.iter().flatten().all(is_old) {
            return true;
        }
        if self.is_closed(root, name, seen, closed) {
            return true;
        }
        match self.unsettled.get(name) {
            Some((before, since)) if before == seen => now.duration_since(*since) >= *settle,
            _ => {
                self.unsettled.insert(name.to_owned(), (seen.to_vec(), *now));
                settle.is_zero()
            }
        }
    }

    /// Whether all that changed of a file, and of what it names, is there and was closed.
    fn is_closed(
        &self,
        root: &Path,
        name: &str,
        seen: &[Option<Stamp>],
        closed: &BTreeSet<PathBuf>,
    ) -> bool {
        if closed.is_empty() {
            return false;
        }
        let Some(read) = self.read.get(name) else { return closed.contains(&root.join(name)) };
        read.iter()
            .zip(seen)
            .all(|((path, before), now)| before == now || (now.is_some() && closed.contains(path)))
    }

    /// The stamps of a file and of what it named when it was last read, in a fixed order.
    fn stamps(&self, root: &Path, name: &str) -> Vec<Option<Stamp>> {
        match self.read.get(name) {
            Some(paths) => paths.keys().map(|path| Stamp::of(path)).collect(),
            None => vec![Stamp::of(&root.join(name))],
        }
    }

    /// Notes that a file was read when it, and the files that it names, were as the stamps say.
    pub(crate) fn has_read(&mut self, name: &str, stamps: Stamps) {
        self.read.insert(name.to_owned(), stamps);
    }
}

/// The DAG files below `root`, by path below it with `/`, sorted.
pub(crate) fn dag_files(root: &Path) -> std::io::Result<BTreeSet<String>> {
    let ignored = ignore_globs(root);
    let mut found = BTreeSet::new();
    let mut seen = HashSet::new();
    let mut folders = vec![(root.to_path_buf(), String::new(), 0_usize)];
    std::fs::read_dir(root)?;
    while let Some((folder, prefix, depth)) = folders.pop() {
        let Ok(real) = folder.canonicalize() else { continue };
        if !seen.insert(real) || depth > DEPTH_MAX {
            continue;
        }
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = format!("{prefix}{name}");
            if name.starts_with('.') || ignored.iter().any(|glob| matches(glob, &path)) {
                continue;
            }
            let Ok(meta) = std::fs::metadata(entry.path()) else { continue };
            if meta.is_dir() {
                folders.push((entry.path(), format!("{path}/"), depth + 1));
            } else if is_yaml(&name) {
                found.insert(path);
                if found.len() >= FILES_MAX {
                    return Ok(found);
                }
            }
        }
    }
    Ok(found)
}

/// Whether a name ends as DAG files do; letters count, as on any file system that tells them apart.
fn is_yaml(name: &str) -> bool {
    matches!(name.rsplit_once('.'), Some((_, "yaml" | "yml")))
}

fn ignore_globs(root: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(root.join(IGNORE_FILE)).unwrap_or_default();
    text.lines()
        .map(|line| line.trim().trim_end_matches('/').to_owned())
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

/// Whether a glob (`*` is any run of characters) names a path, or a folder above it.
fn matches(glob: &str, path: &str) -> bool {
    fn glob_bytes(glob: &[u8], path: &[u8]) -> bool {
        match (glob.first(), path.first()) {
            (None, None | Some(b'/')) => true,
            (Some(b'*'), _) => {
                glob_bytes(&glob[1..], path) || (!path.is_empty() && glob_bytes(glob, &path[1..]))
            }
            (Some(a), Some(b)) if a == b => glob_bytes(&glob[1..], &path[1..]),
            _ => false,
        }
    }
    glob_bytes(glob.as_bytes(), path.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    fn stamps(paths: &[&PathBuf]) -> Stamps {
        paths.iter().map(|path| ((*path).clone(), Stamp::of(path))).collect()
    }

    #[test]
    fn links_are_followed_and_loops_end() {
        let outside = tempfile::tempdir().expect("a folder");
        let root = tempfile::tempdir().expect("a folder");
        write(outside.path(), "linked.yaml", "dag_id: a");
        write(root.path(), "sub/own.yml", "dag_id: b");
        write(root.path(), "sub/readme.md", "no");
        write(root.path(), ".hidden/no.yaml", "no");
        write(root.path(), "skip/no.yaml", "no");
        write(root.path(), IGNORE_FILE, "# comment\nskip/\n");
        std::os::unix::fs::symlink(outside.path(), root.path().join("link")).expect("a link");
        std::os::unix::fs::symlink(root.path(), root.path().join("sub/loop")).expect("a link");
        let found: Vec<_> = dag_files(root.path()).expect("a look").into_iter().collect();
        assert_eq!(found, ["link/linked.yaml", "sub/own.yml"]);
    }

    /// Looks at `root`, so many milliseconds after the start.
    fn look(watcher: &mut Watcher, root: &Path, start: Instant, millis: u64) -> Look {
        let now = start + Duration::from_millis(millis);
        let closed = BTreeSet::new();
        let settle = Duration::from_millis(200);
        let patience = Patience { settle, now, first: None, closed: &closed };
        watcher.look(root, None, Some(&patience)).expect("a look")
    }

    #[test]
    fn what_its_writer_has_closed_needs_no_further_time() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        let (own, named) = (root.join("a.yaml"), root.join("sql/q.txt"));
        let check = |text: &str, sql: &str, closed: &[&PathBuf], expected: &[&str]| {
            let mut watcher = Watcher::default();
            write(root, "a.yaml", "dag_id: a");
            write(root, "sql/q.txt", "select 1");
            watcher.has_read("a.yaml", stamps(&[&own, &named]));
            write(root, "a.yaml", text);
            write(root, "sql/q.txt", sql);
            let closed: BTreeSet<PathBuf> = closed.iter().map(|path| (*path).clone()).collect();
            let (settle, now) = (Duration::from_millis(200), Instant::now());
            let patience = Patience { settle, now, first: None, closed: &closed };
            let look = watcher.look(root, None, Some(&patience)).expect("a look");
            assert_eq!(look.settled, expected, "{text} {sql} {closed:?}");
            assert_eq!(look.unsettled, expected.is_empty(), "{text} {sql} {closed:?}");
            assert!(look.seen.values().all(|seen| *seen == stamps(&[&own, &named])), "{look:?}");
        };
        check("dag_id: a\n# 2", "select 1, 2", &[&own, &named], &["a.yaml"]);
        check("dag_id: a\n# 2", "select 1, 2", &[&own], &[]);
        check("dag_id: a\n# 2", "select 1, 2", &[&named], &[]);
        check("dag_id: a\n# 2", "select 1, 2", &[], &[]);
        let mut watcher = Watcher::default();
        let closed = BTreeSet::from([own.clone()]);
        let (settle, now) = (Duration::from_millis(200), Instant::now());
        let patience = Patience { settle, now, first: None, closed: &closed };
        let look = watcher.look(root, None, Some(&patience)).expect("a look");
        assert_eq!(look.settled, ["a.yaml"], "a new file");
    }

    #[test]
    fn a_file_is_read_only_when_it_has_stayed_the_same() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        let mut watcher = Watcher::default();
        let start = Instant::now();
        write(root, "a.yaml", "dag_id: a");
        let seen = look(&mut watcher, root, start, 0);
        assert!(seen.settled.is_empty() && seen.unsettled, "{seen:?}");
        let seen = look(&mut watcher, root, start, 50);
        assert!(seen.settled.is_empty() && seen.unsettled, "two looks are no time: {seen:?}");
        write(root, "a.yaml", "dag_id: a\ntasks: {}");
        let seen = look(&mut watcher, root, start, 210);
        assert!(seen.settled.is_empty() && seen.unsettled, "it grew: {seen:?}");
        assert!(look(&mut watcher, root, start, 400).unsettled);
        assert_eq!(look(&mut watcher, root, start, 410).settled, ["a.yaml"]);
        watcher.has_read("a.yaml", stamps(&[&root.join("a.yaml")]));
        let seen = look(&mut watcher, root, start, 420);
        assert!(seen.settled.is_empty() && !seen.unsettled && seen.gone.is_empty(), "{seen:?}");
        std::fs::remove_file(root.join("a.yaml")).expect("removed");
        assert_eq!(look(&mut watcher, root, start, 430).gone, ["a.yaml"]);
    }

    #[test]
    fn the_first_look_takes_what_is_old_enough() {
        let check = |age_millis: i64, expected: &[&str]| {
            let root = tempfile::tempdir().expect("a folder");
            write(root.path(), "a.yaml", "dag_id: a");
            let stamp = Stamp::of(&root.path().join("a.yaml")).expect("a stamp");
            let written = Timestamp::from_nanosecond(stamp.modified_nanos).expect("an instant");
            let wall = written + jiff::SignedDuration::from_millis(age_millis);
            let settle = Duration::from_millis(200);
            let closed = BTreeSet::new();
            let patience =
                Patience { settle, now: Instant::now(), first: Some(wall), closed: &closed };
            let look = Watcher::default().look(root.path(), None, Some(&patience)).expect("a look");
            assert_eq!(look.settled, expected, "{age_millis}");
            assert_eq!(look.unsettled, expected.is_empty(), "{age_millis}");
        };
        check(250, &["a.yaml"]);
        check(100, &[]);
        check(-5_000, &[]);
    }

    #[test]
    fn without_patience_everything_is_taken() {
        let root = tempfile::tempdir().expect("a folder");
        write(root.path(), "a.yaml", "dag_id: a");
        let look = Watcher::default().look(root.path(), None, None).expect("a look");
        assert_eq!((look.settled, look.unsettled), (vec!["a.yaml".to_owned()], false));
    }

    #[test]
    fn a_changed_file_that_a_dag_names_counts() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        write(root, "a.yaml", "dag_id: a");
        write(root, "sql/q.txt", "select 1");
        let mut watcher = Watcher::default();
        let start = Instant::now();
        let named = root.join("sql/q.txt");
        watcher.has_read("a.yaml", stamps(&[&root.join("a.yaml"), &named]));
        assert!(!look(&mut watcher, root, start, 0).unsettled);
        write(root, "sql/q.txt", "select 1, 2");
        assert!(look(&mut watcher, root, start, 10).unsettled);
        assert_eq!(look(&mut watcher, root, start, 210).settled, ["a.yaml"]);
    }

    #[test]
    fn globs() {
        let check =
            |glob, path, expected| assert_eq!(matches(glob, path), expected, "{glob} {path}");
        check("skip", "skip/a.yaml", true);
        check("skip", "skipped.yaml", false);
        check("*.test.yaml", "a/b.test.yaml", true);
        check("a/*", "a/b.yaml", true);
        check("a", "b/a", false);
    }
}
