"""What a template of one's own has made: whether its reader will take it, and what it leaves open to all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from machineadm.documents.nodes import Mapping, Node, Scalar, Sequence
from machineadm.rendering.readers import (
    UnfitError,
    cloud_configs,
    field_of,
    ignition_config,
    word_of,
)
from machineadm.rendering.template import LARGEST

__all__ = ["UnfitError", "Written", "written_files"]


# RFC 2397: everything before the first comma is a media type with its parameters, and the built-in
# templates write `;base64`.
_DATA_URL: Final = r"data:[^,]*,(.*)"
_PUBLIC: Final = ("/tmp/", "/var/tmp/", "/dev/shm/")  # noqa: S108 - looked for, not used


class Written(msgspec.Struct, frozen=True):
    """A file that user data has a machine write.

    Args:
        path: Where.
        mode: Its permissions.
        holds: What of that which nobody else may read, in words; empty: nothing.
        owner: Its user; empty where none is named.
    """

    path: str
    mode: int
    holds: str
    owner: str = ""

    @property
    def exposed(self) -> str:
        """Who but root may read or replace it, in words; empty: nobody."""
        # All three are writable by anybody, with the sticky bit: a link planted in advance decides
        # where root writes (fs.protected_symlinks helps only where it is on).
        public = next((place for place in _PUBLIC if self.path.startswith(place)), "")
        # Reading by group or others. Writing is not looked for: whoever may write but not read is
        # not what leaks a secret.
        if self.mode & 0o044:
            where = f", in {public.rstrip('/')}" if public else ""
            return f"mode {self.mode:04o}{where}: all users of the machine can read it"
        # Ignition names a user by its number as well as by its name.
        if self.owner not in ("", "root", "0"):
            return f"owned by {self.owner}, who can read and replace it"
        if public:
            return (
                f"in {public.rstrip('/')}: any user of the machine can plant something there first"
            )
        return ""


def written_files(user_data: bytes, format_: str, private: dict[str, bytes]) -> tuple[Written, ...]:
    """The files that user data has a machine write, where it says so in a form that can be read.

    Args:
        user_data: As rendered.
        format_: `cloud-config` or `ignition`.
        private: By its name what root alone may read.

    Raises:
        UnfitError: Its reader would not take it.
    """
    # One allowance for all of the user data: parts of a mail are many, and each could unfold to the
    # largest size.
    contents = _Contents(private)
    if format_ == "ignition":
        return tuple(_ignition_files(user_data, contents))
    return tuple(
        file
        for config in cloud_configs(user_data)
        for file in _cloud_config_files(config, contents)
    )


def _cloud_config_files(config: Mapping, contents: _Contents) -> Iterator[Written]:
    files = field_of(config, "write_files")
    for file in files.items if isinstance(files, Sequence) else ():
        if isinstance(file, Mapping):
            # cloud-init also takes media types: application/x-gzip.
            encoding = (
                word_of(file, "encoding").lower().replace("application/", "").replace("x-", "")
            )
            holds = contents.held(word_of(file, "content").encode(), encoding)
            # `user:group`, as chown takes it.
            owner = word_of(file, "owner").partition(":")[0]
            yield Written(word_of(file, "path"), _mode(field_of(file, "permissions")), holds, owner)


def _mode(permissions: Node | None) -> int:
    """As cloud-init reads it: a number is one, whatever it looks like; a text is octal; what is neither is left out."""
    # What cloud-init's write_files sets where nothing is said: DEFAULT_PERMS, 0644.
    if not isinstance(permissions, Scalar):
        return 0o644
    # The trap that this finds: `permissions: 600` without quotes is the number 600, which is 1130
    # in octal.
    if isinstance(permissions.value, int) and permissions.plain:
        return int(permissions.value)
    word = permissions.text
    return int(word, 8) if re.fullmatch("(0o?)?[0-7]{1,4}", word) else 0o644


def _ignition_files(user_data: bytes, contents: _Contents) -> Iterator[Written]:
    # Refuses what Ignition would not take; from here on its shape is only trusted where it was
    # looked at.
    config = ignition_config(user_data)
    files = _get(_get(config, "storage"), "files")
    for file in files if isinstance(files, list) else ():
        given = _get(file, "contents")
        found = re.fullmatch(_DATA_URL, str(_get(given, "source")), re.DOTALL)
        encoding = "gz+b64" if _get(given, "compression") == "gzip" else "b64"
        mode = _get(file, "mode")
        holds = contents.held(found[1].encode(), encoding) if found else ""
        user = _get(file, "user")
        owner = str(_get(user, "name") or _get(user, "id") or "")
        # Ignition's own default for files (3.x: 0644).
        mode = mode if isinstance(mode, int) else 0o644
        yield Written(str(_get(file, "path")), mode, holds, owner)


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


class _Contents:
    """What the files of user data hold, all of them within one allowance.

    Args:
        private: By its name what root alone may read.
    """

    def __init__(self, private: dict[str, bytes]) -> None:
        self._private = private
        self._left = LARGEST

    def held(self, data: bytes, encoding: str) -> str:
        """What of the private a content holds once it is decoded; what cannot be decoded holds nothing.

        Raises:
            UnfitError: The contents together are too large.
        """
        import zlib
        from binascii import Error, a2b_base64

        try:
            if "b64" in encoding or "base64" in encoding:
                data = a2b_base64(data)
            if "gz" in encoding:
                # One byte more than is left, so that what is too large is noticed and never
                # unfolded.
                data = zlib.decompressobj(wbits=31).decompress(data, self._left + 1)
        # Not refused: what a reader does with contents that do not decode is that reader's matter,
        # and our secrets are not in them.
        except (Error, zlib.error):
            return ""
        self._left -= len(data)
        if self._left < 0:
            raise UnfitError(
                "MA1614",
                f"the files that it writes are more than {LARGEST} bytes in total",
                "have the machine fetch large files from a source",
            )
        # `in`, not equality: a template may put text around it.
        return next((name for name, content in self._private.items() if content in data), "")
