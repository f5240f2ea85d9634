"""The host's trust store."""

from typing import ClassVar

from machineadm.api.meta import ApiStruct, OneOf, Pem, ValueSource, exactly_one


class TrustedAuthority(ApiStruct, frozen=True, kw_only=True):
    """A certificate authority; exactly one of `content` and `contentFrom`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("content", "contentFrom"),)

    content: Pem | None = None
    """Certificates in PEM."""

    content_from: ValueSource | None = None
    """Where they come from."""
