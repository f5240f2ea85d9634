"""Write KubeadmConfigs, kubeadm's own documents and NodeConfigs as our kinds, with an account of every leaf."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from machineadm.errors import ConfigError

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser

# A code of its own: the documents are there and can be used, but somebody must read the account
# first.
DECISIONS = 11
"""The exit code when decisions are left."""


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    from machineadm.cli.options import named

    parser.add_path()
    parser.add_option(
        "--to",
        choices=("MachineBootstrap", "MachineBootstrapTemplate", "MachineConfiguration"),
        help="kind that is written; default MachineBootstrap of a KubeadmConfig, MachineBootstrapTemplate of templates and "
        "control planes, MachineConfiguration of what is for one machine",
    )
    parser.add_option(
        "--role",
        choices=("Initialize", "JoinControlPlane", "JoinWorker"),
        help="what the machine becomes; required for a MachineConfiguration of a KubeadmConfig",
    )
    parser.add_option(
        "--discovery",
        metavar="FILE",
        type=named,
        help="how a joining machine finds its cluster: kubernetes.role.discovery, or a map of fields of the role",
    )
    parser.add_option(
        "--kubernetes-version",
        metavar="VERSION",
        type=_version,
        help="version of Kubernetes, where no document says it",
    )
    parser.add_option(
        "--values",
        metavar="FILE",
        type=named,
        help="values of ${NAME} placeholders: a map in YAML, or NAME=value lines; others are kept",
    )
    parser.add_option(
        "--report",
        choices=("text", "json"),
        default="text",
        help="how the account is printed on standard error: text (default) or json",
    )
    parser.add_option("--strict", action="store_true", help="exit 3 when decisions are left")


def _version(text: str) -> str:
    from machineadm.cli.validate import version

    return version(text)


def run(arguments: Namespace) -> int:
    """Print documents on standard output and the account on standard error; 11 if decisions are left.

    Raises:
        ProblemsError: Something cannot be converted.
    """
    from machineadm.agent.intake import ProblemsError
    from machineadm.conversion import report
    from machineadm.conversion.whole import Request, convert
    from machineadm.sources.stream import read_streams

    request = Request(
        to=arguments.to,
        role=arguments.role,
        discovery=_map(arguments.discovery) if arguments.discovery else {},
        version=arguments.kubernetes_version,
        values=_values(arguments.values) if arguments.values else {},
    )
    streams = read_streams(arguments.path)
    conversion = convert(((stream.name, stream.data) for stream in streams), request)
    if conversion.problems:
        raise ProblemsError(conversion.problems)
    # The documents before the account: where both streams are one terminal, the account stays in
    # sight.
    sys.stdout.write("---\n".join(result.text for result in conversion.results))
    sys.stdout.flush()
    write = report.as_json if arguments.report == "json" else report.as_text
    sys.stderr.write(write(conversion))
    if any(result.decisions for result in conversion.results):
        return ConfigError.exit_code if arguments.strict else DECISIONS
    return 0


def _map(path: str) -> dict[str, Any]:
    """A map from a file.

    Raises:
        ConfigError: It is not one.
    """
    from machineadm.documents.decoding import read_values
    from machineadm.sources.stream import read_streams

    (stream,) = read_streams([path])
    values, refusal = read_values(stream.data.decode("utf-8", "replace"))
    if refusal or len(values) != 1 or not isinstance(values[0], dict):
        raise ConfigError("MA2105", f"{path}: {refusal or 'is not one map in YAML'}")
    return values[0]


def _values(path: str) -> dict[str, str]:
    """Values of placeholders, from a map or from lines as a shell reads them.

    Raises:
        ConfigError: It is neither.
    """
    import re

    from machineadm.sources.stream import read_streams

    (stream,) = read_streams([path])
    text = stream.data.decode("utf-8", "replace")
    lines = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    found = [
        re.fullmatch(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", line) for line in lines
    ]
    if lines and all(found):
        return {one[1]: _unquoted(one[2].strip()) for one in found if one}
    return {str(name): _written(value) for name, value in _map(path).items()}


def _written(value: object) -> str:
    """A value as it stands in YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text
