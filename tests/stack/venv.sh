#!/bin/bash
# Python environments of the credit score example, made by uv, kept by a digest of their contents.
#
#   venv.sh light|full|mlflow|locust [DIR]
#   venv.sh uv                             prints the folder in which uv is
#
# Prints the environment's folder; DIR becomes a symbolic link to it. The requirements are
# dags/credit_score/docker/requirements-*.txt. The interpreter is the system's, not one of pyenv or
# conda, so that the same folder works inside the test images (MILLRACE_TEST_PYTHON overrides it).
. "$(dirname "$0")/lib.sh"

python=${MILLRACE_TEST_PYTHON:-/usr/bin/python3}
uv_version=0.8.22

tool() {
  local made version
  version=$("$python" --version)
  made=$CACHE/uv-$(digest "$uv_version" "$version")
  if [ ! -x "$made/bin/uv" ]; then
    rm -rf "$made"
    "$python" -m venv "$made"
    "$made/bin/pip" install --quiet "uv==$uv_version" >&2
  fi
  printf '%s\n' "$made/bin"
}

# uv does not read pip's settings, so hand them on: the index, extra indexes, wheel folders, the CA.
pip_settings() {
  local name value place
  while IFS='=' read -r name value; do
    value=${value#\'}
    value=${value%\'}
    case ${name##*.} in
      index-url) export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$value} ;;
      extra-index-url) export UV_INDEX=${UV_INDEX:-${value//\\n/ }} ;;
      cert) export SSL_CERT_FILE=${SSL_CERT_FILE:-$value} ;;
      find-links)
        for place in ${value//\\n/ }; do
          case $place in *://*) ;; *) [ -d "$place" ] || continue ;; esac
          links+=(--find-links "$place")
        done
        ;;
    esac
  done < <("$1/pip" config list)
}

make_venv() {
  local kind=$1 requirements=$2 made=$3 bin started=$SECONDS links=()
  [ ! -d "$made" ] || return 0
  bin=$(tool)
  pip_settings "$bin"
  export UV_NATIVE_TLS=${UV_NATIVE_TLS:-true} # trust whom this machine trusts
  export UV_CACHE_DIR=${UV_CACHE_DIR:-$CACHE/uv}
  rm -rf "$made.part"
  "$bin/uv" venv --quiet --relocatable --python "$python" "$made.part"
  # compiled now, for a container's user cannot write the compiled files and would do it every time
  "$bin/uv" pip install --quiet --compile-bytecode "${links[@]}" --python "$made.part/bin/python" \
    --requirement "$requirements"
  mv "$made.part" "$made"
  say "made the $kind environment in $((SECONDS - started)) s"
}

kind=${1:-}
if [ "$kind" = uv ]; then
  locked uv tool
  exit
fi
requirements=$CREDIT_DIR/docker/requirements-$kind.txt
[ -f "$requirements" ] || die "usage: venv.sh light|full|mlflow|locust [DIR]"
made=$CACHE/venv-$kind-$(digest "$("$python" --version)" "@$requirements" "$uv_version")
locked "venv-$kind" make_venv "$kind" "$requirements" "$made"
if [ -n "${2:-}" ]; then
  mkdir -p "$(dirname "$2")"
  ln -sfn "$made" "$2"
fi
printf '%s\n' "$made"
