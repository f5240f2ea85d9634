"""What a template may call."""

from __future__ import annotations

import binascii

from machineadm.documents.encoding import quoted
from machineadm.rendering.template import Function


def functions(
    machine_config: bytes = b"", agent_fetch: bytes = b"", agent_path: bytes = b""
) -> dict[str, Function]:
    """All functions, by name.

    Args:
        machine_config: The documents' bytes.
        agent_fetch: The script that fetches the agent; empty where the image brings it.
        agent_path: Path of the agent after it was fetched.
    """
    return {
        "machine_config": Function(0, lambda: machine_config),
        "agent_fetch": Function(0, lambda: agent_fetch),
        "agent_path": Function(0, lambda: agent_path),
        # Without the newline that b2a_base64 adds: in YAML and JSON the text stands within a line.
        "base64": Function(1, lambda text: binascii.b2a_base64(text, newline=False)),
        "gzip": Function(1, compressed),
        "quote": Function(1, _quote),
    }


def compressed(data: bytes) -> bytes:
    """Bytes by gzip: without a time, so that the same bytes give the same bytes."""
    import zlib

    # 31: a gzip header and the largest window; zlib writes zero for its time where gzip.compress()
    # of Python 3.10 writes now.
    stream = zlib.compressobj(9, wbits=31)
    return stream.compress(data) + stream.flush()


def _quote(text: bytes) -> bytes:
    """In double quotes, for JSON and YAML.

    Raises:
        ValueError: It is not valid UTF-8.
    """
    try:
        return quoted(text.decode()).encode()
    except UnicodeDecodeError:
        raise ValueError("the text is not valid UTF-8; use base64, which takes any bytes") from None
