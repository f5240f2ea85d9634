"""The packages of a fake machine: dpkg and apt, or rpm with dnf or zypper, as far as they are asked."""

from __future__ import annotations

from fnmatch import fnmatchcase

from machineadm.host.ports import CommandResult
from tests.fakes.commands import Call
from tests.fakes.host import FakeHost

DISTRIBUTIONS = {
    "apt": "ID=debian\n",
    "dnf": 'ID="rocky"\nID_LIKE="rhel centos fedora"\n',
    "zypper": 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n',
}


class FakePackages:
    """A package manager.

    Attributes:
        available: Versions of each package, the latest last.
        installed: Version of each that is there.
        broken: Names whose installation was cut off.
        held: Names.
        log: Every command that changed something.
    """

    def __init__(self, host: FakeHost, format_: str = "apt") -> None:
        self.host, self.format = host, format_
        self.available: dict[str, list[str]] = {}
        self.installed: dict[str, str] = {}
        self.broken: set[str] = set()
        self.held: set[str] = set()
        self.log: list[tuple[str, ...]] = []
        host.put("/etc/os-release", DISTRIBUTIONS[format_])
        on = host.commands.on
        if format_ == "apt":
            on("dpkg-query", effect=self._dpkg_query)
            on("dpkg", "--configure", effect=self._configure)
            on("apt-get", "update", effect=self._note)
            on("apt-get", "install", effect=self._install)
            on("apt-mark", effect=self._mark)
        else:
            on("rpm", "-q", effect=self._rpm_query)
            on("rpm", "--import", effect=self._note)
            on(format_, effect=self._other)

    def _note(self, call: Call) -> None:
        self.log.append(call.argv)

    def _dpkg_query(self, call: Call) -> CommandResult:
        lines = []
        for name in call.argv[4:]:
            if name in self.installed:
                state = "iF " if name in self.broken else "ii "
                state = f"h{state[1:]}" if name in self.held else state
                lines.append(f"{name}\t{self.installed[name]}\t{state}\n")
        missing = len(lines) < len(call.argv[4:])
        return CommandResult(exit_code=1 if missing else 0, output="".join(lines))

    def _rpm_query(self, call: Call) -> CommandResult:
        lines = []
        for name in call.argv[4:]:
            version = self.installed.get(name)
            if version is None:
                lines.append(f"package {name} is not installed\n")
            else:
                lines.append(f"{name}\t0\t" + "\t".join(version.split("-")) + "\n")
        return CommandResult(exit_code=0, output="".join(lines))

    def _configure(self, call: Call) -> None:
        self._note(call)
        self.broken.clear()

    def _install(self, call: Call) -> CommandResult | None:
        self._note(call)
        words = [one for one in call.argv[2:] if not one.startswith("-") and "::" not in one]
        for word in words:
            if word in ("DPkg::Lock::Timeout=300", "Acquire::Retries=3") or word == "install":
                continue
            name, _, wanted = word.partition("=")
            if self.format == "dnf":
                name, _, wanted = word.partition("-")
            found = [
                one
                for one in self.available.get(name, [])
                if not wanted or fnmatchcase(one, wanted) or one.partition("-")[0] == wanted
            ]
            if not found:
                output = (
                    f"E: Version '{wanted}' for '{name}' was not found\n"
                    if self.available.get(name)
                    else f"E: Unable to locate package {name}\nNo match for argument: {name}\n'{name}' not found in package names.\n"
                )
                return CommandResult(exit_code=100, output=output)
            if name in self.held and self.format == "apt":
                return CommandResult(exit_code=100, output="E: Held packages were changed\n")
            self.installed[name] = found[-1]
        return None

    def _mark(self, call: Call) -> None:
        self._note(call)
        for name in call.argv[2:]:
            (self.held.add if call.argv[1] == "hold" else self.held.discard)(name)

    def _other(self, call: Call) -> CommandResult | None:
        words = call.argv
        if "list" in words or "locks" in words:
            row = "{}-0:1-1.*\n" if self.format == "dnf" else "1 | {} | package | (any)\n"
            return CommandResult(exit_code=0, output="".join(row.format(one) for one in sorted(self.held)))  # fmt: skip
        if "install" in words:
            return self._install(call)
        self._note(call)
        for word, change in (
            ("add", self.held.add), ("addlock", self.held.add),
            ("delete", self.held.discard), ("removelock", self.held.discard),
        ):  # fmt: skip
            if word in words:
                for name in words[words.index(word) + 1 :]:
                    change(name)
        return None
