r"""For authors of plugins: `serve`, one base class a kind, logging that reaches the host with its level.

Not here: anything of a host. It is in the wheel alone, and on no machine unless a plugin brings it. May import: wire, proto.

    from machineadm.plugins.sdk import EncryptionProvider, serve


    class Files(EncryptionProvider):
        def fetch_passphrase(self, provider: str) -> bytes:
            return open(f"/etc/passphrases/{provider}", "rb").read().removesuffix(b"\n")


    serve(Files())
"""

from __future__ import annotations

from machineadm.plugins.sdk.errors import CallError
from machineadm.plugins.sdk.kinds import Attestation, EncryptionProvider, Evidence, Infrastructure
from machineadm.plugins.sdk.serve import serve

__all__ = ["Attestation", "CallError", "EncryptionProvider", "Evidence", "Infrastructure", "serve"]
