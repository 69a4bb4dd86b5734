#!/bin/bash
# Runs the credit score pipelines for real, through the public API of a real `millrace standalone`:
# continuous training for two days, and continuous deployment in eight situations.
#
#   acceptance.sh                          the full stack in containers (CatBoost, MLflow, BentoML)
#   acceptance.sh light container|local    scikit-learn and FastAPI
#
# MILLRACE names the binary (target/release/millrace); MILLRACE_DATABASE the metadata's database.
# Ends with 0 when every line says `ok`. Everything it writes is in one temporary folder.
. "$(dirname "$0")/lib.sh"

stack=${1:-full} form=${2:-container}
millrace=${MILLRACE:-$REPO_DIR/target/release/millrace}
[ -x "$millrace" ] || die "there is no $millrace; run make build"
"$STACK_DIR/all.sh" "$stack"

work=$(mktemp -d "${TMPDIR:-/tmp}/millrace-acceptance.XXXXXX")
chmod 755 "$work"
ct=credit_score_classification_ct cd=credit_score_classification_cd
if [ "$form" = local ]; then ct+=_local cd+=_local; fi
model_store=$work/models/models/credit_score_classifier
service=credit_score_classification_deploy
free_port() { /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])'; }
port=$(free_port) db_port=$(free_port) api_port=$(free_port) mlflow_port=$(free_port)

. "$STACK_DIR/acceptance_lib.sh"
trap clean_up EXIT
set_up

# --- continuous training -------------------------------------------------------------------------
for day in 15 16; do # old days, one of which is due to be deleted
  trigger "$ct" "2025-08-${day}T03:00:00Z" '{"grid": {"depth": [4]}}' >/dev/null
done
expect "two old days are there" '2025-08-15 2025-08-16' "$(days)"
rm -rf "$work/models/models"

run=$(trigger "$ct" 2025-08-21T21:24:23Z)
expect "C-1 the run of 21:24 UTC" success "$(run_state "$ct" "$run")"
expect "C-1 its tasks, one after another" 'data_extraction data_preprocessing model_training' "$(order "$ct" "$run")"
expect "C-1 the day is Seoul's, and old days go" '2025-08-16 2025-08-22' "$(days)"
expect "C-1 rows of 2025-08-22" 1752 "$(rows 2025-08-22)"
prepared=$work/artifacts/preprocessing/credit_score_classification/2025-08-22
expect "C-1 files" '1226 526' "$(data_rows "$prepared" train) $(data_rows "$prepared" val)"
[ "$form" = local ] || expect "C-1 the files' owner" 1000 "$(stat -c %u "$prepared/encoders/robust_scaler.joblib")"
expect "C-1 accuracy of at least 0.8" true "$(xcom "$ct" "$run" model_training | jq '.accuracy >= 0.8')"
expect "C-1 the model is newer than its data" true "$([ "$model_store/latest" -nt "$prepared/encoders/robust_scaler.joblib" ] && echo true)"
expect "C-1 the SQL as it was run" 'true true' "$(rendered "$ct" "$run" data_extraction | jq -r '"\(test("2025-08-22.*2025-08-22"; "s")) \(test("[{][{]") | not)"')"
expect "C-1 the password is in no answer" 0 "$(secrets_shown "$ct" "$run")"
if [ "$stack" = full ]; then
  expect "C-1 trials in MLflow, and the best" '4 1' "$(mlflow_trials 2025-08-22 "$ct" "$run")"
fi
clear_run "$ct" "$run" data_extraction
expect "C-1 cleared, it runs again" success "$(run_state "$ct" "$run")"
expect "C-1 and has the same rows" 1752 "$(rows 2025-08-22)"
expect "C-1 and a second try" 2 "$(try_number "$ct" "$run" data_extraction)"
expect "C-1 and still the first one's log" true "$(call GET "$(run_path "$ct" "$run")/taskInstances/data_extraction/logs/1" | grep -q 1752 && echo true)"

# --- the plug is pulled in the middle of training ------------------------------------------------
since=$(date +%s)
clear_only "$ct" "$run" model_training
wait_until 120 in_training "$ct" "$run" || die "the training does not begin"
kill -9 "$millrace_pid"
wait "$millrace_pid" 2>/dev/null || true
start_millrace
wait_until 600 ended "$ct" "$run" || say "$ct $run does not end"
expect "C-5a killed in training, it ends well by itself" success "$(run_state "$ct" "$run")"
expect "C-5a with a model" true "$(xcom "$ct" "$run" model_training | jq '.accuracy >= 0.8')"
[ "$form" = local ] || expect "C-5a by one container, never a second one" 1 "$(containers_made "$ct" "$since")"

# --- continuous deployment -----------------------------------------------------------------------
# states in the order: branch, deployed, latest, decide, deploy, skip; S success, K skipped, F failed
mv "$work/models/models" "$work/models/hidden"
situation "C-2a nothing answers, no model" SKKKFK failed
expect "C-2a one notice of the failure" 1 "$(notices deploy_new_model)"
mv "$work/models/hidden" "$work/models/models"
situation "C-2b nothing answers, a model" SKKKSK success
expect "C-2b it is served" "$(newest)" "$(served)"
before=$(service_identity)
situation "C-2c the newest is served" SSSSKS success
expect "C-2c the service was left alone" "$before" "$(service_identity)"
restart_millrace
expect "C-2b it outlives Millrace" "$(newest)" "$(served)"

run=$(trigger "$ct" 2025-08-22T15:00:00Z)
expect "rows of 2025-08-23" 1766 "$(rows 2025-08-23)"
situation "C-2d an older one is served" SSSSSK success
expect "C-2d now the newer one is" "$(newest)" "$(served)"

stub --metadata 500
situation "C-2e the service cannot say what it serves" SSSSSK success
expect "C-2e the newest is served" "$(newest)" "$(served)"
stub --healthz 503
situation "C-2g the service is ill" SKKKSK success
for zone in UTC Asia/Seoul; do
  stub --creation-time "$(TZ=$zone date -d "$(newest)" +%Y-%m-%dT%H:%M:%S.%6N%:z)"
  situation "C-2h the same time, written as in $zone" SSSSKS success
done
mv "$work/models/models" "$work/models/hidden"
situation "C-2f a service, but no model in the store" SSSSKS success
mv "$work/models/hidden" "$work/models/models"

# --- parameters ----------------------------------------------------------------------------------
runs_before=$(run_count "$ct")
for grid in '{"dept":[4]}' '{"depth":["4"]}' '{"depth":[99]}'; do
  expect "C-7 $grid is refused" 422 "$(trigger_status "$ct" "{\"grid\": $grid}")"
  expect "C-7 and by the command line" refused "$("$millrace" trigger "$ct" --conf "{\"grid\": $grid}" >/dev/null 2>&1 || echo refused)"
done
expect "C-7 and the answer says where" 1 "$(trigger_answer "$ct" '{"grid": {"dept":[4]}}' | grep -c dept)"
expect "C-7 and no run was made" "$runs_before" "$(run_count "$ct")"
stop_millrace
expect "C-1 the password is in no file" '' "$(grep -rlF root:root "$work/home" "$work/millrace.log" | xargs)"

say "$passed checks passed, $failures failed"
[ "$failures" = 0 ]
