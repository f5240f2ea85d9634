#!/bin/bash
# run.sh [CASE...]: the packed agent and a configuration make real nodes of bare machines. Without names: all of cases/.
# Environment: MACHINEADM_AGENT (default: the newest of dist/), E2E_KEEP=1 (leave the machines of the last case),
#   E2E_CASES (another directory of cases), PYTHON (the one of the tests), CLUSTER_VERSION (1.34, or 1.37).
# What the machines said stays in $MACHINEADM_CACHE/cluster*/out/CASE. Exit 77: no cluster can be made here.
set -uo pipefail
E2E=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ "$(id -u)" = 0 ] || { echo "run.sh: machines with systemd need root" >&2; exit 77; }
. "$E2E/stage/lib.sh"
CASES=${E2E_CASES:-$E2E/cases}
PYTHON=${PYTHON:-$(realpath -m "$E2E/../../.venv/bin/python")}      # with the tests' libraries
AGENT=$(realpath -m "${MACHINEADM_AGENT:-$E2E/../../dist/machineadm-linux-$(dpkg --print-architecture).pyz}")
[ -f "$AGENT" ] || { say "no packed agent at $AGENT: make package"; exit 2; }
# One for all versions, whose machines have the same names.
mkdir -p "$CACHE/cluster"; exec 7> "$CACHE/cluster/.lock"; flock -n 7 || { say "another run uses the machines: waiting for its end"; flock 7; }

"$E2E/stage/setup.sh" || exit

one() {      # one CASE: in a shell of its own, always torn down
  (
    CASE=$CASES/$1; OUT=$STATE/out/$1
    rm -rf "$OUT"; mkdir -p "$OUT"
    . "$E2E/lib.sh"
    trap '[ -z "${server:-}" ] || kill "$server"; collect; echo "$passed passed, $failed failed"; [ $failed = 0 ] && [ $passed -gt 0 ] || exit 1' EXIT
    . "$CASE/run.sh"
  )
}
collect() {
  local n
  for n in $(names); do mkdir -p "$OUT/$n"; X "$n" journalctl --no-pager -n 500 > "$OUT/$n/journal" 2>&1; done
  K get nodes,pods -A -o wide > "$OUT/pods" 2>&1
}
tear_down() { "$E2E/stage/machines.sh" down; "$E2E/stage/machines.sh" clean-check; }

cases=${*:-$(cd "$CASES" && ls)}; summary=(); rc=0
trap tear_down EXIT
for c in $cases; do
  [ -f "$CASES/$c/run.sh" ] || { say "no case $c"; rc=2; continue; }
  echo "=== $c"; t=$(now)
  [ -z "$(names)" ] || tear_down >/dev/null
  if one "$c"; then v=passed; else v=FAILED; rc=1; fi
  summary+=("$(printf '%-20s %s  %7s s' "$c" "$v" "$(since "$t")")")
done
[ "${E2E_KEEP:-0}" != 1 ] || trap - EXIT
echo "=== e2e"; printf '%s\n' "${summary[@]}"
exit $rc
