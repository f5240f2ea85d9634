"""What an artefact needs before it is used: its digest, a signature, or both."""

from __future__ import annotations

from msgspec import Struct

from machineadm.errors import VerificationError
from machineadm.verification import digests, signatures
from machineadm.verification.keys import PublicKey


class Policy(Struct, frozen=True, kw_only=True):
    """What an artefact must satisfy; everything given is checked, and at least one must be given."""

    sha256: str | None = None
    """Its digest in hexadecimal. Binds everything: content, version, architecture."""

    keys: tuple[PublicKey, ...] = ()
    """Keys, one of which must have signed it. Binds neither name nor version."""


def check(name: str, data: bytes, policy: Policy, *, signature: bytes | None = None) -> None:
    """Check an artefact against a policy.

    Args:
        name: What the artefact is called, for messages.
        data: The whole artefact.
        policy: What is asked of it.
        signature: Its detached signature, raw DER; None if it has none.

    Raises:
        VerificationError: MA1740 the policy asks for nothing, MA1741 it asks for a signature and there
            is none, MA1720 another digest, MA171x as `signatures.verify`.
    """
    # An empty policy is a mistake in a configuration; taken as "nothing to check" it would trust
    # any bytes.
    if policy.sha256 is None and not policy.keys:
        raise VerificationError(
            "MA1740",
            f"{name}: neither a digest nor a key to check it with",
            hint="give its SHA-256, or a public key, or both",
        )
    # The digest first: it needs no cryptography, whose import costs more than all the rest.
    if policy.sha256 is not None:
        digests.check(name, data, policy.sha256)
    if not policy.keys:
        return
    # Not "unsigned, so nothing to verify": whoever can serve the file can also leave its signature
    # out.
    if signature is None:
        raise VerificationError(
            "MA1741", f"{name}: must be signed, but is not", hint="its signature is NAME.sig"
        )
    signatures.verify(data, signature, policy.keys)
