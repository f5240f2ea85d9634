"""Why a kubelet or a control plane did not come up: the last log lines of those that kubeadm waited for.

kubeadm only says that it has waited and given up. The cause is in the kubelet's journal or in the log of a static pod. For
whoever cannot log in to the machine, both go into the error and into the report's log tail. Everything is read by queries,
whose output is redacted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from machineadm.errors import HostError, KubeadmError
from machineadm.host.ports import Host
from machineadm.steps.kubeadm.failures import CONTROL_PLANE, KUBELET, LONGEST_MESSAGE

PODS = "/var/log/pods"
# In the order in which one brings down the next: the first that tells of an error is the cause.
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
# Enough for a stack of wrapped errors. More would push kubeadm's own words out of a report of 64
# KiB.
_LINES = 15
_TIMEOUT = 10.0
_LONGEST_LINE = 500
_LONGEST_TAIL = 64 * 1024
# The CRI's own format of a log line (time, stream, F or P); the words of the component are behind
# it.
_CRI = re.compile(r"^\S+ (?:stdout|stderr) [FP] ?")
# klog's errors and fatal errors, zap's, cobra's, and the kubelet's own before it has a log.
_ERROR = re.compile(
    r"^[EF]\d{4} |\"level\":\"(?:error|fatal|panic)\"|^(?:Error|error|panic): ?|command failed"
    r"|unknown flag|failed to "
)


class _Words(msgspec.Struct, frozen=True):
    """The last log lines of one program."""

    who: str
    lines: tuple[str, ...]

    def last_error(self) -> str:
        """The last line that reports an error."""
        return next((line for line in reversed(self.lines) if _ERROR.search(line)), "")


def with_cause(error: KubeadmError, host: Host) -> KubeadmError:
    """The error, with the last log lines of whatever did not come up. Unchanged if it is about something else."""
    if error.code == KUBELET.code:
        heard = [*_journal(host)]
    elif error.code == CONTROL_PLANE.code:
        # The kubelet last: without an API server its journal is full of errors that are a
        # consequence.
        heard = [*_pods(host, error.message), *_journal(host)]
    else:
        return error
    if not heard:
        return error
    # The first that speaks of an error and not the loudest: a component without its etcd logs
    # hundreds of lines about it.
    told = next((words for words in heard if words.last_error()), None)
    line = f"; {told.who}: {told.last_error()}" if told is not None else ""
    tail = "".join(
        f"--- {words.who}, last lines ---\n" + "".join(f"{line}\n" for line in words.lines)
        for words in heard
    )
    # kubeadm's own output gives way: with -v it is long, and it does not have the cause.
    kept = _LONGEST_TAIL - len(tail.encode())
    own = error.log_tail.encode()[-kept:].decode(errors="ignore") if kept > 0 else ""
    return KubeadmError(
        error.code,
        error.message[: LONGEST_MESSAGE - len(line)] + line,
        hint=error.hint(),
        log_tail=own.rstrip("\n") + "\n" + tail,
        passing=error.passing,
        command=error.command,
        process_exit_code=error.process_exit_code,
        phase=error.phase,
    )


def _journal(host: Host) -> Iterator[_Words]:
    argv = ("journalctl", "--unit=kubelet", f"--lines={_LINES}", "--no-pager", "--output=cat")
    # --output=cat leaves out host name and time, which would fill half of the message.
    if lines := _ask(host, argv):
        yield _Words("kubelet", lines)


def _pods(host: Host, message: str) -> Iterator[_Words]:
    """The logs of the components, first of those that kubeadm names: it names what it has waited for."""
    for component in sorted(
        COMPONENTS, key=lambda name: (name not in message, COMPONENTS.index(name))
    ):
        logs = [*_logs(host, component)]
        lines = tuple(
            line for path in logs for line in _ask(host, ("tail", f"--lines={_LINES}", path))
        )
        if lines:
            yield _Words(component, tuple(_CRI.sub("", line) for line in lines))


def _logs(host: Host, component: str) -> tuple[str, ...]:
    """The newest two logs of the component's newest pod: a container that was just restarted has logged nothing yet."""
    pods = [name for name in host.files.list(PODS) if name.startswith(f"kube-system_{component}-")]
    directories = [f"{PODS}/{name}/{component}" for name in pods]
    # The directory's name ends in the pod's uid, so a changed manifest has left an older one beside
    # it.
    newest = max(directories, key=lambda path: _changed(host, path), default=None)
    if newest is None:
        return ()
    numbers = sorted(
        int(number)
        for number, dot, end in (name.partition(".") for name in host.files.list(newest))
        # The kubelet's rotated logs (0.log.20261130-...) are older, and compressed ones cannot be
        # read with tail.
        if dot and end == "log" and number.isdecimal()
    )
    return tuple(f"{newest}/{number}.log" for number in numbers[-2:])


def _changed(host: Host, path: str) -> int:
    status = host.files.stat(path)
    return 0 if status is None else status.changed


def _ask(host: Host, argv: tuple[str, ...]) -> tuple[str, ...]:
    """Lines of output. None if the program is missing or fails: that must not hide the failure being explained."""
    if host.queries is None or host.queries.find(argv[0]) is None:
        return ()
    try:
        result = host.queries.ask(argv, timeout=_TIMEOUT)
    except HostError:
        return ()
    if result.exit_code != 0:
        return ()
    lines = [line for line in result.output.splitlines() if line.strip()]
    return tuple(line[:_LONGEST_LINE] for line in lines[-_LINES:])
