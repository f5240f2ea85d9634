"""Rules for commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.formats import seconds
from machineadm.api.v1alpha1.commands import Command, Commands, EnvironmentVariable, RetryPolicy
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.rules.deadline import LONGEST_BACKOFF
from machineadm.config.rules.model import Context, Rules, finding


def _program_is_named(command: Command, _context: Context) -> Iterator[Finding]:
    # execve(2) would fail with "no such file", which sends people looking for a missing package.
    if command.argv and not command.argv[0]:
        yield finding("MA1303", "argv[0]", "the program's name is empty")


def _interpreter_has_a_script(command: Command, _context: Context) -> Iterator[Finding]:
    # argv has its program in front, so an interpreter would say the same thing twice or something
    # else.
    if command.interpreter and command.script is None:
        yield finding("MA1301", "interpreter", "is only allowed with script, not with argv")


def _no_nul(command: Command, _context: Context) -> Iterator[Finding]:
    # execve(2) takes strings that end at a NUL; Python refuses it as a ValueError in the middle of
    # a run.
    for index, argument in enumerate(command.argv):
        if "\0" in argument:
            yield finding(
                "MA1323", f"argv[{index}]", "a NUL character cannot be passed to a program"
            )


def _values_hold_no_nul(variable: EnvironmentVariable, _context: Context) -> Iterator[Finding]:
    if variable.value is not None and "\0" in variable.value.reveal():
        yield finding("MA1323", "value", "a NUL character cannot be passed to a program")


def _takes_time(command: Command, _context: Context) -> Iterator[Finding]:
    # 0 does not mean "no limit" here: a first boot must end.
    if seconds(command.timeout) <= 0:
        yield finding("MA1312", "timeout", "must be longer than 0s")


def _backoff_is_bounded(retries: RetryPolicy, _context: Context) -> Iterator[Finding]:
    # A pause only delays the end of a run that has half an hour where nobody says otherwise.
    if seconds(retries.backoff) > LONGEST_BACKOFF:
        yield finding("MA1312", "backoff", "must be at most 1h")


def writes(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`."""
    if spec.machine.commands.kubeadm_file is not None:
        yield spec.machine.commands.kubeadm_file, "commands.kubeadmFile"


def _the_file_is_ours_to_write(commands: Commands, _context: Context) -> Iterator[Finding]:
    path = commands.kubeadm_file
    # The copy would lie among the files of the run, or beside the sentinel that Cluster API waits
    # for.
    if path is not None and path.startswith(("/run/machineadm/", "/run/cluster-api/")):
        message = "is in a directory of machineadm's or of Cluster API's own"
        yield finding("MA1323", "kubeadmFile", message, "say /run/kubeadm/kubeadm.yaml")


RULES: Final[Rules] = {
    Commands: (_the_file_is_ours_to_write,),
    Command: (_program_is_named, _interpreter_has_a_script, _no_nul, _takes_time),
    EnvironmentVariable: (_values_hold_no_nul,),
    RetryPolicy: (_backoff_is_bounded,),
}
