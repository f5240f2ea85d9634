"""`__main__.py` of the packed agent: unpack the libraries once to a safe place, then run.

It stands in for shiv's own runtime, which runs whatever it finds in a cache below HOME, obeys
variables that make it run other code, and costs four times as much at every start. What was unpacked is
run later without a look at its content, so its folder must belong to the user who runs the agent, and
nobody else may write to it.

MACHINEADM_CACHE names another base folder, for machines that allow no execution below /var.
"""

import os
import stat
import sys

TYPE_CHECKING = False  # typing itself would cost as much as all the rest of this file
if TYPE_CHECKING:
    from typing import NoReturn

# build/package.py writes the values of these two.
CONTENT = "unknown"
ARCHITECTURE = "unknown"

UNFIT = 2
HOST = 5


def main() -> None:
    """Check interpreter and machine, make sure of the libraries, and hand over to the command line."""
    if sys.implementation.name != "cpython" or not (3, 10) <= sys.version_info[:2] <= (3, 14):
        refuse(UNFIT, f"needs CPython 3.10 to 3.14, this is {sys.version.split()[0]}")
    if os.uname().machine != ARCHITECTURE:
        refuse(UNFIT, f"this file is for {ARCHITECTURE}, the machine is {os.uname().machine}")
    os.umask(0o022)
    try:
        folder = safe_folder()
        unpacked = os.path.join(folder, CONTENT)
        if not os.path.isdir(unpacked):
            unpack(folder, unpacked)
    except OSError as error:
        refuse(HOST, f"cannot unpack: {error}; MACHINEADM_CACHE names another folder")
    sys.path[0] = os.path.join(unpacked, "site-packages")

    from machineadm.cli.main import main as command_line

    sys.exit(command_line())


def safe_folder() -> str:
    """Make or check the folder to unpack to.

    Returns:
        Its path: below /var/cache for root, whatever HOME says; below HOME for anyone else.
    """
    default = "/var/cache" if os.geteuid() == 0 else os.path.expanduser("~/.cache")
    base = os.environ.get("MACHINEADM_CACHE") or os.path.join(default, "machineadm")
    folder = os.path.join(os.path.abspath(base), "agent")
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        refuse(HOST, f"{folder} must be a folder of this user that nobody else may write to")
    return folder


def unpack(folder: str, unpacked: str) -> None:
    """Unpack the libraries so that they are whole, and on disk, before they have their name.

    Neither a kill nor a power cut leaves half of them to be run later; of several that unpack at the
    same time the first wins.

    Raises:
        OSError: No room, or no right to write there.
    """
    import shutil
    import tempfile
    import zipfile

    scratch = tempfile.mkdtemp(dir=folder, prefix=".new-")
    try:
        with zipfile.ZipFile(sys.argv[0]) as archive:
            names = [name for name in archive.namelist() if name.startswith("site-packages/")]
            archive.extractall(scratch, names)
        os.sync()
        os.rename(scratch, unpacked)
    except OSError:
        if not os.path.isdir(unpacked):
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def refuse(code: int, message: str) -> "NoReturn":
    """Say why the agent cannot start, and end."""
    sys.stderr.write(f"machineadm: {message}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
