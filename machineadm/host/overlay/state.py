"""State as it would be; the lock is not taken."""

from __future__ import annotations

from collections.abc import Callable

from machineadm.host.effects import DropState, KeepState
from machineadm.host.overlay.commands import refuse
from machineadm.host.ports import State


class OverlayState:
    """The State port: reads only, changed only by what is laid over it."""

    def __init__(self, real: State) -> None:
        self.run_directory = real.run_directory
        self.state_directory = real.state_directory
        self._real = real
        self._laid: dict[tuple[str, bool], Callable[[], bytes | None]] = {}

    def lay(self, effect: KeepState | DropState) -> None:
        """Have later queries see an effect as done."""
        content = effect.content if isinstance(effect, KeepState) else None
        self._laid[effect.name, effect.durable] = lambda: content

    def lay_copy(self, name: str, read: Callable[[], bytes | None]) -> None:
        """Have later queries see a copy in the state directory.

        Args:
            name: Its name.
            read: Gives the content of what is copied.
        """
        # Read when it is asked for: the agent's file has several megabytes, and hardly any check
        # wants to see its copy.
        self._laid[name, True] = read

    def read(self, name: str, *, durable: bool) -> bytes | None:
        """See `State.read`."""
        if (name, durable) in self._laid:
            return self._laid[name, durable]()
        return self._real.read(name, durable=durable)

    def list(self, name: str) -> tuple[str, ...]:
        """See `State.list`."""
        names, start = set(self._real.list(name)), f"{name}/"
        for (laid, durable), content in self._laid.items():
            if durable and laid.startswith(start):
                below = laid[len(start) :].partition("/")[0]
                (names.discard if content() is None else names.add)(below)
        return tuple(sorted(names))

    def write(self, name: str, content: bytes, *, durable: bool) -> None:
        """See `State.write`.

        Raises:
            InternalError: Always.
        """
        del content, durable
        refuse(f"keep {name}")

    def append(self, name: str, content: bytes) -> None:
        """See `State.append`.

        Raises:
            InternalError: Always.
        """
        del content
        refuse(f"append to {name}")

    def remove(self, name: str, *, durable: bool) -> None:
        """See `State.remove`.

        Raises:
            InternalError: Always.
        """
        del durable
        refuse(f"remove {name}")

    def lock(self) -> None:
        """See `State.lock`.

        Raises:
            InternalError: Always.
        """
        refuse("take the lock")

    def locked_by_other(self) -> bool:
        """See `State.locked_by_other`."""
        return self._real.locked_by_other()
