"""The command line's entry point."""


def main() -> int:
    """Run the subcommand that the arguments name.

    Returns:
        The process's exit code.
    """
    return 0
