"""What a rule has to say about a configuration."""

from typing import Literal

from msgspec import Struct

Severity = Literal["error", "warning"]
"""An error keeps a configuration from being carried out; a warning does not."""


class Finding(Struct, frozen=True, kw_only=True):
    """One problem, placed by field path; the documents know the line and column of the path."""

    code: str
    """Stable code, `MA` and four digits."""

    path: str
    """Where it is: `spec.machine.files[3].path`, keys of maps as `.key` or `["key"]`."""

    message: str
    """What is wrong, in one line, without any secret."""

    severity: Severity = "error"
    """Whether the configuration is refused for it."""

    hint: str = ""
    """What to do about it; empty where the message says it all."""
