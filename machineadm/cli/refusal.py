"""Errors for an operator, from when there is a configuration whose secrets they might quote."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from machineadm.agent.intake import ProblemsError
from machineadm.cli.main import describe
from machineadm.documents import printing
from machineadm.errors import MachineadmError
from machineadm.redaction import Redactor


class Refusal:
    """How the command ended, for its exit code."""

    exit_code = 0


@contextmanager
def refusals(redactor: Redactor, *, problems_as_json: bool = False) -> Iterator[Refusal]:
    """Print an error that comes from within, masked, and keep its exit code.

    Args:
        redactor: Knows the configuration's secrets as soon as they are read.
        problems_as_json: Also print the problems of a configuration on standard output, as `validate --output json` does.
    """
    refusal = Refusal()
    try:
        yield refusal
    except MachineadmError as error:
        # A configuration's problems are a list with places of their own and have no single code.
        text = error.text if isinstance(error, ProblemsError) else describe(error) + "\n"
        # On standard output as well: a program reads one stream, whether the answer is a plan or a
        # refusal.
        if problems_as_json and isinstance(error, ProblemsError):
            sys.stdout.write(printing.as_json(error.problems))
        sys.stderr.write(redactor.text(text))
        refusal.exit_code = error.exit_code
