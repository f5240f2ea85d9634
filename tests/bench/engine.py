"""What the engine costs beside the work itself: looks at steps, a long journal, a long ledger. On the fake host, so nothing but ours counts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.api.v1alpha1.commands import Command
from machineadm.execution.looking import look
from machineadm.host.ports import Host
from machineadm.plan.model import Phase, Plan, Step, Work
from machineadm.steps.commands import plan_commands
from tests.applying import carry_out, context_of
from tests.bench.harness import Case, compare
from tests.fakes.host import Call, FakeHost


class Counted(WriteFiles, frozen=True, kw_only=True):
    """A files step whose looks are counted."""

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        LOOKS[self.name] += 1
        return super().check(host)


LOOKS: Counter[str] = Counter()


def looks() -> None:
    """How often a step is looked at: once in a plan and where nothing changes, twice behind a change."""
    steps = tuple(
        Counted(
            name=f"files/{number}",
            phase=Phase.PREPARE,
            files=(PlannedFile(path=f"/etc/bench/{number}", content=b"x"),),
        )
        for number in range(50)
    )
    plan, host = Plan(steps=steps), FakeHost()
    print("\nsteps looked at, 50 steps of files")
    for name, action in (
        ("plan", lambda: look(context_of(plan, host))),
        ("first run", lambda: carry_out(plan, host)),
        ("second run", lambda: look(context_of(plan, host))),
    ):
        LOOKS.clear()
        action()
        print(f"  {name:12} {sum(LOOKS.values()) / len(steps):.2f} looks a step")


def journal(rounds: int) -> None:
    """A second run over 1,000 commands beside one over 100, a command."""
    compare(
        "a second run, a command of it",
        [
            Case("reference: 100 commands", _second_run(100)),
            Case("1,000 commands", _second_run(1000), limit=3),
        ],
        rounds=rounds,
    )


def ledger(rounds: int) -> None:
    """A first run over 1,000 commands that each change a declared file beside one over 100, a command."""
    compare(
        "a command that changes a declared file",
        [
            Case("reference: 100 commands", _touching(100)),
            Case("1,000 commands", _touching(1000), limit=3),
        ],
        rounds=rounds,
    )


def _touching(count: int) -> Callable[[int], float]:
    declared = tuple(PlannedFile(path=f"/etc/bench/{n}", content=b"x") for n in range(20))
    commands = [Command(argv=("touch", str(number))) for number in range(count)]
    steps: tuple[Step, ...] = (
        WriteFiles(name="files/write", phase=Phase.PREPARE, files=declared),
        *plan_commands(commands, Phase.PRE_KUBEADM),
    )

    def run(_: int) -> float:
        host = FakeHost()

        def touch(call: Call) -> None:
            host.put(f"/etc/bench/{int(call.argv[1]) % 20}", call.argv[1])

        host.commands.on("touch", effect=touch)
        start = time.perf_counter()
        carry_out(Plan(steps=steps), host)
        return (time.perf_counter() - start) / count

    return run


def _second_run(count: int) -> Callable[[int], float]:
    commands = [Command(argv=("true", str(number))) for number in range(count)]
    plan = Plan(steps=plan_commands(commands, Phase.PRE_KUBEADM))
    host = FakeHost()
    carry_out(plan, host)

    def run(_: int) -> float:
        start = time.perf_counter()
        again = Plan(steps=plan_commands(commands, Phase.PRE_KUBEADM))
        look(context_of(again, host))
        return (time.perf_counter() - start) / count

    return run
