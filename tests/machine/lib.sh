# Shared by all stages of systemd machines: where things are kept, the podman call, the root, the host's sysctls.
# Sourced, never run. The stage names its own state (containers, volumes) in STATE.
MACHINE_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=$(realpath -m "${MACHINEADM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/machineadm}")
# The last four for podman's service, which runs plugins' containers as root and as an ordinary user.
NEEDED=(podman runc conmon mmdebstrap iproute2 procps netavark iptables uidmap slirp4netns)
# What an ordinary machine has before it becomes a node. Without PyYAML, msgspec and cloud-init on purpose: what the
# agent needs without saying so must show.
PACKAGES=systemd-sysv,dbus,udev,iproute2,ca-certificates,kmod,procps,mount,util-linux,containerd,runc,iptables,conntrack,\
ebtables,ethtool,socat,python3,containernetworking-plugins,curl,adduser,iputils-ping
# Not namespaced: a privileged container that sets one of these sets the host's.
LEAKY='vm\.(overcommit_memory|max_map_count|swappiness|panic_on_oom|dirty_ratio|dirty_background_ratio)|kernel\.(panic|panic_on_oops|pid_max|threads-max|dmesg_restrict|kptr_restrict|randomize_va_space|sysrq|keys\.root_max(bytes|keys))|fs\.(inotify\.max_(user_watches|user_instances|queued_events)|file-max|aio-max-nr|protected_\w+|suid_dumpable)|net\.netfilter\.nf_conntrack_max'

say() { echo "$(basename "$0"): $*" >&2; }

# P: podman with a store of its own, so that no other containers of the host are seen or touched. crun refuses hybrid
# cgroups, hence runc; default_ulimits would ask for more than a confined root may give.
P() {
  CONTAINERS_CONF=$STATE/containers.conf podman --storage-driver=vfs --root "$STATE/pods" --runroot "$STATE/run" --runtime=runc \
    --cgroup-manager=cgroupfs --events-backend=none "$@" 7>&-    # 7: a lock of ours that containers must not hold
}
state_make() { mkdir -p "$STATE"/{vol,run}; printf '[containers]\ndefault_ulimits=[]\n' > "$STATE/containers.conf"; }

# install PACKAGE...: what is missing, through apt. Exit 77: it cannot be had here.
install_missing() {
  local need=() p
  for p; do [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || need+=("$p"); done
  [ "$(id -u)" = 0 ] || { say "machines with systemd need root"; return 77; }
  [ ${#need[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || { say "no apt-get to install ${need[*]}"; return 77; }
  say "installing ${need[*]}"
  apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -qq update >&2
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -qq install -y --no-install-recommends "${need[@]}" >/dev/null
}

# shape_machine ROOT: what a root needs besides its packages to be a machine in a container
shape_machine() {
  local r=$1 k m
  : > "$r/etc/fstab"                                   # else systemd-remount-fs fails: "degraded"
  : > "$r/etc/machine-id"
  : > "$r/etc/hostname"; : > "$r/etc/resolv.conf"      # mmdebstrap copies the host's
  chroot "$r" systemctl mask systemd-networkd-wait-online systemd-networkd networking >/dev/null 2>&1 || :
  # shims ignore SIGTERM: systemd would wait 90 s for them at every power-off
  mkdir -p "$r/etc/systemd/system.conf.d"; printf '[Manager]\nDefaultTimeoutStopSec=8s\n' > "$r/etc/systemd/system.conf.d/stage.conf"
  # The host's kernel has built-ins only: say so as a distribution does, so that modprobe is right here, too.
  k=$(uname -r); mkdir -p "$r/lib/modules/$k"; : > "$r/lib/modules/$k/modules.order"
  [ ! -d /proc/sys/net/bridge ] || echo kernel/net/bridge/br_netfilter.ko > "$r/lib/modules/$k/modules.builtin"
  for m in fs/overlayfs/overlay net/netfilter/nf_conntrack net/bridge/bridge drivers/net/vxlan/vxlan net/netfilter/nf_tables; do
    [ ! -e "/sys/module/${m##*/}" ] && ! grep -qw "${m##*/}" /proc/filesystems || echo "kernel/$m.ko"
  done >> "$r/lib/modules/$k/modules.builtin"
  chroot "$r" depmod "$k" 2>/dev/null || :
  # Without CAP_SYS_RESOURCE nothing may lower oom_score_adj. A wrapper that drops negative values, rather than
  # restrict_oom_score_adj: containerd's configuration is the product's business, and any that works elsewhere works here.
  mv "$r/usr/sbin/runc" "$r/usr/sbin/runc.real"
  cat > "$r/usr/sbin/runc" <<'I'
#!/bin/sh
p=
for a; do [ "$p" = --bundle ] && sed -i 's/"oomScoreAdj":-[0-9]*/"oomScoreAdj":0/' "$a/config.json"; p=$a; done
exec /usr/sbin/runc.real "$@"
I
  chmod 755 "$r/usr/sbin/runc"
  mkdir -p "$r/etc/containerd" "$r/etc/cni/net.d" "$r/opt/cni"
  ln -sfn /usr/lib/cni "$r/opt/cni/bin"                # containerd's own default and Debian's place are both right
  cat > "$r/etc/containerd/config.toml" <<'I'
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10.1"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true
I
  # podman mounts /etc/hostname, hosts and resolv.conf (a rename onto them fails: EBUSY), the kernel's boot id never
  # changes, and podman binds the HOST's name=systemd hierarchy over the machine's own: all machines would share one tree,
  # and one that shuts down would trim the others' cgroups.
  cat > "$r/sbin/stage-init" <<'I'
#!/bin/sh
umount /etc/hostname /etc/hosts /etc/resolv.conf 2>/dev/null
[ -e /var/lib/.seeded ] || { cp /seed/hostname /seed/hosts /seed/resolv.conf /etc/ && : > /var/lib/.seeded; }
if [ -n "$STAGE_ADDRESS" ]; then
  ip link add eth0 type veth peer name eth0-far && ip link set eth0-far up && ip addr add "$STAGE_ADDRESS/24" dev eth0 && ip link set eth0 up && ip route add default via "${STAGE_ADDRESS%.*}.1"
fi
umount /sys/fs/cgroup/systemd/release_agent 2>/dev/null
[ "$(grep -c ' /sys/fs/cgroup/systemd cgroup ' /proc/mounts)" -gt 1 ] && umount /sys/fs/cgroup/systemd
cat /proc/sys/kernel/random/uuid > /dev/.boot_id && mount --bind /dev/.boot_id /proc/sys/kernel/random/boot_id
exec /sbin/init
I
  chmod 755 "$r/sbin/stage-init"
}

# shape_cloud ROOT: where its user data comes from; no waiting for a network of a cloud; no keys for an SSH that is not there
shape_cloud() {
  printf 'datasource_list: [NoCloud]\nnetwork: {config: disabled}\nlocale: C.UTF-8\nssh_genkeytypes: []\n' > "$1/etc/cloud/cloud.cfg.d/99-stage.cfg"
}

# machine_root [FLAVOUR]: print the directory of the root, built once for what shapes it. FLAVOUR: bookworm; bookworm-cloud and
# trixie-cloud, which have cloud-init (22.4; 25.1 or later) and openssl, too; bookworm-services, with the programs for disks,
# systemd-resolved and systemd-timesyncd; bookworm-chrony; trixie-twin-cloud, with whatever a first boot sets up: chrony, sudo, sshd, disks.
machine_root() {
  local flavour=${1:-bookworm} packages=$PACKAGES r mirror
  case $flavour in
    *-twin-cloud) packages+=,cloud-init,openssl,chrony,sudo,fdisk,gdisk,e2fsprogs,xfsprogs,openssh-server;;
    *-cloud) packages+=,cloud-init,openssl;;
    *-services) packages+=,fdisk,gdisk,e2fsprogs,xfsprogs,dosfstools,systemd-resolved,systemd-timesyncd;;
    *-chrony) packages+=,chrony;;
  esac
  r=$CACHE/roots/$flavour-$( { echo "$packages $(uname -r)"; declare -f shape_machine; [ "${flavour%-cloud}" = "$flavour" ] || declare -f shape_cloud; } | sha256sum | cut -c1-12)
  mkdir -p "$CACHE/roots"
  exec 8> "$CACHE/roots/.lock"; flock 8
  if [ ! -e "$r/.done" ]; then
    say "building a root of $flavour, once"
    rm -rf "$r" "$r.new"
    mirror=${MACHINEADM_MIRROR:-$(awk '/^URIs:/{print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null)}
    nice -n 10 mmdebstrap --quiet --variant=apt --include="$packages" --aptopt='Acquire::Retries "3"' \
      --aptopt='Acquire::Check-Valid-Until "false"' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
      --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io "${flavour%%-*}" "$r.new" "${mirror:-http://deb.debian.org/debian}" >&2
    rm -f "$r.new/etc/resolv.conf"                       # systemd-resolved's is a link to nowhere
    shape_machine "$r.new"; [ "${flavour%-cloud}" = "$flavour" ] || shape_cloud "$r.new"
    touch "$r.new/.done"; mv "$r.new" "$r"
  fi
  exec 8>&-
  echo "$r"
}

sysctl_save() { [ -e "$STATE/sysctl.before" ] || sysctl -a 2>/dev/null | grep -E "^($LEAKY) " > "$STATE/sysctl.before" || :; }
sysctl_restore() { [ ! -e "$STATE/sysctl.before" ] || { sysctl -q -e -p "$STATE/sysctl.before" || :; rm -f "$STATE/sysctl.before"; }; }
# container_trim ID: what podman leaves of a removed machine: its overlay, and empty cgroups that it made below its own
# (children first).
container_trim() {
  local d=$STATE/run/overlay-containers/$1
  grep -qF " $d/" /proc/mounts || rm -rf "$d"
  find /sys/fs/cgroup -depth -type d -path "*libpod*$1*" -exec rmdir {} \; 2>/dev/null || :
}
