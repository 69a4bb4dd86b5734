#!/bin/bash
# Everything the tests need, from nothing; seconds when it is all there already.
#
#   all.sh light    for `make test`
#   all.sh full     for `make acceptance`: CatBoost, BentoML and the MLflow server as well
#
# MariaDB is not started: each test starts one of its own (mariadb.sh).
. "$(dirname "$0")/lib.sh"

case ${1:-} in light | full) ;; *) die "usage: all.sh light|full" ;; esac
"$STACK_DIR/packages.sh"

# Downloading the Python libraries and making the first images do not need each other.
"$STACK_DIR/venv.sh" light >/dev/null &
venvs=($!)
if [ "$1" = full ]; then
  for kind in full mlflow locust; do
    "$STACK_DIR/venv.sh" "$kind" >/dev/null &
    venvs+=($!)
  done
fi
"$STACK_DIR/dockerd.sh"
"$STACK_DIR/busybox_image.sh"
"$STACK_DIR/base_image.sh"
for venv in "${venvs[@]}"; do wait "$venv"; done
"$STACK_DIR/images.sh" light
[ "$1" = light ] || "$STACK_DIR/images.sh" full
