# kill -9 of the agent in the middle of `kubeadm join`, as a worker and as a control plane; the next run completes the machine.
machines 3
bootstrap m1; succeeded m1
network
install m2 m2.yaml
killed m2 'test -e /etc/kubernetes/bootstrap-kubelet.conf'
resumed m2
install m3 m3.yaml
killed m3 'test -e /etc/kubernetes/pki/apiserver.crt'
killed m3 'test -e /etc/kubernetes/manifests/etcd.yaml'
resumed m3
ready m1 m2 m3
members 2
unchanged m2
unchanged m3
workload 3
