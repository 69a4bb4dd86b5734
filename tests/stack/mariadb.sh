#!/bin/bash
# A private MariaDB server for tests, in a folder of its own.
#
#   mariadb.sh start DIR PORT    ready when it returns; does nothing when it already answers there
#   mariadb.sh stop DIR          waits until the server is gone; the data stay
#   mariadb.sh kill DIR          SIGKILL, for tests of crashes
#   mariadb.sh restart DIR       stops it and starts it again on its old port
#
# Log in as root with the password root, over TCP on any address: containers come in over Docker's
# bridge, so the server listens there too (MARIADB_BIND=127.0.0.1 keeps it on this machine).
# The defaults are the durable ones (every COMMIT is synced); MARIADB_FLAGS is added to the server's
# command line, last, and wins.
. "$(dirname "$0")/lib.sh"

usage() { sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }

as_user=()
is_root && as_user=(--user=root) # the folder is often a private temporary one of root's

# A data folder made once: 0.1 s to copy instead of 1–4 s to make.
template() {
  local made version
  version=$(mariadbd --version)
  made=$CACHE/mariadb-$(digest "$version" 1)
  if [ ! -d "$made" ]; then
    rm -rf "$made.part"
    mariadb-install-db --no-defaults "${as_user[@]}" --datadir="$made.part" --skip-test-db \
      --auth-root-authentication-method=normal --innodb-log-file-size=16M >"$made.log" 2>&1 ||
      die "mariadb-install-db failed; see $made.log"
    mariadbd --no-defaults "${as_user[@]}" --datadir="$made.part" --bootstrap \
      --innodb-log-file-size=16M >>"$made.log" 2>&1 <<'SQL' || die "cannot make the user; see $made.log"
FLUSH PRIVILEGES;
DELETE FROM mysql.global_priv WHERE User = '' OR Host <> 'localhost';
FLUSH PRIVILEGES;
ALTER USER root@localhost IDENTIFIED BY 'root';
CREATE USER root@'%' IDENTIFIED BY 'root';
GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
SQL
    mv "$made.part" "$made"
  fi
  printf '%s\n' "$made"
}

# A ping would also be content with "access denied".
answers() {
  mariadb --no-defaults -uroot -proot -h127.0.0.1 -P"$1" --connect-timeout=2 -e 'SELECT 1'
}

server_pid() {
  local pid
  pid=$(cat "$1/server.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null && printf '%s\n' "$pid"
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
  [ -d "$dir/data" ] || cp -a --reflink=auto "$(locked mariadb template)" "$dir/data"
  printf '%s\n' "$port" >"$dir/port"
  # shellcheck disable=SC2086  # MARIADB_FLAGS is a list of words
  setsid mariadbd --no-defaults "${as_user[@]}" --datadir="$dir/data" --pid-file="$dir/server.pid" \
    --socket="/tmp/millrace-mariadb-$port.sock" --port="$port" \
    --bind-address="${MARIADB_BIND:-0.0.0.0}" --skip-name-resolve --character-set-server=utf8mb4 \
    --innodb-flush-log-at-trx-commit=1 --innodb-log-file-size=16M --innodb-buffer-pool-size=128M \
    --max-connections=300 ${MARIADB_FLAGS:-} >>"$dir/server.log" 2>&1 </dev/null &
  local server=$!
  until answers "$port" >/dev/null 2>&1; do
    kill -0 "$server" 2>/dev/null || die "mariadbd ended: $(tail -3 "$dir/server.log")"
    sleep 0.1
  done
}

end() {
  local dir=$1 signal=$2 pid
  pid=$(server_pid "$dir") || return 0
  kill "-$signal" "$pid"
  # a killed child of the caller stays as a zombie until it is waited for: look at its state too
  wait_until 60 gone "$pid" || die "the server $pid does not end"
  rm -f "$dir/server.pid"
}

gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:\s*Z' "/proc/$1/status"; }

[ $# -ge 2 ] || usage
case $1 in
  start) [ $# = 3 ] || usage; have mariadbd || die "mariadbd is missing; run packages.sh"; start "$2" "$3" ;;
  stop) end "$2" TERM ;;
  kill) end "$2" KILL ;;
  restart) port=$(cat "$2/port"); end "$2" TERM; start "$2" "$port" ;;
  *) usage ;;
esac
