"""Print the user data of a MachineBootstrap, as the manager would render it. It contains the machine's secrets."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser
    from machineadm.documents.model import Problem
    from machineadm.rendering.render import Rendered
    from machineadm.rendering.sizes import Sizes


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    # From the table itself, so that a new template is offered without a change here.
    from machineadm.rendering.builtin import BUILTINS

    parser.add_path()
    parser.add_option(
        "--template",
        choices=tuple(BUILTINS),
        help="use this built-in template instead of the MachineBootstrap's",
    )
    parser.add_output()


def run(arguments: Namespace) -> int:
    """Print user data on standard output, sizes and warnings on standard error.

    Raises:
        ProblemsError: It cannot be rendered; printed here, too.
    """
    from machineadm.agent.intake import ProblemsError
    from machineadm.cli.refusal import refusals
    from machineadm.redaction import Redactor
    from machineadm.rendering.stream import read_bundle, render_bundle, secrets_of_bundle
    from machineadm.sources.stream import read_streams

    redactor = Redactor()
    with refusals(redactor, problems_as_json=arguments.output == "json") as refusal:
        streams = read_streams(arguments.path)
        # Also where it has problems: its secrets are still to be masked.
        bundle = read_bundle((stream.name, stream.data) for stream in streams)
        # Before rendering, whose errors may quote a value that a template was given.
        redactor.learn(secrets_of_bundle(bundle))
        outcome = render_bundle(bundle, random=os.urandom, template=arguments.template)
        if outcome.rendered is None:
            raise ProblemsError(outcome.problems)
        _print(outcome.rendered, outcome.warnings, arguments.output)
    return refusal.exit_code


def _print(rendered: Rendered, warnings: tuple[Problem, ...], output: str) -> None:
    from machineadm.documents import printing

    if output == "json":
        sys.stdout.write(_json(rendered, warnings))
        return
    # Text and bytes go to one descriptor through two buffers; this keeps their order.
    sys.stdout.flush()
    # User data may be gzip, which is not text.
    sys.stdout.buffer.write(rendered.user_data)
    sys.stdout.buffer.flush()
    sys.stderr.write(printing.lines(warnings))
    sys.stderr.write(_sizes(rendered.sizes))


def _json(rendered: Rendered, warnings: tuple[Problem, ...]) -> str:
    import msgspec

    value = {
        "template": rendered.template,
        "format": rendered.format,
        "sizes": rendered.sizes,
        "warnings": warnings,
        # msgspec writes bytes in base64, as a Secret's data has them.
        "userData": rendered.user_data,
    }
    return msgspec.json.encode(value).decode() + "\n"


def _sizes(sizes: Sizes) -> str:
    from machineadm.rendering.sizes import SMALL, USUAL

    parts = ", ".join(f"{name} {size}" for name, size in sizes.parts.items() if size)
    head = f"{sizes.raw} bytes ({parts}), {sizes.compressed} compressed by gzip\n"
    if sizes.limit is not None:
        left = sizes.limit - sizes.counted
        what = "" if sizes.limited == "raw" else ", compressed"
        return head + f"{left} bytes below the limit of {sizes.limit}{what}\n"
    verdicts = [
        f"{limit} ({who}): {'fits' if sizes.raw <= limit else _compressed_verdict(sizes, limit)}"
        # Without a limit of its own in the document nobody has said which cloud it is for.
        for limit, who in ((SMALL, "AWS"), (USUAL, "most others"))
    ]
    return head + f"limits: {'; '.join(verdicts)}\n"


def _compressed_verdict(sizes: Sizes, limit: int) -> str:
    if sizes.compressed <= limit:
        return f"{sizes.raw - limit} bytes too large, fits if the provider compresses it"
    return f"{sizes.raw - limit} bytes too large, {sizes.compressed - limit} even compressed"
