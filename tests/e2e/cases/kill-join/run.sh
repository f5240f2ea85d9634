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
etcd_members() { K -n kube-system exec etcd-m1 -- etcdctl --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key member list; }
verify "etcd has two voting members and no other" [ "$(etcd_members | grep -c 'started.*false$')" = 2 -a "$(etcd_members | wc -l)" = 2 ]
unchanged m2
unchanged m3
workload 3
