"""Encryption provider `file`: passphrases in a directory, one file for each provider, that nobody but its owner can read."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from typing import Any, ClassVar, NoReturn

from machineadm.plugins.sdk import CallError, EncryptionProvider, serve

DIRECTORY = "/etc/machineadm/provider-passphrases"
# One passphrase of a person or a generator is far shorter: the bound is for the memory.
MOST = 64 * 1024
# No slash and no dot: a name cannot lead out of the directory.
_NAME = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


class Files(EncryptionProvider):
    """Reads DIRECTORY/PROVIDER; one newline at its end is not part of it."""

    version = "0.1.0"
    description = "passphrases in files of a directory"
    settings_schema: ClassVar = {
        "type": "object",
        "properties": {
            "directory": {"type": "string", "description": f"default {DIRECTORY}"},
        },
    }

    directory = DIRECTORY

    def configure(self, settings: dict[str, Any]) -> None:
        """See `Kind`.

        Raises:
            CallError: A setting is unknown, or not an absolute path.
        """
        if unknown := settings.keys() - {"directory"}:
            raise CallError(f"there is no setting {min(unknown)!r}")
        directory = settings.get("directory", DIRECTORY)
        if not isinstance(directory, str) or not os.path.isabs(directory):
            raise CallError("directory must be an absolute path")
        self.directory = directory

    def fetch_passphrase(self, provider: str) -> bytes:
        """See `EncryptionProvider`.

        Raises:
            CallError: It is not there, is not private, or is unfit.
        """
        path = self._path(provider)
        try:
            # O_NOFOLLOW and O_NONBLOCK: neither a link to another file nor a FIFO that nobody
            # writes to.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            _refuse(path, error)
        try:
            # By the descriptor: what is judged is what is read.
            _require_private(path, os.fstat(descriptor))
            # Room for the newline, and for one more to tell what is too large.
            data = os.read(descriptor, MOST + 2)
        finally:
            os.close(descriptor)
        passphrase = data.removesuffix(b"\n")
        if not passphrase or len(passphrase) > MOST:
            raise CallError(f"{path} is empty, or larger than {MOST} bytes")
        return passphrase

    def store_passphrase(self, provider: str, passphrase: bytes) -> None:
        """See `EncryptionProvider`.

        Raises:
            CallError: It is unfit, or cannot be written.
        """
        path = self._path(provider)
        # With a newline at its end it would come back without one.
        if not passphrase or len(passphrase) > MOST or passphrase.endswith(b"\n"):
            raise CallError(f"a passphrase has 1 to {MOST} bytes, and no newline at its end")
        try:
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            # 0600 from the start (mkstemp), and in the same directory, so that the rename is one
            # step.
            # A dot before: what a kill leaves has no provider's name, so nobody gets it as a passphrase.
            descriptor, scratch = tempfile.mkstemp(dir=self.directory, prefix=".machineadm-")
        except OSError as error:
            _refuse(path, error)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(passphrase)
                file.flush()
                # Before the rename, or a power cut could leave the name with no content.
                os.fsync(descriptor)
            os.replace(scratch, path)
            _flush(self.directory)
        except OSError as error:
            # A copy of a secret that nobody knows of must not stay behind.
            with contextlib.suppress(OSError):
                os.unlink(scratch)
            _refuse(path, error)

    def delete_passphrase(self, provider: str) -> None:
        """See `EncryptionProvider`.

        Raises:
            CallError: It cannot be removed.
        """
        path = self._path(provider)
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            _refuse(path, error)

    def _path(self, provider: str) -> str:
        if not re.fullmatch(_NAME, provider):
            raise CallError("a provider's name is lower-case letters, digits and hyphens")
        return os.path.join(self.directory, provider)


def _require_private(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise CallError(f"{path} is not a regular file")
    # Somebody else's file could be changed, or be made readable again, at any time.
    if found.st_uid not in (0, os.geteuid()):
        raise CallError(f"{path} belongs to user {found.st_uid}")
    if found.st_mode & 0o077:
        raise CallError(
            f"{path} has mode {stat.S_IMODE(found.st_mode):04o}, so others can get at it"
        )


def _flush(directory: str) -> None:
    # The rename is in the directory: documents that are encrypted with the passphrase must not outlive it.
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse(path: str, error: OSError) -> NoReturn:
    raise CallError(f"cannot use {path}: {error.strerror}") from error


if __name__ == "__main__":
    serve(Files())
