"""Bring plugins from a catalog into a plugin directory, with their checksums, and note them in the lock."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.cli.plugin import common

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser
    from machineadm.plugins.catalogs.model import Artifact

# /opt, since /usr is read-only on some systems; discovery looks there as well.
DIRECTORY = "/opt/machineadm/plugins"


def add_arguments(parser: Parser) -> None:
    """Add this command's arguments."""
    common.add_plugin(parser, many=True, versions=True)
    common.add_catalogs(parser)
    common.add_lock(parser)
    common.add_cache(parser)
    parser.add_option(
        "--plugin-dir",
        metavar="DIR",
        help=f"where it is installed (default {DIRECTORY})",
    )
    parser.add_option(
        "--platform",
        metavar="OS/ARCH",
        help="for another machine: into the cache, and into a directory if --plugin-dir names one",
    )
    parser.add_option(
        "--strict",
        action="store_true",
        help="only what the lock names by digest; every catalog must be reachable, and the cache is not used instead",
    )
    parser.add_option(
        "--refresh",
        action="store_true",
        help="without a lock, ask the catalogs even if the cache has a version that fits",
    )
    parser.add_output()


def run(arguments: Namespace) -> int:
    """Install them; without any, all that the lock names.

    Raises:
        UsageError: There is nothing to install, or a name is not one.
        PluginError: One cannot be had; those before it are installed.
    """
    from machineadm.errors import UsageError
    from machineadm.plugins.catalogs.fetcher import Fetcher
    from machineadm.plugins.catalogs.installing import install
    from machineadm.plugins.catalogs.model import Wanted

    lock = common.lock_of(arguments)
    # An image is built by one command from the lock alone.
    texts = arguments.plugins or [f"{one.kind}/{one.name}" for one in lock.plugins]
    wanted = [Wanted.parse(text) for text in texts]
    if not wanted:
        raise UsageError("MA7001", "there is nothing to install", hint="KIND/NAME, or a lock file")
    # All arguments are judged before the first request.
    platform = common.platform_of(arguments)
    progress = _Progress()
    fetcher = Fetcher(
        common.catalogs_of(arguments),
        common.cache_of(arguments),
        lock,
        strict=arguments.strict,
        refresh=arguments.refresh,
        warn=common.warn,
        progress=progress.show,
        timeout=arguments.timeout,
    )
    # For another platform only into the cache: a plugin of another architecture among this
    # machine's would be started here.
    directory = arguments.plugin_dir or (DIRECTORY if arguments.platform is None else "")
    installed = []
    for one in wanted:
        fetched = fetcher.fetch(one, platform)
        # Before anything else is printed, or it would stand behind the numbers on the same line.
        progress.end()
        path = install(fetched, directory) if directory else fetched.path
        # The lock only after the plugin is in its place: it must never name one that an interrupted install left out.
        if fetched.changed_lock:
            lock.save()
        installed.append((fetched, path))
        if arguments.output == "text":
            origin = "the cache" if fetched.from_cache else fetched.catalog
            where = "installed as" if directory else "cached as"
            name = f"{fetched.kind}/{fetched.name}"
            sys.stdout.write(f"{name} {fetched.version} from {origin} {where} {path}\n")
    if arguments.output == "json":
        common.print_json(
            [
                {
                    "kind": fetched.kind,
                    "name": fetched.name,
                    "version": fetched.version,
                    "platform": fetched.platform,
                    "digest": fetched.digest,
                    "size": fetched.size,
                    "fromCache": fetched.from_cache,
                    "catalog": fetched.catalog,
                    "path": path,
                }
                for fetched, path in installed
            ]
        )
    return 0


class _Progress:
    """How much has arrived, on standard error: on one line of a terminal, otherwise every tenth on a line of its own."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown = -1

    def show(self, artifact: Artifact, came: int) -> None:
        """See `catalogs.cache.Progress`."""
        # Without a size nothing can be divided; then all of it is there.
        tenth = came * 10 // artifact.size if artifact.size else 10
        # Ten lines for each plugin at most: logs of a build keep every one of them.
        if tenth == self._shown:
            return
        self._shown = tenth
        mib = f"{came / 1048576:.1f} of {artifact.size / 1048576:.1f} MiB"
        text = f"{artifact.kind}/{artifact.name} {artifact.version}: {mib} ({tenth * 10} %)"
        sys.stderr.write(f"\r{text}" if self._terminal else f"{text}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """A plugin has arrived."""
        if self._terminal and self._shown >= 0:
            sys.stderr.write("\n")
        self._shown = -1
