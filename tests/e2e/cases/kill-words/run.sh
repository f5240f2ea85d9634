# kill -9 of the agent at the words of each phase of kubeadm: a first control plane, a second one (its etcd member votes by the
# time kubeadm waits for it) and a worker. The next run completes each; etcd never loses its quorum.
machines 3
install m1 m1.yaml
for words in '\[certs\] Generating "apiserver"' '\[kubeconfig\] Writing' '\[etcd\] Creating' '\[control-plane\] Creating' '\[kubelet-start\] Starting' \
  '\[upload-config\]' '\[mark-control-plane\]' '\[bootstrap-token\]' '\[addons\]'; do killed_at m1 "$words"; done
resumed m1
network
install m3 m3.yaml
for words in '\[control-plane\] Creating' '\[check-etcd\]' '\[kubelet-start\] Starting' '\[etcd\] Creating' 'Waiting for the new etcd member'; do killed_at m3 "$words"; done
resumed m3
verify "m3: the phase that joins etcd was left out" grep -q 'skip-phases=.*etcd-join' "$OUT/m3/status.json"
install m2 m2.yaml
for words in '\[preflight\] Reading' '\[kubelet-start\] Starting' '\[kubelet-start\] Waiting'; do killed_at m2 "$words"; done
resumed m2
ready m1 m2 m3
members 2
workload 3
for n in m1 m2 m3; do unchanged $n; done
