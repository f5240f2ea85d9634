"""Which controls of a hardening catalogue hold on this machine now, with the evidence; touches nothing.

Exits 10 if a scored control fails, or cannot be judged, that no exception names. What only people can say is listed, and never counts as held.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

from machineadm.cli.check.common import WRONG, print_flaws
from machineadm.cli.options import named

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    # For types alone: the catalogue is a file of the release, read when it is asked for.
    from machineadm.actions.compliance import Catalogue, Judged
    from machineadm.cli.options import Parser
    from machineadm.host.ports import Host

# All of one width, so that the controls stand below each other.
_WORDS: Final = {
    "fails": "FAILS   ",
    "unknown": "UNKNOWN ",
    "excepted": "excepted",
    "manual": "people  ",
    "notHere": "not here",
    "holds": "holds   ",
}
"""In the order of the counts."""


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    parser.add_option(
        "--profile",
        choices=("cis", "stig"),
        default="cis",
        help="catalogue: cis (default; edition 1.12, node and control plane), or stig",
    )
    parser.add_option(
        # A reason is asked for on purpose: an exception without one is worth nothing to an auditor.
        "--except",
        metavar="ID=REASON",
        action="append",
        help="a control that need not hold, and why; may be repeated",
    )
    parser.add_option(
        "--root",
        metavar="DIR",
        type=named,
        help="judge the tree below DIR by its files",
    )
    parser.add_output("sarif")


def run(arguments: Namespace) -> int:
    """Print each control."""
    from machineadm.agent.wiring import connect
    from machineadm.cli.options import RUN_DIRECTORY, STATE_DIRECTORY

    # By getattr, since `except` is a word of Python.
    given = getattr(arguments, "except") or ()
    with connect(
        # No options for these two: nothing is locked and nothing is written here.
        root=arguments.root,
        run_directory=RUN_DIRECTORY,
        state_directory=STATE_DIRECTORY,
    ) as machine:
        return show(machine.host, arguments.profile, given, output=arguments.output)


def show(host: Host, profile: str, exceptions: Sequence[str], *, output: str) -> int:
    """Print each control.

    Returns:
        The exit code.

    Raises:
        UsageError: An exception names no control, or no reason.
    """
    from machineadm.actions.compliance import audit, catalogue

    found = catalogue(profile)
    result = audit(found, host, _exceptions(exceptions, found))
    if output == "sarif":
        _print_sarif(result)
    elif output == "json":
        _print_json(found, result)
    else:
        sys.stdout.writelines(_text(found, result))
    # Unscored controls never count (CIS calls them advice), and what only people can judge is
    # neither held nor failed.
    wrong = ("fails", "unknown")
    return WRONG if any(one.state in wrong and one.control.scored for one in result) else 0


def _exceptions(given: Sequence[str], found: Catalogue) -> dict[str, str]:
    """The reason of each exception, by its control.

    Raises:
        UsageError: There is no such control, or no reason.
    """
    from machineadm.errors import UsageError

    # Refused and not passed over: a mistyped id would leave the control failing, or, worse, hide
    # that nothing is excepted.
    known, reasons = {one.id for one in found.controls}, {}
    for text in given:
        id_, _, reason = text.partition("=")
        if id_ not in known or not reason.strip():
            what = "no such control" if id_ not in known else "no reason"
            raise UsageError(
                "MA7001",
                f"--except {text!r}: {what}",
                hint="write ID=REASON, such as --except '1.1.12=etcd runs as root'",
            )
        reasons[id_] = reason.strip()
    return reasons


def _text(found: Catalogue, result: Sequence[Judged]) -> Iterator[str]:
    counts = Counter(one.state for one in result)
    # Counted for every word, zeros included: "0 fails" is what one looks for.
    told = ", ".join(f"{counts[state]} {word.strip().lower()}" for state, word in _WORDS.items())  # type: ignore[index]
    written = f" (for Kubernetes {found.kubernetes})" if found.kubernetes else ""
    yield f"{found.edition}{written}: {told}\n"
    for one in result:
        control = one.control
        scored = "" if control.scored else " (not scored)"
        yield f"{_WORDS[one.state]}  {control.id} {control.title}{scored}\n"
        # The evidence also where it holds: an audit asks what was seen, not only what was
        # concluded.
        if one.state not in ("manual", "notHere") and one.found:
            yield f"            {one.where}{': ' if one.where else ''}{one.found}\n"
        # Which field of our configuration would set it, which is the shortest way to put it right.
        if one.state == "fails" and control.set_by:
            yield f"            set by: {control.set_by}\n"


def _print_json(found: Catalogue, result: Sequence[Judged]) -> None:
    import msgspec

    document = {
        "profile": found.profile,
        "edition": found.edition,
        "kubernetes": found.kubernetes,
        "source": found.source,
        # Only states that occur; a reader takes zero for what is missing.
        "counts": dict(Counter(one.state for one in result)),
        "controls": [
            {
                "id": one.control.id,
                "title": one.control.title,
                "scored": one.control.scored,
                "state": one.state,
                "where": one.where,
                "found": one.found,
                "setBy": one.control.set_by,
            }
            for one in result
        ],
    }
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")


def _print_sarif(result: Sequence[Judged]) -> None:
    from machineadm.actions.suitability import Flaw

    flaws = [
        Flaw(
            code="MA4633"
            if one.state == "unknown"
            else "MA4631"
            if one.control.scored
            else "MA4632",
            severity="error" if one.control.scored else "warning",
            message=": ".join(
                part
                for part in (f"{one.control.id} {one.control.title}", one.where, one.found)
                if part
            ),
            hint=f"set by: {one.control.set_by}" if one.control.set_by else "",
        )
        for one in result
        # SARIF is a list of what is wrong, and a viewer would show what holds as a finding.
        if one.state in ("fails", "unknown")
    ]
    print_flaws(flaws, "sarif", nothing="")
