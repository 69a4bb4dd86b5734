# Starts the prediction service for the newest model as a process of this machine, and leaves it
# running. Ends well only when the service says that it serves that model.
#
# From the environment: API (host:port), API_PORT, PIPELINE_HOME, PYTHON, RUN_DIR, ARTIFACTS_PATH,
# BENTOML_HOME, FEATURE_STORE_URL. The DAG renders this file as a template before the shell runs it.
set -eu

store=$BENTOML_HOME/models/credit_score_classifier
log=$RUN_DIR/api.log
pid_file=$RUN_DIR/api.pid

if [ ! -f "$store/latest" ]; then
  echo "there is no trained model to deploy in $store" >&2
  exit 1
fi
wanted=$(sed -n 's/^creation_time: *//p' "$store/$(cat "$store/latest")/model.yaml" | tr -d "'\"")

served() {
  curl -fs -m 3 -X POST -H 'Content-Type: application/json' -d '{}' "$API/metadata" |
    sed -n 's/.*"creation_time": *"\([^"]*\)".*/\1/p'
}
instant() { date -d "$1" +%s%N; }

# The number in the file may by now be another program's: one that started after it was written.
is_old_service() {
  case $(ps -o stat= -p "$1" 2>/dev/null) in "" | Z*) return 1 ;; esac
  age=$(($(date +%s) - $(stat -c %Y "$pid_file")))
  [ "$(ps -o etimes= -p "$1")" -ge $((age - 2)) ]
}

old=$(cat "$pid_file" 2>/dev/null || true)
if [ -n "$old" ] && is_old_service "$old"; then
  echo "stopping the service with process id $old"
  kill "$old"
  for _ in $(seq 100); do
    is_old_service "$old" || break
    sleep 0.1
  done
fi

# A session of its own, and none of this task's pipes: the service outlives the task, and the task
# does not wait for it.
mkdir -p "$RUN_DIR"
cd "$PIPELINE_HOME/ml"
HOST=127.0.0.1 PORT=$API_PORT setsid "$PYTHON" serve_fastapi.py >"$log" 2>&1 </dev/null &
new=$!
echo "$new" >"$pid_file"
echo "started the service with process id $new"

for _ in $(seq 600); do
  if ! kill -0 "$new" 2>/dev/null; then
    echo "the service ended at once:" >&2
    tail -n 20 "$log" >&2
    exit 1
  fi
  got=$(served || true)
  if [ -n "$got" ] && [ "$(instant "$got")" = "$(instant "$wanted")" ]; then
    echo "$got"
    exit 0
  fi
  sleep 0.2
done
echo "the service did not serve the model of $wanted within two minutes:" >&2
tail -n 20 "$log" >&2
exit 1
