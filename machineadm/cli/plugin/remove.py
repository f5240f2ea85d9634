"""Remove a plugin and its checksum from a plugin directory, and from the lock; with --cached from the cache."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.cli.plugin import common
from machineadm.cli.plugin.install import DIRECTORY
from machineadm.errors import PluginError

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's arguments."""
    common.add_plugin(parser, versions=True)
    parser.add_option(
        "--plugin-dir", metavar="DIR", help=f"where it is installed (default {DIRECTORY})"
    )
    parser.add_option(
        "--cached",
        action="store_true",
        help="from the cache instead, in all versions that are named",
    )
    common.add_lock(parser)
    common.add_cache(parser)


def run(arguments: Namespace) -> int:
    """Remove it.

    Raises:
        PluginError: MA7252: It is not there.
    """
    from machineadm.plugins.catalogs.installing import remove
    from machineadm.plugins.catalogs.model import Wanted

    wanted = Wanted.parse(arguments.plugin)
    if arguments.cached:
        cache = common.cache_of(arguments)
        found = [
            one
            for one in cache.listed()
            if (one.kind, one.name) == (wanted.kind, wanted.name)
            # Without a version all are meant: the cache may hold several, for several platforms.
            if not wanted.constraint.text or wanted.constraint.allows(one.version)
        ]
        there = bool(found)
        for one in found:
            cache.remove(one)
            sys.stdout.write(f"removed {one.kind}/{one.name} {one.version} ({one.platform})\n")
        where = cache.root
    else:
        where = arguments.plugin_dir or DIRECTORY
        there = remove(wanted.kind, wanted.name, where)
        lock = common.lock_of(arguments)
        # Also where the file is gone already: a lock that names it would bring it back with the
        # next install.
        if lock.forget(wanted.kind, wanted.name):
            lock.save()
        if there:
            sys.stdout.write(f"removed {wanted.kind}/{wanted.name} from {where}\n")
    # After the lock was cleaned: removing again what was half removed repairs it and says so.
    if not there:
        raise PluginError(
            "MA7252",
            f"{wanted} is not in {where}",
            hint="`machineadm plugin list` shows where it is",
        )
    return 0
