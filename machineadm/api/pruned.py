"""The stand-in for a value that could not be decoded.

The decoder reports what is wrong with a value, puts `PRUNED` in its place and goes on, so that all
problems of a file are found in one pass. A rule that touches it knows nothing about the value, so it
must say nothing: touching raises `PrunedError`, which the one runner of the rules swallows.
"""

from typing import Any, Final, NoReturn


class PrunedError(Exception):
    """A rule used a value that could not be decoded."""


def _raise(*_args: object, **_kwargs: object) -> NoReturn:
    raise PrunedError


class Pruned:
    """Supports nothing but the comparison `is PRUNED`."""

    __slots__ = ()

    def __getattr__(self, _name: str) -> NoReturn:
        raise PrunedError

    def __repr__(self) -> str:
        return "PRUNED"

    @property  # type: ignore[misc]  # isinstance() asks for it, and "no" would be untrue
    def __class__(self) -> Any:
        raise PrunedError

    __str__ = __format__ = _raise
    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __call__ = _raise
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _raise
    __int__ = __float__ = __index__ = __add__ = __radd__ = __sub__ = __rsub__ = _raise
    __mod__ = __rmod__ = __mul__ = __rmul__ = _raise


PRUNED: Final[Any] = Pruned()
"""The only instance; compare with `is`."""
