"""What installs packages: how each program is asked, and told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import ClassVar, Final

import msgspec

from machineadm.api.v1alpha1.packages import Package, PackageRepository
from machineadm.config.concerns.packages import is_flat


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """A package that is there."""

    versions: tuple[str, ...]
    """In each spelling that its program takes for the version."""
    whole: bool = True
    """False where an installation was cut off."""
    held: bool = False

    def is_version(self, wanted: str | None) -> bool:
        """Whether it is the version that a configuration names."""
        return wanted is None or any(fnmatchcase(one, wanted) for one in self.versions)


class Manager:
    """A program that installs packages."""

    program: ClassVar[str]
    queried_by: ClassVar[str]
    """The program that lists what is installed."""
    environment: ClassVar[Mapping[str, str]] = {}
    never: ClassVar[tuple[str, ...]] = ()
    """What it says of a package or version that no repository has."""

    def describe(self, repository: PackageRepository, keys: str) -> str:
        """The file of a repository; `keys` is the path of its keys."""
        raise NotImplementedError

    def query(self, names: Sequence[str]) -> tuple[str, ...]:
        """The command that lists installed packages; `read` reads what it prints."""
        raise NotImplementedError

    def read(self, output: str) -> dict[str, Installed]:
        """What is installed, by name."""
        raise NotImplementedError

    def holds(self) -> tuple[str, ...] | None:
        """The command that lists what is held, or None where `query` says it."""
        return None

    def read_holds(self, output: str, names: Sequence[str]) -> set[str]:
        """Which of these packages are held."""
        del output, names
        return set()

    def prepare(self) -> tuple[tuple[str, ...], ...]:
        """Commands before an installation."""
        return ()

    def install(self, packages: Sequence[Package]) -> tuple[str, ...]:
        """The command that installs packages, or replaces other versions of them."""
        raise NotImplementedError

    def hold(self, names: Sequence[str], *, on: bool) -> tuple[str, ...]:
        """The command that holds packages, or releases them."""
        raise NotImplementedError


class Apt(Manager):
    """apt-get(8), on Debian and its kin."""

    program = "apt-get"
    queried_by = "dpkg-query"
    environment: ClassVar = {
        "DEBIAN_FRONTEND": "noninteractive",
        # Ubuntu's needrestart would restart services behind our back, or ask.
        "NEEDRESTART_SUSPEND": "1",
    }
    never = ("Unable to locate package", "was not found", "has no installation candidate")

    # Somebody else's apt may be at work: an unattended upgrade runs at first boot.
    _OPTIONS: Final = ("-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3")

    def describe(self, repository: PackageRepository, keys: str) -> str:
        """See `Manager.describe`: sources.list(5), in the style of deb822."""
        lines = [
            "Types: deb",
            f"URIs: {repository.url}",
            f"Suites: {' '.join(repository.suites)}",
        ]
        if not is_flat(repository):
            lines.append(f"Components: {' '.join(repository.components)}")
        return "\n".join([*lines, f"Signed-By: {keys}", ""])

    def query(self, names: Sequence[str]) -> tuple[str, ...]:
        """See `Manager.query`."""
        return ("dpkg-query", "-W", "-f", r"${Package}\t${Version}\t${db:Status-Abbrev}\n", *names)

    def read(self, output: str) -> dict[str, Installed]:
        """See `Manager.read`."""
        found = {}
        for line in output.splitlines():
            name, _, rest = line.partition("\t")
            version, _, status = rest.partition("\t")
            # Wanted, state, error: `ii `, `hi ` held, `iF ` half configured, `rc ` removed, its configuration left.
            if len(status) >= 2 and version and status[1] not in "nc":
                found[name] = Installed(
                    versions=(version,), whole=status[1] == "i", held=status[0] == "h"
                )
        return found

    def prepare(self) -> tuple[tuple[str, ...], ...]:
        """See `Manager.prepare`."""
        # What an installation left that was cut off: apt-get refuses to go on before that.
        return (
            ("dpkg", "--configure", "-a", "--force-confdef", "--force-confold"),
            ("apt-get", "update", *self._OPTIONS),
        )

    def install(self, packages: Sequence[Package]) -> tuple[str, ...]:
        """See `Manager.install`."""
        named = [f"{one.name}={one.version}" if one.version else one.name for one in packages]
        # Only where a version is asked for: nothing else may be replaced by an older one.
        downgrade = ["--allow-downgrades"] if any(one.version for one in packages) else []
        # Files of the configuration that are there already stay.
        keeping = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]
        return ("apt-get", "install", "-y", "--no-install-recommends", *downgrade, *self._OPTIONS, *keeping, *named)  # fmt: skip

    def hold(self, names: Sequence[str], *, on: bool) -> tuple[str, ...]:
        """See `Manager.hold`."""
        return ("apt-mark", "hold" if on else "unhold", *names)


class _Rpm(Manager):
    """What dnf and zypper have in common."""

    queried_by = "rpm"

    def query(self, names: Sequence[str]) -> tuple[str, ...]:
        """See `Manager.query`."""
        format_ = r"%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\n"
        # rpm and not dnf: it reads the database without loading repositories, which may be away.
        return ("rpm", "-q", "--queryformat", format_, *names)

    def read(self, output: str) -> dict[str, Installed]:
        """See `Manager.read`."""
        found = {}
        for line in output.splitlines():
            fields = line.split("\t")
            if len(fields) == 4:
                name, epoch, version, release = fields
                plain = version, f"{version}-{release}"
                versions = (*plain, *(f"{epoch}:{one}" for one in plain))
                found[name] = Installed(versions=versions)
        return found

    def _section(self, repository: PackageRepository, keys: str, more: Sequence[str]) -> str:
        lines = [
            f"[machineadm-{repository.name}]",
            f"name={repository.name}",
            f"baseurl={repository.url}",
            "enabled=1",
            "gpgcheck=1",
            f"gpgkey=file://{keys}",
        ]
        return "\n".join([*lines, *more, ""])


class Dnf(_Rpm):
    """dnf(8), on the RHEL family and Amazon Linux."""

    program = "dnf"
    never = ("No match for argument", "Unable to find a match")

    def describe(self, repository: PackageRepository, keys: str) -> str:
        """See `Manager.describe`."""
        return self._section(repository, keys, [])

    def holds(self) -> tuple[str, ...] | None:
        """See `Manager.holds`."""
        # -C: from the cache alone, for a list of locks needs no repository.
        return ("dnf", "-q", "-C", "versionlock", "list")

    def read_holds(self, output: str, names: Sequence[str]) -> set[str]:
        """See `Manager.read_holds`: dnf 4 has a line for each, `kubelet-0:1.34.4-1.1.*`; dnf 5 a paragraph."""
        found, paragraph = set(), ""
        for line in map(str.strip, output.splitlines()):
            if line.startswith("Package name: "):
                paragraph = line.removeprefix("Package name: ").partition(" #")[0]
            # Other comparators leave versions out, and let the package be upgraded past them.
            elif line.startswith("evr = "):
                found.add(paragraph)
            else:
                # Cut at a version: kubelet is not kubelet-extras.
                found |= {
                    name
                    for name in names
                    if line.startswith(f"{name}-")
                    and line[len(name) + 1 : len(name) + 2].isdecimal()
                }
        return found & set(names)

    def install(self, packages: Sequence[Package]) -> tuple[str, ...]:
        """See `Manager.install`."""
        named = [f"{one.name}-{one.version}" if one.version else one.name for one in packages]
        # With a version it replaces whichever is there, a later one, too.
        return ("dnf", "-y", "--setopt=install_weak_deps=False", "install", *named)

    def hold(self, names: Sequence[str], *, on: bool) -> tuple[str, ...]:
        """See `Manager.hold`."""
        return ("dnf", "-y", "versionlock", "add" if on else "delete", *names)


class Zypper(_Rpm):
    """zypper(8), on SUSE."""

    program = "zypper"
    never = ("not found in package names", "No provider of")

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._keys = tuple(keys)

    def describe(self, repository: PackageRepository, keys: str) -> str:
        """See `Manager.describe`."""
        return self._section(repository, keys, ["autorefresh=1"])

    def holds(self) -> tuple[str, ...] | None:
        """See `Manager.holds`."""
        return ("zypper", "--non-interactive", "locks")

    def read_holds(self, output: str, names: Sequence[str]) -> set[str]:
        """See `Manager.read_holds`: a table of which the second column is the name."""
        rows = [line.split("|") for line in output.splitlines() if line.count("|") >= 2]
        return {row[1].strip() for row in rows} & set(names)

    def prepare(self) -> tuple[tuple[str, ...], ...]:
        """See `Manager.prepare`."""
        # Alone it would ask, or take whatever key a repository brings with --gpg-auto-import-keys.
        imports = tuple(("rpm", "--import", path) for path in self._keys)
        return (*imports, ("zypper", "--non-interactive", "refresh"))

    def install(self, packages: Sequence[Package]) -> tuple[str, ...]:
        """See `Manager.install`."""
        named = [f"{one.name}={one.version}" if one.version else one.name for one in packages]
        # --oldpackage: zypper otherwise refuses the version that is asked for where a later one
        # is there.
        return ("zypper", "--non-interactive", "install", "--no-recommends", "--oldpackage", *named)

    def hold(self, names: Sequence[str], *, on: bool) -> tuple[str, ...]:
        """See `Manager.hold`."""
        return ("zypper", "--non-interactive", "addlock" if on else "removelock", *names)


def manager_of(format_: str, keys: Sequence[str] = ()) -> Manager:
    """What installs packages on a machine.

    Args:
        format_: `apt`, `dnf` or `zypper`.
        keys: Paths of the keys that the configuration brings.
    """
    if format_ == "apt":
        return Apt()
    return Dnf() if format_ == "dnf" else Zypper(keys)
