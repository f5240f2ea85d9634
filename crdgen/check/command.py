"""`python -m crdgen check`."""

from collections.abc import Sequence


def run(arguments: Sequence[str]) -> int:
    """Check files.

    Args:
        arguments: The command line after `check`.

    Returns:
        The exit code.
    """
    raise NotImplementedError(arguments)
