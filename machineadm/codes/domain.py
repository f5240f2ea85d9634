"""The directory domain."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again."

TABLE: dict[str, Code] = {
    "MA3651": Code(
        "adcli cannot be run",
        "The configuration has the machine join a domain, and the program that does so is not there.",
        f"Add adcli and sssd to `linuxConfiguration.packages`, or have the image bring them. {_RERUN}",
    ),
    "MA3652": Code(
        "the clock differs too much from the domain's",
        "Kerberos refuses whoever is off by more than five minutes. The machine did not join.",
        f"Have the clock set: `linuxConfiguration.ntp` with `requireSync`. {_RERUN}",
    ),
    "MA3653": Code(
        "the domain refuses the account that joins",
        "Name or password of `credentials` is wrong, the account is locked or has expired, or it may not create this computer. It was tried once, "
        "since several wrong attempts lock an account.",
        f"The log in the report has the domain's words. Fix the account, or name another. {_RERUN}",
    ),
    "MA3654": Code(
        "no domain controller answers",
        "The domain's controllers were not found by DNS, or do not answer. The machine did not join.",
        "`resolver.nameservers` must know the domain: `host -t SRV _ldap._tcp.DOMAIN`. Ports 53, 88, 389 and 464 must let the machine pass. "
        + _RERUN,
    ),
    "MA3655": Code(
        "the organizational unit does not exist",
        "`organizationalUnit` names no container of the domain. The machine did not join.",
        f"Write its distinguished name: `OU=Nodes,DC=corp,DC=example,DC=com`. {_RERUN}",
    ),
    "MA3656": Code(
        "there is no account after the join",
        "adcli ended well, but the keytab has no computer account of this domain.",
        "Look at its output in the report, and at `options`: one of them may keep it from writing.",
    ),
    "MA3657": Code(
        "the machine is a member of another domain",
        "The keytab has a computer account of another domain. It was left as it is.",
        f"Leave that domain (`adcli delete-computer`) and remove the keytab, or give another `keytabPath`. {_RERUN}",
    ),
    "MA3658": Code(
        "adcli failed",
        "The machine did not join the domain, for a reason that is not known here.",
        f"The end of its output is in the report. {_RERUN}",
    ),
    "MA3659": Code(
        "sssd does not run",
        "The machine is a member of the domain, and systemd was asked to start sssd, but it does not run: nobody of the domain can log in.",
        f"`journalctl -u sssd.service` and `sssctl config-check` say why. {_RERUN}",
    ),
    "MA3660": Code(
        "a domain controller has another name here than in its domain",
        "Kerberos gives a key for a service by its host's name. The name that this machine finds for the controller's address is not that of the controller.",
        "Fix /etc/hosts, or the reverse zone of the name server: the address of each controller must give the controller's name first. "
        + _RERUN,
    ),
}
