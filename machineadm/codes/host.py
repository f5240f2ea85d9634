"""What no concern has for itself: MA3302, MA34xx services."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again: it goes on where this run stopped."

TABLE: dict[str, Code] = {
    "MA3302": Code(
        "the running kernel is not this root's",
        "With --root modules, parameters and the host name are left for the machine itself.",
        "This is a fault of machineadm: such steps are deferred. Please report it.",
    ),
    "MA3401": Code(
        "systemctl failed",
        "A unit could not be enabled, started, restarted or stopped.",
        f"`systemctl status UNIT` and `journalctl -u UNIT` tell why. {_RERUN}",
    ),
}
