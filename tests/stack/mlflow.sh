#!/bin/bash
# A private MLflow server for `make acceptance`.
#
#   mlflow.sh start DIR PORT    ready when it returns (it is slow to start: half a minute)
#   mlflow.sh stop DIR
#
# It listens on every address, for containers reach it over Docker's bridge.
. "$(dirname "$0")/lib.sh"

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
answers() { curl -fs -m 2 "http://127.0.0.1:$1/health"; }
running() { [ -f "$1/server.pid" ] && kill -0 -- "-$(cat "$1/server.pid")" 2>/dev/null; }
gone() { ! running "$1"; }

start() {
  local dir=$1 port=$2 venv
  venv=$("$STACK_DIR/venv.sh" mlflow)
  mkdir -p "$dir"
  cd "$dir"
  if ! running .; then
    ! answers "$port" >/dev/null || die "port $port is taken by another server"
    MLFLOW_DISABLE_TELEMETRY=true setsid "$venv/bin/python" -m mlflow server --host 0.0.0.0 \
      --port "$port" --backend-store-uri "sqlite:///$PWD/mlflow.db" \
      --artifacts-destination "$PWD/artifacts" --workers 1 >>server.log 2>&1 </dev/null &
    echo $! >server.pid
  fi
  wait_until 180 answers "$port" || die "MLflow does not answer: $(tail -n 3 server.log)"
}

stop() {
  running "$1" || return 0
  kill -- "-$(cat "$1/server.pid")" # it has workers
  wait_until 30 gone "$1" || kill -KILL -- "-$(cat "$1/server.pid")"
  rm -f "$1/server.pid"
}

[ $# -ge 2 ] || usage
case $1 in
  start) [ $# = 3 ] || usage; start "$2" "$3" ;;
  stop) stop "$2" ;;
  *) usage ;;
esac
