# kill -9 of the agent again and again, each time further into kubeadm: resets, resumed runs and kills of resumed runs, on a first
# control plane, a second one and a worker. etcd never loses its quorum.
machines 3
MANIFESTS=/etc/kubernetes/manifests
FLAGS='test -e /var/lib/kubelet/kubeadm-flags.env'
install m1 m1.yaml
killed m1 'test -e /etc/kubernetes/pki/ca.crt'
killed m1 'test -e /etc/kubernetes/admin.conf'
killed m1 "test -e $MANIFESTS/etcd.yaml"
killed m1 "test -e $MANIFESTS/kube-scheduler.yaml"
killed m1 "$FLAGS"
killed m1 "sleep 1.5; $FLAGS"
resumed m1
network
install m3 m3.yaml
killed m3 'test -e /etc/kubernetes/admin.conf'
killed m3 "test -e $MANIFESTS/kube-scheduler.yaml"
killed m3 'test -e /etc/kubernetes/bootstrap-kubelet.conf'
for pause in 0 1 2; do killed m3 "test -e $MANIFESTS/etcd.yaml && sleep $pause"; done
resumed m3
install m2 m2.yaml
killed m2 "$FLAGS"
killed m2 'test -e /etc/kubernetes/kubelet.conf'
resumed m2
ready m1 m2 m3
members 2
workload 3
for n in m1 m2 m3; do unchanged $n; done
