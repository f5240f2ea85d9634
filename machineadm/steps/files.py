"""Files of the configuration: one batch, and the links after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from machineadm.actions.files import PlannedFile, WriteFiles, refuse_other
from machineadm.actions.perform import perform
from machineadm.api.v1alpha1.files import FileConfig
from machineadm.config.contents import decode_content
from machineadm.host.effects import Download, Effect, MakeLink, RemoveDirectory
from machineadm.host.ports import FileKind, Host
from machineadm.plan.model import Outcome, Owned, Phase, Step, Work, digest_of

MODE = 0o644
PRIVATE_MODE = 0o600
OWNER = "root:root"
_A_DIRECTORY = "a directory is replaced by a link"


class MakeLinks(msgspec.Struct, frozen=True, kw_only=True):
    """Make symbolic links. What they lead to is not looked at: it may come later."""

    links: tuple[tuple[str, str], ...]
    """Path and target."""
    name: str = "files/link"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, *self.links)

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`."""
        return tuple(
            Owned(kind="file", name=path, declared=digest_of("link", target))
            for path, target in self.links
        )

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: Something that is neither a file nor a link is at a path.
        """
        effects: list[Effect] = []
        made = 0
        for path, target in self.links:
            note = _difference(path, target, host)
            if note is None:
                continue
            made += 1
            if note == _A_DIRECTORY:
                effects.append(RemoveDirectory(path=path))
            effects.append(MakeLink(path=path, target=target, note=note))
        total = "1 link" if len(self.links) == 1 else f"{len(self.links)} links"
        return Work(
            effects=tuple(effects),
            summary=f"makes {made} of {total}" if effects else f"{total} in place",
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        perform(work.effects, host)
        return Outcome(change=work.change, message=work.summary if work.effects else "")


def _difference(path: str, target: str, host: Host) -> str | None:
    """What is at a path instead of the link, in words; None where the link is.

    Raises:
        StepError: It is not replaced.
    """
    there = host.files.stat(path)
    if there is None:
        return ""
    if there.kind is FileKind.FILE:
        return "a file is replaced by a link"
    if there.kind is not FileKind.LINK:
        refuse_other(path, there.kind, host)
        return _A_DIRECTORY if there.kind is FileKind.DIRECTORY else "replaced by a link"
    if (now := host.files.readlink(path)) != target:
        return f"instead of {now}"
    # A link of another user's at this path would not be followed where root's is (ADR 0007).
    is_ours = there.uid == 0 or not host.files.can_give(0, 0)
    return None if is_ours else f"owner {there.uid} -> root"


def plan_files(files: Sequence[FileConfig]) -> tuple[Step, ...]:
    """One step for all files and one for all links, where there are any. Validation has checked contents against their encodings."""
    # After all files: a link may lead to one of them, and whoever follows it in between would
    # find nothing.
    links = tuple((file.path, file.link_to) for file in files if file.link_to is not None)
    # One batch: a thousand files cost two flushes, not two thousand (ADR 0013).
    planned = tuple(_planned(file) for file in files if file.link_to is None)
    steps: tuple[Step, ...] = ()
    if planned:
        steps += (WriteFiles(name="files/write", phase=Phase.PREPARE, files=planned),)
    if links:
        steps += (MakeLinks(links=links),)
    return steps


def _planned(file: FileConfig) -> PlannedFile:
    # Appending keeps owner and mode of the existing file, unless the configuration gives them.
    # A mode that nobody gave must not make a secret readable; one that was given is a person's
    # decision.
    default = PRIVATE_MODE if file.sensitive else MODE
    mode, owner = (None, None) if file.append else (default, OWNER)
    return PlannedFile(
        path=file.path,
        content=_content(file),
        mode=mode if file.permissions is None else int(file.permissions, 8),
        owner=file.owner or owner,
        sensitive=file.sensitive,
        append=file.append,
    )


def _content(file: FileConfig) -> bytes | Download:
    if file.source is not None:
        handler = file.source.auth_from.handler if file.source.auth_from else None
        return Download(
            url=file.source.url,
            sha256=file.source.sha256 or "",
            sha512=file.source.sha512 or "",
            headers=dict(file.source.headers),
            handler=handler.name if handler else "",
            scope=handler.scope if handler else "",
        )
    return decode_content(file.content or "", file.encoding)
