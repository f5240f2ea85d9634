"""Membership of a directory domain."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from machineadm.api.meta import (
    AbsolutePath,
    ApiStruct,
    HostName,
    Line,
    LongLine,
    OneOf,
    ShortSecret,
    Text,
    ValueSource,
    at_most_one,
)


class DomainCredentials(ApiStruct, frozen=True, kw_only=True):
    """An account that may join machines to the domain."""

    one_of: ClassVar[tuple[OneOf, ...]] = (
        at_most_one("username", "usernameFrom"),
        at_most_one("password", "passwordFrom"),
    )

    username: Line | None = None
    """Name of the account; this or `usernameFrom`."""

    username_from: ValueSource | None = None
    """Where the name comes from."""

    password: ShortSecret | None = None
    """Password of the account; this or `passwordFrom`."""

    password_from: ValueSource | None = None
    """Where the password comes from."""


class DomainJoin(ApiStruct, frozen=True, kw_only=True):
    """How the machine joins a domain. Group memberships of the machine are not managed."""

    domain: HostName
    """DNS name of the domain: `corp.example.com`."""

    organizational_unit: LongLine | None = None
    """Distinguished name of the unit for the computer account. Default: the domain's own."""

    credentials: DomainCredentials
    """The account that joins."""

    computer_name: (
        Annotated[
            str,
            Meta(
                min_length=1, max_length=15, extra={"oneLine": True, "pattern": "^[A-Za-z0-9-]+$"}
            ),
        ]
        | None
    ) = None
    """Name of the computer account, at most 15 characters. Default: from the host name."""

    keytab_path: AbsolutePath | None = None
    """Where the keytab is written (Linux). Default `/etc/krb5.keytab`."""

    membership_software: Literal["adcli", "samba"] | None = None
    """The program that joins (Linux). Default `adcli`."""

    options: Annotated[dict[Line, Text], Meta(max_length=50)] = {}
    """Additional options of the joining program, by name without leading dashes."""
