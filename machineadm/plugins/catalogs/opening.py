"""Open the catalog at an address: `oci://HOST/PREFIX`, or a directory: plain, an OCI layout, or a release."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from machineadm.errors import UsageError
from machineadm.plugins.catalogs import layout, release
from machineadm.plugins.catalogs.directory import DirectoryCatalog
from machineadm.plugins.catalogs.layout import LayoutCatalog
from machineadm.plugins.catalogs.model import Catalog, Web
from machineadm.plugins.catalogs.registry import Login, RegistryCatalog
from machineadm.plugins.catalogs.release import ReleaseCatalog
from machineadm.plugins.settings import CONFIGURATION, read_catalogs
from machineadm.plugins.trust import require_trusted

_PREFIX: Final = r"([a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*)?"
_HERE: Final = ("localhost", "127.0.0.1", "::1")

Credentials = Callable[[str], Login]


def open_catalog(
    address: str,
    web: Callable[[], Web],
    credentials: Credentials = lambda _: Login(),
    *,
    release_keys: bytes = b"",
) -> Catalog:
    """Return the catalog at an address, without reading anything yet.

    Args:
        address: `oci://HOST[:PORT]/PREFIX`, `oci+http://...` only on this machine, or the path of a directory.
        web: Returns the client for registries.
        credentials: The login by the host of a registry.
        release_keys: Public keys, PEM, of which one must have signed a release; any other catalog is refused then.

    Raises:
        UsageError: MA7240: The address is not one.
    """
    scheme, separator, rest = address.partition("://")
    if not separator or scheme == "file":
        path = os.path.abspath(rest if separator else address)
        # lexists: a broken link there is a damaged layout, not a directory of another kind.
        if os.path.lexists(os.path.join(path, layout.MARK)):
            _require_no_keys(address, release_keys)
            return LayoutCatalog(path)
        if os.path.lexists(os.path.join(path, release.MARK)):
            return ReleaseCatalog(path, release_keys)
        _require_no_keys(address, release_keys)
        return DirectoryCatalog(path)
    _require_no_keys(address, release_keys)
    try:
        parts = urlsplit(address)
        # `port` raises for what is not a number.
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    prefix = parts.path.strip("/") if host else ""
    # The prefix as the distribution spec has names of repositories: lower case, and no `..`.
    if scheme not in ("oci", "oci+http") or not host or not re.fullmatch(_PREFIX, prefix):
        raise UsageError(
            "MA7240",
            f"{_shown(address)} is not the address of a catalog",
            hint="oci://registry.example/plugins, or the path of a directory",
        )
    # It is printed, noted in the lock, and seen in the list of processes.
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError(
            "MA7240",
            f"{_shown(address)}: an address holds neither user nor password",
            hint="--credentials FILE (as of `docker login`)",
        )
    # Without a lock the catalog's own digest decides: in the clear that is anybody's on the way.
    if scheme == "oci+http" and host not in _HERE:
        raise UsageError(
            "MA7240",
            f"{_shown(address)}: plain http is only for a registry on this machine",
            hint="use oci://, and --ca-file for a certificate of your own",
        )
    netloc = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    protocol = "https" if scheme == "oci" else "http"
    # Only here is `web` called: a directory needs neither TLS nor its import.
    return RegistryCatalog(f"{protocol}://{netloc}", prefix, web(), credentials(netloc))


def configured_catalogs(path: str = CONFIGURATION) -> tuple[str, ...]:
    """Return the addresses in plugins.yaml; none if it does not exist.

    Args:
        path: The file.

    Raises:
        PluginError: It is not trusted, or unfit.
    """
    if not os.path.lexists(path):
        return ()
    # Whoever writes it chooses where root's programs come from.
    require_trusted("of plugins.yaml", path)
    with open(path, "rb") as file:
        return read_catalogs(file.read(), file=path)


def _require_no_keys(address: str, release_keys: bytes) -> None:
    # Whoever names a key wants what comes to be signed: another catalog has no such signature.
    if release_keys:
        raise UsageError(
            "MA7240",
            f"{_shown(address)} is not a signed release, and a release key was given",
            hint="the directory of a release holds release.json; without --release-key any catalog does",
        )


def _shown(address: str) -> str:
    """Return an address without what may be a password."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}/{rest.partition('/')[2]}"
