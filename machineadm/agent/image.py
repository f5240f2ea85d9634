"""What the machine's image says to the agent: the configuration below all that `--path` names, and who must have signed that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from machineadm.sources.stream import Stream, read_streams

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.agent_configuration import AgentConfigurationSpec
    from machineadm.host.ports import Host
    from machineadm.sources.plugins import PluginSource
    from machineadm.verification.keys import PublicKey

# Below /etc and therefore of the image: user data cannot change who must have signed it.
AGENT_CONFIGURATION: Final = "/etc/machineadm/agent.yaml"
# Whoever may write the file could drop its demand for signatures.
_WRITABLE_BY_OTHERS: Final = 0o022


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """What a command line and the image give."""

    given: tuple[Stream, ...]
    """Of the command line, with their signatures where these were demanded."""

    whole: tuple[Stream, ...]
    """The image's fragments, then what was given."""


def read_inputs(
    paths: Sequence[str],
    host: Host,
    *,
    merge: bool = False,
    keys: Sequence[str] = (),
    sleep: Callable[[float], None] | None = None,
    plugins: PluginSource | None = None,
) -> Inputs:
    """Read what the command line names and what the image has below it; refuse what is not signed as demanded.

    Args:
        paths: Of the command line.
        host: The machine, or a tree: its image says what is demanded.
        merge: As of `read_streams`.
        keys: Files with public keys: for each of them a signature is demanded, beside what the image demands.
        sleep: As of `read_streams`.
        plugins: As of `read_streams`.

    Raises:
        ConfigError: The image's part cannot be used.
        UsageError: As of `read_streams`.
        VerificationError: Something is not signed, or not by the key that it must be signed by.
    """
    # One stat where an image says nothing, as most do; nothing more is imported then.
    settings = None if host.files.stat(AGENT_CONFIGURATION) is None else _settings(host)
    # Before anything is read: whoever wrote the input must not choose who is asked for it first.
    demanded = _demanded(settings, keys)
    given = read_streams(
        paths, directories=True, merge=merge, signed=bool(demanded), sleep=sleep, plugins=plugins
    )
    if demanded:
        _verify(given, demanded)
    base = () if settings is None else _base(settings, host)
    return Inputs(given=given, whole=(*base, *given))


def _demanded(
    settings: AgentConfigurationSpec | None, files: Sequence[str]
) -> tuple[tuple[PublicKey, ...], ...]:
    """The keys of each demand; all demands count, so that an option cannot take back what the image says.

    Raises:
        ConfigError: MA1230: The image's key cannot be used.
        VerificationError: The key of an option cannot be used.
    """
    if not files and (settings is None or settings.signature is None):
        return ()
    from machineadm.errors import ConfigError, VerificationError
    from machineadm.sources.configuration import read
    from machineadm.verification.keys import load_public_keys

    found = []
    if settings is not None and settings.signature is not None:
        try:
            found.append(load_public_keys(settings.signature.public_key.encode()))
        except VerificationError as error:
            raise ConfigError(
                "MA1230",
                f"{AGENT_CONFIGURATION}: spec.signature.publicKey: {error.message} ({error.code})",
                hint=error.hint(),
            ) from error
    found += [load_public_keys(read(file)) for file in files]
    return tuple(found)


def _verify(streams: Sequence[Stream], demanded: Sequence[tuple[PublicKey, ...]]) -> None:
    """Check every input against every demand.

    Raises:
        VerificationError: MA1232: It has no signature; MA171x: it has another one.
    """
    from machineadm.errors import VerificationError
    from machineadm.sources.stream import SIGNATURE
    from machineadm.verification.signatures import verify

    for stream in streams:
        if stream.signature is None:
            raise VerificationError(
                "MA1232",
                f"{stream.name} is not signed, and this machine carries out signed configurations alone",
                hint=f"the signature is a file beside it, {stream.name}{SIGNATURE}; standard input and data: have none",
            )
        for keys in demanded:
            try:
                verify(stream.data, stream.signature, keys)
            except VerificationError as error:
                raise VerificationError(
                    error.code, f"{stream.name}: {error.message}", hint=error.hint()
                ) from error


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
