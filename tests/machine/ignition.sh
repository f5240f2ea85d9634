#!/bin/sh
# Before systemd: what the initramfs of a system with Ignition does at the first boot. /ignition holds the program and the
# configuration, and may hold `prepare`, what is to be done to the image before. A machine id that is "uninitialized" is what makes systemd enable units by their presets.
set -e
[ ! -e /var/lib/.ignited ] || exec /sbin/stage-init
[ ! -e /ignition/prepare ] || sh -e /ignition/prepare
mkdir -p /run/ignition
for stage in fetch disks mount files umount; do
  IGNITION_CONFIG_FILE=/ignition/config.ign /ignition/ignition -platform file -stage "$stage" -root / -log-to-stdout \
    -config-cache /run/ignition/cache -state-file /run/ignition/state -neednet /run/ignition/neednet >> /var/log/ignition.log 2>&1 || {
      tail -20 /var/log/ignition.log; exit 1; }
done
ln -sf /dev/null /etc/systemd/system/systemd-firstboot.service    # would ask at the console
echo uninitialized > /etc/machine-id
: > /var/lib/.ignited
mount --make-rshared /    # as systemd does itself outside a container: systemd-sysext counts on it
exec /sbin/stage-init
