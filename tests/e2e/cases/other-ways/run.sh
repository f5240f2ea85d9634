# The other ways to join: a kubeconfig instead of a token, keys in the configuration instead of uploaded ones; a new host name.
machines 3
bootstrap m1; succeeded m1
network
bootstrap m2; succeeded m2
bootstrap m3; succeeded m3
ready m1 worker-a m3
same() { [ "$1" = "$2" ] || { echo "    wanted: $1 is: $2"; return 1; }; }
verify "m2 has its new host name" same worker-a "$(X m2 hostname)"
verify "the node has its provider ID" same test:///worker-a "$(K get node worker-a -o 'jsonpath={.spec.providerID}')"
verify "the node is not initialised yet" same NoSchedule "$(K get node worker-a -o 'jsonpath={range .spec.taints[?(@.key=="node.cluster.x-k8s.io/uninitialized")]}{.effect}{end}')"
verify "a patch of the kubelet's configuration is in force" same 31 "$(K get node worker-a -o 'jsonpath={.status.capacity.pods}')"
verify "m3's key of the authority is the cluster's own" same "$(X m1 sha256sum /etc/kubernetes/pki/ca.key)" "$(X m3 sha256sum /etc/kubernetes/pki/ca.key)"
verify "m3's key of the authority is for root alone" same "600 root:root" "$(X m3 stat -c '%a %U:%G' /etc/kubernetes/pki/ca.key)"
verify "no private key is told" sh -c '! grep -rq "PRIVATE KEY" "$1"/m3/stdout "$1"/m3/stderr "$1"/m3/status.json' sh "$OUT"
for n in m1 m2 m3; do unchanged $n; done
