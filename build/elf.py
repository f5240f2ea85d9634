"""Remove from extension modules what no loader reads; with strip the bytes would depend on its version."""

from __future__ import annotations

import struct


def without_sections(elf: bytes) -> bytes:
    """Cut a 64-bit little-endian ELF file after its last loaded segment.

    What follows is symbols and debug information, which the loader never reads; the header's three
    section fields are set to zero accordingly. Anything else is returned as it is.
    """
    # Class 64 bits, little-endian: both architectures.
    if elf[:6] != b"\x7fELF\x02\x01":
        return elf
    (table,) = struct.unpack_from("<Q", elf, 0x20)
    size, count = struct.unpack_from("<HH", elf, 0x36)
    end = 0
    for index in range(count):
        kind, _flags, offset, _v, _p, length = struct.unpack_from(
            "<IIQQQQ", elf, table + index * size
        )
        # Only these are mapped; what the loader reads (.dynamic and the like) is within them.
        if kind == 1:  # PT_LOAD
            end = max(end, offset + length)
    cut = bytearray(elf[:end])
    # e_shoff, then e_shentsize, e_shnum and e_shstrndx: a table that is not there must not be
    # pointed to.
    struct.pack_into("<Q", cut, 0x28, 0)
    struct.pack_into("<HHH", cut, 0x3A, 0, 0, 0)
    return bytes(cut)
