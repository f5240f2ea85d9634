#!/bin/bash
# Small Debian roots, each built once: what a program meets on a system that is not ours.
#   roots.sh prereq          install mmdebstrap and, for a foreign processor, qemu (apt, root); exit 77 where that cannot be
#   roots.sh build [NAME..]  build those that are not there yet (all without a name); prints "NAME DIRECTORY" for each
# NAME: bullseye, bookworm, trixie, sid: Debian's essential packages and python3. With "-tools": openssl, curl, wget, busybox,
# cosign (trixie, sid), and what `make test` needs (bookworm, trixie), too. arm64: bookworm's python3 for the other processor, unpacked and never configured.
# Environment: MACHINEADM_CACHE (~/.cache/machineadm), MACHINEADM_MIRROR (Debian's).
set -euo pipefail
. "$(dirname "$0")/../machine/lib.sh"
NAMES=(bullseye bookworm trixie sid arm64)
NEEDED=(mmdebstrap qemu-user-static)
TOOLS='openssl ca-certificates curl wget busybox'
TESTING=' git make python3-venv libstdc++6'   # the last is on every Debian, for apt

bootstrap() {
  local mirror=${MACHINEADM_MIRROR:-$(awk '/^URIs:/{print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null)}
  # an old suite's Release file has expired, and sid's expires within the week
  nice -n 10 mmdebstrap --quiet --aptopt='Acquire::Retries "3"' --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io "$@" "${mirror:-http://deb.debian.org/debian}" >&2
}

# add PACKAGE...: what a hook installs into the root that mmdebstrap is making
add() { echo "APT_CONFIG=\$MMDEBSTRAP_APT_CONFIG apt-get -qq -y -oDPkg::Chroot-Directory=\"\$1\" --no-install-recommends install $* >/dev/null"; }

# make SUITE ROOT: the minimal root, and the one with tools as ROOT-tools
make_root() {
  local tools=$TOOLS also=()
  case $1 in
    arm64)
      bootstrap --variant=extract --architectures=arm64 --include=python3 bookworm "$2"
      cp /usr/bin/qemu-aarch64-static "$2/qemu"; mkdir -p "$2"/{proc,dev,sys,tmp,root}; return;;
    bookworm) tools+=$TESTING;;
    trixie) tools+=" cosign$TESTING";;
    sid) tools+=' cosign';;
  esac
  # /proc is mounted meanwhile: a copy must not enter it (-x)
  # the next Python while it is still an experiment
  [ "$1" != sid ] || also=(--customize-hook="$(add python3.15) || :")
  bootstrap --variant=essential --include=python3 --customize-hook="cp -ax \"\$1\" '$2-minimal'" "${also[@]}" \
    --customize-hook="$(add "$tools")" "$1" "$2"
  rm -rf "$2-minimal"/var/{lib/apt/lists,cache/apt,log}/*
  mv "$2" "$2-tools"; mv "$2-minimal" "$2"
}

build() {
  local name=$1 key r started=$SECONDS
  key=$( { echo "$name $TOOLS$TESTING"; declare -f bootstrap add make_root; } | sha256sum | cut -c1-12)
  r=$CACHE/roots/small-$name-$key
  mkdir -p "$CACHE/roots"
  exec 8> "$CACHE/roots/.lock-$name"; flock 8
  if [ ! -e "$r/.done" ]; then
    say "building a root of $name, once"
    rm -rf "$r" "$r-tools" "$r".new*
    make_root "$name" "$r.new"
    touch "$r.new/.done"; [ ! -d "$r.new-tools" ] || mv "$r.new-tools" "$r-tools"
    mv "$r.new" "$r"
    # what a fortnight has not needed is not needed
    find "$CACHE/roots" -mindepth 1 -maxdepth 1 -name "small-$name-*" -mtime +14 -not -path "$r*" -exec rm -rf --one-file-system {} +
    say "built in $((SECONDS - started)) s"
  fi
  exec 8>&-
  echo "$name $r"; [ ! -d "$r-tools" ] || echo "$name-tools $r-tools"
}

c=${1:-}; shift || :
case $c in
  prereq) install_missing "${NEEDED[@]}";;
  build) [ $# -gt 0 ] || set -- "${NAMES[@]}"; for name; do build "${name%-tools}"; done;;
  *) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2;;
esac
