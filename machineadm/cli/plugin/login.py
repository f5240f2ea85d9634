"""Log in by an auth handler; a device code that it asks for is shown on standard error, for a browser anywhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.cli.options import duration
from machineadm.cli.plugin import common
from machineadm.cli.plugin.handlers import add_handler, handlers, the_one, when

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's arguments."""
    add_handler(parser)
    parser.add_option(
        "--flow", metavar="FLOW", default="", help="such as device_code; default: the handler's own"
    )
    parser.add_option(
        "--tenant", metavar="ID", default="", help="where, if the handler knows tenants"
    )
    parser.add_option(
        "--scope", metavar="SCOPE", action="append", help="for what; several are possible"
    )
    parser.add_option(
        "--timeout",
        metavar="DURATION",
        type=duration,
        # A device code expires (RFC 8628, expires_in), so waiting for much longer helps nobody.
        default="5m",
        help="how long a person may take (default 5m)",
    )
    parser.add_output()


def run(arguments: Namespace) -> int:
    """Log in, and print who that is."""
    with handlers(arguments) as (client, names):
        claims = client.login(
            the_one(arguments, names),
            _prompt,
            flow=arguments.flow,
            tenant=arguments.tenant,
            scopes=tuple(arguments.scope or ()),
            # The protocol counts whole seconds, and a fraction must not become 0.
            timeout=max(1, round(arguments.timeout)),
        )
    said = {
        "subject": claims.subject,
        "name": claims.name,
        "email": claims.email,
        "issuer": claims.issuer,
        "tenant": claims.tenant_id,
        "expires": when(claims.expires_at_unix),
    }
    if arguments.output == "json":
        common.print_json(said)
    else:
        # A subject is often a number; a name is what a person recognizes.
        who = claims.name or claims.email or claims.username or claims.subject or "somebody"
        from machineadm.terminal import printable

        sys.stdout.write(f"logged in as {printable(who)}\n")
    return 0


def _prompt(user_code: str, address: str, message: str) -> None:
    """Tell a person what to do. On standard error, because it is not the result, which may be piped elsewhere."""
    from machineadm.terminal import printable

    if message:
        sys.stderr.write(f"{printable(message)}\n")
    if user_code or address:
        sys.stderr.write(f"open {printable(address)} and enter the code {printable(user_code)}\n")
    sys.stderr.flush()
