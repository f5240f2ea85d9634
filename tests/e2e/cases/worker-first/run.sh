# A worker that is up before its control plane tries again until that is there, and joins without anybody's help.
machines 2
install m2 m2.yaml
run_agent m2 & worker=$!
verify "m2: says that it will try again" within 120 grep -qs "attempt 1 failed.*MA4009" "$OUT/m2/stderr"
bootstrap m1; succeeded m1
network
wait $worker
succeeded m2
ready m1 m2
