#!/bin/sh
# enter.sh ROOT CHANGES|- SOURCE:TARGET... -- COMMAND...: run it in an overlay over ROOT. CHANGES keeps what it writes ("-":
# nothing does); each SOURCE is seen at TARGET, read-only unless it begins with "+". To be run by unshare --mount --pid --fork.
set -e
root=$1 changes=$2; shift 2
scratch=${root%/*}/.entered    # one place for all: the mounts are of this process tree alone
mkdir -p "$scratch"
mount -t tmpfs -o mode=755 root "$scratch"
mkdir "$scratch/root"
[ "$changes" != - ] || changes=$scratch/changes
mkdir -p "$changes/upper" "$changes/work"
mount -t overlay -o "lowerdir=$root,upperdir=$changes/upper,workdir=$changes/work" overlay "$scratch/root"
(cd "$scratch/root" && mkdir -p proc tmp run dev)
mount -t proc proc "$scratch/root/proc"
mount -t tmpfs -o mode=1777 tmp "$scratch/root/tmp"
mount -t tmpfs -o mode=755 run "$scratch/root/run"
for device in null zero full random urandom; do
  [ -e "$scratch/root/dev/$device" ] || : > "$scratch/root/dev/$device"
  mount --bind "/dev/$device" "$scratch/root/dev/$device"
done
[ -e "$scratch/root/dev/fd" ] || ln -s /proc/self/fd "$scratch/root/dev/fd"
mkdir -p "$scratch/root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$scratch/root/dev/pts"
[ -e "$scratch/root/dev/ptmx" ] || ln -s pts/ptmx "$scratch/root/dev/ptmx"
while [ "$1" != -- ]; do
  source=${1%%:*} target=$scratch/root${1#*:} how=ro; shift
  case $source in +*) how=rw source=${source#+};; esac
  if [ -d "$source" ]; then mkdir -p "$target"; else mkdir -p "${target%/*}"; [ -e "$target" ] || : > "$target"; fi
  mount --bind "$source" "$target"
  [ $how = rw ] || mount -o remount,bind,ro "$target"
done
shift
ip link set lo up 2>/dev/null || :
exec chroot "$scratch/root" "$@"
