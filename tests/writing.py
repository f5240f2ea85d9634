"""A program that writes files without end, and whether what an end to it left is whole."""

from pathlib import Path

from machineadm.host.linux.files import LinuxFiles
from machineadm.host.linux.tree import Tree
from machineadm.host.ports import FileWrite

OLD, NEW = b"old " * 5000, b"new " * 9000


def files_below(root: Path) -> LinuxFiles:
    return LinuxFiles(Tree(str(root)))


def write(root: Path, path: str, content: bytes = b"x", **more: int) -> None:
    files_below(root).write([FileWrite(path=path, content=content, **more)])


WRITER = """
import sys
from machineadm.host.linux.files import LinuxFiles
from machineadm.host.linux.tree import Tree
from machineadm.host.ports import FileWrite
files = LinuxFiles(Tree(sys.argv[1]))
contents = b"old " * 5000, b"new " * 9000
print("ready", flush=True)
while True:
    for content in contents:
        files.write([FileWrite(path=f"/d{n % 3}/f{n}", content=content, mode=0o600) for n in range(9)])
"""


def torn(root: Path) -> list[str]:
    """Files that are neither old nor new."""
    files = root.glob("d*/f*")
    return [path.name for path in files if path.read_bytes() not in (OLD, NEW)]


def leftovers(root: Path) -> list[str]:
    return [path.name for path in root.glob("d*/.*")]


def write_again(root: Path) -> None:
    files_below(root).write(
        [FileWrite(path=f"/d{n}/f{n}", content=NEW, mode=0o600) for n in range(3)]
    )
