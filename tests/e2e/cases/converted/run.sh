# What Cluster API's provider is given on bare metal, converted by one command, makes a control plane and a worker: what only a machine knows
# comes from its metadata, which cloud-init has read.
cat > "$OUT/values.env" <<V
CLUSTER_NAME=metal
CLUSTER_ENDPOINT_HOST=$(addr m1)
CLUSTER_PROVISIONING_INTERFACE=ironicendpoint
KUBERNETES_VERSION=v$KV
IMAGE_USERNAME=ops
SSH_PUB_KEY_CONTENT="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ops@example.com"
TOKEN=abcdef.0123456789abcdef
V
uuid() { echo "0a1b2c3d-0000-4000-8000-00000000000${1#m}"; }
# described NAME: what a platform tells of a machine, before it is up
described() {
  local v=$D/disk/vol/$1; mkdir -p "$v/cloud" "$v/passphrases"
  cat > "$v/cloud/meta-data" <<M
instance-id: first-$1
local-hostname: metal-$1
name: $1
uuid: $(uuid "$1")
providerid: metal/$1/$(uuid "$1")
provisioningIP: 172.22.0.${1#m}
provisioningCIDR: "24"
M
  echo '#cloud-config' > "$v/cloud/user-data"
}
# converted NAME FILE OPTION...: one machine of FILE, as NAME.yaml of $OUT; nothing may be left to decide
converted() {
  local n=$1 f=$2 rc=0; shift 2
  "$PYTHON" -IS "$AGENT" convert --path "$CASE/$f" --to MachineConfiguration --values "$OUT/values.env" "$@" > "$OUT/$n.yaml" 2> "$OUT/$n.account" || rc=$?
  verify "$n: all of $f converts (exit code $rc)" [ $rc = 0 ]
  [ $rc = 0 ] || grep -i decision "$OUT/$n.account" | sed 's/^/    /'
}
node() { K get node "$1" -o "jsonpath=$2"; }
same() { [ "$1" = "$2" ] || { echo "    wanted: $1 is: $2"; return 1; }; }

disk_on; for n in m1 m2; do described $n; done
machines 2
converted m1 control-plane.yaml --role Initialize
CASE=$OUT bootstrap m1; succeeded m1
network
printf 'type: Token\ntoken: abcdef.0123456789abcdef\nendpoint: %s:6443\ncaCertHashes: ["@CA_HASH@"]\n' "$(addr m1)" > "$OUT/join.in"
(CASE=$OUT; filled join.in > "$OUT/join.yaml")
converted m2 workers.yaml --role JoinWorker --discovery "$OUT/join.yaml" --kubernetes-version "v$KV"
CASE=$OUT bootstrap m2; succeeded m2
ready m1 m2
workload 2

for n in m1 m2; do
  verify "$n: its label is the uuid of its metadata" same "$(uuid $n)" "$(node $n '{.metadata.labels.metal3\.io/uuid}')"
  verify "$n: its provider id is of its metadata" same "metal3://metal/$n/$(uuid $n)" "$(node $n '{.spec.providerID}')"
done
verify "m1: its host name is of its metadata" same m1 "$(X m1 hostname)"
verify "m1: a file has the addresses of its metadata" X m1 grep -qx ' *- 172.22.0.1/24' /etc/netplan/52-ironicendpoint.yaml
verify "m1: a script took the role and the metadata from its environment" same "first $(uuid m1)" "$(X m1 cat /var/lib/role)"
verify "m1: the user has the kubeconfig" X m1 sh -c '[ "$(stat -c %U:%G /home/ops/.kube/config)" = ops:ops ] && cmp /home/ops/.kube/config /etc/kubernetes/admin.conf'
verify "m1: the user's key is there" X m1 grep -q ops@example.com /home/ops/.ssh/authorized_keys
verify "m1: the argument reaches the API server" X m1 grep -q -- --event-ttl=2h /etc/kubernetes/manifests/kube-apiserver.yaml
verify "m2: its taint is there" same true:PreferNoSchedule "$(node m2 '{range .spec.taints[?(@.key=="example.com/fresh")]}{.value}:{.effect}{end}')"
verify "m2: the commands around kubeadm ran" X m2 sh -c '[ "$(cat /var/lib/named)" = m2 ] && [ -e /var/lib/after ]'
for n in m1 m2; do verify "$n: IP forwarding is on" same 1 "$(X $n cat /proc/sys/net/ipv4/ip_forward)"; done
for n in m1 m2; do unchanged $n; done
