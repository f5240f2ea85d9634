"""What msgspec does not know in the types and asks for: secrets, and branches that are imported when a document names them."""

from __future__ import annotations

from typing import Any

import msgspec

from machineadm.api.later import Later
from machineadm.redaction import Secret


def secret_hook(type_: type, value: object) -> Any:
    """Decode a Secret, or a branch of a type that a stand-in holds the place of.

    Args:
        type_: The class asked for.
        value: What the document has there.

    Returns:
        The secret, or the branch.

    Raises:
        TypeError: the value is not text, where a secret is asked for. It is not shown.
        msgspec.ValidationError: The branch is not what its type says.
    """
    # Not `type_.real` as a class in the annotation: msgspec would build it, and all below it, at
    # import.
    if isinstance(type_, Later):
        return msgspec.convert(value, type_.real(), dec_hook=secret_hook)
    if type_ is not Secret or not isinstance(value, str):
        # msgspec makes a ValidationError with the field's path of it; with the value in the text, a
        # number that was meant as a password would be in the message.
        raise TypeError("expected a string")
    return Secret(value)
