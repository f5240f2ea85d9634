# What Kubernetes' programs would refuse, and kubeadm wait minutes for, is refused before anything is touched, at the cost of less than a
# second. The time is the processor's, since a busy machine takes longer for everything.
machines 1
refuse() {      # refuse FILE CODE: the run of this configuration ends early with this code
  local n=m1 spent
  install $n "$1.yaml" || return 0
  spent=$(X $n python3 -c 'import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=open("/run/stdout", "w"), stderr=open("/run/stderr", "w")).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, round(1000 * (used.ru_utime + used.ru_stime)))' python3 $AT bootstrap --path $CONFIG)
  echo "TIME $n $1 ${spent#* } ms of the processor, exit code ${spent% *}"
  echo "${spent% *}" > "$OUT/$n/rc"
  X $n cat /run/stdout > "$OUT/$n/stdout"; X $n cat /run/stderr > "$OUT/$n/stderr"
  collect_reports $n
  refused $n "$2" 3
  verify "$n: $1 costs less than a second (${spent#* } ms)" [ "${spent#* }" -lt 1000 ]
  verify "$n: kubeadm has made nothing of $1" X $n sh -c '! [ -e /etc/kubernetes/pki ] && ! [ -e /etc/kubernetes/admin.conf ] && ! [ -e /var/lib/kubelet/config.yaml ]'
}
refuse audit-log MA1430
refuse audit-level MA1324
refuse mount MA1430
refuse variable MA1431
refuse abac MA1303
refuse oidc-issuer MA1322
refuse argument MA1441
refuse patch MA1432
refuse kubelet-gate MA1442
refuse static-pod MA1440
