# The commands of docs/first-node.md, as they are, make a node of a machine that has Debian's own packages and nothing of Kubernetes.
. "$E2E/packages.sh"
machines 1
bare m1
packages m1
put m1 "$AGENT" /root/machineadm.pyz
follow m1 "$E2E/../../docs/first-node.md"
ready m1
verify "m1: containerd was configured by the page" X m1 grep -q 'SystemdCgroup = true' /etc/containerd/config.toml
collect_reports m1; echo 0 > "$OUT/m1/rc"; succeeded m1
