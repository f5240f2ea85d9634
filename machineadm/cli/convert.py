"""Write KubeadmConfigs, kubeadm's own documents and NodeConfigs as our kinds, with an account of every field."""

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
        # Without one the kind follows from the source, which is right for nearly everybody; a
        # default here would win over that.
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
        # A KubeadmConfig of Cluster API has no discovery: the controller fills it in for each
        # machine (KubeadmConfigReconciler).
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
        # As `clusterctl generate` takes them from the environment; a file can be kept beside the
        # template.
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
    # Here, because validate imports more than this needs when it is not given.
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
    # No plugins: nothing that is converted is encrypted by us yet.
    streams = read_streams(arguments.path)
    conversion = convert(((stream.name, stream.data) for stream in streams), request)
    # Of all or nothing: half of a conversion would be taken for the whole by whoever pipes it on.
    if conversion.problems:
        raise ProblemsError(conversion.problems)
    # The documents before the account: where both streams are one terminal, the account stays in
    # sight.
    sys.stdout.write("---\n".join(result.text for result in conversion.results))
    sys.stdout.flush()
    # The account goes to standard error, so that `> file` keeps the documents alone.
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
    # By the reader of documents: what it refuses (tags, aliases without end) is refused here, too.
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
    # Bytes that are no UTF-8 become a character that no name has, and are refused with the line.
    text = stream.data.decode("utf-8", "replace")
    lines = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    # The whole file or none: `a: b=c` in a map of YAML is no assignment.
    found = [
        re.fullmatch(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", line) for line in lines
    ]
    if lines and all(found):
        return {one[1]: _unquoted(one[2].strip()) for one in found if one}
    # Names as text: `8: x` in YAML has a number for its key.
    return {str(name): _written(value) for name, value in _map(path).items()}


def _written(value: object) -> str:
    """A value as it stands in YAML."""
    # Python would write True.
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _unquoted(text: str) -> str:
    # As a shell takes quotes away; escapes within are not read.
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text
