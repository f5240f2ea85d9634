"""Room on file systems as statvfs(3) tells it."""

from __future__ import annotations

import os

from machineadm.host.ports.disks import Space


class LinuxDisks:
    """The Disks port."""

    def space(self, path: str) -> Space | None:
        """See `Disks.space`: of the nearest directory that is there."""
        while True:
            try:
                found = os.statvfs(path)
            except FileNotFoundError:
                if path in ("", "/"):
                    return None
                # Upwards: /var/lib/containerd is not there before the runtime is, and its
                # parent's file system is what it will be on.
                path = path.rpartition("/")[0] or "/"
            except OSError:
                return None
            else:
                return Space(
                    # f_bavail and not f_bfree: the rest is reserved for root, and the kubelet
                    # counts as df does.
                    free=found.f_bavail * found.f_frsize,
                    total=found.f_blocks * found.f_frsize,
                )
