"""Sources that are files of the machine: cloud-init's instance data, and the environment files of Afterburn and Flatcar."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, Final

import msgspec

from machineadm.errors import MachineadmError
from machineadm.host.instance.model import UnknownError, as_text, at
from machineadm.host.ports import Host

CLOUD_INIT: Final = "/run/cloud-init/instance-data.json"
"""The file that everybody may read: cloud-init keeps user data and credentials out of it."""

_REDACTED: Final = "redacted for non-root user"
_MOST: Final = 16 << 20

ENVIRONMENTS: Final = (
    "/run/metadata/afterburn",
    "/run/metadata/coreos",
    "/run/metadata/flatcar",
)
"""Written by Afterburn on Fedora CoreOS, by it and its forerunner on Flatcar."""


class CloudInit:
    """What cloud-init has found out.

    Args:
        host: The machine.
    """

    name: ClassVar[str] = "cloud-init"
    kinds: ClassVar[tuple[str, ...]] = ("v1", "ds")

    def __init__(self, host: Host) -> None:
        self._host = host

    def value(self, name: str, timeout: float) -> str:
        """See `Source.value`.

        Raises:
            UnknownError: It does not know.
        """
        del timeout
        tree = self._tree
        found = at(tree, name)
        # Otherwise the placeholder would become a host name or provider id.
        if found == _REDACTED:
            raise UnknownError(f"{CLOUD_INIT} keeps it from everybody but root")
        encoded = tree.get("base64_encoded_keys")
        if isinstance(encoded, list) and name.replace(".", "/") in encoded:
            raise UnknownError("has bytes there that are not text")
        return as_text(found)

    @cached_property
    def _tree(self) -> dict[str, Any]:
        try:
            content = self._host.files.read(CLOUD_INIT, limit=_MOST)
        except MachineadmError as error:
            raise UnknownError(error.message) from error
        if content is None:
            raise UnknownError(f"{CLOUD_INIT} is not there")
        return json_object(content, CLOUD_INIT)


class Afterburn:
    """What Afterburn, or Flatcar's own metadata agent, has found out.

    Args:
        host: The machine.
    """

    name: ClassVar[str] = "Afterburn"
    kinds: ClassVar[tuple[str, ...]] = ("env",)

    def __init__(self, host: Host) -> None:
        self._host = host

    def value(self, name: str, timeout: float) -> str:
        """See `Source.value`.

        Raises:
            UnknownError: It does not know.
        """
        del timeout
        there = self._variables
        if not there:
            raise UnknownError(f"none of {', '.join(ENVIRONMENTS)} is there")
        variable = name.removeprefix("env.")
        if variable not in there:
            # Named, because the names differ from platform to platform (AFTERBURN_AWS_...,
            # COREOS_...), and nobody knows them by heart.
            near = ", ".join(sorted(there)[:8])
            raise UnknownError(f"has no {variable}; it has {near}")
        return as_text(there[variable])

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that there are, sorted.

        Raises:
            UnknownError: They cannot be read.
        """
        return tuple(sorted(self._variables))

    @cached_property
    def _variables(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for path in ENVIRONMENTS:
            try:
                content = self._host.files.read(path, limit=_MOST)
            except MachineadmError as error:
                raise UnknownError(error.message) from error
            # The first file wins, in the order of ENVIRONMENTS.
            for name, value in assignments(content or b"", path).items():
                found.setdefault(name, value)
        return found


def assignments(content: bytes, path: str) -> dict[str, str]:
    """The variables of a file for systemd's EnvironmentFile=; quotes go, nothing is expanded.

    Args:
        content: The file's.
        path: Its name, for what is said of it.

    Raises:
        UnknownError: It is not valid UTF-8.
    """
    found: dict[str, str] = {}
    for line in text_of(content, path).splitlines():
        # At the first one: a value may hold more of them, as base64 does.
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith(("#", ";")):
            # Nothing is expanded, as in systemd's own reading of such a file: a `$` in a value is
            # a `$`.
            found[name.strip()] = _unquoted(value.strip())
    return found


def json_object(content: bytes, path: str) -> dict[str, Any]:
    """The map that a JSON text holds.

    Args:
        content: The text.
        path: Where it comes from, for what is said of it.

    Raises:
        UnknownError: It is none, or only half of one.
    """
    text = text_of(content, path)
    try:
        found = msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        raise UnknownError(f"{path} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise UnknownError(f"{path} is not a map")
    return found


def text_of(content: bytes, path: str) -> str:
    """Bytes as text.

    Raises:
        UnknownError: They are not valid UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise UnknownError(f"{path} is not valid UTF-8") from None


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        inner = value[1:-1]
        return inner.replace('\\"', '"').replace("\\\\", "\\") if value[0] == '"' else inner
    return value
