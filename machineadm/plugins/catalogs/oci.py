"""Manifests and indices of OCI images, as far as plugin catalogs use them: pure functions over bytes."""

from __future__ import annotations

import hashlib
from typing import Any, Final, NoReturn

import msgspec

from machineadm.plugins.catalogs.model import (
    ANY,
    MOST_BYTES,
    Artifact,
    CatalogError,
    is_digest,
    is_platform,
    other_platforms,
    suits,
)

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
# Registries convert, and the older type means the same.
_DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPT: Final = ", ".join((INDEX, MANIFEST))
# A type of our own: an image of a container must never be taken for a plugin.
LAYER: Final = "application/vnd.machineadm.plugin.v1+binary"
CONFIG: Final = "application/vnd.machineadm.plugin.config.v1+json"
REFERENCE: Final = "org.opencontainers.image.ref.name"
TITLE: Final = "org.opencontainers.image.title"
# scafctl's too: its catalogs hold the same files under other types.
LAYERS: Final = (
    LAYER,
    "application/vnd.scafctl.provider.v1+binary",
    "application/vnd.scafctl.auth-handler.v1+binary",
)
# The size of a manifest that registries should take at least (distribution spec).
MOST_JSON: Final = 4 << 20
"""Bytes of a manifest, an index, a list of tags."""

REPOSITORIES: Final = {
    "encryption-provider": "encryption-providers",
    "infrastructure": "infrastructures",
    "attestation": "attestations",
    "provider": "providers",
    "auth-handler": "auth-handlers",
}
"""Below what a catalog keeps each kind; the last two as scafctl's catalogs have them."""


class Descriptor(msgspec.Struct, frozen=True):
    """A reference to a blob."""

    digest: str
    size: int
    media_type: str
    platform: str
    """`OS/ARCH`; empty if it names none."""

    annotations: dict[str, str]


def parse(data: bytes, where: str) -> dict[str, Any]:
    """An index or a manifest.

    Raises:
        CatalogError: MA7245: It is not one.
    """
    try:
        found = msgspec.json.decode(data)
    # msgspec has no error of its own for JSON that is nested too deep.
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        unfit(where, "is not a JSON object")
    return found


def descriptors(document: dict[str, Any], where: str, key: str = "manifests") -> list[Descriptor]:
    """What an index or a manifest refers to.

    Raises:
        CatalogError: MA7245: It refers to nothing in the right form.
    """
    listed = document.get(key)
    if not isinstance(listed, list):
        unfit(where, f"has no list of {key}")
    return [descriptor(one, where) for one in listed]


def descriptor(one: Any, where: str) -> Descriptor:
    """A reference.

    Raises:
        CatalogError: MA7245: It is not one.
    """
    # The digest becomes part of a path, in a layout and in the cache.
    if not isinstance(one, dict) or not is_digest(one.get("digest")):
        unfit(where, "refers to something without a SHA-256 digest")
    size = one.get("size")
    # A size from a registry decides how much is read, so it is bounded before anything is.
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MOST_BYTES:
        unfit(where, f"refers to {one['digest']} of an impossible size")
    # Wrong annotations say nothing; they are not needed, so they refuse nothing either.
    annotations = one.get("annotations")
    texts = annotations if isinstance(annotations, dict) else {}
    return Descriptor(
        one["digest"],
        size,
        str(one.get("mediaType", "")),
        _platform(one.get("platform")),
        {str(key): value for key, value in texts.items() if isinstance(value, str)},
    )


def is_index(document: dict[str, Any], media_type: str = "") -> bool:
    """Whether it lists manifests of several platforms."""
    # In the document it is optional in OCI 1.0; then the Content-Type counts, and without both the
    # form.
    named = document.get("mediaType") or media_type
    return named in (INDEX, _DOCKER_INDEX) or (not named and "manifests" in document)


def choose(found: list[Descriptor], platform: str) -> Descriptor | None:
    """Choose the manifest of a platform; one without a platform fits all, if it is the only one."""
    exact = [one for one in found if one.platform == platform]
    # The platform's own first; `any` is the second choice.
    either = exact or [one for one in found if suits(one.platform or ANY, platform)]
    # Without a platform only if it is alone: beside others it is an attestation of theirs.
    return either[0] if either and (exact or len(found) == 1 or either[0].platform) else None


def platforms(found: list[Descriptor]) -> list[str]:
    """What an index has."""
    return [one.platform or ANY for one in found]


def content(manifest: dict[str, Any], where: str) -> Descriptor:
    """The plugin's file: the first layer.

    Raises:
        CatalogError: MA7245: This is not a plugin.
    """
    layers = descriptors(manifest, where, "layers")
    # By the type: an image of a container has layers, too, and is no plugin.
    if not layers or layers[0].media_type not in LAYERS:
        what = layers[0].media_type if layers else "no layer"
        unfit(where, f"is not a plugin: it holds {what[:80]}")
    return layers[0]


def artifact(
    plugin: tuple[str, str, str],
    platform: str,
    offered: str,
    layer: Descriptor,
    *,
    catalog: str,
    place: str,
) -> Artifact:
    """The plugin's file in a catalog.

    Args:
        plugin: Its kind, name and version.
        platform: The platform that is asked for.
        offered: The one that the manifest is for.
        layer: As of `content`.
        catalog: As of `Artifact`.
        place: As of `Artifact`.

    Raises:
        PlatformError: It is for another platform.
    """
    kind, name, version = plugin
    # Also of a manifest that was chosen by the index: a manifest without one says its platform only here.
    if not suits(offered, platform):
        other_platforms(kind, name, version, platform, [offered])
    return Artifact(
        kind=kind,
        name=name,
        version=version,
        platform=offered,
        digest=layer.digest,
        size=layer.size,
        catalog=catalog,
        place=place,
    )


def require_digest(data: bytes, digest: str, where: str) -> None:
    """Refuse a document that does not have its digest.

    Raises:
        CatalogError: MA7246: The digests differ.
    """
    if hashlib.sha256(data).hexdigest() != digest.removeprefix("sha256:"):
        raise CatalogError(
            "MA7246",
            f"{where} is not what its digest {digest} says",
            hint="the catalog is damaged, or its content was replaced",
        )


def platform_of_config(data: bytes, where: str) -> tuple[str, str, str, str]:
    """Kind, name, version and platform, as the configuration blob of a plugin says; empty where it says nothing.

    Raises:
        CatalogError: MA7245: It is not one.
    """
    found = parse(data, where)
    # What is missing counts as not said: publishers write only some of it.
    kind, name, version, platform = (
        str(found.get(key) or "") for key in ("kind", "name", "version", "platform")
    )
    return kind, name, version, platform if is_platform(platform) else ""


def tag_of(version: str) -> str:
    """Return the tag of a version: OCI tags cannot contain `+`."""
    # As Helm does it for charts; a version has no underscore of its own.
    return version.replace("+", "_")


def version_of(tag: str) -> str:
    """The version of a tag."""
    return tag.replace("_", "+")


def unfit(where: str, what: str) -> NoReturn:
    """Refuse what a catalog returned.

    Raises:
        CatalogError: Always.
    """
    raise CatalogError(
        "MA7245", f"{where} {what}", hint="look whether this address is a catalog of plugins"
    )


def _platform(given: Any) -> str:
    if not isinstance(given, dict):
        return ""
    system, machine = given.get("os"), given.get("architecture")
    # buildx writes unknown/unknown for attestations, which are not for any platform.
    if system in (None, "", "unknown") or machine in (None, "", "unknown"):
        return ""
    return f"{system}/{machine}"
