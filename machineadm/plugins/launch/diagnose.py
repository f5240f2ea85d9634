"""Find out why a plugin does not start, and name the cause: architecture, library, interpreter, permission, cookie."""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
from typing import Final

from machineadm.errors import PluginError

# e_machine of elf(5), by the names that releases use.
_MACHINES: Final = {
    3: "386",
    40: "arm",
    62: "amd64",
    183: "arm64",
    243: "riscv64",
    22: "s390x",
    21: "ppc64le",
}
_FOREIGN: Final = {
    b"\xcf\xfa\xed\xfe": "a program for macOS",
    b"\xfe\xed\xfa\xcf": "a program for macOS",
    b"\xca\xfe\xba\xbe": "a program for macOS",
    b"MZ": "a program for Windows",
}
_OWN: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def unstartable(name: str, path: str, error: OSError) -> PluginError:
    """The error for a file that cannot be opened or executed."""
    cause, hint = _cause(path, error)
    return PluginError("MA7210", f"plugin {name}: cannot start {path}: {cause}", hint=hint)


def explained(log: str, code: int) -> tuple[str, str]:
    """Explain a plugin that ended at once, and what to do about it; empty if its log says nothing known."""
    # go-plugin's own words, and hosts' in other languages.
    if "This binary is a plugin" in log or "magic cookie" in log.lower():
        return (
            "it was started with another plugin's cookie",
            "it is a plugin of another kind, or of another program",
        )
    if "error while loading shared libraries: " in log:
        library = log.partition("error while loading shared libraries: ")[2].partition(":")[0]
        return f"it needs the library {library}", f"install the package that has {library}"
    # What a program in C says that was built on a newer system.
    if version := re.search(r"version `([\w.]{1,40})' not found", log):
        return (
            f"it needs {version[1]}, which this machine's libraries do not have",
            "use a build for this system or an older one, or one that is linked statically",
        )
    # The last one: a module that does without another one catches the error of the first.
    if modules := re.findall(r"\bModuleNotFoundError: No module named '([\w.]{1,100})'", log):
        return (
            f"it needs the Python module {modules[-1]}",
            "pack the plugin with all that it needs (docs/plugins.md, Ship one), or install the module for its interpreter",
        )
    # go-plugin's words for an empty cookie in the plugin itself.
    if "Misconfigured ServeConfig" in log:
        return "it is built without a cookie", "this is a bug in the plugin: ask its author"
    # A shell's exit codes: a plugin is often a wrapper script whose own command fails.
    if code == 126:
        return "something that it runs cannot be executed", "read the plugin's log"
    if code == 127:
        return "something that it runs is not installed", "read the plugin's log"
    return "", ""


def _cause(path: str, error: OSError) -> tuple[str, str]:
    """Return what is wrong, and what to do."""
    try:
        with open(path, "rb") as file:
            # Enough for the program headers, which linkers put first.
            head = file.read(4096)
        found = os.stat(path)
    except OSError:
        return (error.strerror or str(error)).lower(), _hint_of(error)
    # The most likely cause first; execve reports a foreign architecture and a missing interpreter
    # with errno values that say neither.
    if wrong := _foreign(head):
        return wrong
    if not found.st_mode & 0o111:
        mode = f"mode {stat.S_IMODE(found.st_mode):04o}, owner {found.st_uid}:{found.st_gid}"
        return f"it is not executable ({mode})", f"chmod 0755 {path}"
    # EACCES with the bits set: what remains is a mount option.
    if error.errno == errno.EACCES:
        return "permission denied", "its file system may be mounted noexec; look at `findmnt -T`"
    # execve gives ENOENT for a missing interpreter as for a missing file, and a person who sees the
    # file does not believe it.
    if interpreter := _interpreter(head):
        return (
            f"it needs {interpreter!r}, which does not exist",
            f"install the package that has {interpreter!r}",
        )
    if error.errno == errno.ENOEXEC:
        return "it is neither a program nor a script with #! in its first line", "look at `file`"
    return (error.strerror or str(error)).lower(), _hint_of(error)


def _foreign(head: bytes) -> tuple[str, str] | None:
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            return f"it is {what}", "use the plugin's build for Linux"
    if head[:4] != b"\x7fELF" or len(head) < 20:
        return None
    # EI_DATA: s390x is big-endian, so the machine number must be read in the file's own order.
    order = "<" if head[5] == 1 else ">"
    (machine,) = struct.unpack(f"{order}H", head[18:20])
    own = _OWN.get(os.uname().machine, os.uname().machine)
    theirs = _MACHINES.get(machine, f"machine type {machine}")
    if theirs == own:
        return None
    return (
        f"it is built for {theirs}, and this machine is {own}",
        f"use the plugin's build for {own}",
    )


def _interpreter(head: bytes) -> str:
    """Return the interpreter that a script or a program names, if it does not exist."""
    if head.startswith(b"#!"):
        # The kernel splits at blanks only: with a Windows line end it looks for an interpreter named "sh\r".
        line = head[2:].split(b"\n", 1)[0].replace(b"\t", b" ").strip(b" ")
        name = line.split(b" ")[0].decode("utf-8", "replace")
        return name if name and not os.path.exists(name) else ""
    # 64 bits, little-endian only: the machines that this agent runs on.
    if head[:6] == b"\x7fELF\x02\x01":
        # e_phoff, e_phentsize and e_phnum of a 64-bit header (elf(5)).
        at, size, count = (*struct.unpack("<Q", head[32:40]), *struct.unpack("<HH", head[54:58]))
        for number in range(count):
            entry = head[at + number * size :][:size]
            # PT_INTERP; p_offset and p_filesz are at 8 and 32.
            if len(entry) >= 40 and entry[:4] == b"\x03\0\0\0":
                offset, length = (
                    struct.unpack("<Q", entry[8:16])[0],
                    struct.unpack("<Q", entry[32:40])[0],
                )
                name = head[offset : offset + length].rstrip(b"\0").decode("utf-8", "replace")
                return name if name and not os.path.exists(name) else ""
    return ""


def _hint_of(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "install the plugin, or check the path"
    return "check the path and its permissions"
