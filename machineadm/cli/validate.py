"""Show every problem of a configuration; needs no root and touches nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.cli.options import add_unknown_version
from machineadm.cli.passphrases import passphrases_of
from machineadm.errors import ConfigError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from machineadm.agent.intake import Intake
    from machineadm.cli.options import Parser
    from machineadm.documents.opening import Opener
    from machineadm.sources.stream import Stream

# Searched as bytes before anything is decoded: most inputs are for machines and need no code of
# rendering. MachineBootstrapTemplate begins the same way.
_MANAGED = b"MachineBootstrap"
# `version: ${KUBERNETES_VERSION}`, as templates of clusterctl have it, also `version: v${...}`.
_OPEN_VERSION = rb"(?m)^\s*version:\s*[\"']?[^\n]*\$\{"
# Spread over what is supported: a field that came or went is known to one of them, and most
# templates are good with the first.
_LIKELY = (34, 30, 36, 32)
"""Minor versions that are tried first where nobody has filled in the version yet."""


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    parser.add_path(directories=True)
    parser.add_merge()
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


def _stood_in(
    streams: Sequence[Stream], arguments: Namespace
) -> tuple[tuple[Stream, ...], str | None]:
    """Inputs with values in the place of their placeholders, and the version of Kubernetes that suits them; no line moves."""
    from re import search

    given = arguments.kubernetes_version
    # First with the version that the configuration or the option says.
    best = tuple(_filled(stream, arguments, given) for stream in streams)
    chosen, fewest = given, len(_examined(best, arguments, given).errors)
    if given is not None or not any(search(_OPEN_VERSION, stream.data) for stream in streams):
        return best, given
    from machineadm.config.versions import NEWEST_MINOR, OLDEST_MINOR

    for minor in dict.fromkeys([*_LIKELY, *range(NEWEST_MINOR, OLDEST_MINOR - 1, -1)]):
        if not fewest:
            break
        version = f"v1.{minor}.0"
        tried = tuple(_filled(stream, arguments, version) for stream in streams)
        errors = len(_examined(tried, arguments, version).errors)
        # Fewer and not equal: the first of several that are as good is the likeliest.
        if errors < fewest:
            best, chosen, fewest = tried, version, errors
    return best, chosen


def _filled(stream: Stream, arguments: Namespace, kubernetes_version: str | None) -> Stream:
    from machineadm.conversion.standing_in import stand_in
    from machineadm.sources.stream import Stream

    try:
        text = stream.data.decode()
    except UnicodeDecodeError:
        return stream  # refused when it is read

    def wrong(candidate: str) -> list[int]:
        one = Stream(name=stream.name, data=candidate.encode())
        # Lines alone: no value changes the number of lines, so they are the same in what the user
        # wrote.
        return [problem.line for problem in _examined([one], arguments, kubernetes_version).errors]

    filled = stand_in(text, wrong).encode()
    return Stream(name=stream.name, data=filled, fragment=stream.fragment)


def _examined(
    streams: Sequence[Stream],
    arguments: Namespace,
    kubernetes_version: str | None,
    opener: Opener | None = None,
) -> Intake:
    """All problems, by the agent's rules or, for what lives in the management cluster, by those of rendering."""
    from machineadm.agent.intake import Intake, examine
    from machineadm.documents.opening import Opener

    if _MANAGED in b"".join(stream.data for stream in streams):
        # Imported if the name is there: most inputs need nothing of rendering.
        from machineadm.agent.managed import examine_managed, is_managed

        if is_managed(streams):
            problems = examine_managed(streams, kubernetes_version=kubernetes_version)
            return Intake(configuration=None, problems=problems)
    return examine(
        streams,
        opener=opener or Opener(),
        mode=arguments.mode,
        kubernetes_version=kubernetes_version,
        allow_unknown_version=arguments.allow_unknown_version,
    )


def run(arguments: Namespace) -> int:
    """Print all problems; 3 if there are any, 0 if there are none or, without --strict, only warnings."""
    from machineadm.documents import printing
    from machineadm.documents.opening import Opener
    from machineadm.sources.referred import Referred
    from machineadm.sources.stream import read_streams

    passphrases = passphrases_of(arguments)
    streams = read_streams(
        arguments.path, directories=True, merge=arguments.merge, plugins=passphrases.plugins
    )
    kubernetes_version = arguments.kubernetes_version
    if arguments.placeholders:
        # Before decoding: a placeholder is text, and where it stands unquoted it decides of which
        # YAML type its value is.
        streams, kubernetes_version = _stood_in(streams, arguments)
    found = _examined(
        streams,
        arguments,
        kubernetes_version,
        Opener(
            passphrases=passphrases,
            references=Referred(passphrases.plugins),
            allow_unauthenticated=arguments.allow_unauthenticated_encryption,
        ),
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

        # Both print something for an empty list as well: a workflow must find a file to upload.
        write = as_sarif if arguments.output == "sarif" else as_github
        sys.stdout.write(write(found.problems))
    elif found.problems:
        sys.stdout.write(printing.as_text(found.problems))
    else:
        # Named, so that a log of many runs says which file was good.
        names = ", ".join(stream.name for stream in streams)
        sys.stdout.write(f"machineadm: no problems in {names}\n")
    # A warning may be meant as it stands, so it is no reason to stop a pipeline that was green
    # yesterday.
    refused = found.problems if arguments.strict else found.errors
    return ConfigError.exit_code if refused else 0
