"""Where a machine gets the agent from."""

from typing import Annotated, ClassVar

from msgspec import Meta

from machineadm.api.meta import (
    AbsolutePath,
    ApiStruct,
    HeaderName,
    ObjectName,
    OneOf,
    Pem,
    Sha256,
    ShortSecret,
    Url,
    ValueSource,
    at_least_one,
    at_most_one,
    exactly_one,
)


class PreinstalledAgent(ApiStruct, frozen=True, kw_only=True):
    """An agent that is part of the image."""

    path: AbsolutePath | None = None
    """Where it is. Default `/usr/bin/machineadm`."""


class Sha256ByArchitecture(ApiStruct, frozen=True, kw_only=True):
    """SHA-256 of the agent's file for each architecture; at least one."""

    one_of: ClassVar[tuple[OneOf, ...]] = (at_least_one("amd64", "arm64"),)

    amd64: Sha256 | None = None
    """Of the file for x86-64."""

    arm64: Sha256 | None = None
    """Of the file for 64-bit Arm."""


class AgentOfStore(ApiStruct, frozen=True, kw_only=True):
    """A store that serves the agent: an HTTPBootstrapStore in the same namespace."""

    name: ObjectName | None = None
    """Its name. Default: the store that `infrastructureRef` names."""


class AgentDownload(ApiStruct, frozen=True, kw_only=True):
    """An agent to fetch at boot; at least one of `sha256`, `sha256ByArchitecture` and `publicKey`, or `fromStore`; all are checked."""

    one_of: ClassVar[tuple[OneOf, ...]] = (
        exactly_one("urls", "fromStore"),
        at_least_one("sha256", "sha256ByArchitecture", "publicKey", "fromStore"),
        at_most_one("sha256", "sha256ByArchitecture"),
    )

    version: Annotated[
        str,
        Meta(
            min_length=5,
            max_length=64,
            extra={
                "oneLine": True,
                "pattern": r"^v?[0-9]+\.[0-9]+\.[0-9]+([-.+]?[0-9A-Za-z.+-]+)?$",
                "expected": "a version such as v0.3.1",
            },
        ),
    ]
    """Version of the agent, with or without a leading `v`; it replaces `{version}` in a URL."""

    urls: Annotated[tuple[Url, ...], Meta(max_length=8, extra={"unique": ""})] = ()
    """URLs to fetch it from, tried in this order. `{version}` and `{arch}` are filled in. This or `fromStore`."""

    from_store: AgentOfStore | None = None
    """Fetch it from a store. The manager fills in the URL and the store's `caBundle`, and the digests of that
    version's release where none is given. Refused where no manager is: in `machineadm render`."""

    sha256: Sha256 | None = None
    """SHA-256 of the file, checked before the file is put in place. Of one file, so of one architecture."""

    sha256_by_architecture: Sha256ByArchitecture | None = None
    """SHA-256 for each architecture, where a URL has `{arch}`; a machine of any other architecture is refused."""

    public_key: Pem | None = None
    """ECDSA P-256 public keys in PEM, one of which must have signed the file: two during a rotation of
    the release key. The signature, DER over SHA-256, is fetched from the file's URL with `.sig` appended."""

    headers: Annotated[dict[HeaderName, ShortSecret], Meta(max_length=32)] = {}
    """HTTP headers of the request, such as `Authorization`; secret. Not sent on to another host."""

    headers_from: Annotated[dict[HeaderName, ValueSource], Meta(max_length=32)] = {}
    """HTTP headers whose values come from elsewhere. A header is either here or in `headers`."""

    destination: AbsolutePath | None = None
    """Where it is installed, with mode 0755. Default `/usr/local/bin/machineadm`; with format ignition
    `/opt/bin/machineadm`, since /usr is read-only on Flatcar."""

    ca_bundle: Pem | None = None
    """Certificate authorities in PEM for this download only, in addition to the host's trust store."""


class AgentSource(ApiStruct, frozen=True, kw_only=True):
    """How the machine gets the agent; exactly one of `preinstalled` and `download`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("preinstalled", "download"),)

    preinstalled: PreinstalledAgent | None = None
    """It is part of the image."""

    download: AgentDownload | None = None
    """It is fetched at boot."""
