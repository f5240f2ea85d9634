"""Call a method of a plugin with JSON and print its replies as JSON, one a line; bytes are base64. A reply may be a secret: mind where it goes.

What a provider prints while it is executed (ExecuteProviderStream) is shown as it comes, on standard error; the result is the reply.
"""

from __future__ import annotations

import base64
import json
import sys
from typing import TYPE_CHECKING

from machineadm.cli.options import duration
from machineadm.cli.plugin import common

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser
    from machineadm.plugins.asking import Lines


def add_arguments(parser: Parser) -> None:
    """Add this command's arguments."""
    common.add_plugin(parser)
    parser.add_argument("method", metavar="METHOD", help="such as FetchPassphrase")
    parser.add_option(
        # A secret on a command line is in the list of processes and in the shell's history; hence
        # the file and `-`.
        "--input",
        metavar="JSON|@FILE|-",
        help='the request: {"provider": "vault"}, a file, or standard input (where secrets belong)',
    )
    parser.add_option(
        "--timeout", metavar="DURATION", type=duration, default="1m", help="for all (default 1m)"
    )
    common.add_places(parser)


def run(arguments: Namespace) -> int:
    """Start it, call it, print, end it."""
    from machineadm.plugins.catalogs.model import Wanted

    # Arguments are read and checked before any process is started.
    wanted = Wanted.parse(arguments.plugin)
    inputs = common.inputs_of(arguments.input)
    found = common.require_installed(wanted.kind, wanted.name, arguments)
    from machineadm.plugins.asking import Lines
    from machineadm.plugins.inspection.calling import method_of, replies, request_of
    from machineadm.plugins.inspection.running import running

    method = method_of(wanted.kind, arguments.method)
    # Cut to lines: a provider writes pieces of any size, and printable() must see whole lines.
    printed = Lines(common.warn)
    request = request_of(method, inputs)
    with running(wanted.kind, found, common.warn) as plugin:
        try:
            for reply in replies(plugin, wanted.kind, method, request, arguments.timeout):
                if not _shown(reply, printed):
                    sys.stdout.write(json.dumps(reply) + "\n")
                    # At once, since a stream of replies may last, and whoever reads it waits for
                    # each.
                    sys.stdout.flush()
        # Whatever was printed without a newline is shown even if the call fails: it is often the
        # reason.
        finally:
            printed.flush()
    return 0


def _shown(reply: dict[str, object], printed: Lines) -> bool:
    """Show what a provider printed; False if the reply is something else."""
    if len(reply) != 1:
        return False
    # The replies of ExecuteProviderStream have one field each, of which these two are output and
    # the third is the result.
    ((stream, data),) = reply.items()
    if stream not in ("stdout", "stderr") or not isinstance(data, str):
        return False
    printed.take(stream, base64.b64decode(data))
    return True
