"""What can be done to a machine, as values.

A step's check says what it would do as effects; an overlay lays them over the machine for the checks that follow, and
`machineadm.actions.perform` does them. A new kind of effect is a class here, one place in the overlay, one in `perform`, and
one in `machineadm.plan.render`; a test walks all four.
"""

from __future__ import annotations

import msgspec

from machineadm.redaction import Secret


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """Content that is elsewhere, identified by its digests if it has any."""

    url: str
    # Both digests may be given: projects publish one or the other, and whoever has both wants
    # both checked.
    sha256: str = ""
    """Hex, any case; empty: not given."""
    sha512: str = ""
    headers: dict[str, str | Secret] = {}
    handler: str = ""
    """Name of the handler that authenticates the machine, right before the download; empty for none."""
    scope: str = ""

    @property
    def pinned(self) -> bool:
        """Whether a digest says what it must be."""
        return bool(self.sha256 or self.sha512)


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is done to a machine."""


class WriteFile(Effect, frozen=True, kw_only=True):
    """A file gets content, mode and owner; a link at its path is replaced."""

    path: str
    content: bytes | Download | None
    """None: what is there stays, and mode or owner change."""
    kept: bytes | Download | None = None
    """What is there, where `content` is None. It is written again, and never taken from the file without a look at its digest:
    somebody may have exchanged it since."""
    mode: int = 0o644
    uid: int | None = None
    """None: the user who runs this."""
    gid: int | None = None
    before: bytes | None = None
    """Content now, for a diff; None where there is no file, or nothing to compare with."""
    sensitive: bool = False
    """Neither content is ever shown."""
    note: str = ""
    """What changes beside the content: mode, owner."""


class RemoveFile(Effect, frozen=True, kw_only=True):
    """A file or link goes."""

    path: str
    before: bytes | None = None
    sensitive: bool = False
    note: str = ""


class MakeLink(Effect, frozen=True, kw_only=True):
    """A symbolic link gets its target; a file or link at its path is replaced."""

    path: str
    target: str
    note: str = ""


class MakeDirectory(Effect, frozen=True, kw_only=True):
    """A directory is made, with its missing parents."""

    path: str
    mode: int = 0o755
    owner: tuple[int, int] | None = None
    """User and group; with them, one that is there gets mode and owner, too."""
    note: str = ""


class RemoveDirectory(Effect, frozen=True, kw_only=True):
    """A directory goes, unless something is in it."""

    path: str
    note: str = ""


class LoadModule(Effect, frozen=True, kw_only=True):
    """A kernel module is loaded."""

    module: str


class SetParameter(Effect, frozen=True, kw_only=True):
    """A kernel parameter gets a value."""

    name: str
    value: str


class SetHostname(Effect, frozen=True, kw_only=True):
    """The running host name changes."""

    hostname: str


class EnableUnit(Effect, frozen=True, kw_only=True):
    """A unit starts at boot from now on."""

    unit: str


class DisableUnit(Effect, frozen=True, kw_only=True):
    """A unit no longer starts at boot."""

    unit: str


class KeepState(Effect, frozen=True, kw_only=True):
    """A file of the run or state directory is written, 0600."""

    name: str
    """Relative to the directory."""
    content: bytes
    durable: bool
    """In the state directory, on the disk; else in the run directory."""
    path: str = ""
    """As a plan shows it; empty: it is not shown."""
    before: bytes | None = None
    # Masked by whoever renders it: once encoded, a secret is bytes among others.
    shown: bytes | None = None
    """The content with its secrets masked; None: the content itself."""
    sensitive: bool = False


class CopyToState(Effect, frozen=True, kw_only=True):
    """A file of the machine is copied to the state directory, 0600; its content is in no memory but while that is done."""

    source: str
    """Path of the file."""
    name: str
    """Relative to the state directory."""


class DropState(Effect, frozen=True, kw_only=True):
    """A file of the run or state directory goes."""

    name: str
    durable: bool
    path: str = ""


class RunProgram(Effect, frozen=True, kw_only=True):
    """A program runs; what it does to the machine is not known."""

    title: str
    """What a summary calls it: the program's name, never an argument."""
    argv: tuple[str, ...] = ()
    """As a plan shows it."""
    script: str = ""
    """Shown instead of the arguments where there is one."""


class AskPlugin(Effect, frozen=True, kw_only=True):
    """A plugin is asked for something; what it does for that is not known."""

    whom: str
    """`provider vault`, `plugin tpm`."""
    what: str
    """What for, without a secret."""
    note: str = ""
    """What it would do, in its own words."""


class WaitFor(Effect, frozen=True, kw_only=True):
    """The run waits until something is so."""

    condition: str
    """`socket /run/containerd/containerd.sock`, `device /dev/sdb`, `unit x.service`, `mount /data`, `clock`: see `actions.waits`."""
    # Its own, beside the run's deadline: a wait that takes all of that would leave no time to say
    # why.
    budget: float
    """Seconds until the wait fails."""
    reason: str
    """Why, for the plan and for the message when it fails."""
