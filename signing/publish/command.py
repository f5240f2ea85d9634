"""`python -m signing publish`: publish a signed release where machines find it, and move the pointers."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from signing import options, whole
from signing.keys import open_signer
from signing.publish import layout
from signing.publish.opening import open_store
from signing.publish.publisher import Published, publish
from signing.publish.retrying import BUDGET, Retrying

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signing.keys import Signer


def run(arguments: Sequence[str]) -> int:
    """Verify the release that the command line names, then publish it.

    Raises:
        UsageError: MA1801, MA1802, MA1806: the key; MA1850, MA1851: the destination or the channel.
        VerificationError: MA17xx: the release; MA1852, MA1853, MA1857, MA1861: what the store contains.
        HostError: MA18xx: a file, a token or the store refused.
    """
    chosen = _parser().parse_args(arguments)
    # Before the token is asked for a PIN: a misspelled channel must not cost a try of it.
    layout.channel_name(chosen.channel)
    # Opening asks nothing of the network; a URI that cannot be one is refused before a key is
    # opened.
    store = open_store(chosen.to, endpoint=chosen.endpoint)
    with contextlib.ExitStack() as stack:
        signer: Signer | None = None
        if chosen.key is not None:
            # Held open over the whole of publishing: the pointers are signed at the very end.
            opened = open_signer(chosen.key, passphrase=options.passphrase(chosen))
            signer = stack.enter_context(opened)
        release, content = whole.read(
            chosen.directory, whole.trusted(chosen.public, signer), signer
        )
        done = publish(
            release,
            content,
            # Outside the store, so that every adapter has the same patience, and none has to count.
            Retrying(store, budget=chosen.budget),
            signer=signer,
            channel=chosen.channel,
            allow_rollback=chosen.allow_rollback,
        )
    _report(chosen.to, release.version, len(content), done, store.promise)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m signing publish")
    parser.add_argument("directory", metavar="DIR", type=Path)
    parser.add_argument(
        "--to",
        metavar="URI",
        required=True,
        help="gs://BUCKET/PREFIX, s3://BUCKET/PREFIX, file:DIR or a directory",
    )
    parser.add_argument(
        "--endpoint", metavar="URL", help="another server with the store's protocol"
    )
    parser.add_argument(
        "--channel", default="stable", help="pointer to move beside latest (stable)"
    )
    parser.add_argument(
        "--allow-rollback", action="store_true", help="let pointers go back to an older version"
    )
    parser.add_argument(
        "--budget",
        metavar="SECONDS",
        type=float,
        default=BUDGET,
        help=f"how long one request may keep failing ({BUDGET:.0f})",
    )
    options.add_signer(parser)
    parser.add_argument(
        "--public",
        metavar="FILE",
        type=Path,
        help="keys to trust beside --key's own; without --key only the release is published, no pointer",
    )
    return parser


def _report(to: str, version: str, files: int, done: Published, promise: str) -> None:
    # What was there already is told, or a second run after a failure would look as if it did
    # nothing.
    kept = files - len(done.written)
    print(f"{to}: {version}: {len(done.written)} files written, {kept} already there")
    for channel in done.moved:
        print(f"{layout.pointer_name(channel)}: {version}")
    for channel in done.kept:
        print(f"{layout.pointer_name(channel)}: stays, it is newer")
    if not done.moved and not done.kept:
        print("pointers: not moved, there is no key to sign them with")
    # Without a new file there was nothing to test the store with, so nothing is said of it.
    if not done.written:
        return
    if done.exclusive:
        print(f"kept apart from other publishers by {promise}")
    else:
        print(
            "this store does not keep publishers apart (conditional writes are not enforced): every write "
            "was checked before and after; run one publisher at a time"
        )
