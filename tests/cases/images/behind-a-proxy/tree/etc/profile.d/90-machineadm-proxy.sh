0644 0:0
# Written by machineadm: the proxies of whoever may read them.
if [ -r /etc/machineadm/proxy/host.env ]; then
  set -a
  . /etc/machineadm/proxy/host.env
  set +a
fi
