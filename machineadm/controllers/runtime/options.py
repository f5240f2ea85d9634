"""Options that all processes of the management cluster have."""

from __future__ import annotations

import argparse

from machineadm.controllers.runtime.serving import AddressError, address


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Add what `logs.set_up` asks for."""
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="form of a log line (default: text)",
    )
    parser.add_argument("--verbose", action="store_true", help="log more")


def address_of(text: str) -> tuple[str | None, int] | None:
    """Read an option as `serving.address` does.

    Raises:
        argparse.ArgumentTypeError: It is not an address.
    """
    try:
        return address(text)
    except AddressError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
