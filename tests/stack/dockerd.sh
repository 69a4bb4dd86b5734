#!/bin/bash
# Makes sure that a Docker daemon answers; starts one where nothing else does (containers and bare
# virtual machines have no service manager for it). A daemon that it started is left running.
#
#   dockerd.sh           ends with 0 when `docker info` works
#   dockerd.sh --check   never starts one
. "$(dirname "$0")/lib.sh"

answers() { timeout 10 docker info; }

# Docker wants one mount per cgroup controller, or the unified hierarchy; a bare container has none.
mount_cgroups() {
  ! grep -q ' cgroup2\? ' /proc/self/mounts || return 0
  mkdir -p /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null && return 0
  mount -t tmpfs cgroup /sys/fs/cgroup || return 0
  local name enabled
  while read -r name _ _ enabled; do
    [ "$enabled" = 1 ] || continue
    mkdir -p "/sys/fs/cgroup/$name"
    mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name" || true
  done < <(grep -v '^#' /proc/cgroups)
}

# try FLAGS… : true when a daemon with these flags answers
try() {
  setsid dockerd "$@" >>"$log" 2>&1 </dev/null &
  local daemon=$! deadline=$((SECONDS + 60))
  until answers >/dev/null 2>&1; do
    kill -0 "$daemon" 2>/dev/null || { wait_until 5 gone "$daemon"; return 1; }
    [ "$SECONDS" -lt "$deadline" ] || { kill "$daemon"; wait_until 20 gone "$daemon"; return 1; }
    sleep 0.2
  done
}
gone() { ! kill -0 "$1" 2>/dev/null; }

start() {
  ! answers >/dev/null 2>&1 || return 0
  have dockerd || die "dockerd is missing; run packages.sh"
  is_root || die "no Docker daemon answers, and only root can start one"
  mount_cgroups
  : >"$log"
  # from the usual to the last resort: overlayfs cannot lie on overlayfs, some kernels lack
  # iptables' tables (then containers reach this machine, but not the world)
  try || try --storage-driver=vfs || try --iptables=false --ip6tables=false ||
    try --storage-driver=vfs --iptables=false --ip6tables=false ||
    die "dockerd does not start: $(grep -h 'failed to start\|level=fatal' "$log" | tail -n 1); see $log"
}

log=$CACHE/dockerd.log
if ! answers >/dev/null 2>&1; then
  [ -z "${DOCKER_HOST:-}" ] || die "the daemon at DOCKER_HOST=$DOCKER_HOST does not answer"
  [ "${1:-}" != --check ] || die "no Docker daemon answers"
  locked dockerd start
fi
