"""Check that installed plugins may be started and match the lock; nothing is started. Exit 7 if one fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from machineadm.cli.plugin import common
from machineadm.errors import PluginError

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser
    from machineadm.plugins.catalogs.lockfile import Lock
    from machineadm.plugins.inventory import Installed


def add_arguments(parser: Parser) -> None:
    """Add this command's arguments."""
    common.add_plugin(parser, many=True)
    common.add_places(parser)
    common.add_lock(parser)
    parser.add_option(
        "--strict",
        action="store_true",
        help="a plugin that the lock does not name by digest is wrong, too",
    )
    parser.add_output()


def run(arguments: Namespace) -> int:
    """Check the plugins that are named, or all.

    Raises:
        PluginError: MA7252: One that is named is not installed. MA7254: Some are not as they should be.
    """
    from machineadm.plugins.catalogs.model import Wanted
    from machineadm.plugins.inventory import inventory

    places = common.places_of(arguments)
    # One that is hidden by another would never be started, so it cannot fail.
    found = [one for one in inventory(places) if not one.hidden]
    lock = common.lock_of(arguments)
    if arguments.plugins:
        wanted = [Wanted.parse(text) for text in arguments.plugins]
        for one in wanted:
            common.require_listed(one.kind, one.name, found)
        found = [
            one for one in found if any((w.kind, w.name) == (one.kind, one.name) for w in wanted)
        ]
    # All are judged before anything is printed, and one that is bad hides none of the others.
    problems = [
        _problem(one, lock, allow_unverified=places.allow_unverified, strict=arguments.strict)
        for one in found
    ]
    if arguments.output == "json":
        common.print_json(
            [
                {
                    "kind": one.kind,
                    "name": one.name,
                    "path": one.path,
                    "code": problem.code if problem else "",
                    "message": problem.message if problem else "",
                }
                for one, problem in zip(found, problems, strict=True)
            ]
        )
    else:
        rows = [
            (f"{one.kind}/{one.name}", f"{problem.code} {problem.message}" if problem else "good")
            for one, problem in zip(found, problems, strict=True)
        ]
        common.print_table(("name", "verdict"), rows)
    bad = [problem for problem in problems if problem]
    if bad:
        raise PluginError(
            "MA7254",
            f"{len(bad)} of {len(found)} plugins are not as they should be",
            # The first one's, as a hint has room for one; the table has the codes of all.
            hint=bad[0].hint(),
        )
    return 0


def _problem(
    one: Installed, lock: Lock, *, allow_unverified: bool, strict: bool
) -> PluginError | None:
    from machineadm.plugins.catalogs.fetcher import locked_digest
    from machineadm.plugins.catalogs.model import own_platform
    from machineadm.plugins.inventory import judge

    try:
        # The same judgement as at a start: owner, mode and checksum of the file.
        judge(one, allow_unverified=allow_unverified)
    except PluginError as error:
        return error
    if one.entry is not None and one.entry.container is not None:
        # No lock has images: the id in the entry pins one, and the engine was asked for it above.
        if strict and not one.digest:
            return PluginError(
                "MA7250",
                "its entry pins its image by no id, and --strict takes nothing else",
                hint="set container.sha256 to the image's id",
            )
        return None
    locked = lock.find(one.kind, one.name)
    # The entry's own digest comes first, as in a run.
    pinned = one.digest or locked_digest(locked, own_platform())
    if one.entry is not None and not pinned and not allow_unverified:
        return PluginError(
            "MA7250",
            f"neither its entry nor {lock.path} says which digest it must have on {own_platform()}",
            hint="pin it by digest, or let the image bring the lock",
        )
    if strict and (locked is None or not locked.digests):
        return PluginError(
            "MA7250",
            f"{lock.path} does not lock it by digest, and --strict takes nothing else",
            hint=f"machineadm plugin install {one.kind}/{one.name} notes it there; then look at the lock",
        )
    found = one.digest if one.entry is None else pinned
    if locked is not None and (found or one.entry is None) and found not in locked.digests.values():
        return PluginError(
            "MA7246",
            f"its digest {found} is none that the lock has for version {locked.version}",
            hint=f"machineadm plugin install {one.kind}/{one.name}",
        )
    return None
