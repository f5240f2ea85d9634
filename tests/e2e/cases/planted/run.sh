# The harness itself: an agent that does nothing and says that all is well must not pass.
AGENT=$CASE/liar.py
machines 1
bootstrap m1 m1.yaml
seen=$( (succeeded m1; within() { shift; "$@"; }; ready m1; unchanged m1) )
verify "a node that is not there is noticed" grep -q "FAIL m1: the node is Ready" <<<"$seen"
verify "a run that writes each time is noticed" grep -q "FAIL m1: a second run writes nothing" <<<"$seen"
verify "an exit code of 0 is seen as such" grep -q "PASS m1: exit code 0" <<<"$seen"
X m1 rm /run/machineadm/status.json; sed -i s/Succeeded/Failed/ "$OUT/m1/status.json"
seen=$( (succeeded m1; refused m1 MA4007 6) )
verify "a report of failure is noticed" grep -q "FAIL m1: the report says Succeeded (is: Failed)" <<<"$seen"
verify "a missing error code is noticed" grep -q "FAIL m1: error MA4007 in the report (is: none)" <<<"$seen"
