"""A network for machines, with room for servers of the test: a network namespace."""

import ctypes
import itertools
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
_numbers = itertools.count(1)


class Network:
    """Holds one machine (192.0.2.11), and 192.0.2.1, where a server of the test may listen."""

    address = "192.0.2.1"

    def __init__(self) -> None:
        self.name = f"stage-{os.getpid()}-{next(_numbers)}"

    def __enter__(self) -> "Network":
        _ip("netns", "add", self.name)
        _ip("-n", self.name, "link", "set", "lo", "up")
        _ip("-n", self.name, "address", "add", f"{self.address}/32", "dev", "lo")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _ip("netns", "delete", self.name)

    def inside(self, make: Callable[[], T]) -> T:
        """Call it in there: a socket that it opens belongs to this network for ever, whoever uses it.

        Only the thread that calls it enters, so it runs in one of its own.
        """
        results: list[T] = []
        errors: list[BaseException] = []

        def enter() -> None:
            try:
                _enter(Path("/run/netns", self.name))
                results.append(make())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]


def _enter(namespace: Path) -> None:
    """As os.setns, which Python has from 3.12 on."""
    with namespace.open("rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)
