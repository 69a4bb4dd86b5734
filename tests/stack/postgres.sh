#!/bin/bash
# A private PostgreSQL server for tests, in a folder of its own.
#
#   postgres.sh start DIR PORT    ready when it returns; does nothing when it already answers there
#   postgres.sh stop DIR          waits until the server is gone; the data stay
#   postgres.sh kill DIR          SIGKILL of the whole server, for tests of crashes
#   postgres.sh restart DIR       stops it and starts it again on its old port
#
# Log in as root with the password root, over TCP on this machine. The server does not run as root:
# started by root it runs as `postgres` (of the package), to whom the folder then belongs. Commits
# are not synced to the disk: no test pulls the plug of the machine.
. "$(dirname "$0")/lib.sh"

usage() { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }

as_user=()
is_root && as_user=(setpriv --reuid=postgres --regid=postgres --init-groups)
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)

# A data folder made once: copying it is much faster than making it.
template() {
  local made version work
  version=$("$bin/postgres" --version)
  made=$CACHE/postgres-$(digest "$version" 1)
  if [ ! -d "$made" ]; then
    # below /tmp: the unprivileged user may not enter the home of root
    work=$(mktemp -d /tmp/millrace-postgres-XXXXXX)
    printf 'root\n' >"$work/password"
    chmod 644 "$work/password"
    own "$work"
    (cd "$work" && "${as_user[@]}" "$bin/initdb" --pgdata="$work/data" --username=root \
      --pwfile="$work/password" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync) \
      >"$made.log" 2>&1 || die "initdb failed; see $made.log"
    rm -rf "$made"
    mv "$work/data" "$made"
    rm -rf "$work"
  fi
  printf '%s\n' "$made"
}

own() { ! is_root || chown -R postgres:postgres "$1"; }

answers() { PGPASSWORD=root psql -h 127.0.0.1 -p "$1" -U root -d postgres -Atqc 'SELECT 1'; }

server_pid() {
  local pid
  pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null &&
    printf '%s\n' "$pid"
}

start() {
  local dir=$1 port=$2
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  if server_pid "$dir" >/dev/null; then
    [ "$(cat "$dir/port")" = "$port" ] || die "$dir already runs on port $(cat "$dir/port")"
    wait_until 30 answers "$port" || die "the server in $dir does not answer; see $dir/server.log"
    return
  fi
  ! answers "$port" >/dev/null 2>&1 || die "port $port is taken by another server"
  [ -d "$dir/data" ] || cp -a --reflink=auto "$(locked postgres template)" "$dir/data"
  printf '%s\n' "$port" >"$dir/port"
  own "$dir"
  cd "$dir"
  setsid "${as_user[@]}" "$bin/postgres" -D "$dir/data" -p "$port" -h 127.0.0.1 \
    -c unix_socket_directories= -c fsync=off -c max_connections=100 >>"$dir/server.log" 2>&1 </dev/null &
  local server=$!
  until answers "$port" >/dev/null 2>&1; do
    kill -0 "$server" 2>/dev/null || die "postgres ended: $(tail -3 "$dir/server.log")"
    sleep 0.1
  done
}

# INT is the fast shutdown: sessions are ended, the data are written.
end() {
  local dir=$1 signal=$2 pid children=
  pid=$(server_pid "$dir") || return 0
  [ "$signal" != KILL ] || children=$(pgrep -P "$pid" || true)
  # shellcheck disable=SC2086  # a list of numbers
  kill "-$signal" "$pid" $children
  wait_until 60 gone "$pid" || die "the server $pid does not end"
  [ "$signal" != KILL ] || rm -f "$dir/data/postmaster.pid"
}

gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:\s*Z' "/proc/$1/status"; }

[ $# -ge 2 ] || usage
case $1 in
  start) [ $# = 3 ] || usage; [ -n "$bin" ] || die "postgres is missing; run packages.sh"; start "$2" "$3" ;;
  stop) end "$2" INT ;;
  kill) end "$2" KILL ;;
  restart) port=$(cat "$2/port"); end "$2" INT; start "$2" "$port" ;;
  *) usage ;;
esac
