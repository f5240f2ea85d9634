"""Codes of the packed agent's start-up, build/start.py and its companions: MA71."""

from __future__ import annotations

from machineadm.codes.model import Code

_PYTHON = "Install python3.10 or later beside the system's and start the agent with it: `python3.11 -I -S FILE`."

TABLE = {
    "MA7101": Code(
        "this Python cannot run the agent",
        "The agent needs an ordinary CPython from 3.10 to 3.14: its libraries are compiled for each of them. "
        "PyPy, free-threaded and debug builds have other binary interfaces. Nothing was changed.",
        _PYTHON,
    ),
    "MA7102": Code(
        "the agent's file is for another machine",
        "There is one file for each architecture, for Linux only; this Python is built for another. "
        "Nothing was changed.",
        "Take machineadm-linux-amd64.pyz or machineadm-linux-arm64.pyz, whichever `uname -m` asks for.",
    ),
    "MA7103": Code(
        "the C library cannot load the agent's libraries",
        "They are compiled for glibc 2.17 or later; musl (Alpine) and older versions lack what they "
        "need. Nothing was changed.",
        "Use an operating system with glibc, or a Python that brings its own.",
    ),
    "MA7104": Code(
        "the directory of the agent's libraries is not safe",
        "The directory they are unpacked to, or one above it, belongs to or can be written by somebody else, "
        "who could put code there that then runs as this user. It was not used: the agent runs from "
        "memory instead, which takes about 0.1 s longer at each start.",
        "Find out who created it, and why; then give it to the user who runs the agent (root: chown root, chmod go-w), or "
        "remove /var/cache/machineadm. MACHINEADM_CACHE names another base.",
    ),
    "MA7105": Code(
        "the agent's file is damaged",
        "The file's content does not match the digests that it lists: it is cut off, was "
        "changed, or was replaced while it ran. Nothing was unpacked.",
        "Compare its SHA-256 with that of the release (`sha256sum FILE`), and download it again.",
    ),
    "MA7106": Code(
        "the agent's libraries cannot be loaded anywhere",
        "They cannot be unpacked anywhere (read-only, full, mounted noexec, not safe), nor loaded from memory, "
        "which needs /proc and memfd.",
        "Provide a directory that only this user can write to, with 40 MB free, not mounted noexec: "
        "MACHINEADM_CACHE=/opt/machineadm.",
    ),
    "MA7107": Code(
        "the agent cannot restart itself isolated",
        "It was started without -I -S, and the interpreter does not know its own path, so it cannot be started again.",
        _PYTHON,
    ),
    "MA7108": Code(
        "the agent's unpacked libraries were damaged",
        "Files in the cache differed from the agent's file: the disk is failing, or root changed them. "
        "They have been unpacked again.",
        "Run the command again. If it happens again, check the disk (`dmesg`), and who has root on the machine.",
    ),
}
