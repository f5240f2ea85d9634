"""Rules for archives, and where their members go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.archives import Archive, ArchiveMember, ArchiveSource
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.rules.model import Context, Rules, finding

# Three slashes: with two the next word would be a host (RFC 8089), and none is asked for files.
_SCHEMES: Final = ("https://", "http://", "file:///")


def place_of(archive: Archive, member: ArchiveMember) -> str:
    """The path of a member on the machine."""
    # The member's own path within the archive is not taken over: one archive has bin/, the next
    # usr/local/bin/.
    return f"{archive.destination}/{member.path or member.name}"


def writes(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`."""
    linux = spec.machine.linux_configuration
    for index, archive in enumerate(linux.archives if linux is not None else ()):
        for number, member in enumerate(archive.members):
            place = f"linuxConfiguration.archives[{index}].members[{number}]"
            yield place_of(archive, member), place


def _can_be_fetched(source: ArchiveSource, _context: Context) -> Iterator[Finding]:
    if not source.url.startswith(_SCHEMES):
        yield finding("MA1323", "url", "not a https, http or file URL")
    # Refused and not ignored: somebody who writes it expects that something is protected.
    if source.url.startswith("file:") and source.auth_from is not None:
        yield finding("MA1301", "authFrom", "not with a file URL, which has no headers")


def _each_place_once(linux: LinuxConfiguration, _context: Context) -> Iterator[Finding]:
    # Over all archives: two of them may bring a program of the same name.
    seen: dict[str, str] = {}
    for index, archive in enumerate(linux.archives):
        for number, member in enumerate(archive.members):
            path, place = place_of(archive, member), f"archives[{index}].members[{number}]"
            if path in seen:
                yield finding("MA1306", place, f"{path} is written by {seen[path]} already")
            seen.setdefault(path, place)


RULES: Final[Rules] = {LinuxConfiguration: (_each_place_once,), ArchiveSource: (_can_be_fetched,)}
