# shellcheck shell=bash disable=SC2034  # the variables are for those who source it
# Shared by the scripts of this folder; source it, it does nothing by itself.
#
# Everything that is slow to make is made once and kept below $CACHE, under a name that contains a
# digest of what it was made from. A lock file per thing lets many tests ask at the same time.

set -euo pipefail
STACK_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO_DIR=$(cd "$STACK_DIR/../.." && pwd)
CREDIT_DIR=$REPO_DIR/dags/credit_score
CACHE=${MILLRACE_TEST_CACHE:-$HOME/.cache/millrace-test}
mkdir -p "$CACHE"

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
die() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" = 0 ]; }

# digest WORD… : twelve hexadecimal digits of the words and of the files named with a leading @
digest() {
  local word
  for word; do
    case $word in
      @*) cat "${word#@}" ;;
      *) printf '%s\n' "$word" ;;
    esac
  done | sha256sum | cut -c1-12
}

# locked NAME COMMAND… : one process at a time; waits for the other one, then runs anyway
locked() {
  local name=$1
  shift
  (
    flock 9
    "$@" 9>&-
  ) 9>"$CACHE/$name.lock"
}

# wait_until SECONDS COMMAND… : polls ten times a second, false when the time is over
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.1
  done
}

# image_digest IMAGE: what its maker noted in the label, or nothing
image_digest() {
  docker image inspect --format '{{ index .Config.Labels "millrace.test.digest" }}' "$1" 2>/dev/null || true
}
