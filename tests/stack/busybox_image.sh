#!/bin/bash
# Makes the image millrace/busybox:latest from this machine's static busybox: a shell and the usual
# small commands in 2 MB, without any registry.
. "$(dirname "$0")/lib.sh"

image=millrace/busybox:latest

make_image() {
  ! docker image inspect "$image" >/dev/null 2>&1 || return 0
  local root
  root=$(mktemp -d)
  mkdir -p "$root"/{bin,etc,tmp,root,home/user,proc,sys,dev}
  chmod 1777 "$root/tmp"
  cp /bin/busybox "$root/bin/"
  local applet
  for applet in $(/bin/busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
  done
  printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\nuser:x:1000:\n' >"$root/etc/group"
  tar -C "$root" --numeric-owner --owner=0 --group=0 -c . |
    docker import -c 'ENV PATH=/bin' -c 'CMD ["/bin/sh"]' - "$image" >/dev/null
  rm -rf "$root"
}

[ -x /bin/busybox ] || die "/bin/busybox is missing; run packages.sh"
locked busybox_image make_image
