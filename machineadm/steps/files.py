"""Files of the configuration: one batch."""

from __future__ import annotations

from collections.abc import Sequence

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.api.v1alpha1.files import FileConfig
from machineadm.config.contents import decode_content
from machineadm.host.effects import Download
from machineadm.plan.model import Phase, Step

MODE = 0o644
PRIVATE_MODE = 0o600
OWNER = "root:root"


def plan_files(files: Sequence[FileConfig]) -> tuple[Step, ...]:
    """One step for all files, or none. Validation has checked their contents against their encodings."""
    if not files:
        return ()
    # One batch: a thousand files cost two flushes, not two thousand (ADR 0013).
    planned = tuple(_planned(file) for file in files)
    return (WriteFiles(name="files/write", phase=Phase.PREPARE, files=planned),)


def _planned(file: FileConfig) -> PlannedFile:
    # Appending keeps owner and mode of the existing file, unless the configuration gives them.
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
