# Machines that go down in the middle of kubeadm complete themselves when they are back, as control planes and as a worker.
machines 3
install m1 m1.yaml
crashed m1 'test -e /etc/kubernetes/manifests/kube-apiserver.yaml -a -e /var/lib/kubelet/config.yaml'
completed m1
network
install m2 m2.yaml
crashed m2 'test -e /etc/kubernetes/bootstrap-kubelet.conf'
completed m2
install m3 m3.yaml
crashed m3 'test -e /etc/kubernetes/manifests/etcd.yaml'
completed m3
ready m1 m2 m3
for n in m1 m2 m3; do unchanged $n; done
workload 3
