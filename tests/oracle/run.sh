#!/bin/sh
# Asks croniter about random triples and compares ours; see README.md.
set -eu
cd "$(dirname "$0")/../.."
home="${CARGO_TARGET_DIR:-target}/oracle"
mkdir -p "$home"
home=$(cd "$home" && pwd)
[ -x "$home/venv/bin/python" ] || python3 -m venv "$home/venv"
"$home/venv/bin/pip" install --quiet croniter==7.0.0 tzdata
zones=$("$home/venv/bin/python" -c 'import tzdata, os; print(os.path.join(os.path.dirname(tzdata.__file__), "zoneinfo"))')
# Python's own search path would prefer the system's zones, which the comparison does not read.
export PYTHONTZPATH=''
# Always four parts, however many cores there are: the triples follow from the seed alone.
count=${ORACLE_COUNT:-100000} seed=${ORACLE_SEED:-2026}
rm -f "$home"/part-*
seq 0 3 | xargs -P "$(nproc)" -I{} sh -c '
  "$1/venv/bin/python" tests/oracle/answers.py \
    --count $((($2 + 3 - {}) / 4)) --seed $(($3 * 4 + {})) >"$1/part-{}"' sh "$home" "$count" "$seed"
cat "$home"/part-* >"$home/answers.jsonl"
MILLRACE_ORACLE="$home/answers.jsonl" MILLRACE_ORACLE_TZDIR="$zones" \
  ${CARGO:-cargo} test --locked -p millrace-core --lib cron_agrees_with_croniter -- --nocapture
