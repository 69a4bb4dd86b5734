"""W6: a folder of 1,000 DAG files of 10 tasks: CPU seconds until all are registered, and until a change is live."""
import os
import shutil
import statistics
import tempfile
import time

FILES = 1000
TASKS = 10
CHANGES = 20


def text(number, changed=0):
    """A file as people write them: a schedule, retries, templates, and tasks that need each other."""
    lines = [
        f"dag_id: many_{number:04}",
        f"description: number {number}, changed {changed} times",
        "schedule: '0 3 * * *'",
        "start_date: 2025-01-01",
        "catchup: false",
        "tags: [bench, many]",
        "default_args: {owner: bench, retries: 2, retry_delay: 5m}",
        "params: {region: {type: string, default: kr}}",
        "tasks:",
    ]
    for task in range(TASKS):
        command = f"echo {{{{ ds }}}} {{{{ params.region }}}} {task}"
        lines += [f"  t{task}:", "    operator: bash", f'    bash_command: "{command}"']
        if task:
            lines.append(f"    depends_on: [t{task - 1}]")
    return "\n".join(lines) + "\n"


def write(path, content):
    with open(f"{path}.part", "w") as f:
        f.write(content)
    os.rename(f"{path}.part", path)


def cpu_secs(pid):
    """Seconds that a process has computed, in user and system mode."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def quiet_cpu_secs(millrace):
    """The same once nothing more is computed for a while."""
    before = cpu_secs(millrace.process.pid)
    while True:
        time.sleep(0.7)
        now = cpu_secs(millrace.process.pid)
        if now - before <= 0.02:
            return now
        before = now


def versions(millrace, dag):
    return millrace.call("GET", f"/api/v2/dags/{dag}/dagVersions?limit=1")["total_entries"]


def measure(store, database, start, say):
    """`start(home, database)` gives a running Millrace; `say` prints a figure."""
    home = tempfile.mkdtemp(prefix="millrace-bench-dags-")
    folder = f"{home}/dags"
    os.makedirs(folder)
    empty = start(home, database)
    idle = quiet_cpu_secs(empty)
    empty.stop()
    for number in range(FILES):
        write(f"{folder}/many_{number:04}.yaml", text(number))
    time.sleep(0.5)
    # The same start with and without files: the difference is what reading and registering costs.
    millrace = start(home, database)
    try:
        while millrace.call("GET", "/api/v2/dags?limit=1")["total_entries"] < FILES:
            time.sleep(0.05)
        say("W6", store, "register_cpu_s", quiet_cpu_secs(millrace) - idle, 1.0)
        live = []
        for number in range(CHANGES):
            time.sleep(0.3)
            dag = f"many_{number:04}"
            begun = time.perf_counter()
            write(f"{folder}/{dag}.yaml", text(number, 1))
            while versions(millrace, dag) < 2:
                time.sleep(0.002)
            live.append((time.perf_counter() - begun) * 1e3)
        say("W6", store, "change_live_ms_p50", statistics.median(live), 300)
        say("W6", store, "change_live_ms_max", max(live), 300)
    finally:
        millrace.stop()
        shutil.rmtree(home)
