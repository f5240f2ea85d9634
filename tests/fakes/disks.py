"""File systems with as much room as a test says."""

from __future__ import annotations

from machineadm.host.ports.disks import Space


class FakeDisks:
    """Room in memory.

    Attributes:
        spaces: By mount point; the longest one that a path is below counts.
    """

    def __init__(self) -> None:
        self.spaces: dict[str, Space] = {"/": Space(free=50 << 30, total=100 << 30)}

    def space(self, path: str) -> Space | None:
        mounts = [at for at in self.spaces if f"{path}/".startswith(f"{at.rstrip('/')}/")]
        return self.spaces[max(mounts, key=len)] if mounts else None
