"""Files of the configuration: one batch."""

from __future__ import annotations

from collections.abc import Sequence

from machineadm.api.v1alpha1.files import FileConfig
from machineadm.errors import ConfigError
from machineadm.plan.files import Download, PlannedFile, WriteFiles
from machineadm.plan.model import Phase, Step

MODE = 0o644
OWNER = "root:root"
MOST_UNPACKED = 64 * 1024 * 1024
"""Bytes that packed content may unpack to."""


def plan_files(files: Sequence[FileConfig]) -> tuple[Step, ...]:
    """One step for all files, or none.

    Raises:
        ConfigError: A content is not what its encoding says.
    """
    if not files:
        return ()
    planned = tuple(_planned(file, number) for number, file in enumerate(files))
    return (WriteFiles(name="files/write", phase=Phase.PREPARE, files=planned),)


def _planned(file: FileConfig, number: int) -> PlannedFile:
    # What is appended to a file that is there leaves its owner and mode alone, unless told.
    mode, owner = (None, None) if file.append else (MODE, OWNER)
    return PlannedFile(
        path=file.path,
        content=_content(file, number),
        mode=mode if file.permissions is None else int(file.permissions, 8),
        owner=file.owner or owner,
        sensitive=file.sensitive,
        append=file.append,
    )


def _content(file: FileConfig, number: int) -> bytes | Download:
    if file.source is not None:
        return Download(
            url=file.source.url,
            sha256=file.source.sha256 or "",
            sha512=file.source.sha512 or "",
            headers=dict(file.source.headers),
        )
    text = file.content or ""
    if file.encoding is None:
        return text.encode()
    where = f"spec.machine.files[{number}].content"
    data = _from_base64(text, where)
    return data if file.encoding == "base64" else _unpacked(data, where)


def _from_base64(text: str, where: str) -> bytes:
    """Decode; line breaks and blanks, as tools fold it, are fine.

    Raises:
        ConfigError: It is no base64.
    """
    import base64

    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise ConfigError(
            "MA3013", f"{where}: not base64", hint="encode it with base64 -w0"
        ) from None


def _unpacked(data: bytes, where: str) -> bytes:
    """Unpack gzip of one or several members.

    Raises:
        ConfigError: It is no gzip, is cut off, or unpacks to too much.
    """
    import gzip
    import io
    import zlib

    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            content = packed.read(MOST_UNPACKED + 1)
    except (OSError, EOFError, zlib.error):
        raise ConfigError(
            "MA3013", f"{where}: not gzip in base64", hint="encode it with gzip -c | base64 -w0"
        ) from None
    if len(content) > MOST_UNPACKED:
        raise ConfigError(
            "MA3014",
            f"{where}: unpacks to more than {MOST_UNPACKED} bytes",
            hint="let the machine download it: source with url and sha256",
        )
    return content
