"""What the machine's image says to the agent: the configuration below all that `--path` names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from machineadm.sources.stream import Stream

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.agent_configuration import AgentConfigurationSpec
    from machineadm.host.ports import Host

AGENT_CONFIGURATION: Final = "/etc/machineadm/agent.yaml"
_WRITABLE_BY_OTHERS: Final = 0o022


def with_base(streams: Sequence[Stream], host: Host) -> tuple[Stream, ...]:
    """What is read in the end: the image's fragments, then what the command line names.

    Args:
        streams: Of the command line.
        host: The machine, or a tree.

    Raises:
        ConfigError: The image's part cannot be used.
    """
    # One stat where an image says nothing, as most do; nothing more is imported then.
    if host.files.stat(AGENT_CONFIGURATION) is None:
        return tuple(streams)
    return (*_base(_settings(host), host), *streams)


def _settings(host: Host) -> AgentConfigurationSpec:
    """The image's settings.

    Raises:
        ConfigError: MA1230: They have problems, all of which are in `log_tail`; MA1231: others may have written them.
    """
    from machineadm.api.v1alpha1.agent_configuration import AgentConfiguration
    from machineadm.documents.decoding import decode_kinds
    from machineadm.documents.printing import as_text
    from machineadm.errors import ConfigError

    kinds: dict[tuple[str, str], type] = {
        ("bootstrap.cluster.x-k8s.io/v1alpha1", "AgentConfiguration"): AgentConfiguration
    }
    data = _trusted(AGENT_CONFIGURATION, host)
    documents = decode_kinds(data, file=AGENT_CONFIGURATION, kinds=kinds)
    problems = [problem for document in documents for problem in document.problems]
    if problems:
        first = problems[0]
        path = f" {first.path}:" if first.path else ""
        where = f"{first.file}:{first.line}:{first.column}"
        refusal = ConfigError(
            "MA1230", f"{where}:{path} {first.message} ({first.code})", hint=first.hint
        )
        refusal.log_tail = as_text(problems)
        raise refusal
    if len(documents) > 1:
        raise ConfigError(
            "MA1230",
            f"{AGENT_CONFIGURATION} has {len(documents)} documents",
            hint="keep one of them",
        )
    found: AgentConfigurationSpec = documents[0].value.spec
    return found


def _base(settings: AgentConfigurationSpec, host: Host) -> tuple[Stream, ...]:
    """The image's fragments.

    Raises:
        ConfigError: MA1231: There is no such directory, or others may have written to it.
    """
    from machineadm.sources.stream import fragments

    streams = []
    for directory in settings.base_directories:
        _require_trusted(directory, host, directory=True)
        for name in fragments(host.files.list(directory)):
            path = f"{directory.rstrip('/')}/{name}"
            streams.append(Stream(name=path, data=_trusted(path, host), fragment=True))
    return tuple(streams)


def _trusted(path: str, host: Host) -> bytes:
    from machineadm.documents.source import MAX_BYTES

    _require_trusted(path, host)
    return host.files.read(path, limit=MAX_BYTES) or b""


def _require_trusted(path: str, host: Host, *, directory: bool = False) -> None:
    """Refuse what somebody else may have written: it decides what root does.

    Raises:
        ConfigError: MA1231.
    """
    from machineadm.errors import ConfigError
    from machineadm.host.ports import FileKind

    found, root = host.files.stat(path), host.files.stat("/")
    kind = FileKind.DIRECTORY if directory else FileKind.FILE
    if found is None or found.kind is not kind:
        why = (
            "there is nothing"
            if found is None
            else f"it is not a {kind.value}, but a {found.kind.value}"
        )
        raise ConfigError(
            "MA1231",
            f"cannot read {path}: {why}",
            hint=f"make it a {kind.value} of root's, or take it out of {AGENT_CONFIGURATION}",
        )
    # The owner of a tree below --root may exchange everything in it, root's files among them.
    owners = {0} if root is None else {0, root.uid}
    if found.uid not in owners or found.mode & _WRITABLE_BY_OTHERS:
        raise ConfigError(
            "MA1231",
            f"{path} belongs to user {found.uid} and has mode {found.mode:04o}, so others may have written it",
            hint=f"find out who did; then chown root {path}; chmod go-w {path}",
        )
