"""A key in a token (HSM, smart card, SoftHSM) by a PKCS#11 URI (RFC 7512); the key never leaves it.

    pkcs11:token=release;object=machineadm?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/pin

The PIN comes from a file that only its owner can read, or from `pin-source=env:NAME`. `pin-value` is
refused: a command line is no place for a secret. python-pkcs11 is in the developers' environment from
Python 3.11 on.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote, unquote_to_bytes

from machineadm.errors import HostError, UsageError, VerificationError
from machineadm.redaction import Secret
from machineadm.verification.keys import from_spki
from signing.private_files import read_private

if TYPE_CHECKING:
    from collections.abc import Iterator

    from machineadm.verification.keys import PublicKey

KNOWN = frozenset({"token", "serial", "object", "id", "type", "module-path", "pin-source"})


class TokenSigner:
    """A key in a token, while its session is open.

    Args:
        private: The token's private key object.
        public: Its public half.
    """

    def __init__(self, private: Any, public: PublicKey) -> None:
        self._private = private
        self._public = public

    @property
    def public(self) -> PublicKey:
        """The key's public half."""
        return self._public

    def sign(self, data: bytes) -> bytes:
        """Sign bytes: ECDSA over SHA-256, raw DER. The signature differs each time: tokens use a random nonce.

        Raises:
            HostError: MA1809, the token refused.
        """
        from pkcs11 import Mechanism
        from pkcs11.exceptions import PKCS11Error
        from pkcs11.util.ec import encode_ecdsa_signature

        # CKM_ECDSA over a digest made here: CKM_ECDSA_SHA256 is missing in many tokens.
        try:
            # CKM_ECDSA gives r and s side by side (PKCS#11), and openssl and cosign want them as
            # DER.
            raw = self._private.sign(hashlib.sha256(data).digest(), mechanism=Mechanism.ECDSA)
        except PKCS11Error as error:
            _pass_on(error)
        return bytes(encode_ecdsa_signature(raw))


@contextmanager
def open_token(uri: str) -> Iterator[TokenSigner]:
    """Log in to a token and find the key.

    Args:
        uri: The URI; it names one token and one key in it.

    Yields:
        The key, until the block ends.

    Raises:
        UsageError: MA1802, the URI lacks an attribute or has an unknown one.
        HostError: MA1809 the module or the token refused, MA1803 others can read the PIN.
        VerificationError: MA1805, the key is not ECDSA P-256.
    """
    named = parse_uri(uri)
    session = _log_in(named, _pin(named["pin-source"]))
    try:
        yield _find(session, _matching(named, _OBJECT))
    finally:
        # What was logged in must not stay so in a process that goes on.
        session.close()


def parse_uri(uri: str) -> dict[str, str]:
    """Read a PKCS#11 URI.

    Args:
        uri: `pkcs11:` attributes `?` attributes, each percent-encoded.

    Returns:
        The attributes; `id` and `serial` are still percent-encoded, because they are bytes.

    Raises:
        UsageError: MA1802, it lacks an attribute or has an unknown one.
    """
    path, _, query = uri.partition(":")[2].partition("?")
    named: dict[str, str] = {}
    # RFC 7512: attributes of the path are separated by `;`, those of the query by `&`.
    for part in (*path.split(";"), *query.split("&")):
        name, equals, value = part.partition("=")
        if not part:
            continue
        # Refused by name before anything else is looked at, so that the message tells what to do
        # instead of "unknown".
        if name == "pin-value":
            _refuse("pin-value is not allowed", "put the PIN into a file: pin-source=file:PATH")
        # RFC 7512 lets a reader ignore unknown attributes. Here a misspelled `objct` would select
        # another key of the token, so nothing is ignored.
        if name not in KNOWN or not equals or name in named:
            _refuse("an attribute is unknown, empty or repeated", _EXAMPLE)
        # Decoded after splitting: a label may hold `;` and `%3B` stands for it.
        named[name] = value if name in _BYTES else unquote(value)
    # `type` other than private names a certificate or a public key, which cannot sign.
    if named.get("type", "private") != "private":
        _refuse("type is not private", _EXAMPLE)
    for needed in ("module-path", "pin-source"):
        if not named.get(needed):
            _refuse(f"{needed} is missing", _EXAMPLE)
    # Without either, whichever token is plugged in or whichever key comes first would sign.
    if not named.keys() & {"object", "id"} or not named.keys() & {"token", "serial"}:
        _refuse("it must name a token (token, serial) and a key (object, id)", _EXAMPLE)
    return named


def _pin(source: str) -> Secret:
    scheme, _, rest = source.partition(":")
    if scheme == "env" and rest:
        # pop: a process that signing starts must not inherit the PIN.
        text = os.environ.pop(rest, "")
    # RFC 7512 has pin-source with `file:` and as a plain path.
    elif (scheme == "file" and rest) or source.startswith("/"):
        path = Path(rest if scheme == "file" else source)
        text = read_private(path).decode("utf-8", "replace").removesuffix("\n")
    else:
        _refuse("pin-source is neither file:PATH nor env:NAME", _EXAMPLE)
    if not text:
        raise UsageError("MA1806", "the PIN is empty")
    return Secret(text)


def _matching(named: dict[str, str], names: dict[str, str]) -> dict[str, str | bytes]:
    """Build the arguments with which python-pkcs11 looks for a token or a key."""
    return {
        names[name]: unquote_to_bytes(value) if name in _BYTES else value
        for name, value in named.items()
        if name in names
    }


def _log_in(named: dict[str, str], pin: Secret) -> Any:
    try:
        import pkcs11
        from pkcs11.exceptions import PKCS11Error
    except ImportError:
        raise HostError(
            # At run time only: the library loads a C extension, and builds for Python 3.10 are
            # missing.
            "MA1809",
            "python-pkcs11 is not installed",
            hint="use Python 3.11 or later and run `make setup`",
        ) from None
    try:
        # get_token and get_key of python-pkcs11 raise where several fit: an ambiguous URI must not
        # choose.
        token = pkcs11.lib(named["module-path"]).get_token(**_matching(named, _TOKEN))
        return token.open(user_pin=pin.reveal())
    # A module that cannot be loaded is a RuntimeError.
    except (PKCS11Error, OSError, RuntimeError) as error:
        _pass_on(error)


def _find(session: Any, wanted: dict[str, str | bytes]) -> TokenSigner:
    from pkcs11 import Attribute, KeyType, ObjectClass
    from pkcs11.exceptions import PKCS11Error
    from pkcs11.util.ec import encode_ec_public_key

    try:
        private = session.get_key(
            object_class=ObjectClass.PRIVATE_KEY, key_type=KeyType.EC, **wanted
        )
        # By the private key's id: it is what binds the halves; labels may differ.
        public = session.get_key(
            object_class=ObjectClass.PUBLIC_KEY, key_type=KeyType.EC, id=private[Attribute.ID]
        )
    except PKCS11Error as error:
        _pass_on(error)
    try:
        # from_spki checks the curve: a token may hold P-384, which no machine verifies.
        return TokenSigner(private, from_spki(encode_ec_public_key(public)))
    except VerificationError:
        raise VerificationError(
            "MA1805", "the token's key is not ECDSA P-256", hint="create one with curve secp256r1"
        ) from None


def _pass_on(error: Exception) -> NoReturn:
    # PKCS#11 errors say everything in their class: PinIncorrect, NoSuchKey, NoSuchToken ...
    said = f": {error}" if isinstance(error, (OSError, RuntimeError)) and str(error) else ""
    raise HostError(
        "MA1809",
        f"PKCS#11: {type(error).__name__}{said}",
        hint="`pkcs11-tool --module MODULE --list-objects --login` shows what the token has",
    )


def _refuse(why: str, hint: str) -> NoReturn:
    # The URI is not repeated: it may contain a PIN.
    raise UsageError("MA1802", f"PKCS#11 URI: {why}", hint=hint)


_BYTES = ("id", "serial")
_TOKEN = {"token": "token_label", "serial": "token_serial"}
_OBJECT = {"object": "label", "id": "id"}
_EXAMPLE = "pkcs11:token=T;object=KEY?module-path=/path/module.so&pin-source=file:/path/pin"
