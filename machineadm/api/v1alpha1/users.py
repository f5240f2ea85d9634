"""Users and groups of the machine."""

from typing import Annotated, ClassVar

from msgspec import Meta

from machineadm.api.meta import (
    ONE_LINE,
    AbsolutePath,
    ApiStruct,
    OneOf,
    ShortSecret,
    UserName,
    ValueSource,
    at_most_one,
)


class User(ApiStruct, frozen=True, kw_only=True):
    """A user of the machine. An existing one is changed to match."""

    one_of: ClassVar[tuple[OneOf, ...]] = (at_most_one("passwordHash", "passwordHashFrom"),)

    name: UserName
    """Login name."""

    gecos: (
        Annotated[
            str,
            Meta(max_length=256, extra={"oneLine": True, "pattern": r"^[^:\x00-\x1f\x7f-\x9f]*$"}),
        ]
        | None
    ) = None
    """Comment, usually the full name. A colon would end the field in /etc/passwd."""

    groups: Annotated[tuple[UserName, ...], Meta(max_length=64, extra={"unique": ""})] = ()
    """Additional groups; missing ones are created."""

    primary_group: UserName | None = None
    """Primary group. Default: a group of the user's own name."""

    home_dir: AbsolutePath | None = None
    """Home directory. Default `/home/<name>`."""

    shell: AbsolutePath | None = None
    """Login shell. Default: the distribution's own."""

    system: bool = False
    """A system account, with an id from the range of these. Default false."""

    inactive: bool = False
    """The account is created, but locked. Default false."""

    expire_date: (
        Annotated[
            str,
            Meta(
                min_length=10,
                max_length=10,
                extra={"oneLine": True, "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
            ),
        ]
        | None
    ) = None
    """The day on which the account expires: `2030-12-31`."""

    lock_password: bool = True
    """No login by password. Default true."""

    password_hash: (
        Annotated[
            ShortSecret,
            Meta(
                extra={
                    "minLength": 1,
                    "maxLength": 256,
                    "oneLine": True,
                    "pattern": r"^[^:\x00-\x20\x7f-\x9f]+$",
                }
            ),
        ]
        | None
    ) = None
    """Password as crypt(3) hashes it; this or `passwordHashFrom`, or none."""

    password_hash_from: ValueSource | None = None
    """Where the hash comes from."""

    sudo: Annotated[str, Meta(min_length=1, max_length=256, extra=ONE_LINE)] | None = None
    """Rule for sudo without the user's name: `ALL=(ALL) NOPASSWD:ALL`."""

    ssh_authorized_keys: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=2048, extra=ONE_LINE)], ...],
        Meta(max_length=100, extra={"unique": ""}),
    ] = ()
    """Public keys that may log in by SSH, one each."""


class Group(ApiStruct, frozen=True, kw_only=True):
    """A group of the machine."""

    name: UserName
    """Its name."""

    gid: Annotated[int, Meta(ge=0, le=4294967294)] | None = None
    """Its id. Default: the next free one."""

    system: bool = False
    """A system group, with an id from the range of these. Default false."""
