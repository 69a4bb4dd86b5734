#!/bin/bash
# The images of the credit score example, and the network of its containers.
#
#   images.sh light    credit/env-light:1, credit/ct-light:latest, credit/api-light:latest
#   images.sh full     credit/env-ml:1,    credit/ct:latest,       credit/api:latest
#
# The environment image is millrace/base:bookworm plus the Python environment that venv.sh makes:
# nothing is downloaded twice, and nothing inside a build needs the network.
# (dags/credit_score/docker/Dockerfile.env is how one builds it without these scripts.)
. "$(dirname "$0")/lib.sh"

dockerfile() {
  cat <<EOT
FROM millrace/base:bookworm
RUN echo 'worker:x:1000:1000:worker:/home/worker:/bin/bash' >>/etc/passwd \\
 && echo 'worker:x:1000:' >>/etc/group \\
 && mkdir -p /home/worker && chown 1000:1000 /home/worker
COPY venv /opt/venv
ENV PATH=/opt/venv/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 ALGO=$1 \\
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \\
    BENTOML_DO_NOT_TRACK=True MLFLOW_DISABLE_TELEMETRY=true
LABEL millrace.test.digest=$2
USER worker
WORKDIR /home/worker
RUN python -c 'import numpy'
EOT
}

# env_image IMAGE KIND ALGO
env_image() {
  local image=$1 kind=$2 algo=$3 venv base wanted scratch
  venv=$("$STACK_DIR/venv.sh" "$kind")
  base=$(docker image inspect --format '{{ .Id }}' millrace/base:bookworm)
  wanted=$(digest "$venv" "$base" "$(dockerfile "$algo" digest)")
  [ "$(image_digest "$image")" != "$wanted" ] || return 0
  scratch=$(mktemp -d)
  dockerfile "$algo" "$wanted" >"$scratch/Dockerfile"
  tar --numeric-owner --owner=0 --group=0 --transform "s#^$(basename "$venv")#venv#;flags=rSh" -c \
    -C "$scratch" Dockerfile -C "$(dirname "$venv")" "$(basename "$venv")" |
    DOCKER_BUILDKIT=0 docker build --quiet --tag "$image" - >"$CACHE/docker_build.log" 2>&1 ||
    { tail -n 5 "$CACHE/docker_build.log" >&2; die "cannot build $image"; }
  rm -rf "$scratch"
}

# code_image IMAGE DOCKERFILE ENV_IMAGE: cached by Docker when nothing has changed
code_image() {
  docker build --quiet --tag "$1" --build-arg "ENV_IMAGE=$3" --file "$CREDIT_DIR/docker/$2" \
    "$CREDIT_DIR" >"$CACHE/docker_build.log" 2>&1 ||
    { tail -n 5 "$CACHE/docker_build.log" >&2; die "cannot build $1"; }
}

network() {
  docker network inspect mlops_network >/dev/null 2>&1 || docker network create mlops_network >/dev/null
}

all() {
  network
  case $1 in
    light)
      env_image credit/env-light:1 light sklearn
      code_image credit/ct-light:latest Dockerfile.ct credit/env-light:1
      code_image credit/api-light:latest Dockerfile.api-light credit/env-light:1
      ;;
    full)
      env_image credit/env-ml:1 full catboost
      code_image credit/ct:latest Dockerfile.ct credit/env-ml:1
      code_image credit/api:latest Dockerfile.api credit/env-ml:1
      ;;
  esac
}

case ${1:-} in light | full) ;; *) die "usage: images.sh light|full" ;; esac
"$STACK_DIR/dockerd.sh"
"$STACK_DIR/base_image.sh"
locked images all "$1"
