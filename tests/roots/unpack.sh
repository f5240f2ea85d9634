#!/bin/bash
# Unpack one Debian package of a suite that is not this machine's, once; prints the directory. It is not installed anywhere.
#   unpack.sh SUITE PACKAGE      exit 77 where it cannot be had
# Environment: MACHINEADM_CACHE (~/.cache/machineadm), MACHINEADM_MIRROR (Debian's).
set -euo pipefail
. "$(dirname "$0")/../machine/lib.sh"
suite=${1:?SUITE} package=${2:?PACKAGE}
directory=$CACHE/packages/$suite-$package
mkdir -p "$CACHE/packages"
exec 8> "$directory.lock"; flock 8
if [ ! -d "$directory" ]; then
  command -v apt-get >/dev/null || { say "no apt-get to fetch $package of $suite"; exit 77; }
  work=$(mktemp -d "$directory.XXXXXX"); trap 'rm -rf "$work"' EXIT
  mkdir -p "$work"/{state/lists,cache/archives}/partial
  mirror=${MACHINEADM_MIRROR:-$(awk '/^URIs:/{print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null)}
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} $suite main" > "$work/list"
  # a state of its own: what is installed here, and from where, stays out of it
  apt=(apt-get -qq -o Dir::State="$work/state" -o Dir::State::status=/dev/null -o Dir::Cache="$work/cache" -o Dir::Etc::SourceList="$work/list"
    -o Dir::Etc::SourceParts=/dev/null -o Acquire::Languages=none -o Acquire::Retries=3 -o Acquire::Check-Valid-Until=false)
  if [ "$(id -u)" = 0 ]; then apt+=(-o APT::Sandbox::User=root); fi
  { "${apt[@]}" update && (cd "$work" && "${apt[@]}" download "$package"); } >&2 || { say "cannot fetch $package of $suite"; exit 77; }
  dpkg -x "$work"/*.deb "$work/unpacked"
  mv "$work/unpacked" "$directory"
fi
echo "$directory"
