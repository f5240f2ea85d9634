"""systemd units."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA3531": Code(
        "systemd does not understand a unit",
        "A unit or a drop-in of the configuration has a section, a key or a value that systemd would ignore, or refuse, "
        "at every boot. It was not "
        "written.",
        "Fix the text; the message has systemd's words, and `systemd-analyze verify FILE` repeats them.",
    ),
}
