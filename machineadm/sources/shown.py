"""URLs as they may be shown."""

from __future__ import annotations


def shown(url: str) -> str:
    """The URL without user, password, query and fragment: a pre-signed URL carries its secret in the query."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        # A data URI is a whole configuration: only its scheme may be shown.
        return url.partition(":")[0] + ":..."
    # Before the authority is looked at: a query may hold slashes and at signs.
    rest = rest.partition("#")[0].partition("?")[0]
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
