"""List the installed plugins, or those in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from machineadm.cli.plugin import common

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser
    from machineadm.plugins.inventory import Installed


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    parser.add_option(
        "--cached",
        action="store_true",
        help="those in the cache: name, version, platform, path, size",
    )
    common.add_places(parser, start=False)
    common.add_lock(parser)
    common.add_cache(parser)
    parser.add_output()


def run(arguments: Namespace) -> int:
    """Print them; nothing is started."""
    # Nothing is started for a list: a plugin that is not trusted must be seen in it, too.
    return _cached(arguments) if arguments.cached else _installed(arguments)


def _cached(arguments: Namespace) -> int:
    found = common.cache_of(arguments).listed()
    if arguments.output == "json":
        common.print_json(
            [
                {
                    "kind": one.kind,
                    "name": one.name,
                    "version": one.version,
                    "platform": one.platform,
                    "digest": one.digest,
                    "path": one.path,
                    "size": one.size,
                }
                for one in found
            ]
        )
        return 0
    rows = [
        (f"{one.kind}/{one.name}", one.version, one.platform, one.path, str(one.size))
        for one in found
    ]
    common.print_table(("name", "version", "platform", "path", "size"), rows)
    return 0


def _installed(arguments: Namespace) -> int:
    from machineadm.plugins.inventory import inventory, where

    found = [
        # An entry without a path is one that is fetched when it is needed, so it is shown as well.
        one
        for one in inventory(common.places_of(arguments))
        if one.path or one.entry is not None
    ]
    # A file has no version in it; it is known by its digest, from the lock and from the cache.
    versions = {
        digest: one.version
        for one in common.lock_of(arguments).plugins
        for digest in one.digests.values()
    }
    # The cache last: it is what was really fetched.
    versions |= {one.digest: one.version for one in common.cache_of(arguments).listed()}
    if arguments.output == "json":
        common.print_json(
            [
                {
                    "kind": one.kind,
                    "name": one.name,
                    "version": versions.get(one.digest, "") or _asked(one),
                    "path": one.path,
                    "from": where(one) if one.entry is not None else "",
                    "source": one.source,
                    "hidden": one.hidden,
                    "digest": one.digest,
                }
                for one in found
            ]
        )
        return 0
    rows = [
        (
            f"{one.kind}/{one.name}",
            versions.get(one.digest, "") or _asked(one) or "-",
            where(one),
            one.source + (" (hidden by one before it)" if one.hidden else ""),
        )
        for one in found
    ]
    common.print_table(("name", "version", "path", "source"), rows)
    return 0


def _asked(one: Installed) -> str:
    """The version that an entry asks its catalog for; empty if it says nothing."""
    return one.entry.version or "" if one.entry is not None else ""
