"""Scalars and lists of scalars: what most fields are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from machineadm.conversion import placeholders
from machineadm.conversion.account import View
from machineadm.conversion.placeholders import Bare
from machineadm.conversion.texts import Machine, Read
from machineadm.documents.nodes import Scalar

Role = Literal["Initialize", "JoinControlPlane", "JoinWorker"]
ROLES: tuple[Role, ...] = ("Initialize", "JoinControlPlane", "JoinWorker")


class Setting(Struct, frozen=True, kw_only=True):
    """What holds for a whole document."""

    machine: Machine
    """How texts are read on the machine."""

    envsubst: bool = False
    """The text has yet to go through envsubst."""

    ignition: bool = False
    """Its format is Ignition's."""

    windows: bool = False
    """The machine runs Windows."""

    role: Role | None = None
    """What the machine becomes; None: left open."""

    worker: bool = False
    """It never becomes a control plane machine."""

    inlined: bool = False
    """The target is a MachineConfiguration, which refers to no Secret."""

    # A function, so that only whoever needs a value learns of the stream's Secrets.
    secret: Callable[[str, str], str | None] = lambda _name, _key: None
    """The value of a Secret's key, if the stream has the Secret."""


Value = tuple[str, object]
"""`""` and a text, or `From` and where it comes from: what is appended to the name of the field."""

# The two that are left where a field takes no reference.
_WAYS = (
    "let a command do it: values reach commands by their environment (`env[].valueFrom.instanceData`)",
    "write the value itself, with a template for each machine",
)


def sourced(view: View, to: str, setting: Setting, *, kubeadm: bool = True) -> Value | None:
    """A text that may refer to instance data.

    Args:
        view: The scalar.
        to: Our field, without `From`.
        setting: Of the document.
        kubeadm: It stands in kubeadm's file.
    """
    # A map or a list: of a wrong type, and told by the account.
    if view.text is None:
        return None
    # In a list of arguments or a map of texts null is an empty text.
    if isinstance(view.node, Scalar) and view.node.value is None and view.node.plain:
        view.converted(to)
        return "", ""
    # Commands may have changed kubeadm's file before it was read; they do not change the rest of
    # user data.
    read = setting.machine.read_kubeadm(view.text) if kubeadm else setting.machine.read(view.text)
    if read.trouble is not None:
        view.decide(f"{read.trouble.what} is more than a reference to instance data", *_WAYS, to=to)
        return "", view.text
    if read.references:
        view.converted(f"{to}From.instanceData")
        return "From", {"instanceData": read.instance_data}
    view.converted(to)
    return "", written(view)


def written(view: View) -> str:
    """A scalar's text; as it stood where its quotes belong to a placeholder: `${GATES:-"A=true"}`."""
    # A placeholder with quotes in its default would be text with quotes if it were quoted once
    # more.
    given = view.text or ""
    plain = isinstance(view.node, Scalar) and view.node.plain
    return Bare(given) if plain and '"' in given and placeholders.holds(given) else given


def text(view: View | None, to: str, setting: Setting, note: str = "") -> str | None:
    """A text of a field that takes no reference."""
    if view is None or view.text is None:
        return None
    # References are looked for even where none can stand: to copy `{{ ds... }}` would be to lose it
    # silently.
    read: Read = setting.machine.read_kubeadm(view.text)
    if read.trouble is not None or read.references:
        view.decide("refers to instance data, and this field cannot", *_WAYS, to=to)
    else:
        view.converted(to, note)
    return written(view)


def integer(view: View | None, to: str) -> int | Bare | None:
    """A number, or a placeholder for one."""
    if view is None or view.text is None:
        return None
    # To Python True is a number.
    if isinstance(view.value, int) and not isinstance(view.value, bool):
        view.converted(to)
        return view.value
    if placeholders.is_whole(view.text):
        view.converted(to)
        return Bare(view.text.strip())
    if view.text.isascii() and view.text.isdecimal():
        view.converted(to, "was text")
        # More digits than any number of Kubernetes has (int64): the bounds of the field refuse it.
        return int(view.text[:18])
    return None


def boolean(view: View | None, to: str) -> bool | Bare | None:
    """True or false, or a placeholder for one."""
    if view is None or view.text is None:
        return None
    if isinstance(view.value, bool):
        view.converted(to)
        return view.value
    # Nobody knows yet what it becomes, so it is written without quotes.
    if placeholders.is_whole(view.text):
        view.converted(to)
        return Bare(view.text.strip())
    return None


def strings(view: View | None, to: str, setting: Setting) -> list[str]:
    """A list of texts."""
    if view is None:
        return []
    if view.is_empty:
        view.default("an empty list is the same as none")
        return []
    found = []
    for index, item in enumerate(view.items()):
        value = text(item, f"{to}[{index}]", setting)
        if value is not None:
            found.append(value)
    return found


def seconds(view: View | None, to: str) -> str | None:
    """A number of seconds as a duration."""
    value = integer(view, to)
    return None if value is None else f"{value}s"


def days(view: View | None, to: str) -> str | None:
    """A number of days as a duration."""
    value = integer(view, to)
    # Nothing can multiply what is not known.
    if isinstance(value, Bare) and view is not None:
        view.decide(
            "is a placeholder for days, and the field takes hours",
            "write the hours, with an `h` behind them",
            "give the placeholder a value (`--values`)",
            to=to,
        )
        return None
    return None if value is None else f"{value * 24}h"


def put(target: dict[str, object], path: str, value: object) -> None:
    """Set a value below several keys; None and empty lists and maps are left out.

    Raises:
        TypeError: A value stands where a map was expected: a mistake of the caller.
    """
    # False and 0 stay: they were written on purpose.
    if value is None or value == [] or value == {}:
        return
    *above, last = path.split(".")
    for name in above:
        inner = target.setdefault(name, {})
        if not isinstance(inner, dict):
            raise TypeError(f"{path} crosses a value")
        target = inner
    target[last] = value
