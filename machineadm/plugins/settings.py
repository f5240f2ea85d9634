"""/etc/machineadm/plugins.yaml: plugins that are needed before a configuration can be read."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from machineadm.api.meta import AbsolutePath, ApiStruct, LabelName, ObjectMeta
from machineadm.errors import PluginError

CONFIGURATION: Final = "/etc/machineadm/plugins.yaml"

KindName = Literal["encryption-provider", "infrastructure", "attestation"]
Digest = Annotated[
    str,
    Meta(
        min_length=71,
        max_length=71,
        extra={"pattern": "^sha256:[0-9a-f]{64}$", "expected": "sha256: and 64 digits"},
    ),
]


class PluginEntry(ApiStruct, frozen=True, kw_only=True):
    """One plugin."""

    name: LabelName
    """Name that documents call it by, such as a provider of EncryptedData."""

    kind: KindName
    """What it is asked for."""

    path: AbsolutePath
    """Its executable: a file of root that nobody else can write, in such directories."""

    digest: Digest | None = None
    """SHA-256 of the executable; without it a file PATH_SHA256SUM must be there."""

    settings: Annotated[dict[str, Any], Meta(max_length=1000)] | None = None
    """Any object; the plugin gets it before its first call."""


class PluginConfigurationSpec(ApiStruct, frozen=True, kw_only=True):
    """The plugins."""

    plugins: Annotated[tuple[PluginEntry, ...], Meta(max_length=100)] = ()
    """Name and kind together occur once."""


class PluginConfiguration(ApiStruct, frozen=True, kw_only=True):
    """Plugins of a machine, brought by its image."""

    api_version: Literal["bootstrap.cluster.x-k8s.io/v1alpha1"]
    """`bootstrap.cluster.x-k8s.io/v1alpha1`."""

    kind: Literal["PluginConfiguration"]
    """`PluginConfiguration`."""

    metadata: ObjectMeta | None = None
    """Name and labels; not needed on a machine."""

    spec: PluginConfigurationSpec
    """The plugins."""


_KINDS: Final[dict[tuple[str, str], type]] = {
    ("bootstrap.cluster.x-k8s.io/v1alpha1", "PluginConfiguration"): PluginConfiguration
}


def read_entries(data: bytes, *, file: str) -> tuple[PluginEntry, ...]:
    """The plugins of a PluginConfiguration.

    Args:
        data: One document or several.
        file: Its name, for messages.

    Raises:
        PluginError: MA7206: It cannot be read; all its problems are in `log_tail`.
    """
    from machineadm.documents.decoding import decode_kinds
    from machineadm.documents.printing import as_text

    documents = decode_kinds(data, file=file, kinds=_KINDS)
    problems = [problem for document in documents for problem in document.problems]
    if problems:
        first = problems[0]
        where = f"{first.file}:{first.line}:{first.column}"
        path = f" {first.path}:" if first.path else ""
        refusal = PluginError(
            "MA7206", f"{where}:{path} {first.message} ({first.code})", hint=first.hint
        )
        refusal.log_tail = as_text(problems)
        raise refusal
    entries = [entry for document in documents for entry in document.value.spec.plugins]
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        if (entry.kind, entry.name) in seen:
            raise PluginError(
                "MA7206",
                f"{file}: plugin {entry.name!r} of kind {entry.kind} stands there twice",
                hint="keep one of them",
            )
        seen.add((entry.kind, entry.name))
    return tuple(entries)
