#!/bin/bash
# Makes the image millrace/base:bookworm, a small Debian with Python and curl, without any registry.
#
# On Debian 12 it is made of this machine's own installed packages, in seconds: the files that
# dpkg says belong to them, and nothing else of the machine (but its CA certificates, which pip and
# curl need behind a proxy). Elsewhere, or with BASE_IMAGE_BY=debootstrap, debootstrap downloads
# them from the mirror that apt uses here: one to three minutes.
. "$(dirname "$0")/lib.sh"

image=millrace/base:bookworm
wanted=$(digest "@$0") # another script, another image
packages=(base-files bash ca-certificates coreutils curl dash findutils grep gzip libstdc++6
  login mawk media-types netbase passwd procps python3 python3-venv sed tar tzdata)

is_bookworm() { grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release && have dpkg && have apt-cache; }

# The packages and all they depend on, as far as they are installed here.
closure() {
  apt-cache depends --recurse --installed --no-recommends --no-suggests --no-conflicts \
    --no-breaks --no-replaces --no-enhances "${packages[@]}" | grep '^[a-z0-9]' | sort -u
}

# Their files, under their real names: a path through /bin or /lib is one through /usr.
files() {
  # shellcheck disable=SC2046  # a list of words
  dpkg -L $(closure) 2>/dev/null | sed -E 's#^/(s?bin|lib(64|32|x32)?)/#/usr/\1/#' | sort -u |
    grep -Ev '^/usr/share/(doc|man|info|locale|lintian|i18n)/|^/(dev|proc|sys|run)(/|$)' |
    while read -r path; do
      if [ -L "$path" ] || [ -f "$path" ]; then printf '%s\n' "${path#/}"; fi
    done
  # what installing them made: compiled modules
  find /usr/lib/python3.11 -name '*.pyc' -not -path '*/test/*' -printf '%P\n' | sed 's#^#usr/lib/python3.11/#'
}

from_installed() {
  local root=$1
  mkdir -p "$root"/{etc,usr/bin,usr/sbin,usr/lib,usr/lib64}
  tar -C / --no-recursion --ignore-failed-read -c -T <(files) 2>/dev/null | tar -C "$root" -x
  local link
  for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
  [ -e "$root/bin/sh" ] || ln -s dash "$root/bin/sh"
  ln -sf mawk "$root/usr/bin/awk"
  printf 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
  printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
}

from_mirror() {
  local root=$1 mirror
  have debootstrap || die "debootstrap is missing; run packages.sh"
  # shellcheck disable=SC2016  # the dollar signs are apt's
  mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME)' 2>/dev/null | awk '$2 == "bookworm" {print $1; exit}')
  # without package lists apt knows no sites; its configuration does
  [ -n "$mirror" ] || mirror=$(sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]+) +bookworm .*/\2/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
  [ -n "$mirror" ] || die "apt's configuration names no mirror for bookworm"
  local list
  list=$(IFS=,; printf '%s' "${packages[*]}")
  debootstrap --variant=minbase --include="$list" bookworm "$root" "$mirror" >"$CACHE/debootstrap.log" 2>&1 ||
    die "debootstrap failed; see $CACHE/debootstrap.log"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* \
    "$root"/usr/share/{doc,man,info,locale}/* "${root:?}"/dev/*
}

# import TREE: the tree as the image, if a container of it works
import() {
  local tree=$1 made
  mkdir -p "$tree"/{dev,proc,sys,run,tmp,root,home,var/tmp,var/log,opt,etc/ssl/certs}
  chmod 1777 "$tree/tmp" "$tree/var/tmp"
  cp -L /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/"
  ldconfig -r "$tree" 2>/dev/null || true
  made=$(tar -C "$tree" --numeric-owner -c . |
    docker import -c 'ENV LANG=C.UTF-8' -c 'CMD ["/bin/bash"]' -c "LABEL millrace.test.digest=$wanted" -)
  if docker run --rm --network none "$made" /bin/sh -ec "$smoke" >/dev/null 2>"$CACHE/base_image.log"; then
    docker tag "$made" "$image"
  else
    docker image rm "$made" >/dev/null
    return 1
  fi
}
smoke='python3 -m venv --without-pip /tmp/v; /tmp/v/bin/python -c "import ssl, sqlite3, ctypes"
  curl --version; echo | awk 1; ps; [ -e /usr/share/zoneinfo/Asia/Seoul ]'

make_image() {
  [ "$(image_digest "$image")" != "$wanted" ] || return 0
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  if [ "${BASE_IMAGE_BY:-}" != debootstrap ] && is_bookworm; then
    from_installed "$scratch/installed"
    ! import "$scratch/installed" || return 0
    say "this machine's packages make no working image ($(tail -n 1 "$CACHE/base_image.log")); using debootstrap"
  fi
  from_mirror "$scratch/mirror"
  import "$scratch/mirror" || die "the image does not work: $(tail -n 1 "$CACHE/base_image.log")"
}

have docker || die "docker is missing; run packages.sh"
locked base_image make_image
