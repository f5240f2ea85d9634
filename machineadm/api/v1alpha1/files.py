"""Files to write on the machine."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from machineadm.api.meta import (
    ApiStruct,
    AuthSource,
    FileMode,
    FileOwner,
    HeaderName,
    Line,
    MachinePath,
    OneOf,
    Sha256,
    Sha512,
    ShortSecret,
    Url,
    ValueSource,
    exactly_one,
)


class FileSource(ApiStruct, frozen=True, kw_only=True):
    """Content to download, verified by its digest before the file is put in place."""

    url: Url
    """Where the content is fetched from: `https://`, `http://` or `file://`. Redirects are followed,
    but never from https to http."""

    sha256: Sha256 | None = None
    """SHA-256 of the content. With http and https this or `sha512` is required; both are checked."""

    sha512: Sha512 | None = None
    """SHA-512 of the content."""

    headers: Annotated[dict[HeaderName, ShortSecret], Meta(max_length=32)] = {}
    """HTTP headers of the request, such as `Authorization`; secret. Not sent on to another host."""

    headers_from: Annotated[dict[HeaderName, ValueSource], Meta(max_length=32)] = {}
    """HTTP headers whose values come from elsewhere. A header is either here or in `headers`."""

    auth_from: AuthSource | None = None
    """What authenticates the machine: its token is requested right before the download. Not allowed with a
    header `Authorization`."""


class FileConfig(ApiStruct, frozen=True, kw_only=True):
    """One file of the machine; exactly one of `content`, `contentFrom`, `source` and `linkTo`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (
        exactly_one("content", "contentFrom", "source", "linkTo"),
    )

    path: MachinePath
    """Where it is: absolute and without `..`; with `windowsConfiguration` also a Windows path. Missing parent directories are created with mode 0755."""

    owner: FileOwner | None = None
    """`user:group` or `user` (with its login group), by name or id, which must exist on the machine
    when files are written. Default `root:root`; for a file that is appended to, its current owner."""

    permissions: FileMode | None = None
    """Octal mode as a string, `"0640"`; never a YAML integer. Default `0644`, or `0600` if the file
    is `sensitive`; for a file that is appended to, its current mode."""

    content: Annotated[str, Meta(max_length=1048576)] | None = None
    """The exact content: no newline is added or removed. At most 1 MiB of text."""

    content_from: ValueSource | None = None
    """Where the content comes from."""

    source: FileSource | None = None
    """A download, with the digest that it must have."""

    link_to: Line | None = None
    """Make a symbolic link to this path, absolute or relative to the link's directory; it need not
    exist. The link is root's, and replaces a file or link at `path`. Linux only."""

    encoding: Literal["base64", "gzip", "gzip+base64"] | None = None
    """How `content` is encoded; absent: plain text in UTF-8. `gzip` is read as `gzip+base64`, because
    a UTF-8 string cannot hold compressed bytes."""

    append: bool = False
    """Append to the file instead of replacing it, starting on a new line; only if the
    file does not contain exactly these lines yet. Not with `source`. Default false."""

    sensitive: bool = False
    """Never show the content in plans, logs and reports. Implied when `permissions` lets neither
    group nor others read it. Default false."""

    content_format: Literal["Raw", "Template"] = "Raw"
    """`Raw`: unchanged. `Template`: a bounded Go template with `.controlPlane.version`, filled in by
    the manager and so refused in a MachineConfiguration. Default `Raw`."""
