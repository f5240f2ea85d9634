# A person makes the node by hand after our run has failed, or was killed: no later run, no edited file and no boot touches it or
# claims it.
machines 3
TOKEN=abcdef.0123456789abcdef
by_hand() { local n=$1; shift; verify "$n: a person runs kubeadm $1" X "$n" sh -c "kubeadm $* --v=1 > /var/log/by-hand 2>&1"; }
joining() { X m1 sh -c 'kubeadm token create --print-join-command 2>/dev/null' | grep -o 'sha256:[0-9a-f]*'; }
reboots() {
  "$E2E/stage/machines.sh" reboot "$1"
  verify "$1: the run that a boot resumes is refused, too ($2)" within 120 X "$1" sh -c "journalctl -u machineadm-resume -b --no-pager | grep -q $2"
  verify "$1: what a person made is as it was after the boot" [ "$(print_of "$1")" = "$before" ]
}

# A first control plane that fails in preflight; a person initialises a cluster.
install m1 m1.yaml
X m1 sh -c 'setsid python3 -m http.server 10250 > /dev/null 2>&1 & echo $! > /run/taken; sleep 1'
run_agent m1; refused m1 MA4003 6
verify "m1: a failure in preflight leaves no claim" X m1 test ! -e /var/lib/machineadm/kubeadm.json
X m1 sh -c 'kill $(cat /run/taken)'
by_hand m1 init --kubernetes-version "v$KV" --control-plane-endpoint cluster.test:6443 --pod-network-cidr 10.244.0.0/16 --token $TOKEN --node-name m1 \
  --upload-certs --certificate-key 6c0b8b6d8b6f0a5f2f2e4c1c6a1a9f4dcd0a7d7e6b5c4a3f2e1d0c9b8a7f6e5d
network; ready m1
before=$(print_of m1)
run_agent m1; left_alone m1 MA4040 "the cluster that a person made"
reboots m1 MA4040
ready m1

# After a boot the controller manager signs again only when it leads again, which takes longer than the worker looks for the cluster.
verify "m1: the cluster signs for its token" within 90 X m1 sh -c \
  "kubectl --kubeconfig /etc/kubernetes/admin.conf -n kube-public get configmap cluster-info -o yaml | grep -q jws-kubeconfig-${TOKEN%.*}"

# A worker that is killed; a person resets and joins it.
install m2 m2.yaml
killed_at m2 '\[kubelet-start\] Starting'
X m2 kubeadm reset --force > /dev/null 2>&1
sleep 7      # as long as the agent may have been silent before it was killed
by_hand m2 join cluster.test:6443 --token $TOKEN --discovery-token-ca-cert-hash "$(joining)" --node-name m2
ready m2
before=$(print_of m2)
run_agent m2; left_alone m2 MA4045 "the worker that a person joined"
bootstrap m2 m2-edited.yaml; left_alone m2 MA4045 "the worker that a person joined (edited file)"
reboots m2 MA4045
ready m2
verify "m2: it has no label of the configuration" [ -z "$(K get nodes -l edited=true -o name)" ]

# A control plane that is killed in its preparation; a person joins it as a worker, over what is there.
install m3 m3.yaml
killed m3 'test -e /etc/kubernetes/manifests/kube-scheduler.yaml' 
X m3 sh -c 'rm -rf /etc/kubernetes/manifests/*'
sleep 7
by_hand m3 join cluster.test:6443 --token $TOKEN --discovery-token-ca-cert-hash "$(joining)" --node-name m3 --ignore-preflight-errors=all
before=$(print_of m3)
run_agent m3; left_alone m3 MA4045 "the worker that a person joined over our half"
