"""Standard streams that are closed, hang up, or cannot write a character: none of it is a fault of the program."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def make_safe() -> None:
    """Give the process all three standard streams, and have them take any text.

    A descriptor that is closed would be given to the next file that is opened, and whatever prints would write there.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY))
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        elif hasattr(stream, "reconfigure"):
            # File names may hold bytes that are no text, and a locale may lack characters.
            stream.reconfigure(errors="backslashreplace")


def silence(stream: TextIO) -> None:
    """Let what is written to a stream from now on go nowhere, also what is still buffered."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
