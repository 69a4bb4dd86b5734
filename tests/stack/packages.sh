#!/bin/bash
# Makes sure that the programs which the tests start are on this machine (Debian 12).
#
#   packages.sh            installs what is missing; without root it names it and ends with 1
#   packages.sh --check    never installs, only names
#
# MILLRACE_TEST_WITHOUT="chromium …" leaves packages out.
. "$(dirname "$0")/lib.sh"

# package, and a command that works once it is installed
needed() {
  cat <<'EOT'
mariadb-server    command -v mariadbd && command -v mariadb-install-db
mariadb-client    command -v mariadb
postgresql        ls -d /usr/lib/postgresql/*/bin && command -v psql
docker.io         command -v dockerd && command -v docker && command -v containerd
iptables          command -v iptables
python3-venv      /usr/bin/python3 -c 'import venv, ensurepip'
debootstrap       command -v debootstrap
busybox-static    is_static /bin/busybox
chromium          command -v chromium || command -v google-chrome
curl              command -v curl
jq                command -v jq
git               command -v git
procps            command -v ps
ca-certificates   [ -s /etc/ssl/certs/ca-certificates.crt ]
tzdata            [ -e /usr/share/zoneinfo/Asia/Seoul ]
EOT
}

# /bin/busybox of the package `busybox` is dynamic: useless alone in an image
is_static() { [ -x "$1" ] && ! ldd "$1" >/dev/null 2>&1; }

missing() {
  local package test
  needed | while read -r package test; do
    case " ${MILLRACE_TEST_WITHOUT:-} " in *" $package "*) continue ;; esac
    (eval "$test") >/dev/null 2>&1 || printf '%s ' "$package"
  done
}

# Servers must not start by themselves when their package is installed: tests start their own.
install() {
  local guard=/usr/sbin/policy-rc.d ours=
  if [ ! -e "$guard" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$guard"
    chmod +x "$guard"
    ours=yes
  fi
  export DEBIAN_FRONTEND=noninteractive
  say "installing: $*"
  local log=$CACHE/apt.log result=0
  apt_install "$@" >"$log" 2>&1 || { apt-get update >>"$log" 2>&1 && apt_install "$@" >>"$log" 2>&1; } ||
    result=$?
  [ -z "$ours" ] || rm -f "$guard"
  [ "$result" = 0 ] || { tail -n 5 "$log" >&2; die "apt-get failed; the whole of it is in $log"; }
}

apt_install() { apt-get install -y --no-install-recommends "$@"; }

lacking=$(missing)
[ -n "$lacking" ] || exit 0
if [ "${1:-}" = --check ] || ! is_root || ! have apt-get; then
  die "missing packages: ${lacking% }; install them with: apt-get install -y --no-install-recommends ${lacking% }"
fi
# shellcheck disable=SC2086  # a list of words
locked packages install $lacking
lacking=$(missing)
[ -z "$lacking" ] || die "still missing after the installation: $lacking"
