"""Container images to load before kubeadm starts."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from machineadm.api.meta import (
    ApiStruct,
    AuthSource,
    MachinePath,
    OneOf,
    Sha256,
    Url,
    exactly_one,
)

ImageReference = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=512,
        extra={"oneLine": True, "pattern": r"^[a-z0-9][A-Za-z0-9._:/-]*(@sha256:[0-9a-f]{64})?$"},
    ),
]
"""`registry/repository:tag`, with or without `@sha256:...`."""


class ImageArchive(ApiStruct, frozen=True, kw_only=True):
    """An archive that holds images (OCI layout or `docker save`); exactly one of `path` and `url`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("path", "url"),)

    path: MachinePath | None = None
    """An archive that is on the machine."""

    url: Url | None = None
    """An archive to download; needs `sha256`."""

    sha256: Sha256 | None = None
    """SHA-256 of the archive, checked before anything is imported."""

    auth_from: AuthSource | None = None
    """A plugin that authenticates the machine to `url`."""


class Image(ApiStruct, frozen=True, kw_only=True):
    """One image to preload; exactly one of `reference` and `archive`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("reference", "archive"),)

    reference: ImageReference | None = None
    """An image to pull, best pinned by digest."""

    archive: ImageArchive | None = None
    """An archive to import."""

    platform: (
        Annotated[
            str,
            Meta(
                min_length=3,
                max_length=64,
                extra={"oneLine": True, "pattern": "^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$"},
            ),
        ]
        | None
    ) = None
    """Platform to take from an index, `linux/arm64`. Default: the machine's own."""

    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When `reference` is pulled. `Never` only checks that it exists. Default `IfNotPresent`."""

    namespace: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=76,
            extra={"oneLine": True, "pattern": r"^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$"},
        ),
    ] = "k8s.io"
    """containerd's namespace; the kubelet sees only `k8s.io`. Default `k8s.io`."""
