"""Secrets as msgspec decodes them: the one class in the types that it does not know."""

from __future__ import annotations

from machineadm.redaction import Secret


def secret_hook(type_: type, value: object) -> Secret:
    """Decode a Secret, the one class in the types that msgspec does not know.

    Args:
        type_: The class asked for.
        value: What the document has there.

    Returns:
        The secret.

    Raises:
        TypeError: the value is not text. It is not shown.
    """
    if type_ is not Secret or not isinstance(value, str):
        raise TypeError("expected a string")
    return Secret(value)
