"""A directory domain: the computer account and its keytab by adcli, and the configuration of Kerberos and sssd."""

from __future__ import annotations

from typing import ClassVar, Final, NamedTuple

import msgspec

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.actions.perform import perform
from machineadm.actions.running import have_run, to_run
from machineadm.api.v1alpha1.domain import DomainJoin
from machineadm.config.concerns.domain import keytab_of
from machineadm.config.machine_paths import KRB5, KRB5_CONF, SSSD
from machineadm.errors import HostError, StepError
from machineadm.host.effects import MakeDirectory, RunProgram
from machineadm.host.ports import Host
from machineadm.plan.model import FollowUp, Outcome, Owned, Phase, Step, Work, digest_of
from machineadm.redaction import Secret

_UNIT: Final = "sssd.service"
_SNIPPETS: Final = KRB5.rpartition("/")[0]
_RESTART: Final = FollowUp(kind="restart", target=_UNIT)
# A domain controller that does not answer is asked for 30 seconds by each of several protocols.
_TIMEOUT: Final = 300.0
"""Seconds for adcli."""

_FORMAT: Final = b"\x05\x02"
"""How a keytab of any Kerberos of this century begins."""


class _Refusal(NamedTuple):
    """What adcli says where it fails, and what that means."""

    words: tuple[str, ...]
    code: str
    message: str
    hint: str
    passing: bool = False


# In this order: an account whose clock is wrong could not be authenticated either, by adcli's words.
_REFUSALS: Final = (
    _Refusal(
        ("clock skew",),
        "MA3652",
        "its clock and that of the domain controller differ by too much",
        "Kerberos takes five minutes at most: `linuxConfiguration.ntp` with `requireSync`",
    ),
    # Before the account, whose name may be unknown in the same words.
    _Refusal(
        ("server not found in kerberos database",),
        "MA3660",
        "a domain controller is known there by another name than here",
        "/etc/hosts and the reverse zone must give each controller's address its own name first",
    ),
    # Before those that pass: a wrong password that is sent again locks the account.
    _Refusal(
        (
            "preauthentication failed", "not found in kerberos database", "password incorrect",
            "credentials have been revoked", "password has expired", "insufficient permissions",
            "insufficient access",
        ),
        "MA3653",
        "the domain refuses the account of `credentials`",
        "is the password right, is the account locked, and may it create computers in this unit?",
    ),
    _Refusal(
        ("no such object", "computer container", "organizational unit"),
        "MA3655",
        "the organizational unit does not exist",
        "`organizationalUnit` is a distinguished name: OU=Nodes,DC=corp,DC=example,DC=com",
    ),
    _Refusal(
        (
            "cannot contact any kdc", "can't contact ldap", "couldn't connect", "couldn't discover",
            "couldn't lookup", "couldn't resolve", "no ldap servers", "couldn't find usable",
            "cannot find kdc", "not reachable", "couldn't perform discovery", "unreachable",
        ),
        "MA3654",
        "no domain controller answers",
        "is `resolver.nameservers` the domain's name server, and do ports 88, 389 and 464 let this machine pass?",
        passing=True,
    ),
)  # fmt: skip


class JoinDomain(msgspec.Struct, frozen=True, kw_only=True):
    """Have a computer account in the domain, and its keys in the keytab.

    An account of that name that is there already is taken over, as adcli does: its password is set anew.
    """

    domain: str
    username: str
    password: Secret
    keytab: str
    computer: str | None = None
    unit: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    name: str = "domain/join"
    phase: Phase = Phase.PREPARE
    # The account is this machine's and not an image's: many machines would have its key.
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`. Whoever joins it, the machine is the same member."""
        options = [f"{name}={value}" for name, value in self.options]
        return digest_of(
            self.name, self.domain, self.keytab, self.computer or "", self.unit or "", *options
        )

    def check(self, host: Host) -> Work:
        """See `Step.check`. Only the keytab is looked at: a domain controller that is away is no reason to join again.

        Raises:
            StepError: The machine is a member of another domain.
            HostError: The keytab cannot be read.
        """
        # Here and not with the file that will be in it: what a file's own directory was made for goes with the file,
        # and Kerberos fails altogether where krb5.conf names a directory that is not there.
        makes = [MakeDirectory(path=_SNIPPETS)] if host.files.stat(_SNIPPETS) is None else []
        if member := self._member(host):
            return Work(effects=tuple(makes), summary=f"it is {member} in {self.domain}")
        run = RunProgram(title="adcli", argv=self._argv())
        return Work(effects=(*makes, run), summary=f"joins {self.domain}")

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`.

        Raises:
            StepError: adcli is not there, or the domain refuses.
        """
        perform([one for one in work.effects if isinstance(one, MakeDirectory)], host)
        if not any(isinstance(one, RunProgram) for one in work.effects):
            return Outcome(change=work.change, message=work.summary)
        if host.commands is None:
            raise StepError("MA3402", f"{self.name}: no program can be run below another root")
        try:
            # By standard input: everybody may read a command line, and a file would have to be
            # wiped after a power cut.
            done = host.commands.run(
                self._argv(), input=self.password.reveal().encode(), timeout=_TIMEOUT
            )
        except HostError as error:
            raise StepError(
                "MA3651",
                f"{self.name}: adcli cannot be run",
                hint="add adcli and sssd to `linuxConfiguration.packages`, or to the image",
            ) from error
        if done.timed_out:
            raise self._failed("MA3654", "no domain controller answers in time", done.output)
        if done.exit_code != 0:
            raise self._refused(done.output)
        member = self._member(host)
        # adcli has a mode in which it only looks, and an option of the configuration may be one.
        if not member:
            raise self._failed(
                "MA3656", f"adcli has ended well, and {self.keytab} has no account", done.output
            )
        return Outcome(change=work.change, message=f"joined {self.domain} as {member}")

    def _argv(self) -> tuple[str, ...]:
        return (
            "adcli",
            "join",
            f"--domain={self.domain}",
            "--login-type=user",
            f"--login-user={self.username}",
            "--stdin-password",
            f"--host-keytab={self.keytab}",
            *((f"--computer-name={self.computer}",) if self.computer else ()),
            *((f"--domain-ou={self.unit}",) if self.unit else ()),
            *(f"--{name}={value}" if value else f"--{name}" for name, value in self.options),
        )

    def _member(self, host: Host) -> str:
        """The computer account of the keytab; empty where there is none of this domain and name.

        Raises:
            StepError: The machine is a member of another domain.
        """
        accounts = computer_accounts(host.files.read(self.keytab) or b"")
        realm = self.domain.upper()
        others = {one for _, one in accounts if one.upper() != realm}
        own = [name for name, one in accounts if one.upper() == realm]
        if others and not own:
            raise StepError(
                "MA3657",
                f"{self.name}: {self.keytab} is that of a member of {', '.join(sorted(others))}",
                hint="leave that domain first (`adcli delete-computer`, then remove the keytab), or give another `keytabPath`",
            )
        wanted = f"{self.computer}$".upper() if self.computer else ""
        return next((name for name in own if not wanted or name.upper() == wanted), "")

    def _refused(self, output: str) -> StepError:
        said = output.lower()
        for one in _REFUSALS:
            if any(words in said for words in one.words):
                return self._failed(one.code, one.message, output, one.hint, passing=one.passing)
        return self._failed("MA3658", "adcli failed", output)

    def _failed(
        self, code: str, message: str, output: str, hint: str = "", *, passing: bool = False
    ) -> StepError:
        return StepError(
            code,
            f"{self.name}: {self.domain}: {message}",
            hint=hint or "its words are in the report; `adcli info DOMAIN` shows what it finds",
            log_tail=output,
            passing=passing,
        )


class RunSssd(msgspec.Struct, frozen=True, kw_only=True):
    """Have sssd run, now and at later boots."""

    name: str = "domain/service"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    @property
    def needs(self) -> tuple[str, ...]:
        """See `Needing.needs`: one that is restarted with its new configuration need not be started."""
        return (_RESTART.key,)

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name)

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        effects = to_run(_UNIT, host)
        return Work(
            effects=tuple(effects), summary=f"starts {_UNIT}" if effects else f"{_UNIT} runs"
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`.

        Raises:
            StepError: It does not run.
        """
        if not have_run(_UNIT, work.effects, host):
            raise StepError(
                "MA3659",
                f"{self.name}: {_UNIT} was started, and does not run",
                hint=f"`journalctl -u {_UNIT}` and `sssctl config-check` say why",
            )
        return Outcome(change=work.change, message=work.summary)


class ConfigureDomain(msgspec.Struct, frozen=True, kw_only=True):
    """Tell Kerberos and sssd of the domain, in files of our own beside what is there."""

    domain: str
    keytab: str
    name: str = "domain/files"
    phase: Phase = Phase.PREPARE
    # With the join: an image whose sssd has no keytab would only log errors.
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return self._inner().digest()

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`."""
        return self._inner().owned()

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        return self._inner().check(host)

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        return self._inner().apply(host, work)

    def _inner(self) -> WriteFiles:
        realm = self.domain.upper()
        kerberos = (
            "[libdefaults]\n"
            f"    default_realm = {realm}\n"
            "    dns_lookup_kdc = true\n"
            # Addresses of machines often have no name, or another one than the account.
            "    rdns = false\n"
        )
        sssd = (
            "[sssd]\n"
            f"domains = {self.domain}\n"
            "services = nss, pam\n"
            f"[domain/{self.domain}]\n"
            "id_provider = ad\n"
            f"ad_domain = {self.domain}\n"
            f"krb5_realm = {realm}\n"
            f"krb5_keytab = {self.keytab}\n"
            f"ldap_krb5_keytab = {self.keytab}\n"
            # What `realm join` writes too: names that cannot be those of accounts of this machine.
            "use_fully_qualified_names = true\n"
            "fallback_homedir = /home/%u@%d\n"
            "default_shell = /bin/bash\n"
            "cache_credentials = true\n"
            # Who may log in is what the domain says of the account and of this computer.
            "access_provider = ad\n"
        )
        return WriteFiles(
            name=self.name,
            phase=self.phase,
            files=(
                PlannedFile(path=KRB5, content=kerberos.encode()),
                # Debian's krb5.conf includes no directory; Fedora's and its kin's have this very line.
                PlannedFile(
                    path=KRB5_CONF,
                    content=f"includedir {_SNIPPETS}/\n".encode(),
                    mode=None,
                    owner=None,
                    append=True,
                ),
                # sssd takes no file that others may read.
                PlannedFile(path=SSSD, content=sssd.encode(), mode=0o600),
            ),
            follow=(_RESTART,),
        )


def computer_accounts(keytab: bytes) -> tuple[tuple[str, str], ...]:
    """Name and realm of each computer account in a keytab, each once; none of one that is cut off or something else.

    Args:
        keytab: MIT's format 2: entries behind their length, a negative one is a hole.
    """
    found: dict[tuple[str, str], None] = {}
    at = len(_FORMAT)
    if keytab[:at] != _FORMAT:
        return ()
    while at + 4 <= len(keytab):
        size = int.from_bytes(keytab[at : at + 4], "big", signed=True)
        at += 4
        whole = at + size <= len(keytab)
        if size > 0 and whole and (name := _principal(keytab[at : at + size])):
            found[name] = None
        at += abs(size)
    return tuple(found)


def _principal(entry: bytes) -> tuple[str, str] | None:
    """Name and realm of an entry with one component that ends in `$`, as those of computers do."""
    parts: list[str] = []
    count, at = int.from_bytes(entry[:2], "big"), 2
    if count != 1:
        return None
    for _ in range(2):  # the realm, then the one component
        size = int.from_bytes(entry[at : at + 2], "big")
        text = entry[at + 2 : at + 2 + size]
        if len(text) < size:
            return None
        parts.append(text.decode(errors="replace"))
        at += 2 + size
    realm, name = parts
    return (name, realm) if name.endswith("$") else None


def plan_domain(join: DomainJoin) -> tuple[Step, ...]:
    """The steps of a domain."""
    credentials = join.credentials
    # A rule has asked for both, and references are resolved by now.
    if credentials.username is None or credentials.password is None:
        return ()
    keytab = keytab_of(join)
    return (
        JoinDomain(
            domain=join.domain,
            username=credentials.username,
            password=credentials.password,
            keytab=keytab,
            computer=join.computer_name,
            unit=join.organizational_unit,
            options=tuple(join.options.items()),
        ),
        # After the join: sssd does not start without a keytab.
        ConfigureDomain(domain=join.domain, keytab=keytab),
        RunSssd(),
    )
