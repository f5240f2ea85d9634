"""Units of systemd, through systemctl."""

from __future__ import annotations

from machineadm.errors import HostError
from machineadm.host.ports import Commands, Queries

_TIMEOUT = 300.0
_NO_SUCH_UNIT = 5


class SystemdServices:
    """The Services port."""

    def __init__(self, commands: Commands, queries: Queries) -> None:
        self._commands = commands
        self._queries = queries

    def reload(self) -> None:
        """See `Services.reload`."""
        self._do("daemon-reload")

    def enabled(self, unit: str) -> bool:
        """See `Services.enabled`."""
        return self._ask("is-enabled", unit)

    def enable(self, unit: str) -> None:
        """See `Services.enable`."""
        self._do("enable", unit)

    def disable(self, unit: str) -> None:
        """See `Services.disable`."""
        self._do("disable", unit)

    def active(self, unit: str) -> bool:
        """See `Services.active`."""
        return self._ask("is-active", unit)

    def restart(self, unit: str) -> None:
        """See `Services.restart`."""
        self._do("restart", unit)

    def reload_unit(self, unit: str) -> None:
        """See `Services.reload_unit`."""
        # Not `reload`, which fails for a unit without ExecReload=.
        self._do("reload-or-restart", unit)

    def reboot(self) -> None:
        """See `Services.reboot`."""
        self._do("reboot")

    def stop(self, unit: str) -> None:
        """See `Services.stop`."""
        # Where the unit's file is gone systemctl exits with 5, and what should not run does not
        # run.
        self._do("stop", unit, absent_is_fine=True)

    def _ask(self, question: str, unit: str) -> bool:
        # A query: a plan may ask it, and no output of it is logged.
        # `--`, because a unit's name may begin with a dash: -.mount is that of the root file
        # system.
        command = ["systemctl", "--quiet", question, "--", unit]
        return self._queries.ask(command, timeout=_TIMEOUT).exit_code == 0

    def _do(self, verb: str, *units: str, absent_is_fine: bool = False) -> None:
        """Run systemctl.

        Raises:
            HostError: It failed.
        """
        result = self._commands.run(
            ["systemctl", verb, *(["--", *units] if units else [])], timeout=_TIMEOUT
        )
        if result.exit_code == 0 or (absent_is_fine and result.exit_code == _NO_SUCH_UNIT):
            return
        what = " ".join([verb, *units])
        last = result.output.strip().rpartition("\n")[2]
        raise HostError(
            "MA3401",
            f"systemctl {what} failed: {last or f'exit code {result.exit_code}'}",
            hint=f"systemctl status {units[0]}; journalctl -u {units[0]}" if units else "",
        )
