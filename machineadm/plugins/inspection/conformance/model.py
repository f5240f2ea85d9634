"""What is checked, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal, NoReturn

import msgspec
from grpclib.const import Status

from machineadm.plugins.discovery import Found
from machineadm.plugins.host import Host, Plugin
from machineadm.plugins.inspection.running import COOKIES, command_of, methods_of
from machineadm.plugins.kinds.common import configure
from machineadm.plugins.launch.model import Command
from machineadm.plugins.wire.rpc import Method, RpcError

START: Final = 30.0
CALL: Final = 30.0
"""Seconds that a start and a call may take."""


# Not an error of ours: a run of the suite ends well, whatever the plugin does.
class FailedError(Exception):
    """The plugin does not conform; the text says what was expected, and what came."""


class SkippedError(Exception):
    """There is nothing to check, or nothing to check it by; the text says what is needed."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a check ended."""

    check: str
    """What the plugin should do, in words."""

    verdict: Literal["passed", "FAILED", "skipped"]
    detail: str = ""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin under test."""

    kind: str
    path: str
    arguments: tuple[str, ...] = ()
    settings: dict[str, Any] | None = None
    """Given before the first call."""

    inputs: dict[str, Any] = {}
    """What the plugin knows, by the names that its kind's checks use."""

    writes: bool = False
    """Whether methods that change something may be called, too."""

    @property
    def methods(self) -> dict[str, Method]:
        """The methods of its kind."""
        return methods_of(self.kind)

    def command(self, **over: Any) -> Command:
        """How it is started."""
        # Without a checksum: an author tries what was built a second ago.
        found = Found(name=self.path.rpartition("/")[2], path=self.path)
        settings = {"arguments": self.arguments, "start_timeout": START, **over}
        return command_of(self.kind, found, **settings)

    @contextmanager
    def running(self, **over: Any) -> Iterator[Plugin]:
        """Start it, with its settings."""
        # A host for each check that starts one: what an earlier check left must not help or harm
        # the next.
        with Host() as host:
            plugin = host.start(self.command(**over))
            if self.settings and self.kind not in COOKIES:
                configure(plugin, self.kind, self.settings)
            yield plugin

    def known(self, name: str, what: str) -> Any:
        """What the plugin knows.

        Raises:
            SkippedError: Nobody has said.
        """
        # Skipped and not failed: only the author knows what the plugin keeps.
        if name not in self.inputs:
            raise SkippedError(f'needs --input {{"{name}": ...}}: {what}')
        return self.inputs[name]

    def require_writes(self) -> None:
        """Go on only where something may be changed.

        Raises:
            SkippedError: It may not.
        """
        if not self.writes:
            raise SkippedError("needs --writes: it changes what the plugin keeps")


Alone = Callable[[Subject], None]
"""A check that starts the plugin itself."""

Live = Callable[[Subject, Plugin], None]
"""A check of a plugin that runs already."""


def fail(text: str) -> NoReturn:
    """The plugin does not conform.

    Raises:
        FailedError: Always.
    """
    raise FailedError(text)


def require(holds: object, text: str) -> None:
    """Go on if it holds."""
    if not holds:
        fail(text)


def asked(subject: Subject, plugin: Plugin, name: str, /, **fields: Any) -> Any:
    """The reply of a method, which must be there.

    Raises:
        FailedError: It fails.
        SkippedError: The plugin does not have it.
    """
    method = subject.methods[name]
    try:
        return plugin.call(method, method.request(**fields), timeout=CALL)
    except RpcError as error:
        # Methods are optional; what is there must be right.
        if error.status is Status.UNIMPLEMENTED:
            raise SkippedError(f"it does not have {name}") from None
        raise FailedError(f"{name} answers {error}") from None


def refused(subject: Subject, plugin: Plugin, name: str, /, **fields: Any) -> RpcError:
    """The error of a call that must fail with one, and with words.

    Raises:
        FailedError: It succeeds, takes too long, or ends the plugin.
    """
    method = subject.methods[name]
    try:
        # An error of a stream may come at any reply, so all are read.
        if method.cardinality.value.server_streaming:
            with plugin.stream(method, timeout=CALL) as call:
                call.send(method.request(**fields))
                call.end()
                for _ in call:
                    pass
        else:
            plugin.call(method, method.request(**fields), timeout=CALL)
    except RpcError as error:
        # These are what a host sees of a plugin that hangs or dies, and not an answer.
        if error.status in (Status.DEADLINE_EXCEEDED, Status.UNAVAILABLE):
            raise FailedError(
                f"{name} ends with {error}, where an error in words is expected"
            ) from None
        # An operator reads this text; without one there is only a number.
        require(error.text, f"{name} fails with {error.status.name} and without a word")
        return error
    raise FailedError(f"{name} succeeds, where an error is expected")
