# A first control plane of ours does not finish; then a person acts, or nobody does; then it is run again, with the same file, with
# an edited one, or by a boot. What a person made or restored since is as it was after every order of these; where there is nothing
# of anybody's, the node comes up.
# Each failure meets each act; what follows takes turns, so that 25 orders meet all pairs. E2E_ORDERS=all: all 75; E2E_ORDERS=REGEX: of these the ones that
# it matches.
ENDS=(preflight late certs etcd uploaded); ACTS=(nothing resets inits joins restores); NEXT=(same edited reboot)
TOKEN=abcdef.0123456789abcdef
by_hand() { X "$1" sh -c "{ $2; } > /var/log/by-hand 2>&1"; }
refuses() { grep -qx 'MA40\(03\|18\|40\|41\|44\|45\|46\)' <<< "$1"; }

machines 1
X m1 sysctl -qw net.ipv4.ip_forward=1
by_hand m1 "kubeadm init --kubernetes-version v$KV --control-plane-endpoint cluster.test:6443 --pod-network-cidr 10.244.0.0/16 --token $TOKEN --node-name m1"
X m1 tar -C / -czf /root/backup.tar.gz etc/kubernetes/pki var/lib/etcd/member
"$E2E/stage/machines.sh" get m1 /root/backup.tar.gz "$OUT/backup.tar.gz"
PIN=$(X m1 sh -c 'kubeadm token create --print-join-command 2>/dev/null' | grep -o 'sha256:[0-9a-f]*')
verify "there are a cluster to join and a backup to restore" [ -n "$PIN" -a -s "$OUT/backup.tar.gz" ]

ours() {      # ours HOW: our run, which does not finish
  local file=m2.yaml
  [ "$1" != late ] || file=m2-late.yaml
  install m2 $file
  case $1 in
    preflight)
      X m2 sh -c 'setsid python3 -m http.server 10250 > /dev/null 2>&1 & echo $! > /run/taken; sleep 1'
      run_agent m2; X m2 sh -c 'kill $(cat /run/taken)'; refused m2 MA4003 6;;
    late) run_agent m2; refused m2 MA4013 6;;
    certs) killed_at m2 '\[certs\] Generating "apiserver"';;
    etcd) killed_at m2 '\[etcd\] Creating';;
    uploaded) killed_at m2 '\[upload-config\]';;
  esac
  sleep 7      # as long as the agent may have been silent before it was killed
}
act() {
  case $1 in
    nothing) return 0;;
    resets) by_hand m2 'kubeadm reset --force';;
    inits) by_hand m2 "kubeadm reset --force; kubeadm init --kubernetes-version v$KV --control-plane-endpoint m2:6443 --pod-network-cidr 10.244.0.0/16 --node-name m2";;
    joins) by_hand m2 "kubeadm reset --force; kubeadm join cluster.test:6443 --token $TOKEN --discovery-token-ca-cert-hash $PIN --node-name m2";;
    restores)
      put m2 "$OUT/backup.tar.gz" /root/backup.tar.gz
      by_hand m2 'systemctl stop kubelet; rm -rf /var/lib/etcd/member && tar -C / -xzf /root/backup.tar.gz';;
  esac
}
again() {      # again HOW: the next run, to its end
  case $1 in
    same) run_agent m2;;
    edited) bootstrap m2 m2-edited.yaml;;
    reboot)
      "$E2E/stage/machines.sh" reboot m2
      within 300 X m2 sh -c '! systemctl is-active -q machineadm-resume && ! systemctl list-jobs | grep -q machineadm-resume'
      run_agent m2;;
  esac
}

turn=0
for end in "${ENDS[@]}"; do for act in "${ACTS[@]}"; do
  if [ -n "${E2E_ORDERS:-}" ]; then following=("${NEXT[@]}"); else following=("${NEXT[turn % 3]}"); fi
  turn=$((turn + 1))
  for next in "${following[@]}"; do
    order="$end, $act, $next"
    [[ ${E2E_ORDERS:-all} = all || $order =~ $E2E_ORDERS ]] || continue
    echo "--- $order"
    ! X m2 true 2> /dev/null || { by_hand m1 'kubectl --kubeconfig /etc/kubernetes/admin.conf delete node m2'; "$E2E/stage/machines.sh" down m2; }
    machines 2:2
    ours "$end"
    verify "$order: the person's part works" act "$act"
    before=$(print_of m2)
    again "$next"
    code=$(status m2 error code)
    case $act in
      nothing|resets)
        # the run that failed late fails again for its own reason until its file is edited
        if [ "$end" = late ] && [ "$next" != edited ]; then refused m2 MA4013 6; else succeeded m2; fi;;
      *)
        verify "$order: the run is refused (is: ${code:-none})" refuses "$code"
        refuses "$code" || told m2
        verify "$order: what the person made is as it was" [ -n "$before" -a "$(print_of m2)" = "$before" ];;
    esac
    [ "$act" != inits ] || verify "$order: the person's API server answers" within 120 X m2 kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz
    [ "$act" != joins ] || verify "$order: the person's node is one of the cluster" K get node m2
  done
done; done
