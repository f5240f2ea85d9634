"""systemd units."""

from typing import Annotated, Literal

from msgspec import Meta

from machineadm.api.meta import ApiStruct

UnitName = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=255,
        extra={
            "oneLine": True,
            "pattern": r"^[A-Za-z0-9:_.\\@-]+\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$",
        },
    ),
]
"""Name of a systemd unit with its type: `kubelet.service`."""


UnitText = Annotated[str, Meta(min_length=1, max_length=65536)]
"""The text of a systemd unit or drop-in."""


class UnitDropIn(ApiStruct, frozen=True, kw_only=True):
    """A drop-in of a systemd unit."""

    name: Annotated[
        str,
        Meta(
            min_length=6,
            max_length=255,
            extra={"oneLine": True, "pattern": r"^[A-Za-z0-9:_.@-]+\.conf$"},
        ),
    ]
    """File name: `10-proxy.conf`."""

    contents: UnitText
    """Its text."""


class SystemdUnit(ApiStruct, frozen=True, kw_only=True):
    """A systemd unit."""

    name: UnitName
    """Its name with its type."""

    contents: UnitText | None = None
    """Its text, written to /etc/systemd/system. Absent: the unit exists already."""

    drop_ins: Annotated[tuple[UnitDropIn, ...], Meta(max_length=64, extra={"unique": "name"})] = ()
    """Drop-ins, written below /etc/systemd/system."""

    masked: bool | None = None
    """True: nothing can start it. False: that is undone. Absent: left as it is. Not with `contents`."""

    enabled: bool | None = None
    """Whether it starts at boot. Absent: left as it is."""

    state: Literal["Started", "Stopped", "Restarted"] | None = None
    """Action now; `Restarted` only if the unit has changed. Absent: none."""
