"""Certificate authorities for the host's trust store, where the distribution takes additions from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.api.v1alpha1.trust import TrustedAuthority
from machineadm.config.rules.certificate_facts import CertificateFacts, certificates_in
from machineadm.errors import HostError, StepError
from machineadm.host.effects import RunProgram, WriteFile
from machineadm.host.ports import Distribution, Host, TrustStore
from machineadm.plan.model import FollowUp, Outcome, Owned, Phase, Step, Work, digest_of

_RUNTIME: Final = "containerd.service"
_TIMEOUT: Final = 300.0
_SHOWN: Final = "%Y-%m-%d"


class InstallAuthorities(msgspec.Struct, frozen=True, kw_only=True):
    """Write each certificate as a file of its own, and have the distribution's program take it over."""

    certificates: tuple[CertificateFacts, ...]
    store: TrustStore
    name: str = "trust/files"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return self._inner(()).digest()

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`."""
        return self._inner(()).owned()

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: A certificate that would be installed has expired, or the machine cannot take any over.
        """
        # Programs in Go read the store once. A runtime that does not run reads it when it starts.
        runs = host.services is not None and host.services.active(_RUNTIME)
        restart = (FollowUp(kind="restart", target=_RUNTIME),) if runs else ()
        work = self._inner((update_of(self.store), *restart)).check(host)
        coming = {one.path for one in work.effects if isinstance(one, WriteFile)}
        now = host.clock.now()
        for certificate in self.certificates:
            # One that is there already and expires later must not end every run from then on.
            if self._path(certificate) in coming and certificate.not_after < now:
                raise StepError(
                    "MA3582",
                    f"{self.name}: the certificate of {certificate.subject} expired on {_day(certificate.not_after)}",
                    hint="replace or remove it in systemTrustCertificateAuthorities; is the machine's clock right?",
                )
        if work.effects:
            _require_tool(self.store, host)
        return work

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        return self._inner(work.follow).apply(host, work)

    def _path(self, certificate: CertificateFacts) -> str:
        # Named by content: a renewed certificate is another file, and the old one is taken back
        # by its name.
        return f"{self.store.directory}/machineadm-{certificate.sha256[:16]}{self.store.suffix}"

    def _inner(self, follow: tuple[FollowUp, ...]) -> WriteFiles:
        files = tuple(
            PlannedFile(path=self._path(one), content=one.pem.encode()) for one in self.certificates
        )
        return WriteFiles(name=self.name, phase=self.phase, files=files, follow=follow)


class UseAuthorities(msgspec.Struct, frozen=True, kw_only=True):
    """See to it that programs trust them from here on: what is downloaded next may need them."""

    certificates: tuple[CertificateFacts, ...]
    store: TrustStore
    name: str = "trust/in-use"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    @property
    def needs(self) -> tuple[str, ...]:
        """See `Needing.needs`."""
        return (update_of(self.store).key, FollowUp(kind="restart", target=_RUNTIME).key)

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, [one.sha256 for one in self.certificates])

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        missing = self._missing(host)
        if not missing:
            return Work(summary=f"{self.store.bundle} has them")
        argv = self.store.update
        summary = (
            f"runs {argv[0]}: {self.store.bundle} lacks {len(missing)} of {len(self.certificates)}"
        )
        return Work(effects=(RunProgram(title=argv[0], argv=argv),), summary=summary)

    def apply(self, host: Host, work: Work) -> Outcome:
        """Run the program, and see whether it took them over.

        Raises:
            StepError: It did not.
        """
        if work.effects:
            self._update(host)
            if missing := self._missing(host):
                names = ", ".join(one.subject for one in missing)
                raise StepError(
                    "MA3583",
                    f"{self.name}: {self.store.update[0]} was run, and {self.store.bundle} does not have {names}",
                    hint=f"run {' '.join(self.store.update)} yourself to see what it says of the files in {self.store.directory}",
                )
        return Outcome(change=work.change, message=f"{self.store.bundle} has them")

    def _update(self, host: Host) -> None:
        if host.commands is None:
            raise StepError("MA3402", f"{self.name}: no program can run below another root")
        # Its exit code is not the last word: update-ca-certificates exits with 0 where it has
        # skipped a file that does not hold exactly one certificate.
        result = host.commands.run(self.store.update, timeout=_TIMEOUT)
        if result.exit_code != 0:
            last = result.output.strip().rpartition("\n")[2]
            raise HostError(
                "MA3410",
                f"{' '.join(self.store.update)} failed with exit code {result.exit_code}: {last}",
                hint="run it yourself to see its output",
            )

    def _missing(self, host: Host) -> list[CertificateFacts]:
        """Those that the bundle does not have, however it breaks its lines."""
        content = (host.files.read(self.store.bundle) or b"").decode(errors="replace")
        # Without white space, because the bundle's writers break base64 at other columns than we
        # do.
        there = "".join(content.split())
        return [one for one in self.certificates if "".join(one.pem.split()) not in there]


def plan_trust(
    authorities: Sequence[TrustedAuthority], distribution: Distribution | None, named: str
) -> tuple[Step, ...]:
    """The steps of the trust store, or none.

    Args:
        authorities: Judged by the rules; those whose certificates are not known yet are left out.
        distribution: What the machine is; None: not a known one.
        named: What it calls itself, for a message.

    Raises:
        StepError: It is not a known one.
    """
    # Together: the same certificate in two entries is one file.
    text = "".join(f"{one.content}\n" for one in authorities if one.content is not None)
    certificates = certificates_in(text)
    if not certificates:
        return ()
    if distribution is None:
        raise StepError(
            "MA3581",
            f"trust: it is not known where {named or 'this distribution'} keeps the authorities that it trusts",
            hint="known are Debian, Ubuntu, the RHEL family, SUSE, Photon, Amazon Linux and Flatcar, by ID and ID_LIKE of /etc/os-release; "
            "write the certificates as files, and run the distribution's program in commands.preKubeadm",
        )
    store = distribution.trust
    return (
        InstallAuthorities(certificates=certificates, store=store),
        UseAuthorities(certificates=certificates, store=store),
    )


def update_of(store: TrustStore) -> FollowUp:
    """What has to follow when one comes or goes."""
    return FollowUp(kind="run", target=store.update[0], argv=store.update)


def _require_tool(store: TrustStore, host: Host) -> None:
    """Refuse before anything is written.

    Raises:
        StepError: The program is not installed.
    """
    # With files that nobody takes over the run would end well, and the first pull would fail.
    if host.queries is not None and host.queries.find(store.update[0]) is None:
        raise StepError(
            "MA3584",
            f"trust/files: {store.update[0]} is not installed",
            hint="install ca-certificates (Photon: openssl-c_rehash), in the image or in commands.boot",
        )


def _day(seconds: float) -> str:
    import time

    return time.strftime(_SHOWN, time.gmtime(seconds))
