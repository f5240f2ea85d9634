"""Waiting for the machine: a socket, a unit, a mount, a clock that is set.

A wait is an effect with a budget and a reason, so that a plan can name it without waiting.
"""

from __future__ import annotations

from machineadm.errors import StepError
from machineadm.host.effects import WaitFor
from machineadm.host.ports import FileKind, Host, Waiting

PAUSE = 1.0
"""Seconds between two looks."""
TELLING = 10.0
"""Seconds between two words about a wait."""
# November 2023, before the first release of this program: a clock that is earlier has not been set since boot. TLS would fail
# with certificates that are "not valid yet".
_SANE = 1_700_000_000.0
_QUERY_TIMEOUT = 30.0


def is_met(condition: str, host: Host) -> bool:
    """Whether the condition holds.

    Args:
        condition: `socket PATH` (a socket, pipe or device is there), `device PATH` (a device or a link to one is there), `unit NAME` (it is active), `mount PATH` (another
            file system is there than in its parent), `clock` (the time is later than this release), `synchronization` (a time service
            has set the clock), `runtime PATH` (the container runtime answers Kubernetes at that socket).
        host: The machine.

    Raises:
        StepError: There is no such condition.
    """
    kind, _, target = condition.partition(" ")
    if kind == "socket":
        stat = host.files.stat(target)
        # Not its answer: a socket that nobody accepts at fails in the step that needs it, with
        # that step's own words.
        return stat is not None and stat.kind is FileKind.OTHER
    if kind == "device":
        return host.files.stat(target) is not None
    if kind == "unit":
        return host.services is not None and host.services.active(target)
    if kind == "mount":
        here, above = host.files.stat(target), host.files.stat(target.rpartition("/")[0] or "/")
        # Each file system has a device number of its own. A bind mount from the same one does not
        # show.
        return here is not None and above is not None and here.device != above.device
    if kind == "clock":
        # No server is asked: this only tells a clock that has been set from one that starts in
        # 1970 at each boot.
        return host.clock.now() > _SANE
    if kind == "synchronization":
        # The kernel knows the largest error that a time service told it of, whichever service that is; timedatectl(1).
        asked = ("timedatectl", "show", "--property=NTPSynchronized", "--value")
        answer = None if host.queries is None else host.queries.ask(asked, timeout=_QUERY_TIMEOUT)
        return answer is not None and answer.output.strip() == "yes"
    if kind == "runtime":
        return _serves(target, host)
    raise StepError("MA3030", f"cannot wait for {condition!r}: it is not a known condition")


def _serves(socket: str, host: Host) -> bool:
    """Whether a container runtime answers Kubernetes at its socket."""
    queries = host.queries
    if not is_met(f"socket {socket}", host) or queries is None:
        return False
    if queries.find("crictl") is not None:
        # crictl's own timeout is shorter than ours, so that a runtime that hangs is an answer of
        # crictl and not a killed program.
        asked = ("crictl", "--runtime-endpoint", f"unix://{socket}", "--timeout", "5s", "version")
        return queries.ask(asked, timeout=_QUERY_TIMEOUT).exit_code == 0
    # Nobody here can ask, so the socket alone must do.
    if queries.find("ctr") is None:
        return True
    # Without crictl: containerd runs on without the plugin that it cannot load, and says so here.
    answer = queries.ask(("ctr", "--address", socket, "plugins", "ls"), timeout=_QUERY_TIMEOUT)
    lines = [line.split() for line in answer.output.splitlines()]
    found = [line for line in lines if len(line) > 2 and ("cri" in line[:2] or ".cri." in line[0])]
    # All of them: containerd lists the runtime and the image half of the interface as plugins of
    # their own since 2.0.
    return answer.exit_code == 0 and bool(found) and all(line[-1] == "ok" for line in found)


def wait_for(wait: WaitFor, host: Host) -> None:
    """Wait until the condition holds, and tell observers what the run waits for and how much time is left.

    Raises:
        StepError: The budget is spent.
        InterruptedRunError: The run was interrupted or its deadline has come.
    """
    # So that the first report comes at once: a person watching the run should not wait
    # to see why it waits.
    began, told = host.clock.monotonic(), -TELLING
    while not is_met(wait.condition, host):
        elapsed = host.clock.monotonic() - began
        left = wait.budget - elapsed
        if left <= 0:
            raise StepError(
                "MA3031",
                f"gave up after {wait.budget:g} s waiting for {wait.condition}: {wait.reason}",
                hint="find out why (journalctl -b), and run again",
                passing=True,
            )
        if elapsed - told >= TELLING:
            told = elapsed
            host.waiting(
                Waiting(
                    condition=wait.condition,
                    reason=wait.reason,
                    elapsed=elapsed,
                    budget=wait.budget,
                )
            )
        # Polled: a socket or a mount could be watched, but a unit's state and the kernel's clock
        # could not, and a second is short beside a boot.
        host.clock.sleep(min(PAUSE, left))
