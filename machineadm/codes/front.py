"""Codes of the packed agent's start-up, build/start.py and its companions: MA71."""

from __future__ import annotations

from machineadm.codes.model import Code

_PYTHON = "Install python3.10 or later beside the system's and start the agent with it: `python3.11 -I -S FILE`."

TABLE = {
    "MA7101": Code(
        "this Python cannot run the agent",
        "The agent needs an ordinary CPython from 3.10 to 3.14: its libraries are compiled for each of them. "
        "PyPy, free-threaded and debug builds have other binary interfaces. Nothing was touched.",
        _PYTHON,
    ),
    "MA7102": Code(
        "the agent's file is for another machine",
        "There is one file for each architecture, for Linux only; the Python that runs is built for another. "
        "Nothing was touched.",
        "Take machineadm-linux-amd64.pyz or machineadm-linux-arm64.pyz, whichever `uname -m` asks for.",
    ),
    "MA7103": Code(
        "the C library cannot load the agent's libraries",
        "They are compiled for glibc 2.17 or later; musl, as of Alpine, and older ones lack what they "
        "need. Nothing was touched.",
        "Use an operating system with glibc, or a Python that brings its own.",
    ),
    "MA7104": Code(
        "the place of the agent's libraries is not safe",
        "The directory that they are unpacked to, or one above it, is somebody else's or can be written to by others, "
        "who could put code there that then runs as this user. It was not used: the agent goes on from "
        "memory, which takes some 0.1 s longer at each start.",
        "Look who made it, and why; then give it to the user who runs the agent (root: chown root, chmod go-w), or "
        "remove /var/cache/machineadm. MACHINEADM_CACHE names another base.",
    ),
    "MA7105": Code(
        "the agent's file is damaged",
        "What the file holds does not have the digests that it lists itself: it is cut off or was "
        "changed, or another one took its place while it ran. Nothing was unpacked.",
        "Compare its SHA-256 with that of the release (`sha256sum FILE`), and download it again.",
    ),
    "MA7106": Code(
        "the agent's libraries cannot be loaded anywhere",
        "They can be unpacked nowhere (read-only, full, mounted noexec, not safe), nor loaded from memory, "
        "which needs /proc and memfd files.",
        "Give a directory that is this user's alone, with 40 MB of room, where files may be executed: "
        "MACHINEADM_CACHE=/opt/machineadm.",
    ),
    "MA7107": Code(
        "the agent cannot start itself isolated",
        "It was started without -I -S, and the interpreter does not know its own path, so that it cannot be started again.",
        _PYTHON,
    ),
    "MA7108": Code(
        "the agent's unpacked libraries were damaged",
        "Files in the cache differed from the agent's file: by a fault of the disk, or because root changed them. "
        "They have been unpacked again.",
        "Run the command again. If it comes back, look at the disk (`dmesg`) and at who is root on the machine.",
    ),
}
