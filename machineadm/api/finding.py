"""What a rule has to say about a configuration."""

from msgspec import Struct


class Finding(Struct, frozen=True, kw_only=True):
    """One problem, placed by field path; the documents know the line and column of the path."""

    code: str
    """Stable code, `MA` and four digits."""

    path: str
    """Where it is: `spec.machine.files[3].path`, keys of maps as `.key` or `["key"]`."""

    message: str
    """What is wrong, in one line, without any secret."""

    hint: str = ""
    """What to do about it; empty where the message says it all."""
