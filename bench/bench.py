"""Starts a real `millrace standalone` per store, drives it over REST, prints figures as JSON lines."""
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import datetime

import many_dags

BINARY = sys.argv[1]
STACK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "stack")
CHAIN = 100
TRIGGERS = 20


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def say(work, store, metric, value, limit=None):
    row = {"work": work, "store": store, "metric": metric, "value": round(value, 3)}
    if limit:
        row |= {"limit": round(limit, 3), "ratio": round(value / limit, 2)}
    print(json.dumps(row), flush=True)


def spawn_limit_ms():
    """Fork and exec of `sh -c true`, one after another: the least that a task with a process costs."""
    times = []
    for _ in range(200):
        start = time.perf_counter()
        subprocess.run(["sh", "-c", "true"], check=True)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def dags(folder):
    os.makedirs(folder)
    tasks = "\n".join(
        f"  t{n:03}: {{operator: bash, bash_command: 'echo $EPOCHREALTIME'{f', needs: [t{n - 1:03}]' if n else ''}}}"
        for n in range(CHAIN)
    )
    with open(f"{folder}/chain.yaml", "w") as f:
        f.write(f"dag_id: chain\nis_paused_upon_creation: false\ntasks:\n{tasks}\n")
    with open(f"{folder}/one.yaml", "w") as f:
        f.write("dag_id: one\nis_paused_upon_creation: false\ntasks:\n  t: {operator: bash, bash_command: 'true'}\n")
    for n in range(98):
        with open(f"{folder}/idle_{n}.yaml", "w") as f:
            f.write(f"dag_id: idle_{n}\nschedule: '0 3 * * *'\nstart_date: 2025-01-01\ntasks:\n")
            f.writelines(f"  t{t}: {{operator: bash, bash_command: 'true'}}\n" for t in range(10))


class Millrace:
    def __init__(self, home, database):
        self.port = free_port()
        env = os.environ | {
            "MILLRACE_HOME": home,
            "MILLRACE_DAGS": f"{home}/dags",
            "MILLRACE_PORT": str(self.port),
        }
        if database:
            env["MILLRACE_DATABASE"] = database
        start = time.perf_counter()
        self.process = subprocess.Popen(
            [BINARY, "standalone"], env=env, stdout=subprocess.PIPE, stderr=open(f"{home}/log", "a"), text=True
        )
        for line in self.process.stdout:
            if found := re.search(r"#token=(\S+)", line):
                self.token = found.group(1)
                break
        while self.call("GET", "/api/v2/monitor/health", ok=False).get("scheduler", {}).get("status") != "healthy":
            time.sleep(0.002)
        self.ready_ms = (time.perf_counter() - start) * 1e3

    def call(self, method, path, body=None, ok=True):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or "{}")
        except OSError:
            if ok:
                raise
            return {}

    def run(self, dag):
        begun = time.time()
        run = self.call("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None})["dag_run_id"]
        while (state := self.call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")["state"]) not in ("success", "failed"):
            time.sleep(0.01)
        assert state == "success", (dag, run, state)
        tis = self.call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances?limit=100")["task_instances"]
        return begun, sorted(tis, key=lambda ti: ti["task_id"])

    def xcom(self, ti):
        path = f"/api/v2/dags/{ti['dag_id']}/dagRuns/{ti['dag_run_id']}/taskInstances/{ti['task_id']}/xcomEntries/return_value"
        return self.call("GET", path)["value"]

    def memory_mb(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def at(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def measure(store, database, limit):
    home = tempfile.mkdtemp(prefix="millrace-bench-")
    dags(f"{home}/dags")
    Millrace(home, database).stop()  # the first start makes tables; measured is a restart
    millrace = Millrace(home, database)
    try:
        say("W7", store, "ready_ms", millrace.ready_ms)
        while millrace.call("GET", "/api/v2/dags?limit=1")["total_entries"] < 100:
            time.sleep(0.05)
        time.sleep(3)
        say("W7", store, "idle_rss_mb", millrace.memory_mb())
        for _ in range(3):
            _, tis = millrace.run("chain")
        # Each task is one builtin of a shell that says the time: from one task's only instruction to
        # the next one's is the whole hand-over, the start of the next shell included.
        times = [float(millrace.xcom(ti)) for ti in tis]
        gaps = [(b - a) * 1e3 for a, b in zip(times, times[1:])]
        say("W3", store, "gap_ms_p50", statistics.median(gaps), limit)
        say("W3", store, "gap_ms_p99", sorted(gaps)[int(len(gaps) * 0.99) - 1], limit)
        starts = []
        for _ in range(TRIGGERS):
            begun, tis = millrace.run("one")
            starts.append((at(tis[0]["start_date"]) - begun) * 1e3)
        say("W5", store, "trigger_to_start_ms_p50", statistics.median(starts))
    finally:
        millrace.stop()
        shutil.rmtree(home, ignore_errors=True)


def main():
    limit = spawn_limit_ms()
    say("limit", "none", "spawn_sh_ms_p50", limit)
    measure("sqlite", None, limit)
    many_dags.measure("sqlite", None, Millrace, say)
    folder = tempfile.mkdtemp(prefix="millrace-bench-db-")
    port = free_port()
    subprocess.run([f"{STACK}/mariadb.sh", "start", folder, str(port)], check=True)
    try:
        client = ["mariadb", "--no-defaults", "-uroot", "-proot", "-h127.0.0.1", f"-P{port}"]
        subprocess.run([*client, "-e", "CREATE DATABASE bench; CREATE DATABASE many"], check=True)
        measure("mariadb", f"mysql://root:root@127.0.0.1:{port}/bench", limit)
        many_dags.measure("mariadb", f"mysql://root:root@127.0.0.1:{port}/many", Millrace, say)
    finally:
        subprocess.run([f"{STACK}/mariadb.sh", "stop", folder], check=False)
        shutil.rmtree(folder, ignore_errors=True)


main()
