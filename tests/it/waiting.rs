//! Waiting end to end: sensors, other DAGs, triggered runs and approvals, and `kill -9` of the
//! whole of Millrace while they wait.

use serde_json::{Value, json};

use crate::harness::{Metadata, Millrace, root, unique, wait_for};

fn wait_for_state(millrace: &Millrace, dag_id: &str, run: &str, task: &str, state: &str) {
    wait_for(&format!("{task} in state {state}"), 60, || {
        let states = millrace.states(dag_id, run);
        if states.get(task).is_some_and(|found| found == state) {
            Ok(())
        } else {
            Err(format!("{states:?}"))
        }
    });
}

fn ti(millrace: &Millrace, dag_id: &str, run: &str, task: &str) -> Value {
    let tis = millrace.task_instances(dag_id, run);
    tis.into_iter().find(|ti| ti["task_id"] == task).expect("the task instance")
}

/// A file comes while nobody runs; the sensor goes on where it was, in one try with one log.
fn a_sensor_outlives_a_crash(metadata: Metadata) {
    let mut millrace = Millrace::start(metadata);
    let dag_id = unique("sensor");
    let file = millrace.home.path().join("data.csv");
    let text = format!(
        "dag_id: {dag_id}\nschedule: null\ntasks:\n  data:\n    operator: sensor\n    file: {}\n    \
         poke_interval: 0.3\n    timeout: 1h\n  next:\n    operator: bash\n    needs: [data]\n    \
         bash_command: echo found\n",
        file.display()
    );
    millrace.add_dag(&dag_id, &text);
    let run = millrace.trigger(&dag_id, json!({}));
    wait_for_state(&millrace, &dag_id, &run, "data", "up_for_reschedule");
    let started = ti(&millrace, &dag_id, &run, "data")["start_date"].clone();
    let (code, out, err) = millrace.cli(&["explain", &dag_id, &run, "data"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("nothing is there; the next is at"), "{out}");
    assert!(out.contains("it gives up at"), "{out}");
    millrace.kill();
    std::fs::write(&file, "1,2,3\n").expect("written");
    millrace.start_again();
    assert_eq!(millrace.wait_for_run(&dag_id, &run, 60), "success", "{metadata:?}");
    let data = ti(&millrace, &dag_id, &run, "data");
    assert_eq!(data["try_number"], 1);
    assert_eq!(data["start_date"], started, "it began with the first poke");
    let log = millrace.task_log(&dag_id, &run, "data", 1);
    assert!(log.contains("nothing is there") && log.contains("found "), "one log: {log}");
}

/// The run is triggered once, whatever is killed when, and waited for.
fn a_trigger_happens_once(metadata: Metadata) {
    let mut millrace = Millrace::start(metadata);
    let (up, down) = (unique("up"), unique("down"));
    let gate = millrace.home.path().join("gate");
    let child = format!(
        "dag_id: {up}\nschedule: null\nparams: {{n: {{type: integer}}}}\ntasks:\n  a:\n    operator: \
         sensor\n    bash_command: test -e {}\n    poke_interval: 0.3\n",
        gate.display()
    );
    let parent = format!(
        "dag_id: {down}\nschedule: null\ntasks:\n  start:\n    operator: trigger_dag\n    dag: {up}\n    \
         conf: {{n: 5}}\n    wait_for_completion: true\n  next:\n    operator: bash\n    needs: \
         [start]\n    bash_command: echo \"{{{{ ti.xcom_pull('start', key='trigger_run_id') }}}}\"\n"
    );
    millrace.add_dag(&up, &child);
    millrace.add_dag(&down, &parent);
    millrace.patch(&format!("/api/v2/dags/{up}"), json!({ "is_paused": false }));
    let run = millrace.trigger(&down, json!({}));
    millrace.kill();
    millrace.start_again();
    wait_for_state(&millrace, &down, &run, "start", "deferred");
    millrace.kill();
    millrace.start_again();
    let runs = || {
        let (_, runs) = millrace.get(&format!("/api/v2/dags/{up}/dagRuns"));
        runs["dag_runs"].as_array().cloned().unwrap_or_default()
    };
    let triggered = runs();
    assert_eq!(triggered.len(), 1, "{metadata:?}: triggered once: {triggered:?}");
    assert_eq!(triggered[0]["run_type"], "operator_triggered");
    assert_eq!(triggered[0]["conf"], json!({"n": 5}));
    std::fs::write(&gate, "").expect("written");
    assert_eq!(millrace.wait_for_run(&down, &run, 60), "success");
    assert_eq!(runs().len(), 1);
    assert_eq!(millrace.xcom(&down, &run, "next"), triggered[0]["dag_run_id"]);
    // Its params are checked at this door too.
    let wrong = parent.replace("n: 5", "n: five").replace(&down, &format!("{down}_wrong"));
    millrace.add_dag(&format!("{down}_wrong"), &wrong);
    let run = millrace.trigger(&format!("{down}_wrong"), json!({}));
    assert_eq!(millrace.wait_for_run(&format!("{down}_wrong"), &run, 60), "failed");
    let (_, out, _) = millrace.cli(&["explain", &format!("{down}_wrong"), &run, "start"]);
    assert!(out.contains("was not triggered: conf.n"), "{out}");
}

/// One DAG waits for the run of another of the same date.
fn a_dag_waits_for_another(metadata: Metadata) {
    let mut millrace = Millrace::start(metadata);
    let (up, down) = (unique("first"), unique("second"));
    let task = "operator: bash\n    bash_command: 'true'\n";
    millrace.add_dag(&up, &format!("dag_id: {up}\nschedule: null\ntasks:\n  a:\n    {task}"));
    let wait = format!("operator: sensor\n    dag: {up}\n    task_ids: [a]\n    timeout: 1h\n");
    millrace.add_dag(&down, &format!("dag_id: {down}\nschedule: null\ntasks:\n  w:\n    {wait}"));
    let date = json!({ "logical_date": "2025-03-01T00:00:00Z" });
    let waiting = millrace.trigger(&down, date.clone());
    wait_for_state(&millrace, &down, &waiting, "w", "deferred");
    millrace.kill();
    millrace.start_again();
    assert_eq!(millrace.states(&down, &waiting)["w"], "deferred");
    let run = millrace.trigger(&up, date);
    assert_eq!(millrace.wait_for_run(&up, &run, 60), "success");
    assert_eq!(millrace.wait_for_run(&down, &waiting, 60), "success", "{metadata:?}");
    // Also when it has ended long before.
    let earlier = json!({ "logical_date": "2025-03-01T00:00:00Z", "dag_run_id": "again" });
    let (status, _) = millrace.post(&format!("/api/v2/dags/{down}/dagRuns"), earlier);
    assert_eq!(status, 409, "one run a date");
    let (code, _, err) = millrace.cli(&["clear", &down, &waiting]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(millrace.wait_for_run(&down, &waiting, 60), "success");
}

/// A person approves through the command line, or rejects through the REST API.
fn a_person_is_asked(metadata: Metadata) {
    let mut millrace = Millrace::start(metadata);
    let dag_id = unique("asks");
    let text = format!(
        "dag_id: {dag_id}\nschedule: null\ntasks:\n  train:\n    operator: bash\n    bash_command: \
         echo 93\n  ask:\n    operator: approval\n    needs: [train]\n    subject: \"deploy at {{{{ \
         xcom('train') }}}} %?\"\n    timeout: 1d\n  deploy:\n    operator: bash\n    needs: [ask]\n    \
         bash_command: echo deployed\n"
    );
    millrace.add_dag(&dag_id, &text);
    let run = millrace.trigger(&dag_id, json!({}));
    wait_for_state(&millrace, &dag_id, &run, "ask", "awaiting_input");
    millrace.kill();
    millrace.start_again();
    let listed = millrace.cli_json(&["approvals", &dag_id]);
    assert_eq!(listed[0]["subject"], "deploy at 93 %?", "{listed}");
    let (_, out, _) = millrace.cli(&["explain", &dag_id, &run, "ask"]);
    assert!(out.contains("it asks \"deploy at 93 %?\": Approve or Reject; anybody"), "{out}");
    let (code, out, err) = millrace.cli(&["approve", &dag_id, &run, "ask"]);
    assert_eq!((code, out.trim()), (0, "ask is answered: Approve"), "{err}");
    assert_eq!(millrace.wait_for_run(&dag_id, &run, 60), "success");
    assert_eq!(millrace.states(&dag_id, &run)["deploy"], "success");
    let (code, _, err) = millrace.cli(&["reject", &dag_id, &run, "ask"]);
    assert_ne!(code, 0);
    assert!(err.contains("was answered at"), "{err}");

    let run = millrace.trigger(&dag_id, json!({}));
    wait_for_state(&millrace, &dag_id, &run, "ask", "awaiting_input");
    let path = format!("/api/v2/dags/{dag_id}/dagRuns/{run}/taskInstances/ask/-1/hitlDetails");
    let (status, asked) = millrace.get(&path);
    assert_eq!(status, 200, "{asked}");
    assert_eq!(asked["subject"], "deploy at 93 %?");
    assert_eq!(asked["options"], json!(["Approve", "Reject"]));
    assert_eq!(asked["response_received"], false);
    assert_eq!(asked["task_instance"]["state"], "awaiting_input");
    let (status, body) = millrace.patch(&path, json!({ "chosen_options": ["Maybe"] }));
    assert_eq!(status, 422, "{body}");
    let reject = json!({ "chosen_options": ["Reject"], "params_input": {} });
    let (status, body) = millrace.patch(&path, reject.clone());
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["chosen_options"], json!(["Reject"]));
    let (status, body) = millrace.patch(&path, reject);
    assert_eq!(status, 409, "{body}");
    assert_eq!(millrace.wait_for_run(&dag_id, &run, 60), "success");
    assert_eq!(millrace.states(&dag_id, &run)["deploy"], "skipped");
    let all = format!("/api/v2/dags/{dag_id}/dagRuns/~/hitlDetails");
    let (_, list) = millrace.get(&all);
    assert_eq!(list["total_entries"], 2, "{list}");
    let (_, list) = millrace.get(&format!("{all}?response_received=false"));
    assert_eq!(list["total_entries"], 0, "{list}");
}

/// The example in `dags/`, as its comment tells it.
#[test]
fn the_example_waits_trains_asks_and_deploys() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let text = std::fs::read_to_string(root().join("dags/train_and_approve.yaml")).expect("a file");
    millrace.add_dag("train_and_approve", &text.replace("poke_interval: 5s", "poke_interval: 0.3"));
    let folder = millrace.home.path().join("data");
    let conf = json!({ "conf": { "folder": folder.display().to_string() } });
    let run = millrace.trigger("train_and_approve", conf);
    wait_for_state(&millrace, "train_and_approve", &run, "data", "up_for_reschedule");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("data.csv"), "1\n2\n").expect("written");
    wait_for_state(&millrace, "train_and_approve", &run, "approval", "awaiting_input");
    let listed = millrace.cli_json(&["approvals"]);
    assert_eq!(listed[0]["subject"], "Deploy the model with accuracy 0.93?", "{listed}");
    assert_eq!(listed[0]["body"], "It was trained on 2 lines.");
    let (code, _, err) = millrace.cli(&["approve", "train_and_approve", "latest", "approval"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(millrace.wait_for_run("train_and_approve", &run, 60), "success");
    let said = millrace.xcom("train_and_approve", &run, "deploy");
    assert!(said.as_str().is_some_and(|said| said.starts_with("deployed by ")), "{said}");
}

#[test]
fn sensors_on_sqlite() {
    a_sensor_outlives_a_crash(Metadata::Sqlite);
}

#[test]
fn sensors_on_mariadb() {
    a_sensor_outlives_a_crash(Metadata::MariaDb);
}

#[test]
fn triggered_runs_on_sqlite() {
    a_trigger_happens_once(Metadata::Sqlite);
}

#[test]
fn triggered_runs_on_mariadb() {
    a_trigger_happens_once(Metadata::MariaDb);
}

#[test]
fn other_dags_on_sqlite() {
    a_dag_waits_for_another(Metadata::Sqlite);
}

#[test]
fn other_dags_on_mariadb() {
    a_dag_waits_for_another(Metadata::MariaDb);
}

#[test]
fn approvals_on_sqlite() {
    a_person_is_asked(Metadata::Sqlite);
}

#[test]
fn approvals_on_mariadb() {
    a_person_is_asked(Metadata::MariaDb);
}

/// The resident memory of a process, in bytes.
fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().expect("a number");
    kib * 1024
}

/// 5,000 sensors have looked once and wait for an hour, in one real process: its memory grows by
/// what 5,000 rows take, and no table but theirs grows with pokes.
#[test]
fn thousands_of_sensors_cost_little_memory() {
    const RUNS: usize = 5;
    const ITEMS: usize = 1_000;
    // 2.4 KiB when it was measured.
    const BYTES_EACH_MAX: u64 = 6 * 1024;
    let millrace = Millrace::start(Metadata::Sqlite);
    let files: Vec<String> = (0..ITEMS).map(|at| format!("/nothing/{at}")).collect();
    let text = format!(
        "dag_id: many\nschedule: null\nmax_active_tasks: 10000\ntasks:\n  wait:\n    operator: \
         sensor\n    poke_interval: 1h\n    timeout: 2d\n    expand: {{file: [{}]}}\n",
        files.join(", ")
    );
    millrace.add_dag("many", &text);
    // What a first run leaves behind is not what the others cost.
    let waiting = |count: usize| {
        let path = "/api/v2/dags/many/dagRuns/~/taskInstances?state=up_for_reschedule&limit=1";
        wait_for(&format!("{count} sensors that wait"), 600, || {
            let (_, page) = millrace.get(path);
            if page["total_entries"] == count { Ok(()) } else { Err(format!("{page}")) }
        });
    };
    millrace.trigger("many", json!({}));
    waiting(ITEMS);
    let before = resident_bytes(millrace.pid());
    for _ in 1..=RUNS {
        millrace.trigger("many", json!({}));
    }
    waiting((1 + RUNS) * ITEMS);
    let after = resident_bytes(millrace.pid());
    let each = after.saturating_sub(before) / (RUNS * ITEMS) as u64;
    println!("5,000 waiting sensors: {before} -> {after} bytes resident, {each} each");
    assert!(each < BYTES_EACH_MAX, "{each} bytes each: {before} -> {after}");
}
