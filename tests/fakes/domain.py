"""A directory domain: what adcli leaves on a machine that it has joined."""

from __future__ import annotations

from machineadm.host.ports import CommandResult
from tests.fakes.commands import Call
from tests.fakes.host import FakeHost


def keytab(*principals: str) -> bytes:
    """A keytab of MIT's format 2, written here by its documentation."""
    out = b"\x05\x02"
    for principal in principals:
        name, _, realm = principal.partition("@")
        parts = [part.encode() for part in name.split("/")]
        entry = len(parts).to_bytes(2, "big")
        for text in (realm.encode(), *parts):
            entry += len(text).to_bytes(2, "big") + text
        entry += (1).to_bytes(4, "big") + (0).to_bytes(4, "big") + b"\x02"
        entry += (18).to_bytes(2, "big") + (32).to_bytes(2, "big") + bytes(32)
        out += len(entry).to_bytes(4, "big") + entry
    return out


class FakeDomain:
    """A domain that takes whoever asks: adcli writes a keytab where it is told to.

    Args:
        host: The machine.
        principals: What the keytab has; without any: a host's name and account, by the command line.
    """

    def __init__(self, host: FakeHost, *principals: str) -> None:
        self._host = host
        self._principals = principals
        host.commands.on("adcli", "join", effect=self._join)

    def _join(self, call: Call) -> CommandResult | None:
        given = dict(word[2:].partition("=")[::2] for word in call.argv if word.startswith("--"))
        name = given.get("computer-name", "worker")
        realm = given["domain"].upper()
        own = (f"host/{name}@{realm}", f"{name.upper()}$@{realm}")
        self._host.put(given["host-keytab"], keytab(*(self._principals or own)), mode=0o600)
        return None
