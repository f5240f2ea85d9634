# A further control plane that lacks a file which the cluster's API server reads is stopped before etcd knows of it, and told which;
# with the file it joins.
machines 3
bootstrap m1; succeeded m1
network
bootstrap m3 m3-without.yaml; refused m3 MA4035 6
verify "m3: the message names the file and the field" grep -q 'audit-policy.yaml (--audit-policy-file, controlPlane.auditPolicy)' "$OUT/m3/stderr"
members 1
bootstrap m3; succeeded m3
ready m1 m3
members 2
