"""Show a configuration as it is read from all its inputs, each value with the place that it comes from."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from machineadm.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

_SHOWN = 200
"""Characters of a value that a line shows."""


def show(arguments: Namespace) -> int:
    """Print every value and its origin, and the digest of the whole.

    Raises:
        UsageError: MA7001: No input is named.
        ProblemsError: The configuration has problems.
    """
    from machineadm.agent.image import read_inputs
    from machineadm.agent.intake import accept
    from machineadm.agent.origins import origins
    from machineadm.agent.wiring import connect
    from machineadm.cli.options import RUN_DIRECTORY, STATE_DIRECTORY
    from machineadm.cli.passphrases import passphrases_of
    from machineadm.cli.refusal import refusals
    from machineadm.config.defaulting import realise
    from machineadm.config.secrets import secrets_of
    from machineadm.documents.opening import Opener
    from machineadm.sources.referred import Referred
    from machineadm.terminal import printable

    # The option is one of explain's, which asks for no input otherwise; argparse cannot say
    # "required with".
    if not arguments.path:
        raise UsageError(
            "MA7001", "--merged needs --path", hint="machineadm explain --merged --path FILE"
        )
    passphrases = passphrases_of(arguments)
    with (
        connect(
            # The machine is needed for its base configuration, which is a part of the whole.
            root=arguments.root,
            run_directory=RUN_DIRECTORY,
            state_directory=STATE_DIRECTORY,
        ) as machine,
        refusals(machine.redactor, problems_as_json=arguments.output == "json") as refusal,
    ):
        inputs = read_inputs(
            arguments.path, machine.host, merge=arguments.merge, plugins=passphrases.plugins
        )
        try:
            accepted = accept(
                inputs.whole,
                # Also what an image builder has, without a section kubernetes.
                mode="preparation",
                opener=Opener(
                    passphrases=passphrases,
                    references=Referred(passphrases.plugins),
                    allow_unauthenticated=arguments.allow_unauthenticated_encryption,
                ),
                # Where a value comes from has nothing to do with whether this release knows the
                # version.
                allow_unknown_version=True,
            )
        finally:
            # Also where accept() raises: its message may quote what a passphrase has opened.
            machine.redactor.learn(passphrases.known)
        whole = realise(accepted.configuration)
        # A secret may also stand where the type does not expect one: in a script, in a comment of a user.
        machine.redactor.learn(secrets_of(whole))
        if arguments.output == "json":
            values = [
                {name: getattr(one, name) for name in one.__struct_fields__}
                for one in origins(accepted)
            ]
            text = json.dumps({"values": values, "configurationDigest": f"sha256:{whole.digest}"})
            sys.stdout.write(machine.redactor.text(text) + "\n")
        else:
            for one in origins(accepted):
                value = json.dumps(one.value, ensure_ascii=False)
                # A file's content would hide all other lines; `--output json` has it whole.
                value = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
                document = f" (document {one.document})" if one.document > 1 else ""
                line = f"{one.file}:{one.line}:{one.column}:{document} {one.path}: {value}"
                # JSON leaves C1 controls and U+202E as they are, which a terminal obeys.
                sys.stdout.write(printable(machine.redactor.text(line)) + "\n")
            # The digest that a run's report has as configDigest, so that one can tell whether a
            # machine was made from this.
            sys.stdout.write(f"digest of the whole: sha256:{whole.digest}\n")
    return refusal.exit_code
