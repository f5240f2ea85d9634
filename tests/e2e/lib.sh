# The words that a case is written in. Sourced by run.sh, which sets AGENT (the packed agent), CASE (the case's directory) and OUT
# (where what it leaves is kept). A case says what must be so, in PASS and FAIL lines; it goes on after a failure.
. "$E2E/stage/lib.sh"
AT=/usr/local/bin/machineadm.pyz; CONFIG=/etc/machineadm/config.yaml
passed=0; failed=0

pass() { echo "PASS $1"; passed=$((passed + 1)); }
fail() { echo "FAIL $1"; failed=$((failed + 1)); }
# verify SENTENCE CMD...: PASS when CMD exits 0
verify() { local w=$1; shift; if "$@"; then pass "$w"; else fail "$w"; fi; }
# within SECONDS CMD...: until CMD exits 0
within() { local end=$((SECONDS + $1)); shift; until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.5; done; }

# machines N|FROM:TO: bare machines m1 ... mN: containerd and kubeadm are there, nothing is configured
machines() { step "machines up $1" "$E2E/stage/machines.sh" up "$1" || { fail "$1 machines are up"; exit 1; }; }
# network: the pod network, which is nobody's business here but the stage's
network() { "$E2E/stage/machines.sh" cni; }

# filled FILE: a configuration of the case with its placeholders filled in
filled() { KV=v$KV NET=$NET OUT=$OUT MACHINES=$E2E/stage/machines.sh python3 "$E2E/fill.py" "$CASE/$1"; }
# install NAME FILE: the agent and its configuration, with the placeholders filled in, onto the machine
install() {
  local n=$1; mkdir -p "$OUT/$n"
  (umask 077; filled "$2" > "$OUT/$n/config.yaml") || { fail "$n: $2 is filled in"; return 1; }
  X "$n" mkdir -p /etc/machineadm && put "$n" "$OUT/$n/config.yaml" $CONFIG && X "$n" chmod 600 $CONFIG && put "$n" "$AGENT" $AT
}

# serve: the agent with a signature, over TLS, on the machines' network; $OUT keeps what a configuration must know of it
serve() {
  local d=$OUT/served f; f=$d/machineadm-linux-$(dpkg --print-architecture).pyz; mkdir -p "$d"
  cp "$AGENT" "$f" && openssl ecparam -genkey -name prime256v1 -noout -out "$OUT/key" && openssl ec -in "$OUT/key" -pubout -out "$OUT/key.pub" 2>/dev/null &&
    openssl dgst -sha256 -sign "$OUT/key" -out "$f.sig" "$f" && (cd "$E2E/../.." && "$PYTHON" -m tests.servers authority --directory "$OUT/pki" --name "$NET.1") ||
    { fail "the agent is served"; exit 1; }
  sha256sum "$f" | cut -d' ' -f1 > "$OUT/sha256"; "$PYTHON" -IS "$AGENT" version | awk '$1 == "version" {print "v" $2}' > "$OUT/version"
  echo "https://$NET.1" > "$OUT/url"
  (cd "$E2E/../.." && exec ip netns exec "$ID-br" "$PYTHON" -m tests.servers files --directory "$d" --listen "$NET.1:443" \
    --certificate "$OUT/pki/server.pem" --key "$OUT/pki/server.key" > "$OUT/requests" 2>&1) & server=$!
  verify "the agent is served" within 10 grep -qs ^https "$OUT/requests"
}
# user_data NAME FILE: before the machine is up: what `render` prints of a MachineBootstrap is its user data, and its image has the
# passphrase of provider `site`, which is in $OUT/passphrase
user_data() {
  local n=$1 v=$D/disk/vol/$1; mkdir -p "$OUT/$n" "$v/cloud" "$v/passphrases"
  (umask 077; openssl rand -hex 16 > "$OUT/passphrase"; cp "$OUT/passphrase" "$v/passphrases/site"; filled "$2" > "$OUT/$n/bootstrap.yaml")
  printf 'instance-id: first\nlocal-hostname: %s\n' "$n" > "$v/cloud/meta-data"
  "$PYTHON" -IS "$AGENT" render --path "$OUT/$n/bootstrap.yaml" > "$OUT/$n/user-data" 2> "$OUT/$n/render"
  verify "$n: its user data is rendered" [ $? = 0 ]
  cp "$OUT/$n/user-data" "$v/cloud/user-data"
}

# bootstrap NAME [FILE]: install, run to the end, collect what it leaves in $OUT/NAME
bootstrap() {
  local n=$1 t; install "$n" "${2:-$1.yaml}" || return 0
  t=$(now); run_agent "$n"
  echo "TIME $n bootstrap $(since "$t") s, exit code $(cat "$OUT/$n/rc")"
}
# The pid is the agent's own, for a case that kills it.
run_agent() {
  local n=$1 rc=0
  X "$n" sh -c "echo \$\$ > /run/agent.pid; exec timeout -k 10 ${AGENT_TIMEOUT:-600} python3 $AT bootstrap --path $CONFIG" > "$OUT/$n/stdout" 2> "$OUT/$n/stderr" || rc=$?
  echo $rc > "$OUT/$n/rc"
  collect_reports "$n"
}
collect_reports() {
  local n=$1 f
  for f in /run/machineadm/status.json /run/cluster-api/bootstrap-success.complete /run/cluster-api/bootstrap-failure.json; do
    X "$n" cat $f > "$OUT/$n/${f##*/}" 2>/dev/null || rm -f "$OUT/$n/${f##*/}"; done
}
# status NAME FIELD...: a field of the report that the last run left, empty when there is none
status() { local n=$1; shift; python3 -c 'import functools, json, sys
print(functools.reduce(lambda v, k: (v or {}).get(k), sys.argv[2:], json.load(open(sys.argv[1]))) or "")' "$OUT/$n/status.json" "$@" 2>/dev/null || :; }
told() { tail -n 25 "$OUT/$1/stderr" "$OUT/$1/stdout" | cut -c1-400 | sed 's/^/    /'; }

succeeded() {
  local n=$1 rc phase; rc=$(cat "$OUT/$n/rc" 2>/dev/null); phase=$(status "$n" phase)
  verify "$n: exit code 0 (is: ${rc:-none})" [ "$rc" = 0 ]
  [ "$rc" = 0 ] || told "$n"
  verify "$n: the report says Succeeded (is: ${phase:-none})" [ "$phase" = Succeeded ]
  verify "$n: the success sentinel says success" [ "$(cat "$OUT/$n/bootstrap-success.complete" 2>/dev/null)" = success ]
  verify "$n: no failure sentinel" [ ! -e "$OUT/$n/bootstrap-failure.json" ]
}

# refused NAME CODE EXIT: the run failed with that error code, and told it
refused() {
  local n=$1 rc code phase; rc=$(cat "$OUT/$n/rc" 2>/dev/null); code=$(status "$n" error code); phase=$(status "$n" phase)
  verify "$n: exit code $3 (is: ${rc:-none})" [ "$rc" = "$3" ]
  verify "$n: error $2 in the report (is: ${code:-none})" [ "$code" = "$2" ]
  [ "$rc.$code" = "$3.$2" ] || told "$n"
  verify "$n: error $2 on the terminal" grep -q "$2" "$OUT/$n/stderr"
  verify "$n: the report says Failed (is: ${phase:-none})" [ "$phase" = Failed ]
  verify "$n: no success sentinel" [ ! -e "$OUT/$n/bootstrap-success.complete" ]
  verify "$n: the failure sentinel is there" [ -s "$OUT/$n/bootstrap-failure.json" ]
}

# members N: etcd has so many members, and all of them vote
members() {
  local pki=/etc/kubernetes/pki/etcd list
  list=$(K -n kube-system exec etcd-m1 -- etcdctl --cacert=$pki/ca.crt --cert=$pki/server.crt --key=$pki/server.key member list)
  verify "etcd has $1 voting members and no other" [ "$(grep -c 'started.*false$' <<< "$list")" = "$1" -a "$(wc -l <<< "$list")" = "$1" ]
}

node_ready() { [ "$(K get node "$1" --no-headers 2>/dev/null | awk '{print $2}')" = Ready ]; }
ready() { local n; for n; do verify "$n: the node is Ready" within 120 node_ready "$n"; done; }

# unchanged NAME: a second run exits 0, restarts nothing and writes nothing
unchanged() {
  local n=$1 rc=0 before after written
  before=$(X "$n" systemctl show -p MainPID containerd kubelet | tr '\n' ' ')
  # The first start in a boot seals the agent's cache anew: that is not a second run.
  X "$n" python3 $AT plan --path $CONFIG > /dev/null 2>&1
  X "$n" sh -c 'touch /dev/shm/.stamp; sleep 0.1'
  X "$n" python3 $AT bootstrap --path $CONFIG > "$OUT/$n/again.stdout" 2> "$OUT/$n/again.stderr" || rc=$?
  written=$(X "$n" find / -xdev -cnewer /dev/shm/.stamp -not -path '/var/log/*' -not -path '/var/lib/cni*' -not -name '*lock' \
    -not \( -path /var/lib -o -path /run -o -path /tmp -o -path /dev/shm -o -path /var/lib/kubelet -o -path /var/lib/containerd -o -path /var/lib/etcd \) | head -20)
  after=$(X "$n" systemctl show -p MainPID containerd kubelet | tr '\n' ' ')
  verify "$n: a second run exits 0 (is: $rc)" [ $rc = 0 ]
  verify "$n: a second run restarts nothing" [ "$before" = "$after" ]
  verify "$n: a second run writes nothing${written:+: $(echo $written)}" [ -z "$written" ]
  [ $rc = 0 ] || tail -n 15 "$OUT/$n/again.stderr" | sed 's/^/    /'
}

# killed NAME CONDITION: run the agent and kill -9 it as soon as kubeadm runs and CONDITION (a shell command) holds on the machine
killed() {
  local n=$1 job hit=0
  X "$n" rm -f /run/agent.pid
  run_agent "$n" & job=$!
  X "$n" sh -c 'for i in $(seq 3000); do
      if pgrep -x kubeadm >/dev/null && { '"$2"'; } >/dev/null 2>&1; then kill -9 $(pgrep -P "$(cat /run/agent.pid)"); exit; fi
      sleep 0.02
    done; exit 1' || hit=$?
  wait $job
  verify "$n: the agent was killed while kubeadm ran ($2)" [ $hit = 0 ]
  verify "$n: kubeadm died with the agent" within 10 X "$n" sh -c '! pgrep -x kubeadm >/dev/null'
  verify "$n: no sentinel says that it is done" X "$n" test ! -e /run/cluster-api/bootstrap-success.complete
}
# killed_at NAME WORDS: the same, as soon as kubeadm has said these words (a regular expression) in the agent's log
killed_at() {
  local n=$1 job hit=0
  X "$n" sh -c 'rm -f /run/agent.pid; : > /run/agent.out'
  X "$n" sh -c "echo \$\$ > /run/agent.pid; exec timeout -k 10 ${AGENT_TIMEOUT:-600} python3 $AT bootstrap --path $CONFIG > /run/agent.out 2>&1" & job=$!
  X "$n" sh -c 'for i in $(seq 20000); do
      grep -q -- "$0" /run/agent.out && { kill -9 $(pgrep -P "$(cat /run/agent.pid)"); exit; }
      [ ! -e /run/agent.pid ] || [ -e "/proc/$(cat /run/agent.pid)" ] || exit 1
      sleep 0.01
    done; exit 1' "$2" || hit=$?
  wait $job
  verify "$n: the agent was killed when kubeadm said '$2'" [ $hit = 0 ]
  verify "$n: kubeadm died with the agent" within 10 X "$n" sh -c '! pgrep -x kubeadm >/dev/null'
  verify "$n: no sentinel says that it is done" X "$n" test ! -e /run/cluster-api/bootstrap-success.complete
}
# failed NAME: run the agent, which fails, whatever the error is
failed() { run_agent "$1"; verify "$1: the run fails (is: $(cat "$OUT/$1/rc"))" [ "$(cat "$OUT/$1/rc")" != 0 ]; }
# print NAME: what a person has made of the machine, and must find again
print_of() { X "$1" sh -c 'cd / && find etc/kubernetes var/lib/etcd/member/wal -type f \( -name "*.conf" -o -path "*/pki/*" -o -name "0*.wal" \) 2>/dev/null | sort |
    while read -r f; do case $f in *.wal) echo "$f";; *) sha256sum "$f";; esac; done'; }
# left_alone NAME CODE WHAT: the last run refused with the code, and what a person had made is as `print_of` found it before ($before)
left_alone() {
  refused "$1" "$2" 6
  verify "$1: $3 is as it was" [ -n "$before" -a "$(print_of "$1")" = "$before" ]
}

# crashed NAME CONDITION: the same, but the whole machine goes down at once and boots again; nobody starts the agent then
crashed() {
  local n=$1 job hit=0
  run_agent "$n" & job=$!
  X "$n" sh -c 'for i in $(seq 3000); do pgrep -x kubeadm >/dev/null && { '"$2"'; } >/dev/null 2>&1 && exit; sleep 0.02; done; exit 1' || hit=$?
  "$E2E/stage/machines.sh" crash "$n" || hit=$?
  wait $job
  verify "$n: the machine crashed while kubeadm ran ($2)" [ $hit = 0 ]
}
# completed NAME: without anybody's help, within five minutes
completed() {
  local n=$1 t; t=$(now)
  verify "$n: completes itself" within 300 X "$n" test -e /run/cluster-api/bootstrap-success.complete
  echo "TIME $n completed $(since "$t") s after it was back"
  echo 0 > "$OUT/$n/rc"; collect_reports "$n"; succeeded "$n"
}
resumed() { local n=$1 t; t=$(now); run_agent "$n"; echo "TIME $n resumed $(since "$t") s, exit code $(cat "$OUT/$n/rc")"; succeeded "$n"; }

# workload N: pods of a cluster of N nodes run, DNS and a service address answer from one
workload() {
  local l
  while read -r l; do case $l in PASS*) pass "${l#PASS }";; FAIL*) fail "${l#FAIL }";; *) echo "    $l";; esac; done < <("$E2E/stage/check.sh" "$1")
}
