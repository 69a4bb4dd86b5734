# shellcheck shell=bash disable=SC2034,SC2154  # the settings are acceptance.sh's
# The verbs of acceptance.sh: they speak to Millrace's public API, to MariaDB and to the service.

passed=0 failures=0 millrace_pid=

# expect WHAT WANTED FOUND
expect() {
  if [ "$2" = "$3" ]; then
    printf '  ok    %s: %s\n' "$1" "$3"
    passed=$((passed + 1))
  else
    printf '  FAIL  %s: wanted %s, found %s\n' "$1" "$2" "$3"
    failures=$((failures + 1))
  fi
}

sql() { mariadb --no-defaults -uroot -proot -h127.0.0.1 -P"$db_port" -NBe "$1"; }
days() { sql 'SELECT DISTINCT base_dt FROM mlops.credit_score_features_target ORDER BY 1' | xargs; }
rows() { sql "SELECT COUNT(*) FROM mlops.credit_score_features_target WHERE base_dt = '$1'"; }
data_rows() { echo $(($(wc -l <"$1/credit_score_classification_$2.csv") - 1)); }

# --- Millrace ------------------------------------------------------------------------------------

set_up() {
  "$STACK_DIR/mariadb.sh" start "$work/mariadb" "$db_port"
  "$STACK_DIR/credit.sh" seed "$db_port"
  mkdir -p "$work"/{artifacts,models,run,home}
  export MILLRACE_HOME=$work/home MILLRACE_DAGS=$REPO_DIR/dags MILLRACE_PORT=$port
  export MILLRACE_CONN_FEATURE_STORE="mysql://root:root@127.0.0.1:$db_port/mlops"
  export MILLRACE_CONN_CREDIT_API="http://127.0.0.1:$api_port"
  export MILLRACE_VAR_PIPELINE_HOME=$CREDIT_DIR MILLRACE_VAR_ARTIFACTS_PATH=$work/artifacts
  export MILLRACE_VAR_BENTOML_HOME=$work/models MILLRACE_VAR_RUN_DIR=$work/run
  if [ "$form" = container ]; then chown -R 1000:1000 "$work/artifacts" "$work/models"; fi
  if [ "$stack" = full ]; then
    "$STACK_DIR/mlflow.sh" start "$work/mlflow" "$mlflow_port"
    export MILLRACE_VAR_MLFLOW_PORT=$mlflow_port
  else
    export MILLRACE_VAR_CREDIT_ENV_IMAGE=credit/env-light:1
    export MILLRACE_VAR_CREDIT_API_DOCKERFILE=docker/Dockerfile.api-light
  fi
  MILLRACE_VAR_PYTHON=$("$STACK_DIR/venv.sh" light)/bin/python
  export MILLRACE_VAR_PYTHON
  start_millrace
  token=$("$millrace" token create acceptance --role admin)
  call POST pools '{"name": "training", "slots": 1}' >/dev/null
  local dag
  for dag in "$ct" "$cd"; do
    wait_until 30 call GET "dags/$dag" || die "the DAG $dag was not loaded; see $work/millrace.log"
    call PATCH "dags/$dag" '{"is_paused": false}' >/dev/null
  done
}

start_millrace() {
  setsid "$millrace" standalone >>"$work/millrace.log" 2>&1 </dev/null &
  millrace_pid=$!
  wait_until 30 curl -fs "http://127.0.0.1:$port/api/v2/monitor/health" ||
    die "millrace does not answer: $(tail -n 5 "$work/millrace.log")"
}

stop_millrace() {
  kill "$millrace_pid" 2>/dev/null || return 0
  wait "$millrace_pid" || true
}
restart_millrace() { stop_millrace; start_millrace; }

clean_up() {
  stop_service
  stop_millrace
  [ "$stack" != full ] || "$STACK_DIR/mlflow.sh" stop "$work/mlflow"
  "$STACK_DIR/mariadb.sh" stop "$work/mariadb"
  if [ "$failures" = 0 ]; then rm -rf "$work"; else say "the logs and files are in $work"; fi
}

# call METHOD PATH [JSON]: the answer's body; false unless its status is 2xx
call() {
  curl -fsS -X "$1" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
    ${3:+--data "$3"} "http://127.0.0.1:$port/api/v2/$2"
}

# trigger DAG [LOGICAL_DATE [CONF]]: runs it to its end; the run's id
trigger() {
  local run
  run=$(call POST "dags/$1/dagRuns" "$(jq -nc --arg at "${2:-}" --argjson conf "${3:-{\}}" \
    '{logical_date: (if $at == "" then null else $at end), conf: $conf}')" | jq -r .dag_run_id)
  wait_until 600 ended "$1" "$run" || say "$1 $run does not end"
  printf '%s\n' "$run"
}

trigger_status() { trigger_answer "$@" -o /dev/null -w '%{http_code}'; }
# trigger_answer DAG CONF [CURL_OPTION…]
trigger_answer() {
  local dag=$1 conf=$2
  shift 2
  curl -s "$@" -X POST -H "Authorization: Bearer $token" \
    -H 'Content-Type: application/json' --data "{\"logical_date\": null, \"conf\": $conf}" \
    "http://127.0.0.1:$port/api/v2/dags/$dag/dagRuns"
}

run_path() { printf 'dags/%s/dagRuns/%s' "$1" "$(jq -rn --arg run "$2" '$run | @uri')"; }
run_state() { call GET "$(run_path "$1" "$2")" | jq -r .state; }
ended() { case $(run_state "$1" "$2") in success | failed) ;; *) return 1 ;; esac; }
try_number() { call GET "$(run_path "$1" "$2")/taskInstances/$3" | jq .try_number; }
xcom() { call GET "$(run_path "$1" "$2")/taskInstances/$3/xcomEntries/return_value?deserialize=true" | jq .value; }

# in_training DAG RUN: the training runs now, in containers as a container
in_training() {
  [ "$(call GET "$(run_path "$1" "$2")/taskInstances/model_training" | jq -r .state)" = running ] || return 1
  [ "$form" = local ] || [ -n "$(docker ps --quiet --filter "label=millrace.dag=$1")" ]
}
# containers_made DAG SINCE: how many the daemon made since that second
containers_made() {
  docker events --since "$2" --until "$(($(date +%s) + 1))" --filter "label=millrace.dag=$1" \
    --filter event=create --format '{{ .ID }}' | wc -l
}

# clear_run DAG RUN TASK: the task and all that follows, run to the end again
clear_run() {
  clear_only "$@"
  wait_until 600 ended "$1" "$2" || say "$1 $2 does not end"
}
clear_only() {
  call POST "dags/$1/clearTaskInstances" "$(jq -nc --arg run "$2" --arg task "$3" \
    '{dry_run: false, dag_run_id: $run, task_ids: [$task], include_downstream: true, only_failed: false}')" >/dev/null
}

# order DAG RUN: the tasks that succeeded, as they started
order() {
  call GET "$(run_path "$1" "$2")/taskInstances" |
    jq -r '[.task_instances | sort_by(.start_date)[] | select(.state == "success").task_id] | join(" ")'
}
# rendered DAG RUN TASK: its texts as they were run, one JSON text
rendered() { call GET "$(run_path "$1" "$2")/taskInstances/$3" | jq '.rendered_fields | tostring'; }
run_count() { call GET "dags/$1/dagRuns?limit=1" | jq .total_entries; }
# notices TASK: how often its failure was told in the newest deployment
notices() {
  local run
  run=$(call GET "dags/$cd/dagRuns?limit=1&order_by=-id" | jq -r '.dag_runs[0].dag_run_id')
  wait_until 20 told "$run" "$1" || true
  told "$run" "$1" | wc -l
}
told() { call GET "$(run_path "$cd" "$1")/taskInstances/$2/logs/1" | grep -o "$2 failed in"; }

# The database's address with its password, in task instances, rendered fields and logs.
secrets_shown() {
  local task
  {
    call GET "$(run_path "$1" "$2")/taskInstances"
    for task in data_extraction data_preprocessing model_training; do
      call GET "$(run_path "$1" "$2")/taskInstances/$task"
      call GET "$(run_path "$1" "$2")/taskInstances/$task/logs/1"
    done
  } | grep -c 'root:root' || true
}

# situation WHAT STATES RUN_STATE: one deployment
situation() {
  local run
  run=$(trigger "$cd")
  expect "$1" "$2 $3" "$(states "$run") $(run_state "$cd" "$run")"
}

states() {
  call GET "$(run_path "$cd" "$1")/taskInstances" | jq -r '
    (.task_instances | map({(.task_id): .state}) | add) as $state
    | ["get_branch_by_api_status", "get_deployed_model_creation_time",
       "get_latest_trained_model_creation_time", "decide_update", "deploy_new_model", "skip_deployment"]
    | map({success: "S", skipped: "K", failed: "F"}[$state[.] // ""] // "?") | add'
}

# --- the service and what it serves --------------------------------------------------------------

instant() { date -u -d "$1" +%Y-%m-%dT%H:%M:%S.%6N+00:00; }
newest() { instant "$(sed -n 's/^creation_time: *//p' "$model_store/$(cat "$model_store/latest")/model.yaml" | tr -d "'\"")"; }
served() { instant "$(curl -fsS -X POST -H 'Content-Type: application/json' -d '{}' "http://127.0.0.1:$api_port/metadata" | jq -r .creation_time)"; }

service_identity() {
  if [ "$form" = container ]; then
    docker inspect --format '{{ .Id }} {{ .State.StartedAt }}' "$service"
  else
    cat "$work/run/api.pid"
  fi
}

stop_service() {
  if [ "$form" = container ]; then
    docker rm --force "$service" >/dev/null 2>&1 || true
  else
    local pid
    pid=$(cat "$work/run/api.pid" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || true
    wait_until 10 port_is_free
    rm -f "$work/run/api.pid"
  fi
}
port_is_free() { ! curl -s -o /dev/null "http://127.0.0.1:$api_port/healthz"; }

# stub OPTION…: the stub in the service's place
stub() {
  stop_service
  if [ "$form" = container ]; then
    docker run --detach --name "$service" --publish "127.0.0.1:$api_port:3000" \
      --volume "$STACK_DIR/stub_api.py:/stub_api.py:ro" millrace/base:bookworm \
      python3 /stub_api.py 3000 "$@" >/dev/null
  else
    setsid /usr/bin/python3 "$STACK_DIR/stub_api.py" "$api_port" "$@" >/dev/null 2>&1 </dev/null &
    echo $! >"$work/run/api.pid"
  fi
  wait_until 20 curl -s -o /dev/null "http://127.0.0.1:$api_port/healthz" || die "the stub does not answer"
}

# mlflow_trials DAY DAG RUN: how many trials, and how many of them are the best one
mlflow_trials() {
  local experiment
  experiment=$(curl -fsS "http://127.0.0.1:$mlflow_port/api/2.0/mlflow/experiments/get-by-name?experiment_name=credit_score_classification" |
    jq -r .experiment.experiment_id)
  jq -nc --arg id "$experiment" --arg day "$1" --arg dag "$2" --arg run "$3" '{experiment_ids: [$id],
      filter: "tags.base_dt = \u0027\($day)\u0027 and tags.dag_id = \u0027\($dag)\u0027 and tags.run_id = \u0027\($run)\u0027"}' |
    curl -fsS -X POST -H 'Content-Type: application/json' --data @- "http://127.0.0.1:$mlflow_port/api/2.0/mlflow/runs/search" |
    jq -r '[(.runs | length), ([.runs[].data.tags[] | select(.key == "best")] | length)] | map(tostring) | join(" ")'
}
