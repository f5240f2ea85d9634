0644 0:0
# Written by machineadm: the proxies, for users who may read them.
if [ -r /etc/machineadm/proxy/host.env ]; then
  set -a
  . /etc/machineadm/proxy/host.env
  set +a
fi
