# What docs/first-node.md installs: Debian packages of the programs that were built here, in a repository at the address of the
# Kubernetes project's own, and the page's commands. Sourced by a case, after lib.sh.
REPOSITORY='/core:/stable:/v1.34/deb'

# bare NAME: without what the stage's image has of Kubernetes, and with Debian's packages as they are installed, from nowhere else
bare() {
  X "$1" sh -c 'systemctl disable -q --now kubelet; rm -rf /usr/bin/kube* /usr/lib/systemd/system/kubelet.service* /etc/kubernetes /opt/cni /etc/cni/net.d/* \
    /etc/apt/sources.list /etc/apt/sources.list.d/*; mv /usr/lib/cni /usr/lib/cni.away; rm -f /etc/containerd/config.toml; systemctl daemon-reload
    ! command -v kubeadm' || fail "$1 has nothing of Kubernetes"
}

# package NAME DEPENDS FILE:PATH...: build $OUT/repository/NAME.deb
package() {
  local name=$1 depends=$2 root=$OUT/package f; shift 2
  rm -rf "$root"; mkdir -p "$root/DEBIAN"
  printf 'Package: %s\nVersion: %s-1.1\nArchitecture: %s\nMaintainer: nobody <nobody@example.com>\nDepends: %s\nDescription: %s\n' \
    "$name" "$KV" "$(dpkg --print-architecture)" "$depends" "$name" > "$root/DEBIAN/control"
  [ "$name" != kubelet ] || { printf '#!/bin/sh\nsystemctl daemon-reload && systemctl enable -q --now kubelet\n' > "$root/DEBIAN/postinst"; chmod 755 "$root/DEBIAN/postinst"; }
  for f; do mkdir -p "$root${f#*:}"; cp -rL "${f%%:*}" "$root${f#*:}/"; done
  dpkg-deb --root-owner-group -Znone -b "$root" "$OUT/repository$REPOSITORY/$name.deb" > /dev/null
}

# repository: $OUT/repository with an index that a key of ours signs
repository() {
  local d=$OUT/repository$REPOSITORY r f; r=$(readlink -f "$D/root")
  mkdir -p "$d"
  package kubernetes-cni 'adduser' "$r/usr/lib/cni/.:/opt/cni/bin"
  package kubelet 'iptables, kubernetes-cni' "$D/bin/kubelet:/usr/bin" "$r/usr/lib/systemd/system/kubelet.service:/usr/lib/systemd/system" \
    "$r/usr/lib/systemd/system/kubelet.service.d:/usr/lib/systemd/system"
  package kubeadm 'kubelet' "$D/bin/kubeadm:/usr/bin"
  package kubectl 'ca-certificates' "$D/bin/kubectl:/usr/bin"
  (
    cd "$d" || exit
    for f in *.deb; do
      dpkg-deb -f "$f"; printf 'Filename: %s\nSize: %s\nSHA256: %s\n\n' "$f" "$(stat -c %s "$f")" "$(sha256sum < "$f" | cut -d' ' -f1)"
    done > Packages
    printf 'Origin: test\nDate: %s\nSHA256:\n %s %s Packages\n' "$(date -Ru)" "$(sha256sum < Packages | cut -d' ' -f1)" "$(stat -c %s Packages)" > Release
    export GNUPGHOME=$OUT/gnupg; mkdir -m 700 "$GNUPGHOME"
    gpg -q --batch --passphrase '' --quick-generate-key 'test <test@example.com>' rsa2048 sign never 2>/dev/null
    gpg -q --batch --armor --export > Release.key
    gpg -q --batch --clearsign --output InRelease Release
    gpgconf --kill all
  )
}

# packages NAME: the repository, at its address for this machine, which trusts who serves it
packages() {
  install_missing gnupg dpkg || { fail "gpg is here"; exit 1; }
  { repository && (cd "$E2E/../.." && "$PYTHON" -m tests.servers authority --directory "$OUT/pki" --name pkgs.k8s.io); } ||
    { fail "the packages are built"; exit 1; }
  # shellcheck disable=SC2034 # run.sh ends it
  (cd "$E2E/../.." && exec ip netns exec "$ID-br" "$PYTHON" -m tests.servers files --directory "$OUT/repository" --listen "$NET.1:443" \
    --certificate "$OUT/pki/server.pem" --key "$OUT/pki/server.key" > "$OUT/requests" 2>&1) & server=$!
  put "$1" "$OUT/pki/ca.pem" /usr/local/share/ca-certificates/test.crt
  X "$1" sh -c "update-ca-certificates >/dev/null 2>&1 && echo $NET.1 pkgs.k8s.io >> /etc/hosts"
  verify "the packages are served" within 10 grep -qs ^https "$OUT/requests"
}

# follow NAME PAGE: run the commands of a page in its order, each block in a shell that ends at the first failure
follow() {
  local n=$1 d=$OUT/blocks b rc first; mkdir -p "$d" "$OUT/$1"
  python3 "$E2E/page.py" "$2" "$d"
  for b in "$d"/*; do
    rc=0; first=$(head -n 1 "$b")
    P exec -i -w /root "$ID-$n" timeout 600 sh -ex < "$b" > "$OUT/$n/${b##*/}" 2>&1 || rc=$?
    verify "$n: ${first:0:70} (exits $rc)" [ "$rc" = "${b##*.}" ]
    [ "$rc" = "${b##*.}" ] || tail -n 15 "$OUT/$n/${b##*/}" | sed 's/^/    /'
  done
}
