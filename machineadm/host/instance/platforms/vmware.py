"""vSphere: what the creator of the machine has put into its guestinfo, read with VMware's own tool.

https://docs.cloud-init.io/en/latest/reference/datasources/vmware.html
"""

from __future__ import annotations

import base64
import zlib
from typing import Any, ClassVar, Final

from machineadm.documents.decoding import decode_object
from machineadm.errors import MachineadmError
from machineadm.host.instance.model import UnknownError
from machineadm.host.instance.platforms.document import DocumentSource

_TOOLS: Final = (("vmware-rpctool", ()), ("vmtoolsd", ("--cmd",)))
_LARGEST: Final = 1 << 20
_ENCODINGS: Final = ("base64", "b64", "gzip+base64", "gz+b64")
_NOTHING: Final = ("", "---")
"""How the tool says that there is nothing."""


class Vmware(DocumentSource):
    """The source."""

    name: ClassVar[str] = "VMware"
    kinds: ClassVar[tuple[str, ...]] = ("v1", "ds")
    platform: ClassVar[str] = "vmware"
    subplatform: ClassVar[str] = "guestinfo"
    keys: ClassVar[dict[str, str]] = {
        "v1.instance_id": "instance-id",
        "v1.local_hostname": "local-hostname",
        "v1.region": "region",
        "v1.availability_zone": "availability_zone",
    }

    def meta_data(self, document: dict[str, Any]) -> dict[str, Any]:
        """cloud-init puts the machine's own names and addresses beside what was given."""
        network, kernel = self._host.network, self._host.kernel
        own = {
            "hostname": document.get("local-hostname") or (kernel.hostname() if kernel else None),
            "local-ipv4": network.primary(4) if network else None,
            "local-ipv6": network.primary(6) if network else None,
        }
        return {**{key: value for key, value in own.items() if value}, **document}

    def read(self, timeout: float) -> dict[str, Any]:
        """What guestinfo.metadata holds.

        Raises:
            UnknownError: There is none, no tool, or it is not a map.
        """
        text = self._ask("guestinfo.metadata", timeout)
        if text in _NOTHING:
            raise UnknownError("has no guestinfo.metadata")
        data = _decoded(text, self._ask("guestinfo.metadata.encoding", timeout))
        found, problems = decode_object(data, file="guestinfo.metadata")
        if found is None or problems:
            raise UnknownError(f"guestinfo.metadata cannot be read: {problems[0].message}")
        return found

    def _ask(self, key: str, timeout: float) -> str:
        """A value of guestinfo; empty where there is none.

        Raises:
            UnknownError: There is no tool, or it does not answer.
        """
        queries = self._host.queries
        # vmware-rpctool first, as cloud-init does it.
        for tool, options in _TOOLS:
            if queries is None or queries.find(tool) is None:
                continue
            try:
                found = queries.ask([tool, *options, f"info-get {key}"], timeout=timeout)
            except MachineadmError as error:
                raise UnknownError(error.message) from error
            if found.timed_out:
                raise UnknownError(f"{tool} did not answer within {timeout:.3g} s")
            # An error means that the key is not set: the tool has no other way to say it.
            return found.output.strip() if found.exit_code == 0 else ""
        raise UnknownError("neither vmware-rpctool nor vmtoolsd is on this machine")


def _decoded(text: str, encoding: str) -> bytes:
    """The bytes of a value.

    Raises:
        UnknownError: It is not encoded as it says.
    """
    if encoding in _NOTHING:
        return text.encode()
    if encoding not in _ENCODINGS:
        raise UnknownError(f"guestinfo.metadata.encoding is {encoding!r}, not one of cloud-init's")
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
        if encoding.startswith("gz"):
            # 31: a gzip header and nothing else (zlib's manual, inflateInit2).
            unpacker = zlib.decompressobj(wbits=31)
            # Bounded: a few kilobytes of gzip can unpack to gigabytes.
            data = unpacker.decompress(data, _LARGEST)
            if unpacker.unconsumed_tail or not unpacker.eof:
                raise UnknownError(f"guestinfo.metadata has more than {_LARGEST} bytes, or is cut")
    except (ValueError, zlib.error):
        raise UnknownError(f"guestinfo.metadata is not {encoding}") from None
    return data
