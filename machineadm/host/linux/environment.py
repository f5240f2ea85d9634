"""The parts of this process's environment that count: where the agent unpacks, and the proxies."""

from __future__ import annotations

import os
from collections.abc import Iterable

_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


def cache_directory() -> str:
    """Where the packed agent is configured to unpack its libraries (MACHINEADM_CACHE), absolute; empty for the usual place."""
    given = os.environ.get("MACHINEADM_CACHE", "")
    # Absolute, since a unit that is given this value starts in another directory.
    return os.path.realpath(given) if given else ""


def proxy_variables() -> dict[str, str]:
    """The proxy variables that are set, in either spelling; their values may hold passwords."""
    # curl and Go read both spellings, but http_proxy in lower case alone (curl(1)), so neither
    # can be left out.
    names = (spelling for name in _PROXIES for spelling in (name, name.upper()))
    return {name: os.environ[name] for name in names if name in os.environ}


def set_proxy_variables(variables: Iterable[tuple[str, str]]) -> None:
    """Have this process and what it starts use these proxies from now on."""
    # Into the environment itself, where downloads and what is started look for them.
    os.environ.update(variables)
