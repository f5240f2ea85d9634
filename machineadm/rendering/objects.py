"""The documents that are rendered: a MachineBootstrap or its template, and the Secrets and ConfigMaps it refers to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from machineadm.api.formats import without_blanks
from machineadm.api.meta import ApiStruct
from machineadm.api.pruned import PRUNED
from machineadm.api.scheme import V1ALPHA1
from machineadm.api.v1alpha1.machine_bootstrap import MachineBootstrap, MachineBootstrapTemplate
from machineadm.redaction import Secret

# apimachinery's IsConfigMapKey, which is used for Secrets as well: at most 253 characters of this
# set. Its refusal of "." and ".." is left to the API server.
Key = Annotated[str, Meta(min_length=1, max_length=253, extra={"pattern": "^[-._A-Za-z0-9]+$"})]
"""A key of a Secret or a ConfigMap, as Kubernetes takes it."""

# The format is a mark of ours: it makes decoding refuse what is not base64, so that no reader below
# has to.
Base64Secret = Annotated[Secret, Meta(extra={"format": "base64"})]
Base64Text = Annotated[str, Meta(extra={"format": "base64"})]


Metadata = Annotated[dict[str, Any], Meta(max_length=100)]
"""Metadata as the API server keeps it; name and namespace are asked for."""


# Types of our own and not a client's: rendering is in the agent, which has no client of Kubernetes.
class SecretObject(ApiStruct, frozen=True, kw_only=True):
    """A v1 Secret, as kubectl writes it."""

    api_version: Literal["v1"]
    """`v1`."""

    kind: Literal["Secret"]
    """`Secret`."""

    # A map and not ObjectMeta: `kubectl get -o yaml` prints managedFields, ownerReferences and
    # whatever a later version adds, and none of it is an error here.
    metadata: Metadata
    """Name and namespace."""

    type: str = "Opaque"
    """Any type will do."""

    immutable: bool = False
    """Without effect here."""

    data: dict[Key, Base64Secret] = field(default_factory=dict)
    """Values in base64."""

    # Write-only in the API, but files that are written by hand have it.
    string_data: dict[Key, Secret] = field(default_factory=dict)
    """Values as text; of a key in both, this one counts."""


class ConfigMapObject(ApiStruct, frozen=True, kw_only=True):
    """A v1 ConfigMap, as kubectl writes it."""

    api_version: Literal["v1"]
    """`v1`."""

    kind: Literal["ConfigMap"]
    """`ConfigMap`."""

    metadata: Metadata
    """Name and namespace."""

    immutable: bool = False
    """Without effect here."""

    data: dict[Key, str] = field(default_factory=dict)
    """Values as text."""

    binary_data: dict[Key, Base64Text] = field(default_factory=dict)
    """Values in base64."""


# Anything else in the stream is refused as a kind that is not known: a Machine or a Cluster is not
# for rendering, and silence would hide a wrong file.
KINDS: Final[dict[tuple[str, str], type]] = {
    (V1ALPHA1, "MachineBootstrap"): MachineBootstrap,
    (V1ALPHA1, "MachineBootstrapTemplate"): MachineBootstrapTemplate,
    ("v1", "Secret"): SecretObject,
    ("v1", "ConfigMap"): ConfigMapObject,
}
"""What a stream that is rendered may hold."""

ObjectKind = Literal["Secret", "ConfigMap"]


class Resource(Struct, frozen=True, kw_only=True):
    """A Secret or a ConfigMap as bytes by key."""

    kind: ObjectKind
    name: str
    namespace: str = ""
    """Empty: that of whoever refers to it."""

    values: dict[str, Any]
    """Bytes by key; PRUNED where what stands there could not be read."""

    def __repr__(self) -> str:
        # Keys alone. The values are secrets, and a repr ends up in tracebacks.
        return f"Resource({self.kind} {self.name}, keys {', '.join(self.values)})"


Resources = tuple[Resource, ...]


def resource(value: SecretObject | ConfigMapObject) -> Resource:
    """An object of the stream as bytes by key.

    Args:
        value: As decoded; parts of it may be PRUNED.

    """
    if isinstance(value, SecretObject):
        # stringData last: a map keeps the later one, and so does the API server.
        pairs = [*_decoded(value.data), *_encoded(value.string_data)]
    else:
        pairs = [*_encoded(value.data), *_decoded(value.binary_data)]
    return Resource(
        kind="Secret" if isinstance(value, SecretObject) else "ConfigMap",
        name=text_of(value.metadata, "name"),
        namespace=text_of(value.metadata, "namespace"),
        values=dict(pairs),
    )


def text_of(metadata: dict[str, Any] | None, name: str) -> str:
    """A text of an object's metadata; empty where there is none."""
    # Asked by identity before anything else: PRUNED raises when its truth is asked for.
    if metadata is PRUNED or not metadata:
        return ""
    value = metadata.get(name)
    return value if value is not PRUNED and isinstance(value, str) else ""


def is_within(namespace: str, own: str) -> bool:
    """Whether an object may be referred to from a namespace; where one of the two is not said, it may."""
    # A namespace that is not said is that of whoever applies the file, and so may be any.
    return not own or namespace in ("", own)


def _decoded(data: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    from binascii import a2b_base64

    for key, text in {} if data is PRUNED else data.items():
        yield key, text if text is PRUNED else a2b_base64(without_blanks(_plain(text)))


def _encoded(data: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for key, text in {} if data is PRUNED else data.items():
        yield key, text if text is PRUNED else _plain(text).encode()


def _plain(text: str | Secret) -> str:
    return text.reveal() if isinstance(text, Secret) else text
