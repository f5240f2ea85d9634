#!/bin/bash
# The agent's main job in a scratch root: run.sh AGENT CONFIGURATION FOLDER. Needs no root.
set -euo pipefail
agent=$1 configuration=$2 folder=$3

rm -rf "$folder"
mkdir -p "$folder/root"
export MACHINEADM_CACHE=$PWD/$folder/cache
machineadm() { "${PYTHON:-python3}" -IS "$agent" "$@"; }
say() { printf '\n==> %s\n' "$*"; }
expect() { # expect CODE COMMAND...: plan ends with 10 when there is something to do
  local wanted=$1 code=0
  shift
  "$@" || code=$?
  [ "$code" -eq "$wanted" ] || { echo "ended with $code instead of $wanted: $*" >&2; exit 1; }
}

say "machineadm version"
machineadm version
say "machineadm validate --path $configuration"
machineadm validate --path "$configuration"
say "machineadm plan --root $folder/root --path $configuration"
expect 10 machineadm plan --root "$folder/root" --path "$configuration"
say "machineadm bootstrap --root $folder/root --path $configuration"
machineadm bootstrap --root "$folder/root" --path "$configuration"
say "The tree that it made"
(cd "$folder/root" && find . -mindepth 1 -printf '%M %u:%g %8s %P\n' | sort -k4)
say "machineadm status --root $folder/root"
machineadm status --root "$folder/root"
say "machineadm plan, again: only what waits for the running system is left"
machineadm plan --root "$folder/root" --path "$configuration"
