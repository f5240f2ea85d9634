"""State in memory."""

from __future__ import annotations

from machineadm.errors import LockedError


class FakeState:
    """State in memory. `reboot` loses the run directory; a lock held elsewhere is set by `other_holds_lock`."""

    def __init__(self) -> None:
        self.run_directory = "/run/machineadm"
        self.state_directory = "/var/lib/machineadm"
        self.run_files: dict[str, bytes] = {}
        self.state_files: dict[str, bytes] = {}
        self.writes: list[str] = []
        self.held = False
        self.other_holds_lock = False

    def read(self, name: str, *, durable: bool) -> bytes | None:
        return self._files(durable).get(name)

    def list(self, name: str) -> tuple[str, ...]:
        start = f"{name}/"
        names = (one[len(start) :] for one in self.state_files if one.startswith(start))
        return tuple(sorted({one.partition("/")[0] for one in names}))

    def write(self, name: str, content: bytes, *, durable: bool) -> None:
        self._files(durable)[name] = content
        self.writes.append(name)

    def append(self, name: str, content: bytes) -> None:
        self.state_files[name] = self.state_files.get(name, b"") + content
        self.writes.append(name)

    def remove(self, name: str, *, durable: bool) -> None:
        self._files(durable).pop(name, None)

    def lock(self) -> None:
        if self.other_holds_lock:
            raise LockedError("MA6001", f"another run holds {self.run_directory}/lock")
        self.held = True

    def locked_by_other(self) -> bool:
        return self.other_holds_lock

    def reboot(self) -> None:
        """What a reboot takes."""
        self.run_files.clear()
        self.held = False

    def _files(self, durable: bool) -> dict[str, bytes]:
        return self.state_files if durable else self.run_files
