# A worker whose token the cluster does not know is told so, and joins once the file is fixed.
machines 2
bootstrap m1; succeeded m1
network
AGENT_TIMEOUT=120 bootstrap m2 m2-wrong.yaml; refused m2 MA4007 6
verify "m2: not a node" [ -z "$(K get node m2 --no-headers --ignore-not-found)" ]
bootstrap m2; succeeded m2
ready m1 m2
