"""Rules for the directory domain of a machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.domain import DomainCredentials, DomainJoin
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.machine_paths import KEYTAB, KRB5, SSSD
from machineadm.config.paths import child
from machineadm.config.rules.model import Context, Rules, finding

_OURS: Final = {
    "domain": "domain",
    "domain-realm": "domain",
    "domain-ou": "organizationalUnit",
    "computer-name": "computerName",
    "host-keytab": "keytabPath",
    "login-user": "credentials.username",
    "login-type": "credentials",
    "stdin-password": "credentials.password",
    "prompt-password": "credentials.password",
    "no-password": "credentials.password",
    "login-ccache": "credentials",
}
"""Options that a field of ours gives adcli."""

_SECRET: Final = ("one-time-password", "machine-password", "show-password")
"""Options whose value is a secret, or that print one."""

_NAME: Final = re.compile(r"[a-z][a-z-]*")


def keytab_of(join: DomainJoin) -> str:
    """Where the keytab is."""
    return join.keytab_path or KEYTAB


def writes(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`."""
    linux = spec.machine.linux_configuration
    if linux is not None and linux.domain_join is not None:
        # The keytab too, although adcli writes it: a file of the configuration there would be the
        # machine's keys in the clear.
        for path in (KRB5, SSSD, keytab_of(linux.domain_join)):
            yield path, "linuxConfiguration.domainJoin"


def _an_account_has_name_and_password(
    credentials: DomainCredentials, _context: Context
) -> Iterator[Finding]:
    for name, value, source in (
        ("username", credentials.username, credentials.username_from),
        ("password", credentials.password, credentials.password_from),
    ):
        if value is None and source is None:
            yield finding(
                "MA1302", "", f"{name} or {name}From is needed", "an account that may join"
            )


def _it_is_adcli_that_joins(join: DomainJoin, _context: Context) -> Iterator[Finding]:
    if join.membership_software == "samba":
        yield finding(
            "MA1401",
            "membershipSoftware",
            "samba is not built yet",
            "leave it out: adcli joins the same domains",
        )


def _options_are_others(join: DomainJoin, _context: Context) -> Iterator[Finding]:
    for name in join.options:
        path = child("options", name)
        # adcli takes the beginning of an option for the whole (getopt_long(3)), and `name=value` for both.
        ours = next((one for one in _OURS if one.startswith(name)), "")
        secret = next((one for one in _SECRET if one.startswith(name)), "")
        if not _NAME.fullmatch(name):
            yield finding(
                "MA1323",
                path,
                "an option's name has lowercase letters and dashes, and starts with a letter",
            )
        elif secret:
            yield finding(
                "MA1323", path, f"--{secret} would show a secret: all users can read a command line"
            )
        elif ours:
            yield finding("MA1320", path, f"--{ours} is what {_OURS[ours]} is for")


RULES: Final[Rules] = {
    DomainCredentials: (_an_account_has_name_and_password,),
    DomainJoin: (_it_is_adcli_that_joins, _options_are_others),
}
