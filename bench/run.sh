#!/bin/bash
# Measures Millrace on this machine and prints one JSON object a line.
#
#   bench/run.sh [BINARY]     [default: target/release/millrace]
#
# W3 a chain of 100 tasks of one shell builtin: from one task's instruction to the next one's
# W5 from a REST trigger to the start of the first process
# W7 ready after start, and idle memory, with 100 DAGs
# W6 1,000 DAG files of 10 tasks: CPU seconds until all are registered, and a change until it is live
# Each on SQLite and on MariaDB with its durable defaults. `limit` is the same machine's cost of what
# cannot be avoided (for W3: one fork and exec of a shell), measured in the same run.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(realpath -m "${1:-target/release/millrace}")
[ -x "$binary" ] || { echo "there is no $binary; run make build" >&2; exit 1; }
command -v mariadbd >/dev/null || { echo "mariadbd is missing: apt-get install mariadb-server mariadb-client" >&2; exit 1; }
exec /usr/bin/python3 bench/bench.py "$binary"
