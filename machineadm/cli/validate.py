"""Show every problem of a configuration; needs no root and touches nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.cli.options import add_unknown_version
from machineadm.cli.passphrases import passphrases_of
from machineadm.errors import ConfigError

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser
    from machineadm.sources.stream import Stream


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    parser.add_path()
    parser.add_option(
        "--kubernetes-version",
        metavar="VERSION",
        type=version,
        help="check against this version instead of the configuration's",
    )
    add_unknown_version(parser)
    parser.add_option(
        "--mode",
        choices=("provisioning", "preparation"),
        default="provisioning",
        help="preparation: allow a configuration without kubernetes (for images)",
    )
    parser.add_option("--strict", action="store_true", help="also exit 3 on warnings")
    parser.add_option(
        "--placeholders",
        action="store_true",
        help="judge a configuration whose ${NAME} placeholders nobody has filled in yet: any value that fits will do",
    )
    parser.add_opening()
    parser.add_instance_data()
    parser.add_output("sarif", "github")


def version(text: str) -> str:
    """A release of Kubernetes such as v1.34.4; the v may be missing.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    from argparse import ArgumentTypeError

    from machineadm.semver import Semver

    try:
        Semver.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    return "v" + text.removeprefix("v")


def _stood_in(stream: Stream, arguments: Namespace) -> Stream:
    """An input with values in the place of its placeholders; no line of it moves."""
    from machineadm.agent.intake import examine
    from machineadm.conversion.standing_in import stand_in
    from machineadm.sources.stream import Stream

    try:
        text = stream.data.decode()
    except UnicodeDecodeError:
        return stream  # refused when it is read

    def wrong(candidate: str) -> list[int]:
        found = examine(
            [Stream(name=stream.name, data=candidate.encode())],
            mode=arguments.mode,
            kubernetes_version=arguments.kubernetes_version,
            allow_unknown_version=arguments.allow_unknown_version,
        )
        return [problem.line for problem in found.errors]

    return Stream(name=stream.name, data=stand_in(text, wrong).encode())


def run(arguments: Namespace) -> int:
    """Print all problems; 3 if there are any, 0 if there are none or, without --strict, only warnings."""
    from machineadm.agent.intake import examine
    from machineadm.documents import printing
    from machineadm.documents.opening import Opener
    from machineadm.sources.referred import Referred
    from machineadm.sources.stream import read_streams

    passphrases = passphrases_of(arguments)
    streams = read_streams(arguments.path, plugins=passphrases.plugins)
    if arguments.placeholders:
        streams = tuple(_stood_in(stream, arguments) for stream in streams)
    found = examine(
        streams,
        opener=Opener(
            passphrases=passphrases,
            references=Referred(passphrases.plugins),
            allow_unauthenticated=arguments.allow_unauthenticated_encryption,
        ),
        mode=arguments.mode,
        kubernetes_version=arguments.kubernetes_version,
        allow_unknown_version=arguments.allow_unknown_version,
    )
    if arguments.instance_data is not None:
        from machineadm.agent.resolving import with_given

        found = with_given(
            found,
            arguments.instance_data,
            mode=arguments.mode,
            kubernetes_version=arguments.kubernetes_version,
        )
    if arguments.output == "json":
        sys.stdout.write(printing.as_json(found.problems))
    elif arguments.output in ("sarif", "github"):
        from machineadm.cli.annotations import as_github, as_sarif

        write = as_sarif if arguments.output == "sarif" else as_github
        sys.stdout.write(write(found.problems))
    elif found.problems:
        sys.stdout.write(printing.as_text(found.problems))
    else:
        names = ", ".join(stream.name for stream in streams)
        sys.stdout.write(f"machineadm: no problems in {names}\n")
    refused = found.problems if arguments.strict else found.errors
    return ConfigError.exit_code if refused else 0
