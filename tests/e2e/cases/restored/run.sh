# A first control plane that does not come up says why. The next run takes it back, and says so before; but not with etcd's data
# that a person has restored meanwhile. When that person has reset the machine, it starts over.
machines 1
install m1 m1-wrong.yaml
run_agent m1; refused m1 MA4013 6
verify "m1: the message has the API server's own words" grep -q 'cannot assign requested address' "$OUT/m1/stderr"
verify "m1: so has the report's log tail" grep -q 'kube-apiserver, last lines.*cannot assign requested address' "$OUT/m1/status.json"
run_agent m1; refused m1 MA4013 6
verify "m1: the reset and its reason are in the log" grep -q 'running kubeadm reset: the kubeadm of .* failed in phase wait-control-plane and left' "$OUT/m1/stderr"
X m1 sh -c 'systemctl stop kubelet; cp -a /var/lib/etcd/member /var/lib/etcd/backup; rm -rf /var/lib/etcd/member; sleep 2; mv /var/lib/etcd/backup /var/lib/etcd/member'
bootstrap m1; refused m1 MA4046 6
verify "m1: the restored data are there" X m1 test -e /var/lib/etcd/member/snap/db
verify "m1: so are the keys" X m1 test -e /etc/kubernetes/pki/ca.key
X m1 kubeadm reset --force > "$OUT/m1/by-hand" 2>&1
bootstrap m1; succeeded m1
network; ready m1
unchanged m1
