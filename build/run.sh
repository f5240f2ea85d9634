#!/bin/bash
# The agent's main job in a scratch root: run.sh AGENT CONFIGURATION DIRECTORY. Needs no root.
set -euo pipefail
agent=$1 configuration=$2 directory=$3

rm -rf "$directory"
mkdir -p "$directory/root"
export MACHINEADM_CACHE=$PWD/$directory/cache
machineadm() { "${PYTHON:-python3}" -IS "$agent" "$@"; }
say() { printf '\n==> %s\n' "$*"; }
expect() { # expect CODE COMMAND...: plan exits 10 when there is something to do
  local wanted=$1 code=0
  shift
  "$@" || code=$?
  [ "$code" -eq "$wanted" ] || { echo "exit code $code instead of $wanted: $*" >&2; exit 1; }
}
# For an ordinary user the owner of each file is deferred; one line says so for all of them.
without_owners() {
  local owners
  owners=$(grep -c '^ *deferred: owner ' "$1") || :
  sed '/^ *deferred: owner /d' "$1"
  [ "$owners" -eq 0 ] || echo "deferred: the owner of $owners files, since only root can give files away"
}

say "machineadm validate --path $configuration"
machineadm validate --path "$configuration"
say "machineadm plan --root $directory/root --path $configuration"
expect 10 machineadm plan --root "$directory/root" --path "$configuration" >"$directory/plan"
without_owners "$directory/plan"
say "machineadm bootstrap --root $directory/root --path $configuration"
# The report repeats the steps, and `machineadm status` shows it.
machineadm bootstrap --root "$directory/root" --path "$configuration" >"$directory/report" 2>"$directory/progress" ||
  { code=$?; cat "$directory/progress" "$directory/report" >&2; exit $code; }
without_owners "$directory/progress"
say "Everything it wrote"
(cd "$directory/root" && find . -type f -printf '%M %u:%g %8s /%P\n' | sort -k4)

# a second run has nothing to do
expect 0 machineadm plan --root "$directory/root" --path "$configuration" >"$directory/again"

cat <<END

That was the agent's whole job, in $directory/root instead of on a machine: nothing else was touched, and what needs a running
system was deferred. A second plan finds nothing to do. On a real machine with containerd, kubelet and kubeadm
(docs/first-node.md) these lines make the node:

  scp $agent root@NODE:/usr/local/bin/machineadm
  scp $configuration root@NODE:node.yaml
  ssh root@NODE machineadm bootstrap --path node.yaml
END
