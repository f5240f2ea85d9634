"""What no concern has for itself: MA3302, MA34xx services."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again: it continues where this run stopped."

TABLE: dict[str, Code] = {
    "MA3302": Code(
        "the running kernel is not this root's",
        "With --root, kernel modules, parameters and the host name are left to the machine itself.",
        "This is a bug in machineadm, which should have deferred the step. Please report it.",
    ),
    "MA3401": Code(
        "systemctl failed",
        "A unit could not be enabled, started, restarted or stopped.",
        f"`systemctl status UNIT` and `journalctl -u UNIT` show why. {_RERUN}",
    ),
    "MA3402": Code(
        "no unit or program can be managed below another root",
        "A step needs the init system or a program of the running system, and this is a tree (`--root`).",
        "This is a bug in machineadm, which should have deferred the step. Please report it.",
    ),
    "MA3410": Code(
        "a program that had to run after a change failed",
        "A change on the machine required a program to run afterwards (to rebuild a trust store, say), and it failed.",
        f"Run the program by hand to see what it says. {_RERUN}",
    ),
    "MA3411": Code(
        "a restart failed, and the change before it was reverted",
        "Files were changed, and the unit that reads them did not start with them. They were restored to what they were before "
        "this run, where that was kept, and the unit was started again.",
        "Fix the content of those files in the configuration; `journalctl -u UNIT` shows the reason. Then run again.",
    ),
    "MA3412": Code(
        "the machine was rebooted too often",
        "Steps still ask for a reboot after the agent has rebooted the machine three times.",
        "Something undoes the configuration's change at every boot; the step's message says what it changes.",
    ),
}
