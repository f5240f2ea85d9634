# kill -9 of the agent in the middle of `kubeadm init`, at three places; the next run completes the machine.
machines 1
install m1 m1.yaml
killed m1 'test -e /etc/kubernetes/pki/apiserver.crt'
killed m1 'test -e /etc/kubernetes/manifests/kube-apiserver.yaml -a -e /var/lib/kubelet/config.yaml'
killed m1 'kubectl --kubeconfig /etc/kubernetes/super-admin.conf -n kube-system get configmap kubeadm-config'
resumed m1
network
ready m1
unchanged m1
