# User data alone makes a worker: cloud-init fetches the agent over TLS, checks it, opens the encrypted configuration, and joins.
machines 1
bootstrap m1; succeeded m1
serve
user_data m2 m2.yaml
machines 2:2
network
completed m2
ready m1 m2
workload 2
verify "m2: cloud-init is done" X m2 cloud-init status
verify "m2: the agent and its signature were fetched, once" [ "$(grep -c '"GET"' "$OUT/requests")" = 2 ]
verify "m2: the user data shows no token" sh -c '! grep -q 0123456789abcdef "$1"' sh "$OUT/m2/user-data"
verify "m2: neither does what cloud-init keeps" X m2 sh -c '! grep -rqs 0123456789abcdef /var/lib/cloud /var/log'
