"""The programs that make accounts, on the files of a machine in memory: what they refuse, they refuse here, too."""

from __future__ import annotations

from datetime import date

from machineadm.host.ports import CommandResult
from tests.fakes.commands import Call
from tests.fakes.host import FakeHost

_FILES = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
    "/etc/group": "root:x:0:\nwheel:x:10:\n",
    "/etc/shadow": "root:*:19000:0:99999:7:::\n",
}
_LONG = {
    "--gid": 3, "--comment": 4, "--home": 5, "--home-dir": 5, "--shell": 6,
}  # fmt: skip


class FakeShadow:
    """groupadd, useradd, usermod and chpasswd.

    Args:
        host: Its accounts and files; files that are not there are made.
    """

    def __init__(self, host: FakeHost) -> None:
        self._host = host
        self._next = 1000
        for path, content in _FILES.items():
            if path not in host.files.nodes:
                host.put(path, content, mode=0o640 if path.endswith("shadow") else 0o644)
        for program in ("groupadd", "useradd", "usermod", "chpasswd"):
            host.commands.on(program, effect=getattr(self, f"_{program}"))

    def _groupadd(self, call: Call) -> CommandResult | None:
        *options, name = call.argv[1:]
        if self._find("/etc/group", name):
            return _failed(9, f"groupadd: group '{name}' already exists")
        self._group(name, _option(options, "--gid"))
        return None

    def _useradd(self, call: Call) -> CommandResult | None:
        *options, name = call.argv[1:]
        if self._find("/etc/passwd", name):
            return _failed(9, f"useradd: user '{name}' already exists")
        primary = _option(options, "--gid")
        if primary is None:
            if self._find("/etc/group", name):
                return _failed(9, f"useradd: group {name} exists - use -g")
            self._group(name, None)
            primary = name
        if not self._find("/etc/group", primary):
            return _failed(6, f"useradd: group '{primary}' does not exist")
        uid, gid = self._number(), (self._find("/etc/group", primary) or [])[2]
        home = _option(options, "--home-dir") or f"/home/{name}"
        gecos, shell = _option(options, "--comment") or "", _option(options, "--shell") or "/bin/sh"
        self._append("/etc/passwd", [name, "x", str(uid), gid, gecos, home, shell])
        expires = _days(_option(options, "--expiredate"))
        self._append("/etc/shadow", [name, "!", "19000", "0", "99999", "7", "", expires, ""])
        self._host.accounts.users[name] = uid
        self._host.accounts.logins[uid] = int(gid)
        self._host.files.make_directory(home)
        return self._join(name, _option(options, "--groups"))

    def _usermod(self, call: Call) -> CommandResult | None:
        *options, name = call.argv[1:]
        passwd, shadow = self._find("/etc/passwd", name), self._find("/etc/shadow", name)
        if passwd is None or shadow is None:
            return _failed(6, f"usermod: user '{name}' does not exist")
        for option, field in _LONG.items():
            value = _option(options, option)
            if value is not None:
                if option == "--gid":
                    value = (self._find("/etc/group", value) or ["", "", "0"])[2]
                passwd[field] = value
        if "--lock" in options:
            shadow[1] = f"!{shadow[1].lstrip('!')}"
        if "--unlock" in options:
            shadow[1] = shadow[1].lstrip("!")
        if expires := _option(options, "--expiredate"):
            shadow[7] = _days(expires)
        self._replace("/etc/passwd", passwd)
        self._replace("/etc/shadow", shadow)
        return self._join(name, _option(options, "--groups"))

    def _chpasswd(self, call: Call) -> CommandResult | None:
        name, _, hashed = (call.input or b"").decode().strip().partition(":")
        shadow = self._find("/etc/shadow", name)
        if shadow is None:
            return _failed(1, f"chpasswd: line 1: user '{name}' does not exist")
        shadow[1] = hashed
        self._replace("/etc/shadow", shadow)
        return None

    def _join(self, name: str, groups: str | None) -> CommandResult | None:
        for group in (groups or "").split(","):
            found = self._find("/etc/group", group) if group else None
            if group and found is None:
                return _failed(6, f"usermod: group '{group}' does not exist")
            if found is not None and name not in found[3].split(","):
                found[3] = ",".join(filter(None, (found[3], name)))
                self._replace("/etc/group", found)
        return None

    def _group(self, name: str, gid: str | None) -> None:
        number = int(gid) if gid is not None else self._number()
        self._append("/etc/group", [name, "x", str(number), ""])
        self._host.accounts.groups[name] = number

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _lines(self, path: str) -> list[list[str]]:
        return [line.split(":") for line in (self._host.text(path) or "").splitlines()]

    def _find(self, path: str, name: str) -> list[str] | None:
        return next((fields for fields in self._lines(path) if fields[0] == name), None)

    def _append(self, path: str, fields: list[str]) -> None:
        self._put(path, [*self._lines(path), fields])

    def _replace(self, path: str, fields: list[str]) -> None:
        self._put(path, [fields if one[0] == fields[0] else one for one in self._lines(path)])

    def _put(self, path: str, lines: list[list[str]]) -> None:
        mode = self._host.files.nodes[path].mode
        self._host.put(path, "".join(":".join(line) + "\n" for line in lines), mode=mode)


def _option(options: list[str], name: str) -> str | None:
    return options[options.index(name) + 1] if name in options else None


def _days(day: str | None) -> str:
    if day is None or day.isdecimal():
        return day or ""
    return str((date.fromisoformat(day) - date(1970, 1, 1)).days)


def _failed(code: int, words: str) -> CommandResult:
    return CommandResult(exit_code=code, output=f"{words}\n")
