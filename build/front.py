"""The first code of the packed agent: choose a safe place to unpack to, then start shiv's runtime.

shiv unpacks its libraries once and later runs what it finds there, unchecked. So that place must
belong to the user who runs the agent, and nobody else may write to it; and shiv's own variables,
several of which make it run other code, are not for the environment to set.

MACHINEADM_CACHE names another base folder, for machines that allow no execution below /var.
"""

import os
import stat
import sys

TYPE_CHECKING = False  # typing itself would cost as much as all the rest of this file
if TYPE_CHECKING:
    from typing import NoReturn

UNFIT_INTERPRETER = 2
HOST = 5


def main() -> None:
    """Check the interpreter and the cache, then start the agent."""
    found = sys.implementation.name, sys.version_info[:2]
    if found[0] != "cpython" or found[1] < (3, 10):
        refuse(UNFIT_INTERPRETER, f"needs CPython 3.10 or later, this is {sys.version.split()[0]}")
    os.umask(0o022)
    for name in [name for name in os.environ if name.startswith("SHIV_")]:
        del os.environ[name]
    os.environ["SHIV_ROOT"] = safe_cache()

    from _bootstrap import bootstrap  # type: ignore[import-not-found]  # shiv's, in the archive

    bootstrap()


def safe_cache() -> str:
    """Make or check the folder to unpack to.

    Returns:
        Its path: below /var/cache for root, whatever HOME says; below HOME for anyone else.
    """
    default = "/var/cache" if os.geteuid() == 0 else os.path.expanduser("~/.cache")
    base = os.environ.get("MACHINEADM_CACHE") or os.path.join(default, "machineadm")
    folder = os.path.join(os.path.abspath(base), "agent")
    try:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
        found = os.lstat(folder)
    except OSError as error:
        refuse(HOST, f"cannot unpack: {error}; MACHINEADM_CACHE names another folder")
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        refuse(HOST, f"{folder} must be a folder of this user that nobody else may write to")
    return folder


def refuse(code: int, message: str) -> "NoReturn":
    """Say why the agent cannot start, and end."""
    sys.stderr.write(f"machineadm: {message}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
