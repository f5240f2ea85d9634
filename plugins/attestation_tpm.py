"""Attestation `tpm`: a quote of a TPM 2.0 over its PCRs, for one challenge, by tpm2-tools.

The evidence is JSON: the public part of the attestation key, the quote, its signature and the PCRs. Who verifies learns that this key is in a
TPM's hands and quoted these PCRs for this challenge; the identity is the key's fingerprint. Which machine has that key is decided once, when
the machine is enrolled: `trustedKeys` holds those fingerprints. The manufacturer's certificate of the TPM is not looked at.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from machineadm.plugins.sdk import Attestation, CallError, Evidence, serve

FORMAT = "application/vnd.machineadm.tpm-quote.v1+json"
# In the range of the owner's persistent objects (0x81000000 to 0x817FFFFF), which tpm2_evictcontrol
# -C o takes.
HANDLE = "0x81010042"
# 0 to 7 are what the firmware measures, boot loader and secure boot among it; a kernel's own are
# further up.
PCRS = "sha256:0,1,2,3,4,5,6,7"
TIMEOUT = 60
MOST = 1 << 20
_PARTS = ("key", "quote", "signature", "pcrs")
# TPM_ALG_ID of the hashes (TPM 2.0, part 2, 6.3).
_BANKS = {0x4: "sha1", 0xB: "sha256", 0xC: "sha384", 0xD: "sha512"}
_KEYS = {"tcti", "handle", "pcrs", "trustedKeys"}


class Tpm(Attestation):
    """Quotes, and verifies quotes."""

    version = "0.1.0"
    description = "quotes of a TPM 2.0, by tpm2-tools"
    settings_schema: ClassVar = {
        "type": "object",
        "properties": {
            "tcti": {
                "type": "string",
                "description": "how the TPM is reached (default device:/dev/tpmrm0)",
            },
            "handle": {
                "type": "string",
                "description": f"where the attestation key is kept (default {HANDLE})",
            },
            "pcrs": {"type": "string", "description": f"what is quoted (default {PCRS})"},
            "trustedKeys": {
                "type": "array",
                "description": "fingerprints that Verify takes; absent: any",
            },
        },
    }

    def __init__(self) -> None:
        self._tcti = "device:/dev/tpmrm0"
        self._handle = HANDLE
        self._pcrs = PCRS
        self._trusted: tuple[str, ...] | None = None

    def configure(self, settings: dict[str, Any]) -> None:
        """See `Kind`.

        Raises:
            CallError: They are unfit.
        """
        if unknown := settings.keys() - _KEYS:
            raise CallError(f"there is no setting {min(unknown)!r}")
        forms = {
            "tcti": r"[a-z]+(:[\x21-\x7e]*)?",
            "handle": r"0x81[0-9a-fA-F]{6}",
            "pcrs": r"sha(1|256|384|512):[0-9]{1,2}(,[0-9]{1,2})*",
        }
        # They become arguments of commands: none may begin with a hyphen or hold a blank.
        for name, form in forms.items():
            if name in settings and not re.fullmatch(form, str(settings[name])):
                raise CallError(f"{name} is unfit")
        trusted = settings.get("trustedKeys")
        if trusted is not None and not (
            isinstance(trusted, list)
            and all(re.fullmatch(r"tpm:[0-9a-f]{64}", str(one)) for one in trusted)
        ):
            raise CallError(
                "trustedKeys must be a list of fingerprints: tpm: and 64 hexadecimal digits"
            )
        self._tcti = settings.get("tcti", self._tcti)
        self._handle = settings.get("handle", self._handle)
        self._pcrs = settings.get("pcrs", self._pcrs)
        self._trusted = None if trusted is None else tuple(trusted)

    def attest(self, challenge: bytes) -> Evidence:
        """See `Attestation`.

        Raises:
            CallError: There is no challenge, or the TPM does not quote.
        """
        if not challenge:
            raise CallError("an empty challenge proves nothing")
        with tempfile.TemporaryDirectory() as directory:
            # At each quote and not at the start: who verifies needs no TPM.
            self._require_key(directory)
            self._run(
                # -F serialized is the form of the PCRs that tpm2_checkquote reads.
                "tpm2_quote", "-c", self._handle, "-l", self._pcrs, "-q", _digest(challenge),
                "-m", "quote", "-s", "signature", "-o", "pcrs", "-F", "serialized", "-g", "sha256",
                directory=directory,
            )  # fmt: skip
            self._run(
                "tpm2_readpublic", "-c", self._handle, "-f", "pem", "-o", "key", directory=directory
            )
            parts = {
                name: base64.b64encode(Path(directory, name).read_bytes()).decode()
                for name in _PARTS
            }
        return Evidence(FORMAT, json.dumps(parts).encode())

    def verify(self, challenge: bytes, evidence: Evidence) -> str:
        """See `Attestation`.

        Raises:
            CallError: It proves nothing.
        """
        if evidence.format != FORMAT:
            raise CallError(f"the evidence is not of format {FORMAT}")
        parts = _parts(evidence.evidence)
        # Of the PEM as it is in the evidence; tpm2_checkquote below verifies with just these bytes.
        identity = f"tpm:{hashlib.sha256(parts['key']).hexdigest()}"
        # Before anything is run: a key that nobody enrolled may have made any quote.
        if self._trusted is not None and identity not in self._trusted:
            raise CallError(f"the key {identity} is not one of trustedKeys")
        with tempfile.TemporaryDirectory() as directory:
            for name, data in parts.items():
                Path(directory, name).write_bytes(data)
            self._run(
                "tpm2_checkquote", "-u", "key", "-m", "quote", "-s", "signature", "-f", "pcrs",
                "-g", "sha256", "-q", _digest(challenge),
                directory=directory, refusal="the quote does not prove this challenge with this key",
            )  # fmt: skip
        # Behind the check, which proves that a TPM wrote what is read here.
        if _selection(parts["quote"]) != self._pcrs:
            raise CallError(f"other PCRs than {self._pcrs} are quoted")
        return identity

    def _require_key(self, directory: str) -> None:
        """Have an attestation key in the TPM, made once."""
        known = self._run("tpm2_getcap", "handles-persistent", directory=directory)
        # As numbers: tools write them in either case, and with or without leading zeros.
        if int(self._handle, 16) in [int(one, 16) for one in re.findall(r"0x[0-9a-fA-F]+", known)]:
            return
        # Without a resource manager a TPM has room for three objects, and nobody makes room but us.
        self._flush(directory)
        self._run("tpm2_createek", "-c", "ek", "-G", "ecc", "-u", "ek.pub", directory=directory)
        self._flush(directory)
        self._run(
            "tpm2_createak", "-C", "ek", "-c", "ak", "-G", "ecc", "-g", "sha256", "-s", "ecdsa",
            "-u", "ak.pub", directory=directory,
        )  # fmt: skip
        self._flush(directory)
        # Persistent, so that the identity outlives a reboot.
        self._run("tpm2_evictcontrol", "-C", "o", "-c", "ak", self._handle, directory=directory)
        self._flush(directory)

    def _flush(self, directory: str) -> None:
        self._run("tpm2_flushcontext", "-t", directory=directory)

    def _run(self, *command: str, directory: str, refusal: str = "") -> str:
        """Run one of tpm2-tools.

        Raises:
            CallError: It is not there, or fails.
        """
        # Built and not inherited: TPM2TOOLS_ variables of somebody else could lead to another TPM.
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "TPM2TOOLS_TCTI": self._tcti,
            # The library's own warnings would be the first line of an error.
            "TSS2_LOG": "all+none",
        }
        try:
            done = subprocess.run(
                command,
                cwd=directory,
                env=environment,
                capture_output=True,
                # A TPM that is reset, or a bus that hangs, may never answer.
                timeout=TIMEOUT,
                check=False,
            )
        except FileNotFoundError:
            raise CallError(f"there is no {command[0]}: install tpm2-tools") from None
        except subprocess.TimeoutExpired:
            raise CallError(f"{command[0]} did not end within {TIMEOUT} s") from None
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise CallError(refusal or f"{command[0]} fails: {lines[0][:200]}")
        return done.stdout.decode(errors="replace")


def _digest(challenge: bytes) -> str:
    """What a quote is qualified by: a TPM takes few bytes, a challenge may have any number."""
    return hashlib.sha256(challenge).hexdigest()


def _selection(quote: bytes) -> str:
    """Which PCRs a TPMS_ATTEST quotes (TPM 2.0, part 2, 10.12), as tpm2_quote is told.

    Raises:
        CallError: It is not one of a single bank.
    """
    try:
        # Behind the magic number (4 bytes) and the type (2).
        at = 6
        for _ in range(2):  # the signer and the challenge, each with its length before it
            at += 2 + int.from_bytes(quote[at : at + 2], "big")
        at += 17 + 8  # the clock, the firmware
        count, algorithm, size = struct.unpack_from(">IHB", quote, at)
        # A bit for each PCR, the lowest first (TPMS_PCR_SELECTION).
        chosen = int.from_bytes(quote[at + 7 : at + 7 + size], "little")
        bank = _BANKS[algorithm]
    except (struct.error, KeyError, IndexError):
        raise CallError("the quote cannot be decoded") from None
    # tpm2_quote can quote several banks at once; the setting names one.
    if count != 1:
        raise CallError("PCRs of several banks are quoted")
    return f"{bank}:{','.join(str(n) for n in range(size * 8) if chosen >> n & 1)}"


def _parts(data: bytes) -> dict[str, bytes]:
    """The evidence, decoded.

    Raises:
        CallError: It is not evidence.
    """
    # It comes from a machine that nobody trusts yet.
    if len(data) > MOST:
        raise CallError(f"the evidence is larger than {MOST} bytes")
    try:
        found = json.loads(data)
        # validate: without it Python skips foreign characters, and two texts would be the same
        # evidence.
        return {name: base64.b64decode(found[name], validate=True) for name in _PARTS}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CallError("the evidence cannot be decoded") from None


if __name__ == "__main__":
    serve(Tpm())
