"""The step that puts files in place: one batch, one group commit. Steps of every concern are made of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

import msgspec

from machineadm.actions.perform import perform
from machineadm.errors import StepError
from machineadm.host.effects import Download, Effect, RemoveDirectory, WriteFile
from machineadm.host.ports import FileKind, FileStat, Host
from machineadm.plan.model import FollowUp, Outcome, Owned, Phase, Work, digest_of
from machineadm.redaction import Secret

READABLE_BY_OTHERS = 0o044
LARGEST = 64 << 20
"""Bytes that no content of a configuration has."""
# Setuid and setgid: with the owner that could not be given they would hand out the rights of
# the user who runs this.
_GIVEN_AWAY_BITS = 0o6000
_PRIVATE = 0o600


class PlannedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it should be on the machine.

    Appending is for text, and safe to repeat: the content starts on a line of its own (a line break is put before it
    where the file lacks its last one), and nothing is appended where the file holds the content already as a block of
    whole lines.
    """

    path: str
    content: bytes | Download
    mode: int | None = 0o644
    """None: as the file has it that is there; for a new one 0644, or 0600 if it is sensitive."""
    owner: str | None = "root:root"
    """None: as the file has it that is there; root:root for a new one. `user:group` or `user` (with its login group),
    names or numbers. A name that is not known is an error when the step is applied, before anything is
    written, but none in a plan: an earlier step (a boot command) may make the account."""
    sensitive: bool = False
    """Never shown. What neither group nor others may read is never shown either."""
    append: bool = False

    @property
    def hidden(self) -> bool:
        """Whether plans show `***` instead of its content."""
        return self.sensitive or (self.mode is not None and not self.mode & READABLE_BY_OTHERS)


class WriteFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Put files in place: content, mode, owner. Several entries with one path act in their order, as one change.

    An owner that this process is not allowed to give is left out, together with setuid and setgid bits, and reported as deferred.
    """

    name: str
    phase: Phase
    files: tuple[PlannedFile, ...]
    follow: tuple[FollowUp, ...] = ()
    """What must follow if one of them changed."""
    # A file may need the running system all the same: the keys of a user whom a program makes
    # have no owner before.
    live: bool = False
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, *(_digest_of_file(file) for file in self.files))

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`: each path, with all that its entries say of it."""
        entries: dict[str, list[PlannedFile]] = {}
        for file in self.files:
            # All entries of a path make one digest: a second block that is appended to a file
            # changes what the file is declared to be.
            entries.setdefault(file.path, []).append(file)
        return tuple(
            Owned(
                kind="file",
                name=path,
                declared=digest_of(*map(_digest_of_file, files)),
                append=all(file.append for file in files),
                hidden=any(file.hidden for file in files),
            )
            for path, files in entries.items()
        )

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        # Of everything and not of the first that differs: the ledger must know of each path
        # before any of them is written.
        differing, deferred = _survey(self.files, host)
        return Work(
            effects=tuple(effect for target in differing for effect in target.as_effects()),
            summary=_summary(len(differing), len({file.path for file in self.files})),
            deferred=deferred,
            follow=self.follow,
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        # Only here, not in check: a boot command may create the account. And before the first
        # write, so that a batch is written as a whole or not at all.
        _refuse_unknown(self.files, host)
        perform(work.effects, host)
        written = sum(isinstance(effect, WriteFile) for effect in work.effects)
        message = f"wrote {counted(written)}" if work.effects else ""
        return Outcome(change=work.change, message=message, deferred=work.deferred)


class _Owner(msgspec.Struct, frozen=True, kw_only=True):
    """An owner as the machine knows it."""

    uid: int | None = None
    gid: int | None = None
    unknown: str = ""
    can_be_given: bool = True


class _Target(msgspec.Struct, kw_only=True):
    """One path, and what all the entries for it add up to."""

    path: str
    before: FileStat | None
    old: bytes | None
    content: bytes | Download | None
    """None: what is there."""
    wanted: bytes | Download = b""
    """What the entries so far come to, whether or not it is there already."""
    mode: int = 0o644
    uid: int | None = None
    gid: int | None = None
    owner: str = "root:root"
    unknown: str = ""
    """The part of the owner that the machine does not know, for a message."""
    deferred: str = ""
    hidden: bool = False

    def differs(self) -> bool:
        """Whether the machine is not as it should be."""
        return self.content is not None or bool(self.notes())

    def see(self, before: FileStat | None) -> None:
        """Take mode and owner from what is there."""
        self.before, self.mode, self.owner = before, 0o644, "root:root"
        if before is not None and before.kind is FileKind.FILE:
            self.mode, self.owner = before.mode, f"{before.uid}:{before.gid}"
            self.hidden = self.hidden or not before.mode & READABLE_BY_OTHERS
        elif before is not None:
            # A link's own mode is always 0777; it says nothing about who may read its target, so nothing is shown.
            self.hidden = True

    def is_file(self) -> bool:
        """Whether a regular file is there. A link is not followed, because it will be replaced."""
        return self.before is not None and self.before.kind is FileKind.FILE

    def is_large(self) -> bool:
        """Whether the existing file is larger than any content can be: it differs, and need not be read."""
        return self.before is not None and self.before.size > LARGEST

    def notes(self) -> list[str]:
        """What differs, apart from the content."""
        now = self.before
        notes = [f"there is no {self.unknown} yet"] if self.unknown else []
        if now is None:
            return notes
        if self.is_large() and self.old is None and isinstance(self.content, bytes):
            notes.append(f"replaces {now.size} bytes")
        # Named in the plan: to lose a link, or a directory, is more than a changed line.
        if now.kind is not FileKind.FILE:
            what = "link" if now.kind is FileKind.LINK else now.kind.value
            notes.append(f"a {what} is replaced by a file")
        elif now.mode != self.mode:
            # Octal with its leading zero, as configurations and stat(1) have it.
            notes.append(f"mode {now.mode:04o} -> {self.mode:04o}")
        # Without a uid the owner cannot be given here: that is reported as deferred, and is no
        # difference that a run could end.
        if self.uid is not None and (now.uid, now.gid) != (self.uid, self.gid):
            notes.append(f"owner {now.uid}:{now.gid} -> {self.owner}")
        return notes

    def as_effects(self) -> tuple[Effect, ...]:
        """What must be done."""
        if self.before is not None and self.before.kind is FileKind.DIRECTORY:
            return RemoveDirectory(path=self.path), self._as_write()
        return (self._as_write(),)

    def _as_write(self) -> WriteFile:
        notes = self.notes()
        if isinstance(self.content, Download):
            notes = ["content will be downloaded", *notes]
        return WriteFile(
            path=self.path,
            content=self.content,
            kept=self.wanted if self.content is None else None,
            mode=self.mode,
            uid=self.uid,
            gid=self.gid,
            # A diff needs both sides, and a download is not fetched for a plan.
            before=None if isinstance(self.content, Download) else self.old,
            sensitive=self.hidden,
            # In the effect and not in the step's summary: a plan of a hundred files says at each
            # of them what is different.
            note=", ".join(notes),
        )


def _survey(files: Sequence[PlannedFile], host: Host) -> tuple[list[_Target], tuple[str, ...]]:
    """The paths that differ, in the order of their first entries, and the owners that cannot be given.

    Raises:
        StepError: Something that is not a file is at a path.
    """
    # Each owner is looked up once: thousands of files of root would otherwise read /etc/passwd
    # thousands of times.
    owners: dict[str, _Owner] = {}
    named: dict[str, list[str]] = {}
    for file in files:
        if file.owner is not None:
            if file.owner not in owners:
                owners[file.owner] = _owner(file.owner, host)
            named.setdefault(file.path, []).append(file.owner)
    targets: dict[str, _Target] = {}
    for file in files:
        is_first = file.path not in targets
        if is_first:
            # Looked at once for each path: between two looks the second entry could be laid over
            # another file than the first.
            targets[file.path] = _target(file.path, host)
        target = targets[file.path]
        # What a command has put in the place of the file cannot be appended to; its history says what comes there.
        replaced = target.before is not None and not target.is_file() and host.made(file.path)
        if is_first and file.append and isinstance(file.content, bytes) and not replaced:
            # Appending to a file of another user is refused, but a file that an earlier run gave
            # away belongs to its new owner by now.
            given = [owners[name].uid for name in named.get(file.path, ())]
            _open_for_append(target, host, [uid for uid in given if uid is not None])
        _lay(file, target, host, is_first=is_first)
        name = target.owner if file.owner is None else file.owner
        if name not in owners:
            owners[name] = _owner(name, host)
        _own(file, target, name, owners[name])
    deferred = [target.deferred for target in targets.values() if target.deferred]
    return [target for target in targets.values() if target.differs()], tuple(deferred)


def _own(file: PlannedFile, target: _Target, name: str, owner: _Owner) -> None:
    """Apply mode and owner of one more entry."""
    target.hidden = target.hidden or file.hidden
    if file.mode is not None:
        target.mode = file.mode
    # A new file with a secret must not be readable, even if nobody gave a mode.
    elif file.sensitive and target.before is None:
        target.mode = _PRIVATE
    target.owner, target.unknown = name, owner.unknown
    target.uid, target.gid, target.deferred = owner.uid, owner.gid, ""
    if not owner.can_be_given:
        # A setuid file with the wrong owner is worse than one without the bit; the run that gives
        # the owner sets it.
        target.mode &= ~_GIVEN_AWAY_BITS
        target.uid = target.gid = None
        now = target.before
        if now is None or (now.uid, now.gid) != (owner.uid, owner.gid):
            target.deferred = f"owner {name} of {file.path}"


def _target(path: str, host: Host) -> _Target:
    before = host.files.stat(path)
    if before is not None:
        refuse_other(path, before.kind, host)
    target = _Target(path=path, before=before, old=None, content=None)
    target.see(before)
    return target


def belongs_to(stat: FileStat, owner: str, host: Host) -> bool:
    """Whether a file has an owner, or this process cannot give it anyway.

    Args:
        stat: Of the file.
        owner: As of `PlannedFile`.
        host: Knows the accounts.
    """
    wanted = _owner(owner, host)
    return not wanted.can_be_given or (stat.uid, stat.gid) == (wanted.uid, wanted.gid)


def refuse_other(path: str, kind: FileKind, host: Host) -> None:
    """Refuse to replace what is neither a file nor a link, unless a command of the configuration has put it there.

    Raises:
        StepError: It is somebody else's.
    """
    if kind in (FileKind.FILE, FileKind.LINK) or host.made(path):
        return
    what = "a directory" if kind is FileKind.DIRECTORY else "a device, pipe or socket"
    raise StepError(
        "MA3004",
        f"cannot write {path}: {what} is there",
        hint="remove it, or choose another path",
    )


def _open_for_append(target: _Target, host: Host, owners: Sequence[int]) -> None:
    """Take content, mode and owner from one open descriptor, so that they belong to the same file.

    Raises:
        HostError: It is not a file that can be read on behalf of those who may read the directory.
    """
    # Stat and read by path could see two files: a user who exchanges them in between would get a
    # copy of /etc/shadow with the mode of his own file.
    found = host.files.read_for_append(target.path, owners=owners, limit=LARGEST)
    target.see(None if found is None else found.stat)
    target.old = None if found is None else found.content


def _lay(file: PlannedFile, target: _Target, host: Host, *, is_first: bool) -> None:
    """Apply one more entry to its path's content.

    Raises:
        StepError: Something would be appended to a download, or a download appended.
    """
    if isinstance(file.content, Download):
        _no_append(file, file.append)
        target.wanted = file.content
        target.content = None if _is_there(file.content, target, host) else file.content
        return
    _no_append(file, file.append and isinstance(target.wanted, Download))
    wanted = file.content
    if file.append:
        base = target.old if is_first else target.wanted
        wanted = appended(base, wanted) if isinstance(base, bytes) else wanted
    elif target.old is None and target.is_file() and not target.is_large():
        target.old = host.files.read(file.path)
    target.wanted = wanted
    target.content = None if wanted == target.old else wanted


def _no_append(file: PlannedFile, condition: bool) -> None:
    if condition:
        raise StepError(
            "MA3012",
            f"cannot append at {file.path}: appending and downloading exclude each other",
            hint="put the content into the configuration, or download to another path",
        )


def appended(existing: bytes, content: bytes) -> bytes:
    """The existing text with the content as a block of whole lines: at the end, or wherever it already is."""
    # With a line break on both sides, so that the search below finds whole lines in any place of
    # the file.
    block = content if content.startswith(b"\n") else b"\n" + content
    block = block if block.endswith(b"\n") else block + b"\n"
    # Compared as whole lines: `PATH=/a` must not count as present because of a line `PATH=/a/b`.
    if not content or block in b"\n" + existing + b"\n":
        return existing
    # Many files of images end without a line break, and the first line of the block would become
    # part of their last one.
    glue = b"" if not existing or existing.endswith(b"\n") or content.startswith(b"\n") else b"\n"
    return existing + glue + content


def _is_there(download: Download, target: _Target, host: Host) -> bool:
    if not target.is_file():
        return False
    if not download.pinned:
        # Only fetching it would tell whether it is current. That it was fetched before is in the ledger, and
        # `settling` uses it; a check must not load from the network.
        return False
    if download.sha256 and host.files.sha256(target.path) != download.sha256.lower():
        return False
    return not download.sha512 or host.files.sha512(target.path) == download.sha512.lower()


def _owner(owner: str, host: Host) -> _Owner:
    user, _, group = owner.partition(":")
    uid = host.accounts.uid(user)
    gid = host.accounts.gid(group) if group else host.accounts.login_gid(user)
    if uid is None or gid is None:
        # The user first: where there is none, its login group cannot be known either.
        unknown = f"user {user!r}" if uid is None else f"group {group or f'of {user}'!r}"
        return _Owner(unknown=unknown)
    return _Owner(uid=uid, gid=gid, can_be_given=host.files.can_give(uid, gid))


def _refuse_unknown(files: Iterable[PlannedFile], host: Host) -> None:
    """Stop before anything is written.

    Raises:
        StepError: An owner is unknown.
    """
    for file in files:
        unknown = "" if file.owner is None else _owner(file.owner, host).unknown
        if unknown:
            raise StepError(
                "MA3011",
                f"cannot write {file.path}: there is no {unknown}",
                hint="have the image or a boot command create the account, or use a numeric id",
            )


def _digest_of_file(file: PlannedFile) -> str:
    content = file.content
    if isinstance(content, Download):
        headers = sorted(
            (name, value.reveal() if isinstance(value, Secret) else value)
            for name, value in content.headers.items()
        )
        parts = ["download", content.url, content.sha256, content.sha512]
        if content.handler:
            parts += [content.handler, content.scope]
        content_digest = digest_of(*parts, [part for header in headers for part in header])
    else:
        content_digest = digest_of("bytes", content)
    return digest_of(
        file.path,
        content_digest,
        str(file.mode),
        str(file.owner),
        str(file.append),
        str(file.sensitive),
    )


def _summary(differing: int, total: int) -> str:
    if not differing:
        return f"{counted(total)} in place"
    return f"{differing} of {counted(total)} {'differs' if differing == 1 else 'differ'}"


def counted(count: int) -> str:
    """`1 file`, `2 files`: for messages."""
    return "1 file" if count == 1 else f"{count} files"
