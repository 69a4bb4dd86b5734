//! Damaged and made-up input for the three readers of foreign text: DAG files, cron expressions and
//! templates. No input may panic, take long, or need much memory.
//!
//! `FUZZ_SECS` is how long each reader is tried, `FUZZ_SEED` the first seed; an input follows from
//! its seed alone, so `FUZZ_SEED=n FUZZ_COUNT=1` repeats one. `FUZZ_HANG_MILLIS` is what counts as
//! a hang. Inputs once found are kept in `REPEATED` and always tried first; what is being tried is
//! in a file of the temporary folder, for an input that ends the process.
#![expect(clippy::disallowed_methods, reason = "a fuzzer reads files, the clock and its settings")]

use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millrace_core::dagfile::{Known, SourceFile, read};
use millrace_core::diagnostic::Paint;
use millrace_core::template::{Answer, RenderError, Renderer, Scope, TemplateContext};
use millrace_core::timetable::{Bounds, Timetable, Zones};
use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One reader at a time: time and memory are measured for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

const BYTES_MAX: usize = 50 << 20;
/// How many inputs are tried where no time is given.
const INPUTS_OF_A_TEST: u64 = 100;
/// Longer inputs are cut.
const INPUT_BYTES_MAX: usize = 256 << 10;
const TOKENS: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "for",
    "endfor",
    "if",
    "endif",
    "set",
    "range(",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "|",
    "**",
    "*",
    "/",
    "//",
    "%",
    "~",
    "-",
    "+",
    "'",
    "\"",
    ":",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\t",
    "\r\n",
    ",",
    "#",
    "&a ",
    "*a",
    "<<: *a",
    "!raw ",
    "!!int ",
    "---\n",
    "|\n",
    ">\n",
    "? ",
    "@",
    "@daily",
    "L",
    "W",
    "5#3",
    "*/7",
    "MON-FRI",
    "?",
    "0",
    "-1",
    "60",
    "9999999",
    "18446744073709551616",
    "1e308",
    "0x7f",
    "null",
    "~",
    "true",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "가",
    "👩‍💻",
    "dag_id",
    "tasks",
    "task_id",
    "depends_on",
    "schedule",
    "params",
    "default_args",
    "retry_delay",
    "bash_command",
    "ds",
    "macros.ds_add(ds, 7)",
    "data_interval_start",
    "params.x",
    ".strftime('%Y')",
    ".format('YYYY')",
    ".add(days=1)",
    "| tojson",
    "| join",
    "| replace('a','b')",
    "| center(99)",
    "'a' * 99",
    "loop.index",
    "namespace(",
    "%s",
    "%0999d",
    "1:30",
    "P1DT2H",
    "5m",
];

/// Inputs once found, for a reader: what stands before, what is repeated, how often, and what
/// stands behind.
const REPEATED: &[(&str, &str, &str, usize, &str)] = &[
    ("yaml", "", "---\n", 8_000, ""),
    ("yaml", "dag_id: a\ntasks: {", "m: a.csv, ", 24_000, "}\n"),
    ("yaml", "dag_id: a\ntasks:\n  a: {operator: empty, ", "poksor, ", 20_000, "}\n"),
    ("yaml", "dag_id: [", "13011", 40_000, "]\n"),
    (
        "yaml",
        "a: &a [",
        "1:301:30",
        2_500,
        "]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\n\
         d: &d [*c, *c, *c, *c, *c, *c, *c, *c]\ne: [*d, *d, *d, *d, *d, *d, *d, *d]\n",
    ),
    ("template", "{{ logical_date.timestamp(", "tamp(", 300, ") | int }}"),
    ("template", "{{ logicale.strft", "---\n", 33_000, "ime('%y%m%d')(}}"),
    ("template", "{{ ds + '", "x", 100_000, " }}"),
];

/// A small generator of numbers: the same seed, the same input.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d);
        dice.below(2);
        dice
    }

    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % most.max(1)
    }

    fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// The input of a seed: one of the corpus with a few to many things done to it.
fn input(seed: u64, corpus: &[String]) -> String {
    let mut dice = Dice::new(seed);
    let mut bytes = corpus[dice.below(corpus.len())].clone().into_bytes();
    let damages = [1, 2, 3, 8, 40][dice.below(5)];
    for _ in 0..damages {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(40)).min(bytes.len());
        match dice.below(9) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.truncate(at),
            2 | 3 => drop(bytes.splice(at..at, dice.pick(TOKENS).bytes())),
            4 => drop(bytes.splice(at..end, dice.pick(TOKENS).bytes())),
            5 => {
                // The same again, now and then very often: nesting and long lines.
                let times = [1, 2, 10, 300, 5_000][dice.below(5)];
                let copy = bytes[at..end].repeat(times);
                bytes.splice(at..at, copy);
            }
            6 => {
                let other = corpus[dice.below(corpus.len())].as_bytes();
                let from = dice.below(other.len() + 1);
                let to = (from + dice.below(400)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            7 => {
                let token = dice.pick(TOKENS).repeat([2, 50, 3_000][dice.below(3)]);
                bytes.splice(at..at, token.bytes());
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
        }
        bytes.truncate(INPUT_BYTES_MAX);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Time that this process has computed, which a busy machine does not stretch.
fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// What an input did that it must not; it is tried again before that is believed.
fn fault(reader: &dyn Fn(&str), text: &str, hang: Duration) -> Option<String> {
    let mut quickest = Duration::MAX;
    let mut least = usize::MAX;
    for _ in 0..3 {
        let (before, begun) = (MEMORY.current_usage(), cpu_time());
        MEMORY.reset_peak_usage();
        if catch_unwind(AssertUnwindSafe(|| reader(text))).is_err() {
            return Some("panics".to_owned());
        }
        quickest = quickest.min(cpu_time().saturating_sub(begun));
        least = least.min(MEMORY.peak_usage().saturating_sub(before));
        if quickest <= hang && least <= BYTES_MAX {
            WORST_MICROS
                .fetch_max(u64::try_from(quickest.as_micros()).unwrap_or(0), Ordering::Relaxed);
            WORST_BYTES.fetch_max(least as u64, Ordering::Relaxed);
            return None;
        }
    }
    Some(format!("takes {} ms and {} KiB", quickest.as_millis(), least >> 10))
}

static WORST_MICROS: AtomicU64 = AtomicU64::new(0);
static WORST_BYTES: AtomicU64 = AtomicU64::new(0);

/// Ends the process with the seed when an input never ends.
fn watch(seed: &Arc<AtomicU64>, name: &'static str) {
    let stuck = Duration::from_secs(setting("FUZZ_STUCK_SECS", 60));
    let seed = Arc::downgrade(seed);
    std::thread::spawn(move || {
        let mut last = (u64::MAX, Instant::now());
        while let Some(now) = seed.upgrade().map(|seed| seed.load(Ordering::Relaxed)) {
            if now != last.0 {
                last = (now, Instant::now());
            } else if last.1.elapsed() > stuck {
                eprintln!("{name}: FUZZ_SEED={now} FUZZ_COUNT=1 does not end");
                std::process::exit(101);
            }
            std::thread::sleep(stuck.min(Duration::from_secs(1)));
        }
    });
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The texts of all files below a folder with one of these endings.
fn texts_below(folder: &Path, endings: &[&str], texts: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if path.is_dir() {
            texts_below(&path, endings, texts);
        } else if endings.contains(&ending) {
            texts.extend(std::fs::read(&path).map(|data| String::from_utf8_lossy(&data).into()));
        }
    }
}

/// What stands under a key of the cases of a vector file.
fn vector_texts(file: &str, key: &str, texts: &mut Vec<String>) {
    let text = std::fs::read_to_string(repository("tests/vectors").join(file)).expect("vectors");
    let file: serde_json::Value = serde_json::from_str(&text).expect("vectors");
    let cases = file["cases"].as_array().expect("cases");
    texts.extend(cases.iter().filter_map(|case| case[key].as_str()).map(str::to_owned));
    texts.sort();
    texts.dedup();
}

/// Tries what was once found, then seed after seed until the time is over.
fn fuzz(name: &'static str, corpus: &[String], reader: &dyn Fn(&str)) {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let hang = Duration::from_millis(setting("FUZZ_HANG_MILLIS", 3_000));
    WORST_MICROS.store(0, Ordering::Relaxed);
    WORST_BYTES.store(0, Ordering::Relaxed);
    let known: Vec<String> = REPEATED
        .iter()
        .filter(|(reader, ..)| *reader == name)
        .map(|(_, before, text, times, after)| format!("{before}{}{after}", text.repeat(*times)))
        .collect();
    for text in &known {
        let found = fault(reader, text, hang);
        let start: String = text.chars().take(60).collect();
        assert_eq!(found, None, "{name}: a known input is bad again: {start}…");
    }
    let secs = setting("FUZZ_SECS", 0);
    let most = if secs == 0 { INPUTS_OF_A_TEST } else { u64::MAX };
    let (first, count) = (setting("FUZZ_SEED", 1), setting("FUZZ_COUNT", most));
    let until = Instant::now() + Duration::from_secs(secs);
    let current = Arc::new(AtomicU64::new(first));
    watch(&current, name);
    let mut bad = Vec::new();
    let mut tried = 0;
    let trying = std::env::temp_dir().join(format!("millrace-fuzz-{name}.txt"));
    while tried < count && (Instant::now() < until || count != u64::MAX) {
        let seed = first + tried;
        current.store(seed, Ordering::Relaxed);
        let text = input(seed, corpus);
        // An overflow of the stack ends the process: what it read is here then.
        std::fs::write(&trying, &text).expect("the input is kept");
        if let Some(found) = fault(reader, &text, hang) {
            let path = std::env::temp_dir().join(format!("millrace-fuzz-{name}-{seed}.txt"));
            std::fs::write(&path, &text).expect("the input is kept");
            bad.push(format!("FUZZ_SEED={seed} FUZZ_COUNT=1: {found}; see {}", path.display()));
            println!("{name}: {}", bad[bad.len() - 1]);
        }
        tried += 1;
    }
    println!(
        "{name}: {tried} inputs from seed {first}, {} known ones; the worst took {} us and {} KiB; {} bad",
        known.len(),
        WORST_MICROS.load(Ordering::Relaxed),
        WORST_BYTES.load(Ordering::Relaxed) >> 10,
        bad.len()
    );
    assert!(bad.is_empty(), "{name}: {} bad inputs:\n{}", bad.len(), bad.join("\n"));
}

#[test]
fn dag_files() {
    let mut corpus = Vec::new();
    texts_below(&repository("tests/fixtures"), &["yaml", "yml"], &mut corpus);
    texts_below(&repository("dags"), &["yaml", "yml"], &mut corpus);
    let zones = Zones::bundled();
    fuzz("yaml", &corpus, &|text| {
        let file = SourceFile {
            name: "x.yaml".to_owned(),
            text: text.to_owned(),
            ..SourceFile::default()
        };
        for document in read(&file, &Known::new(&zones)) {
            for found in &document.diagnostics {
                assert!(!found.render(Paint::Plain).is_empty());
            }
        }
    });
}

#[test]
fn cron_expressions() {
    let mut corpus = Vec::new();
    for file in ["cron_next.json", "cron_validate.json", "croniter_suite.json"] {
        vector_texts(file, "expr", &mut corpus);
    }
    let zone = Zones::bundled().zone("America/New_York").expect("a zone");
    let after = "2025-03-09T05:00:00Z".parse().expect("an instant");
    fuzz("cron", &corpus, &|text| {
        if let Ok(timetable) = Timetable::parse(text, zone.clone(), true) {
            let firings = timetable.firings(after, &Bounds::default()).take(5).count();
            assert!(firings <= 5 && !timetable.describe().contains('\u{0}'));
            timetable.previous(after);
        }
    });
}

#[test]
fn templates() {
    let mut corpus = Vec::new();
    vector_texts("templates.json", "template", &mut corpus);
    let renderer = Renderer::default();
    let scope: OnceCell<Scope> = OnceCell::new();
    let scope = scope.get_or_init(|| {
        let context = json!({
            "dag_id": "d", "task_id": "t", "run_id": "manual__x", "try_number": 1,
            "logical_date": "2025-03-01T15:00:00Z", "run_after": "2025-03-01T15:00:00Z",
            "data_interval_start": "2025-03-01T15:00:00Z",
            "data_interval_end": "2025-03-02T15:00:00Z", "now": "2025-08-01T00:00:00Z",
            "params": { "x": [1, 2, { "y": "z" }] }, "conf": { "a": 1 },
        });
        let context: TemplateContext = serde_json::from_value(context).expect("a context");
        Scope::new(context, millrace_core::template::Lookups::new())
    });
    // The renderer catches what the engine panics at, and says so.
    let caught = |error: &RenderError| error.to_string().contains("the template engine failed");
    fuzz("template", &corpus, &|text| {
        let mut scope = scope.clone();
        // What it asks for is there once, then missing.
        for answer in [Answer::Value(json!("[1, {\"a\": 2}]")), Answer::Missing] {
            let found = renderer.render("x", text, &scope);
            assert!(!found.as_ref().is_err_and(caught), "{found:?}");
            let Err(RenderError::Needs(needs)) = found else { break };
            let mut lookups = scope.lookups().clone();
            for lookup in needs {
                lookups.insert(lookup, answer.clone());
            }
            scope = scope.with_lookups(lookups);
        }
        let found = renderer.render_native("x", text, &scope);
        assert!(!found.as_ref().is_err_and(caught), "{found:?}");
    });
}

/// Faults put in on purpose are found, each for what it is; what is at the limits is none.
#[test]
fn planted_faults_are_found() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let hang = Duration::from_millis(100);
    let check = |reader: &dyn Fn(&str), expected: Option<&str>| {
        let found = fault(reader, "x", hang);
        let matches = match (&found, expected) {
            (Some(found), Some(expected)) => found.starts_with(expected),
            (found, expected) => found.is_none() && expected.is_none(),
        };
        assert!(matches, "{found:?}, not {expected:?}");
    };
    let spin = |millis: u64| {
        let begun = cpu_time();
        while cpu_time().saturating_sub(begun) < Duration::from_millis(millis) {}
    };
    check(&|text| assert_eq!(text, "planted"), Some("panics"));
    check(&|_| spin(110), Some("takes 11"));
    check(&|_| spin(20), None);
    check(&|_| drop(Vec::<u8>::with_capacity(BYTES_MAX + 1)), Some("takes 0 ms and 51200 KiB"));
    check(&|_| drop(Vec::<u8>::with_capacity(BYTES_MAX - 1)), None);
}

/// What ends the process is found as well, by a process around it.
#[test]
fn a_planted_input_that_never_ends_is_named() {
    let program = std::env::current_exe().expect("this program");
    let ended = std::process::Command::new(program)
        .args(["--exact", "planted_endless", "--ignored", "--nocapture"])
        .envs([("FUZZ_STUCK_SECS", "0"), ("FUZZ_SEED", "7")])
        .output()
        .expect("the planted fault runs");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success(), "{said}");
    assert!(said.contains("planted: FUZZ_SEED=7 FUZZ_COUNT=1 does not end"), "{said}");
}

#[test]
#[ignore = "never ends; `a_planted_input_that_never_ends_is_named` runs it"]
fn planted_endless() {
    fuzz("planted", &["x".to_owned()], &|_| {
        loop {
            std::hint::spin_loop();
        }
    });
}
