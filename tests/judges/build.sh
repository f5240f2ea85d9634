#!/bin/bash
# build.sh [NAME...]: build real programs from the Go modules pinned in this directory, print "NAME PATH" for each.
#
# Without names: the judges. A program is built once for a given text of its module (go.mod, go.sum, sources), its package
# and its version, and kept below ${MACHINEADM_CACHE:-~/.cache/machineadm}/judges. Everything else goes to standard error.
# Exit 77: there is no Go that can build it (the reason is on standard error).
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${MACHINEADM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/machineadm}/judges
JUDGES=(kubeadm-1.34 verdict-1.34 verdict-1.37 crd controller-gen kubeadm-1.30 kubeadm-1.31 kubeadm-judge-1.30 etcdflags-3.6 etcdflags-3.7 ignition validate-ignition template fake-gcs-server cluster-api)
# verdict-1.NN: the sources of verdict/ and lines/ against the modules of that minor version that ../upstream pins.
# The toolchain that is there, no other; what go.sum does not name is not built; one static file comes out.
command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
export GOTOOLCHAIN=local GOFLAGS='-mod=readonly -buildvcs=false -trimpath' GOWORK=off CGO_ENABLED=0 GO111MODULE=on

say() { echo "judges: $*" >&2; }

# recipe NAME: sets module (a directory here), package and version (empty: none is stamped in), libraries (Debian packages for
# C that it calls), links (more for the linker), sources (directories whose files are one program, built in the module), tags, and compile (flags
# for the compiler)
recipe() {
  package=. version= libraries='' links='' sources='' tags='' compile=''
  case $1 in
    kubeadm-1.30) module=$1 version=1.30.4;;
    kubeadm-1.31) module=$1 version=1.31.4;;
    kubeadm-1.34) module=$1 version=1.34.4;;
    kubelet|kubectl|kube-apiserver|kube-controller-manager|kube-scheduler|kube-proxy)
      module=kubeadm-1.34 version=1.34.4 package=k8s.io/kubernetes/cmd/$1;;
    # A cluster of another version shares its packages with that version's judge, and so its compiler's flags.
    kubeadm-1.37|kubelet-1.37|kubectl-1.37|kube-apiserver-1.37|kube-controller-manager-1.37|kube-scheduler-1.37|kube-proxy-1.37)
      module=kubeadm-1.37 version=1.37.2 package=k8s.io/kubernetes/cmd/${1%-1.37} compile='all=-N -l';;
    etcd-3.7) module=../upstream/modules/$1 package=go.etcd.io/etcd/server/v3;;
    crd|coredns|template|cluster-api) module=$1;;
    verdict-1.3[0-9]) module=../upstream/modules/${1#verdict-} sources='verdict lines'
      version=$(awk '$1 == "k8s.io/kubernetes" {print substr($2, 2); exit}' "$HERE/$module/go.mod")
      for minor in 31 32 34 35 37; do [ "${1#verdict-1.}" -ge "$minor" ] || tags+=${tags:+,}before_1_$minor; done
      # 1.34 shares its packages with the other judges; of the others a build from nothing takes half the time, and `make upstream`
      # shares them.
      [ "$1" = verdict-1.34 ] || compile='all=-N -l';;
    etcdflags-3.[567]) module=../upstream/modules/etcd-${1#etcdflags-} sources='etcdflags lines';;
    kubeadm-judge-1.30) module=kubeadm-1.30 version=1.30.4 sources='verdict lines' tags=kubeadm_only;;
    clusterctl) module=$1 package=sigs.k8s.io/cluster-api/cmd/clusterctl;;
    openapi) module=kubeadm-1.34 package=./openapi;;
    controller-gen) module=$1 package=sigs.k8s.io/controller-tools/cmd/controller-gen;;
    fake-gcs-server) module=$1 package=github.com/fsouza/fake-gcs-server;;
    containerd|containerd-shim-runc-v2|ctr) module=containerd-2.3 version= package=github.com/containerd/containerd/v2/cmd/$1
      links=' -X github.com/containerd/containerd/v2/version.Version=v2.3.7';;
    etcd) module=etcd package=go.etcd.io/etcd/server/v3;;
    etcdctl) module=etcd package=go.etcd.io/etcd/etcdctl/v3;;
    ignition)  # relabelling is for systems with SELinux
      module=ignition package=github.com/coreos/ignition/v2/internal libraries='gcc libc6-dev libblkid-dev'
      links=' -X github.com/coreos/ignition/v2/internal/distro.selinuxRelabel=false';;
    validate-ignition) module=ignition package=github.com/coreos/ignition/v2/validate;;
    *) say "no recipe for $1"; exit 2;;
  esac
}

# stamp VERSION: linker flags that make a Kubernetes program call itself by its version
stamp() {
  [ -n "$1" ] || return 0
  local p minor=${1#1.}
  for p in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf -- ' -X %s.gitVersion=v%s -X %s.gitMajor=1 -X %s.gitMinor=%s' "$p" "$1" "$p" "$p" "${minor%.*}"
    printf -- ' -X %s.gitTreeState=clean -X %s.gitCommit=0000000 -X %s.buildDate=2026-01-01T00:00:00Z' "$p" "$p" "$p"
  done
}

# key NAME: a digest of all that shapes the program
key() {
  local directories=(.) d
  if [[ $package = ./* ]]; then directories+=("$package"); fi
  for d in $sources; do directories+=("$HERE/$d"); done
  (cd "$HERE/$module" && { echo "$package $version $GOFLAGS $(uname -m)$libraries$links$tags$compile"; declare -f stamp
    find "${directories[@]}" -maxdepth 1 -type f \( -name 'go.*' -o -name "$([[ $package = .* ]] && echo '*.go')" \) -print0 | sort -z | xargs -0 sha256sum | sed "s|$HERE/||"; }) | sha256sum | cut -c1-12
}

usable_go() {
  local have want
  command -v go >/dev/null || { say "Go is not installed: $1 cannot be built"; return 77; }
  have=$(go env GOVERSION); want=go$(awk '$1 == "go" {print $2; exit}' "$HERE/$module/go.mod")
  [ "$(printf '%s\n%s\n' "$want" "$have" | sort -V | head -1)" = "$want" ] || { say "$have cannot build $1: it needs $want or later"; return 77; }
}

# add_libraries PACKAGE...: what cgo compiles against
add_libraries() { (. "$HERE/../machine/lib.sh"; install_missing "$@"); }

build() {
  local name=$1 out started=$SECONDS
  recipe "$name"
  out=$CACHE/$name-$(key)/${name%-1.3?}
  if [ ! -x "$out" ]; then
    usable_go "$name" || return $?
    # shellcheck disable=SC2086
    [ -z "$libraries" ] || add_libraries $libraries || return $?
    mkdir -p "$(dirname "$out")"
    exec 9> "$CACHE/.$name.lock"; flock 9
    if [ ! -x "$out" ]; then
      say "building $name"
      (
        cd "$HERE/$module"
        if [ -n "$sources" ]; then
          from=$(mktemp -d); trap 'rm -rf "$from"' EXIT
          cp go.* "$from"; for d in $sources; do cp "$HERE/$d"/*.[gs]* "$from"; done; cd "$from"
        fi
        CGO_ENABLED=$((${#libraries} > 0)) nice -n 10 go build -tags "$tags" -gcflags "$compile" -ldflags "-s -w$(stamp "$version")$links" -o "$out.new" "$package" >&2
      )
      mv "$out.new" "$out"
    # what a fortnight has not needed is not needed
    find "$CACHE" -mindepth 1 -maxdepth 1 -type d -name "$name-*" -mtime +14 -not -path "$(dirname "$out")" -exec rm -rf {} +
      say "built $name in $((SECONDS - started)) s"
    fi
    exec 9>&-
  fi
  echo "$name $out"
}

mkdir -p "$CACHE"
[ $# -gt 0 ] || set -- "${JUDGES[@]}"
for name; do build "$name"; done
