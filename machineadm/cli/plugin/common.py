"""What the commands about plugins share: where plugins are, where they come from, tables."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from machineadm.cli.options import ALLOW_UNVERIFIED, duration, named
from machineadm.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser
    from machineadm.plugins.catalogs.cache import Cache
    from machineadm.plugins.catalogs.lockfile import Lock
    from machineadm.plugins.catalogs.model import Catalog
    from machineadm.plugins.catalogs.registry import Login
    from machineadm.plugins.discovery import Found, Places

# A path of our own: what a person's `docker login` wrote is not the machine's.
CREDENTIALS = "/etc/machineadm/registry-credentials.json"


def add_plugin(parser: Parser, *, many: bool = False, versions: bool = False) -> None:
    """Add the argument that names the plugin."""
    shown = "KIND/NAME" + ("[@VERSIONS]" if versions else "")
    words = "such as encryption-provider/vault" + ("@^1.2; latest by default" if versions else "")
    parser.add_argument(
        "plugins" if many else "plugin",
        metavar=shown,
        help=words,
        **({"nargs": "*"} if many else {}),
    )


def add_places(parser: Parser, *, start: bool = True) -> None:
    """Add where installed plugins are looked for."""
    parser.add_option(
        "--plugin-dir",
        metavar="DIR",
        action="append",
        help="look for plugins here first; several, in order",
    )
    # Commands that start nothing have no use for the option, and help should not suggest it.
    if start:
        parser.add_option(
            ALLOW_UNVERIFIED, action="store_true", help="also start a plugin that has no checksum"
        )


def add_lock(parser: Parser) -> None:
    """Add the lock file."""
    parser.add_option(
        "--lock",
        metavar="FILE",
        type=named,
        # Below /etc: the site chooses the versions, and images bring the file with them.
        default="/etc/machineadm/plugins.lock",
        help="versions and digests that this site has chosen (default /etc/machineadm/plugins.lock)",
    )


def add_cache(parser: Parser) -> None:
    """Add the cache."""
    parser.add_option(
        "--cache-dir",
        metavar="DIR",
        type=named,
        help="where fetched plugins are kept (default /var/cache/machineadm/plugins for root, else below XDG_CACHE_HOME)",
    )


def add_catalogs(parser: Parser) -> None:
    """Add where plugins come from."""
    parser.add_option(
        "--catalog",
        metavar="ADDRESS",
        action="append",
        help="oci://REGISTRY/PREFIX, or a directory: plain, an OCI layout, a release; several, in order; default: those of plugins.yaml",
    )
    parser.add_option(
        "--credentials",
        metavar="FILE",
        type=named,
        help=f"credentials of registries, as `docker login` writes them (default {CREDENTIALS}, if it is there)",
    )
    parser.add_option(
        "--ca-file",
        metavar="FILE",
        type=named,
        help="certificates that are trusted in addition to the system's",
    )
    parser.add_option(
        "--release-key",
        metavar="FILE",
        type=named,
        help="public key that must have signed the catalog, which must be the directory of a release",
    )
    parser.add_option(
        "--timeout",
        metavar="DURATION",
        type=duration,
        # Some plugins are images of hundreds of megabytes, and some registries are slow.
        default="10m",
        help="how long fetching one plugin may take (default 10m)",
    )


def places_of(arguments: Namespace) -> Places:
    """Where the options say that installed plugins are."""
    from machineadm.plugins.discovery import Places
    from machineadm.sources.plugins import fetching

    # Commands that start nothing lack the option; for them nothing is unverified.
    allow_unverified = getattr(arguments, "allow_unverified_plugins", False)
    return Places(
        given=tuple(arguments.plugin_dir or ()),
        allow_unverified=allow_unverified,
        fetch=fetching(allow_unverified=allow_unverified, log=warn),
    )


def cache_of(arguments: Namespace) -> Cache:
    """The cache that the options name."""
    from machineadm.plugins.catalogs.cache import Cache, default_root

    return Cache(arguments.cache_dir or default_root())


def lock_of(arguments: Namespace) -> Lock:
    """The lock that the options name.

    Raises:
        PluginError: It cannot be used.
    """
    from machineadm.plugins.catalogs.lockfile import Lock

    return Lock.read(arguments.lock)


def catalogs_of(arguments: Namespace) -> list[Catalog]:
    """The catalogs that the options or else plugins.yaml name, in order.

    Raises:
        UsageError: An address is not one.
        PluginError: The file of credentials, or plugins.yaml, is unfit.
    """
    from machineadm.plugins.catalogs.opening import configured_catalogs, open_catalog
    from machineadm.sources.registries import CatalogWeb

    # The command line replaces the file and does not add to it: a catalog that was named must not
    # be passed by for one that was not.
    addresses = arguments.catalog or configured_catalogs()
    # One for all catalogs, so that the timeout is one for all requests.
    web = CatalogWeb(ca_file=arguments.ca_file or "", timeout=arguments.timeout)
    keys = _release_keys(arguments.release_key)
    return [
        open_catalog(one, lambda: web, lambda host: _known(arguments, host), release_keys=keys)
        for one in addresses
    ]


def _release_keys(path: str | None) -> bytes:
    """The keys in a file.

    Raises:
        UsageError: MA7240: It cannot be read, or is empty.
    """
    if not path:
        return b""
    try:
        with pathlib.Path(path).open("rb") as file:
            # A key has a few hundred bytes; this bounds what a path such as /dev/zero gives.
            found = file.read(1 << 16)
    except OSError as error:
        raise UsageError(
            "MA7240", f"--release-key: cannot read {path}: {error.strerror}", hint="a PEM file"
        ) from error
    if not found.strip():
        raise UsageError("MA7240", f"--release-key: {path} is empty", hint="a PEM file")
    return found


def platform_of(arguments: Namespace) -> str:
    """The platform that the options name, or this machine's.

    Raises:
        UsageError: MA7240: It is not one.
    """
    from machineadm.plugins.catalogs.model import is_platform, own_platform

    if arguments.platform is None:
        return own_platform()
    # Checked here: a mistyped platform would only be "not found" in every catalog.
    if not is_platform(arguments.platform):
        raise UsageError(
            "MA7240",
            f"{arguments.platform!r} is not a platform",
            hint="OS/ARCH, such as linux/arm64",
        )
    return str(arguments.platform)


def require_installed(kind: str, name: str, arguments: Namespace) -> Found:
    """A plugin that may be started.

    Raises:
        PluginError: MA7252: It is not installed. Others: It cannot be trusted.
    """
    from machineadm.errors import PluginError
    from machineadm.plugins.discovery import find

    found = find(kind, name, places_of(arguments))
    if found is None:
        raise PluginError(
            "MA7252",
            f"{kind}/{name} is not installed",
            hint="`machineadm plugin list` shows what is; `machineadm plugin install` installs",
        )
    return found


def inputs_of(given: str | None, *, option: str = "--input") -> Any:
    """JSON of the command line, of a file (`@FILE`), or of standard input (`-`).

    Raises:
        UsageError: MA7253: It cannot be read, or is not an object.
    """
    import json
    from pathlib import Path

    if given is None:
        return {}
    try:
        if given == "-":
            text = sys.stdin.read()
        else:
            text = Path(given[1:]).read_text("utf-8") if given.startswith("@") else given
        value = json.loads(text)
    except OSError as error:
        raise UsageError(
            "MA7253",
            f"{option}: cannot read {error.filename}: {error.strerror}",
            hint="an object, @FILE, or - for standard input",
        ) from error
    except (ValueError, RecursionError):
        # The error is neither quoted nor chained: it would show the input, which may be a secret.
        raise UsageError(
            "MA7253", f"{option} is not JSON", hint="an object, @FILE, or - for standard input"
        ) from None
    if not isinstance(value, dict):
        raise UsageError(
            "MA7253", f"{option} is not a JSON object", hint='such as {"provider": "vault"}'
        )
    return value


def warn(text: str) -> None:
    """Print a warning for the operator."""
    from machineadm.terminal import printable

    # The text may come from a plugin: its escape sequences must not act on the terminal.
    sys.stderr.write(f"machineadm: {printable(text)}\n")


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below a header, as `kubectl get` does."""
    from machineadm.terminal import printable

    # Cells come from plugins and catalogs, that is from others.
    table = [[cell.upper() for cell in head], *([printable(cell) for cell in row] for row in rows)]
    # Known only when all rows are: the table cannot be printed as it comes.
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    for row in table:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")


def print_json(value: Any) -> None:
    """Print a value for programs."""
    import json

    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def _known(arguments: Namespace, host: str) -> Login:
    """The login at a registry.

    Raises:
        UsageError: The file cannot be read.
    """
    from pathlib import Path

    from machineadm.plugins.catalogs.registry import Login, credentials

    path = arguments.credentials or CREDENTIALS
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        # Only a file that was named must exist; the default one is optional.
        if arguments.credentials:
            # Not chained: the message has all that there is to say.
            raise UsageError("MA7004", f"cannot read {path!r}: no such file") from None
        return Login()
    except OSError as error:
        raise UsageError("MA7004", f"cannot read {path!r}: {error.strerror}") from error
    return credentials(data, host, path)


def require_listed(kind: str, name: str, found: Sequence[Any]) -> None:
    """Refuse a plugin that is not installed.

    Raises:
        PluginError: MA7252: It is not.
    """
    from machineadm.errors import PluginError

    if not any((one.kind, one.name) == (kind, name) for one in found):
        raise PluginError(
            "MA7252",
            f"{kind}/{name} is not installed",
            hint="`machineadm plugin list` shows what is; `machineadm plugin install` installs",
        )
