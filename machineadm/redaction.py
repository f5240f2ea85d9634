"""Secrets that do not print, and removal of secrets from text that other programs wrote."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

MASK = "***"
# A shorter value would mask innocent text all over a log ("a", "on", "1") and is guessed at once anyway.
SHORTEST = 4


class Secret:
    """A string that only `reveal` returns.

    A plain class, not a Struct: msgspec decodes it through a hook and refuses to encode it, so that a secret leaves the
    process only where code says so.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value: to write it to its destination, never for a message."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    # Without it an f-string with a width or a conversion would format the value itself.
    def __format__(self, _spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    # With the class: in a set next to plain strings a secret must not collide with its own value.
    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __len__(self) -> int:
        return len(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    # pickle and copy would carry the value out of the class; a process pool or a debug dump does so
    # silently.
    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never pickled or copied out")


class Redactor:
    """Replaces known secrets in text with `***`.

    Args:
        secrets: Secrets or sensitive texts. In a text with several lines (a key, a kubeconfig) each line that is long
            enough is masked too, because other programs print line by line.
    """

    def __init__(self, secrets: Iterable[Secret | str] = ()) -> None:
        self._parts: list[str] = []
        self.learn(secrets)

    def learn(self, secrets: Iterable[Secret | str]) -> None:
        """Mask these as well from now on."""
        parts = set(self._parts)
        for secret in secrets:
            value = secret.reveal() if isinstance(secret, Secret) else secret
            parts.update(
                line
                for line in (value, value.strip(), *value.splitlines())
                if len(line) >= SHORTEST
            )
        # The longest first: a secret that holds another one must not leave its rest behind.
        self._parts = sorted(parts, key=len, reverse=True)

    @property
    def longest(self) -> int:
        """Characters of the longest part; whoever cuts text must keep this many, or a secret is cut in two and not found."""
        return len(self._parts[0]) if self._parts else 0

    def text(self, text: str) -> str:
        """The text without any of the secrets."""
        for part in self._parts:
            if part in text:
                text = text.replace(part, MASK)
        return text
