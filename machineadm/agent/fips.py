"""Whether the machine is in FIPS mode, and what a run says of it in its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from machineadm.config.model import Configuration
    from machineadm.host.ports import Host

_SWITCH: Final = "/proc/sys/crypto/fips_enabled"
_APPROVED_HASHES: Final = ("$5$", "$6$", "!", "*")
"""How a password hash begins that is built on SHA-2, or that is none; crypt(5)."""


def in_fips_mode(host: Host) -> bool:
    """Whether the kernel says so. A tree has no kernel."""
    return not host.offline and (host.files.read(_SWITCH) or b"").strip() == b"1"


def told(configuration: Configuration) -> tuple[bool, str]:
    """What the report says of a run in FIPS mode.

    Args:
        configuration: What is carried out.

    Returns:
        Whether all algorithms that are chosen here are approved ones; and the words.
    """
    linux = configuration.machine.linux_configuration
    others = [
        user.name
        for user in (linux.users if linux is not None else ())
        if user.password_hash is not None
        and not user.password_hash.reveal().startswith(_APPROVED_HASHES)
    ]
    words = (
        "the kernel is in FIPS mode: signatures, digests and EncryptedData use ECDSA P-256, SHA-2, HMAC, AES-256 and PBKDF2 alone; "
        "the OpenSSL within the agent is no validated module"
    )
    if others:
        words += f"; password hashes that are not of SHA-2: {', '.join(others)}"
    return not others, words
