# Three configurations and nothing else make a cluster: a control plane, a worker, a second control plane.
machines 3
bootstrap m1; succeeded m1
network
bootstrap m2; succeeded m2
bootstrap m3; succeeded m3
ready m1 m2 m3
workload 3

# what the configurations say is in force
node() { K get node "$1" -o "jsonpath=$2"; }
kubelet() { K get --raw "/api/v1/nodes/$1/proxy/configz" | python3 -c "import json, sys; print(json.load(sys.stdin)['kubeletconfig']['$2'])"; }
same() { [ "$1" = "$2" ] || { echo "    wanted: $1 is: $2"; return 1; }; }
verify "the file is there" same "A node of the test cluster." "$(X m1 cat /etc/motd)"
verify "the command before kubeadm ran once" same before "$(X m1 cat /var/lib/commands)"
verify "the command after kubeadm ran" K get namespace made-by-the-configuration -o name
verify "IP forwarding is on, now and after a reboot" X m2 sh -c 'grep -qx 1 /proc/sys/net/ipv4/ip_forward && grep -rqs ip_forward /etc/sysctl.d'
verify "m1 has its label" same y "$(node m1 '{.metadata.labels.example\.com/rack}')"
verify "m2 has a label that looks like a number" same 1e3 "$(node m2 '{.metadata.labels.example\.com/rack}')"
verify "m1 has its taint" same on:PreferNoSchedule "$(node m1 '{range .spec.taints[?(@.key=="example.com/reserved")]}{.value}:{.effect}{end}')"
verify "m1 keeps the control plane's taint" same NoSchedule "$(node m1 '{range .spec.taints[?(@.key=="node-role.kubernetes.io/control-plane")]}{.effect}{end}')"
verify "m3 has no taint" same "" "$(node m3 '{.spec.taints[*].key}')"
verify "the cluster's kubelet setting is in force on m1" same 77 "$(node m1 '{.status.capacity.pods}')"
verify "m2's own maxPods is in force" same 23 "$(node m2 '{.status.capacity.pods}')"
verify "m2's own containerLogMaxSize is in force" same 7Mi "$(kubelet m2 containerLogMaxSize)"
verify "m2's passed-on streamingConnectionIdleTimeout is in force" same 1h0m0s "$(kubelet m2 streamingConnectionIdleTimeout)"
verify "the machines run Kubernetes $KV" same "v$KV v$KV v$KV" "$(K get nodes -o 'jsonpath={.items[*].status.nodeInfo.kubeletVersion}')"
verify "m3 inherits maxPods" same 77 "$(node m3 '{.status.capacity.pods}')"
verify "the static pod runs" within 60 same Running "$(K -n kube-system get pod sidekick-m1 -o 'jsonpath={.status.phase}')"
verify "the extra name is in the API server's certificate" X m1 sh -c 'openssl x509 -in /etc/kubernetes/pki/apiserver.crt -noout -text | grep -q api.three-nodes.example'
verify "the extra argument reaches the API server" X m1 grep -q -- --event-ttl=2h /etc/kubernetes/manifests/kube-apiserver.yaml
for n in m1 m3; do
  verify "$n writes an audit log" X $n sh -c 'grep -q \"kind\":\"Event\" /var/log/kubernetes/audit/audit.log'
done
verify "the policy keeps leases out of m1's audit log" X m1 sh -c '! grep -q \"resource\":\"leases\" /var/log/kubernetes/audit/audit.log'

K create secret generic canary --from-literal=word=xyzzy-plugh >/dev/null
etcd_value() { K -n kube-system exec "etcd-$1" -- etcdctl --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key get "$2" --print-value-only; }
for n in m1 m3; do
  verify "a Secret is encrypted in etcd of $n" sh -c 'printf %s "$1" | grep -q k8s:enc:secretbox:v1:first' sh "$(etcd_value $n /registry/secrets/default/canary | tr -d '\0')"
  verify "a Secret is not plain in etcd of $n" sh -c '! printf %s "$1" | grep -q xyzzy' sh "$(etcd_value $n /registry/secrets/default/canary | tr -d '\0')"
  verify "the API server of $n reads it" same xyzzy-plugh "$(X $n kubectl --kubeconfig /etc/kubernetes/admin.conf --server "https://$(addr $n):6443" get secret canary -o 'go-template={{.data.word | base64decode}}')"
done

# nothing is left and nothing is told
for n in m1 m2 m3; do
  verify "$n: kubeadm's configuration is gone after success" X $n sh -c '[ ! -e /run/machineadm/kubeadm/config.yaml ]'
  verify "$n: no token in report, output or journal" sh -c '! grep -rqs 0123456789abcdef "$1"/stdout "$1"/stderr "$1"/status.json' sh "$OUT/$n"
  verify "$n: no token in the journal" X $n sh -c '! journalctl -t machineadm -t python3 | grep -q 0123456789abcdef'
done
for n in m1 m2 m3; do unchanged $n; done
ready m1 m2 m3

# a node that is rebooted comes back, and the agent has nothing to do
"$E2E/stage/machines.sh" reboot m2
ready m2
unchanged m2
