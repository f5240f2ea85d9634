"""Archives: members of a verified archive, as files of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from machineadm.actions.files import PlannedFile, WriteFiles, belongs_to, counted, refuse_other
from machineadm.actions.perform import perform
from machineadm.api.v1alpha1.archives import Archive, ArchiveMember
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.config.concerns.archives import place_of
from machineadm.config.machine_paths import ARCHIVE_RECORDS
from machineadm.errors import StepError
from machineadm.host.effects import Download, WriteFile
from machineadm.host.ports import FileKind, Host
from machineadm.plan.model import Outcome, Owned, Phase, Step, Work, digest_of

if TYPE_CHECKING:
    from tarfile import TarFile, TarInfo

_DOWNLOADS: Final = "/var/lib/machineadm/downloads"
_LARGEST: Final = 1 << 30
"""Bytes of an archive, and of a member: both are held in memory, one member at a time."""
_OWNER: Final = "root:root"
_KEPT_BITS: Final = 0o755


class Unpacked(msgspec.Struct, frozen=True, kw_only=True):
    """What a member is in its archive."""

    sha256: str
    mode: int
    """Its mode there, as far as it is kept: other permissions may be asked for later, or none any more."""


class UnpackArchive(msgspec.Struct, frozen=True, kw_only=True):
    """Put members of one archive in place. What came of them is recorded, so that the archive is not fetched to compare them."""

    archive: Archive
    name: str
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = False
    once: ClassVar[bool] = False
    brings_programs: ClassVar[bool] = True

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(
            self.name, self._key, *(self._declared(one) for one in self.archive.members)
        )

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`."""
        return tuple(
            Owned(kind="file", name=place_of(self.archive, one), declared=self._declared(one))
            for one in self.archive.members
        )

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: Something that is neither a file nor a link is at a member's place.
        """
        known = self._known(host)
        effects = tuple(
            self._effect(one, known.get(one.name), host)
            for one in self.archive.members
            if not self._is_there(one, known.get(one.name), host)
        )
        total = counted(len(self.archive.members))
        return Work(
            effects=effects,
            summary=f"unpacks {len(effects)} of {total}" if effects else f"{total} in place",
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """Fetch the archive, and write what differs.

        Raises:
            MachineadmError: It cannot be had, is not what it must be, or lacks a member.
        """
        wanted = {effect.path for effect in work.effects if isinstance(effect, WriteFile)}
        todo = [one for one in self.archive.members if place_of(self.archive, one) in wanted]
        if not todo:
            return Outcome(change=work.change, deferred=work.deferred)
        deferred: list[str] = []
        known = dict(self._known(host))
        for member, content, mode in self._members(todo, host):
            file = PlannedFile(
                path=place_of(self.archive, member),
                content=content,
                mode=int(member.permissions, 8) if member.permissions else mode,
                owner=member.owner or _OWNER,
            )
            step = WriteFiles(name=self.name, phase=self.phase, files=(file,))
            # One at a time: a member may have hundreds of megabytes, and two of them need not be
            # in memory at once.
            done = step.apply(host, step.check(host))
            deferred += done.deferred
            known[member.name] = Unpacked(sha256=_sha256(content), mode=mode)
        # After the files: killed in between, the next run unpacks them again, and nothing else.
        record = msgspec.json.encode(known)
        host.state.write(f"{ARCHIVE_RECORDS}/{self._key}.json", record, durable=True)
        return Outcome(
            change=work.change, message=f"wrote {counted(len(todo))}", deferred=tuple(deferred)
        )

    @property
    def _key(self) -> str:
        return self.archive.source.sha256

    def _declared(self, member: ArchiveMember) -> str:
        return digest_of(self._key, member.name, str(member.owner), str(member.permissions))

    def _known(self, host: Host) -> dict[str, Unpacked]:
        """What the record of an earlier run says, by the names of the members."""
        record = host.state.read(f"{ARCHIVE_RECORDS}/{self._key}.json", durable=True)
        try:
            return msgspec.json.decode(record or b"{}", type=dict[str, Unpacked])
        except (ValueError, RecursionError):
            return {}

    def _is_there(self, member: ArchiveMember, known: Unpacked | None, host: Host) -> bool:
        path = place_of(self.archive, member)
        stat = host.files.stat(path)
        # Without a record nobody knows what the member's bytes are: the archive's digest says
        # nothing of them.
        if known is None or stat is None or stat.kind is not FileKind.FILE:
            return False
        if host.files.sha256(path) != known.sha256:
            return False
        mode = int(member.permissions, 8) if member.permissions else known.mode
        return stat.mode == mode and belongs_to(stat, member.owner or _OWNER, host)

    def _effect(self, member: ArchiveMember, known: Unpacked | None, host: Host) -> WriteFile:
        path = place_of(self.archive, member)
        mode = int(member.permissions, 8) if member.permissions else known.mode if known else 0o755
        if (there := host.files.stat(path)) is not None:
            refuse_other(path, there.kind, host)
        # Without a digest: the archive's is not the member's.
        return WriteFile(
            path=path,
            content=Download(url=self.archive.source.url),
            mode=mode,
            note=f"{member.name} of the archive, which will be downloaded",
        )

    def _members(
        self, todo: list[ArchiveMember], host: Host
    ) -> Iterator[tuple[ArchiveMember, bytes, int]]:
        """Yield each member that is wanted, with its content and its mode in the archive.

        Raises:
            MachineadmError: See `apply`.
            StepError: It is not an archive.
        """
        import io
        import lzma
        import tarfile
        import zlib

        try:
            with tarfile.open(fileobj=io.BytesIO(self._fetched(host)), mode="r:*") as tar:
                entries = self._entries(tar, todo)
                for member in todo:
                    entry = entries[member.name]
                    file = tar.extractfile(entry)
                    content = file.read() if file is not None else b""
                    yield member, content, entry.mode & _KEPT_BITS
        except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error) as error:
            raise StepError(
                "MA3641",
                f"{self.name}: the archive cannot be read: {error}",
                hint="it must be a tar archive, whole or compressed by gzip, bzip2 or xz; unpack others with a command",
            ) from error

    def _entries(self, tar: TarFile, todo: list[ArchiveMember]) -> dict[str, TarInfo]:
        """What the archive has of the members that are wanted; of several with one name the last, as tar has it.

        Raises:
            StepError: One is missing, no regular file, or too large.
        """
        entries: dict[str, Any] = {}
        for entry in tar:
            # tar cf x . writes names with `./`, and nobody types it.
            entries[entry.name.removeprefix("./")] = entry
        for member in todo:
            found = entries.get(member.name)
            if found is None:
                raise StepError(
                    "MA3642",
                    f"{self.name}: the archive has no member {member.name}",
                    hint="`tar -tf ARCHIVE` lists what it has; leave out a `./` before the name",
                )
            if not found.isreg():
                raise StepError(
                    "MA3643",
                    f"{self.name}: {member.name} is not a regular file in the archive",
                    hint="name each file; make links with files[].linkTo",
                )
            if found.size > _LARGEST:
                raise StepError(
                    "MA3644",
                    f"{self.name}: {member.name} has {found.size} bytes, and {_LARGEST} can be unpacked",
                    hint="unpack it with a command",
                )
        return entries

    def _fetched(self, host: Host) -> bytes:
        """The archive, whose digest is right: it is fetched to the disk, as every download is, and read from there.

        Raises:
            MachineadmError: It cannot be had, or is another one.
        """
        source = self.archive.source
        handler = source.auth_from.handler if source.auth_from is not None else None
        content = Download(
            url=source.url,
            sha256=source.sha256,
            handler=handler.name if handler is not None else "",
            scope=handler.scope if handler is not None else "",
        )
        # A directory for each, as images have.
        directory = f"{_DOWNLOADS}/{self._key}"
        path = f"{directory}/archive"
        perform((WriteFile(path=path, content=content, mode=0o600),), host)
        try:
            return host.files.read(path, limit=_LARGEST) or b""
        finally:
            host.files.remove(path)
            host.files.remove_directory(directory)


def plan_archives(linux: LinuxConfiguration) -> tuple[Step, ...]:
    """A step for each archive, in their order."""
    return tuple(
        UnpackArchive(archive=one, name=f"archives/unpack[{index}]")
        for index, one in enumerate(linux.archives)
    )


def _sha256(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()
