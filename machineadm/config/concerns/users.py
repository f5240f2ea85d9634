"""Rules for users and groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.api.v1alpha1.users import User
from machineadm.config.machine_paths import SUDOERS, home_of
from machineadm.config.rules.model import Context, Rules, finding


def writes(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`."""
    linux = spec.machine.linux_configuration
    for user in linux.users if linux is not None else ():
        # One file for all users, so it is yielded once for each; what asks for it is the same
        # field.
        if user.sudo is not None:
            yield SUDOERS, "linuxConfiguration.users"
        if user.ssh_authorized_keys:
            yield f"{home_of(user)}/.ssh/authorized_keys", "linuxConfiguration.users"


def _day_exists(user: User, _context: Context) -> Iterator[Finding]:
    from datetime import date

    if user.expire_date is None:
        return
    try:
        # The pattern lets 2025-02-30 pass, which would fail in the middle of a run.
        date.fromisoformat(user.expire_date)
    except ValueError:
        yield finding("MA1312", "expireDate", f"{user.expire_date} does not exist")


def _hash_is_a_hash(user: User, _context: Context) -> Iterator[Finding]:
    """A hash of crypt(5) begins with a method between dollar signs. A clear-text password would end up in /etc/shadow, and not work."""
    # The methods without a dollar sign (DES, BSDi) are refused with it: both are weak (crypt(5)).
    if user.password_hash is not None and not user.password_hash.reveal().startswith("$"):
        yield finding(
            "MA1323",
            "passwordHash",
            "is not a hash as crypt(5) writes it",
            "`openssl passwd -6` makes one: $6$...",
        )


def _keys_are_public(user: User, _context: Context) -> Iterator[Finding]:
    for index, key in enumerate(user.ssh_authorized_keys):
        # The two files lie beside each other and differ by .pub; the private one would be in user
        # data, and log nobody in.
        if key.lstrip().startswith(("-----BEGIN", "PuTTY-User-Key-File")):
            yield finding(
                "MA1323",
                f"sshAuthorizedKeys[{index}]",
                "is a private key",
                "give the public one: `ssh-keygen -y -f FILE` prints it",
            )
        # sshd(8), AUTHORIZED_KEYS FILE FORMAT: options may be in front, but a type and a key must
        # be there.
        elif len(key.split()) < 2:
            yield finding(
                "MA1323",
                f"sshAuthorizedKeys[{index}]",
                "is not a public key: a type and the key",
                "ssh-ed25519 AAAA... comment",
            )


def _each_group_has_one_id(linux: LinuxConfiguration, _context: Context) -> Iterator[Finding]:
    seen: dict[int, str] = {}
    for index, group in enumerate(linux.groups):
        if group.gid is None:
            continue
        # groupadd would refuse the second one, after the first was made.
        other = seen.setdefault(group.gid, group.name)
        if other != group.name:
            yield finding("MA1306", f"groups[{index}].gid", f"is the id of {other} already")


def _homes_are_apart(linux: LinuxConfiguration, _context: Context) -> Iterator[Finding]:
    """Two users with one authorized_keys would undo each other's work."""
    seen: dict[str, str] = {}
    for index, user in enumerate(linux.users):
        other = seen.setdefault(home_of(user), user.name)
        # A shared home directory alone is allowed: system accounts often have one.
        if other != user.name and user.ssh_authorized_keys:
            yield finding(
                "MA1306", f"users[{index}].homeDir", f"is the home directory of {other}, too"
            )


RULES: Final[Rules] = {
    User: (_day_exists, _hash_is_a_hash, _keys_are_public),
    LinuxConfiguration: (_each_group_has_one_id, _homes_are_apart),
}
