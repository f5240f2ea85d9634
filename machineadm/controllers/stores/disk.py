"""What a store keeps, in files: whole or not at all, readable by nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

from machineadm.controllers.runtime.store import Key
from machineadm.controllers.stores.port import Part

_PARTS: Final[tuple[Part, ...]] = ("configuration", "status")
_ATTEMPTS: Final = 3


class Disk:
    """Files below a directory, each at `<namespace>/<name>/<part>`. The names are the caller's to check.

    Args:
        directory: Is made where it is not there.
        sync: Has the disk keep what was written to a descriptor.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, directory: Path, *, sync: Callable[[int], None] = os.fsync) -> None:
        self._directory = directory
        self._sync = sync
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get(self, key: Key, part: Part) -> bytes | None:
        """Read a part of what is kept; None if it is not there.

        Raises:
            OSError: It is there, and cannot be read.
        """
        try:
            return self._path(key, part).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def put(self, key: Key, part: Part, data: bytes) -> None:
        """Keep a part, whole or not at all, also where the power goes.

        Raises:
            OSError: It cannot be written.
        """
        path = self._path(key, part)
        # In the same directory: a rename is atomic within one file system only. Random, since
        # replicas on a shared volume write at once.
        beside = path.with_name(f".{part}.{secrets.token_hex(8)}")
        for _ in range(_ATTEMPTS - 1):
            # Another replica may remove what is there, with its directory, in this very moment.
            with contextlib.suppress(FileNotFoundError):
                return self._put(path, beside, data)
        return self._put(path, beside, data)

    def remove(self, key: Key, part: Part | None = None) -> None:
        """Forget a part, or all that is kept of a machine.

        Raises:
            OSError: It cannot be removed.
        """
        directory = self._path(key, "configuration").parent
        for one in _PARTS if part is None else (part,):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                (directory / one).unlink()
        if part is None:
            # What a killed process left half written holds secrets, too. One that is being written
            # by another replica is written once more (see put).
            for left in directory.glob(".*.*"):
                with contextlib.suppress(FileNotFoundError):
                    left.unlink()
        for empty in (directory, directory.parent):
            with contextlib.suppress(OSError):
                # What another has put meanwhile keeps its directory.
                empty.rmdir()

    def _path(self, key: Key, part: Part) -> Path:
        namespace, name = key
        return self._directory / namespace / name / part

    def _put(self, path: Path, beside: Path, data: bytes) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._write(beside, data)
            beside.replace(path)
            # A rename, and a directory that was made, are kept by the directory above: the manager
            # is told that it is stored, and never puts it again.
            for kept in (path.parent, path.parent.parent, self._directory):
                # Gone, if another replica has removed it since: then nothing is to be kept.
                with contextlib.suppress(FileNotFoundError):
                    self._synced(os.open(kept, os.O_RDONLY | os.O_DIRECTORY))
        finally:
            with contextlib.suppress(OSError):
                beside.unlink()

    def _synced(self, descriptor: int) -> None:
        try:
            self._sync(descriptor)
        finally:
            os.close(descriptor)

    def _write(self, path: Path, data: bytes) -> None:
        # O_EXCL and O_NOFOLLOW: whoever else may write to the volume cannot put a link in its way.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - by its descriptor
            file.write(data)
            file.flush()
            self._sync(descriptor)


class DiskBackend:
    """Files, written and read beside everything else.

    Args:
        disk: Where they are.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    async def get(self, key: Key, part: Part) -> bytes | None:
        """See the port."""
        # In threads: an fsync takes as long as the disk likes, and other machines wait meanwhile.
        return await asyncio.to_thread(self._disk.get, key, part)

    async def put(self, key: Key, part: Part, data: bytes) -> None:
        """See the port."""
        await asyncio.to_thread(self._disk.put, key, part, data)

    async def remove(self, key: Key, part: Part | None = None) -> None:
        """See the port."""
        await asyncio.to_thread(self._disk.remove, key, part)
