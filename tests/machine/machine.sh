#!/bin/bash
# A throw-away machine: real systemd as PID 1 in a podman container over a Debian 12 root.
#   machine.sh prereq                 install podman, runc, mmdebstrap (apt, root); exit 77 where that cannot be
#   machine.sh build [FLAVOUR]        build the root once (lib.sh names the flavours); prints its directory
#   machine.sh boot NAME              start; returns when systemd says "running" (1 when degraded or not in time)
#   machine.sh exec NAME CMD...       run CMD in it with our standard input; its exit code is ours
#   machine.sh put NAME FILE PATH     copy a file or directory in;    machine.sh get NAME PATH FILE: out
#   machine.sh reboot NAME            systemctl reboot, wait for the stop, start again, wait for "running"
#   machine.sh again NAME             the same for a machine that goes down by itself
#   machine.sh crash NAME             kill -9 of everything, start again (the page cache survives: no power cut)
#   machine.sh rm NAME                tear down one machine;       machine.sh clean: all of them, the root stays
# Environment: MACHINEADM_CACHE (~/.cache/machineadm), MACHINE_TIMEOUT (seconds to "running", 120),
#   MACHINEADM_MIRROR (Debian's), and for boot: MACHINE_FLAVOUR, MACHINE_ARGS (more arguments for podman), MACHINE_INIT (runs
#   before, and then starts, /sbin/stage-init), MACHINE_NETNS (a network namespace), MACHINE_DEGRADED=1 (failed units are fine).
set -euo pipefail
. "$(dirname "$0")/lib.sh"
STATE=$CACHE/machines

wait_running() {
  local n=$1 s='' end=$((SECONDS + ${MACHINE_TIMEOUT:-120}))
  while [ $SECONDS -lt $end ]; do
    s=$(P exec "$n" systemctl is-system-running --wait 2>/dev/null) || :
    case $s in
      running) return 0;;
      degraded) [ "${MACHINE_DEGRADED:-}" != 1 ] || return 0; say "$n is degraded"; P exec "$n" systemctl --failed --no-legend --plain >&2 || :; return 1;;
    esac
    # podman can fail to say while a network namespace of that name comes or goes: only a plain no counts
    [ "$(P inspect -f '{{.State.Running}}' "$n" 2>/dev/null)" != false ] || { say "$n stopped"; P logs --tail 20 "$n" >&2 || :; return 1; }
    sleep 0.1
  done
  say "$n: not running in time (last state: ${s:-none})"; P exec "$n" systemctl list-jobs --no-legend >&2 || :; return 1
}

boot() {
  local n=$1 v=$STATE/vol/$1 r; r=$(machine_root "${MACHINE_FLAVOUR:-}")
  state_make
  mkdir -p "$v"/{containerd,kubelet,etcd,seed}            # overlay cannot lie on overlay
  echo "$n" > "$v/seed/hostname"
  printf '127.0.0.1 localhost\n192.0.2.11 %s\n' "$n" > "$v/seed/hosts"
  : > "$v/seed/resolv.conf"
  exec 7> "$STATE/.lock"; flock 7    # between the first's saving and the last's restoring nobody comes or goes
  sysctl_save
  # A new network namespace has the host's ip_forward, which any container with a network turns on: a bare machine has none.
  # No network but an interface to nowhere with an address and a default route, which is what kubeadm looks for.
  # shellcheck disable=SC2086,SC2046
  P run -d --name "$n" --hostname "$n" --systemd=always --privileged --cgroupns=private --env container=podman --env STAGE_ADDRESS=192.0.2.11 \
    $([ -n "${MACHINE_NETNS:-}" ] || echo --sysctl=net.ipv4.ip_forward=0) \
    --ulimit nofile=20000:20000 --ulimit nproc=20000:20000 "--network=${MACHINE_NETNS:+ns:/run/netns/}${MACHINE_NETNS:-none}" --tmpfs /run --tmpfs /tmp \
    -v "$v/containerd:/var/lib/containerd" -v "$v/kubelet:/var/lib/kubelet" -v "$v/etcd:/var/lib/etcd" -v "$v/seed:/seed:ro" \
    ${MACHINE_ARGS:-} --rootfs "$r:O" "${MACHINE_INIT:-/sbin/stage-init}" >/dev/null
  exec 7>&-
  wait_running "$n"
}

again() {
  local i
  for i in $(seq 900); do [ "$(P inspect -f '{{.State.Running}}' "$1")" = false ] && break; sleep 0.1; done
  [ "$(P inspect -f '{{.State.Running}}' "$1")" = false ] || { say "$1 does not stop"; return 1; }
  P start "$1" >/dev/null; wait_running "$1"
}

remove() {
  local id; id=$(P inspect -f '{{.Id}}' "$1" 2>/dev/null) || return 0
  P rm -f -t 2 "$1" >/dev/null; rm -rf "${STATE:?}/vol/$1"
  container_trim "$id"
  exec 7> "$STATE/.lock"; flock 7
  [ -n "$(P ps -aq)" ] || sysctl_restore
}

c=${1:-}; shift || :
case $c in
  prereq) install_missing "${NEEDED[@]}";;
  build) machine_root "$@";;
  boot|again) $c "$@";;
  exec) P exec -i "$@";;
  put) P cp "$2" "$1:$3";;
  get) P cp "$1:$2" "$3";;
  reboot) P exec "$1" systemctl reboot || :; again "$1";;
  crash) P kill -s KILL "$1" >/dev/null; again "$1";;
  rm) remove "$1";;
  clean) for i in $(P ps -a --format '{{.Names}}'); do remove "$i"; done;;
  *) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 2;;
esac
