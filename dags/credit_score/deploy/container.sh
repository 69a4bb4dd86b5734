# Starts the prediction service for the newest model as a container, and leaves it running. Ends
# well only when the service says that it serves that model.
#
# From the environment: API (host:port), API_PORT, PIPELINE_HOME, API_DOCKERFILE, ENV_IMAGE,
# ARTIFACTS_PATH, BENTOML_HOME, FEATURE_STORE_URL. The DAG renders this file as a template before
# the shell runs it.
set -eu

name=credit_score_classification_deploy
image=credit/api:latest
store=$BENTOML_HOME/models/credit_score_classifier

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

docker build --quiet --tag "$image" --build-arg "ENV_IMAGE=$ENV_IMAGE" \
  --file "$PIPELINE_HOME/$API_DOCKERFILE" "$PIPELINE_HOME"

# `--env NAME` without a value hands on our own: the password is on no command line.
docker rm --force "$name" >/dev/null 2>&1 || true
docker run --detach --name "$name" --restart unless-stopped \
  --network mlops_network --add-host mariadb:host-gateway --publish "127.0.0.1:$API_PORT:3000" \
  --volume "$ARTIFACTS_PATH:/data/artifacts:ro" --volume "$BENTOML_HOME:/data/models" \
  --env ARTIFACTS_PATH=/data/artifacts --env BENTOML_HOME=/data/models --env FEATURE_STORE_URL \
  "$image"

for _ in $(seq 600); do
  got=$(served || true)
  if [ -n "$got" ] && [ "$(instant "$got")" = "$(instant "$wanted")" ]; then
    echo "$got"
    exit 0
  fi
  sleep 0.2
done
echo "the service did not serve the model of $wanted within two minutes:" >&2
docker logs --tail 20 "$name" >&2
exit 1
