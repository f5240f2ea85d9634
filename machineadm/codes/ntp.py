"""The clock."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again."

TABLE: dict[str, Code] = {
    "MA3541": Code(
        "no time service is installed",
        "The configuration asks for a time service, and the machine has neither chrony nor systemd-timesyncd, or has them masked. "
        "Nothing of the clock was changed.",
        f"Install one of them, in the image or in commands.boot, or leave `ntp` out. {_RERUN}",
    ),
    "MA3542": Code(
        "the clock is not synchronized",
        "The timeout of requireSync is over, and the time service has not set the clock yet. kubeadm was not started: "
        "with a wrong clock, certificates are not valid yet, or no longer valid.",
        "`chronyc sources` or `timedatectl timesync-status` shows which servers answer. Check the servers' names and "
        f"UDP port 123, or allow more time with requireSync.timeout. {_RERUN}",
    ),
    "MA3543": Code(
        "the time service does not run",
        "systemd was asked to start the time service, but it does not run. systemd skips it in a container, whose clock "
        "is the host's.",
        "`systemctl status` of the unit that the message names shows why. In a container leave `ntp` out.",
    ),
}
