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
    "MA3402": Code(
        "no unit or program can be acted on below another root",
        "A step needs the init system or a program of the running system, and this is a tree (`--root`).",
        "This is a fault of machineadm itself, which defers such steps; please report it.",
    ),
    "MA3410": Code(
        "a program that had to follow a change failed",
        "A change on the machine asked for a program to be run after it (a trust store to be rebuilt), and that failed.",
        f"Run the program by hand to see what it says. {_RERUN}",
    ),
    "MA3411": Code(
        "a restart failed, and the change before it was taken back",
        "Files were changed, the unit that reads them did not come up with them, and they were put back as they were before "
        "this run, where that was kept. The unit was started again with the old files.",
        "Fix what the configuration says in those files; `journalctl -u` of the unit names its reason. Then run again.",
    ),
    "MA3412": Code(
        "the machine was rebooted too often",
        "Steps ask for a reboot although the agent rebooted the machine three times.",
        "Something undoes at every boot what the configuration asks for; the step's message says what it is.",
    ),
}
