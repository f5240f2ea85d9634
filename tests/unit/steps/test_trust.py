"""The host's trust store: files where each distribution takes them, its program once, and proof that programs have them."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from machineadm.api.v1alpha1.trust import TrustedAuthority
from machineadm.errors import HostError, StepError
from machineadm.execution.ledger import Ledger
from machineadm.host.facts import gather
from machineadm.plan.model import Plan, Step
from machineadm.steps.trust import plan_trust
from tests.applying import carry_out
from tests.authorities import certificate, text_of
from tests.fakes.host import Call, FakeHost, offline_host

ONE, TWO = certificate("one.example.com"), certificate("two.example.com")
OLD = certificate("old.example.com", ends=datetime(2021, 1, 1, tzinfo=timezone.utc))
SYSTEMS = {
    "ID=debian": ("/usr/local/share/ca-certificates", ".crt", "update-ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
    "ID=ubuntu\nID_LIKE=debian": ("/usr/local/share/ca-certificates", ".crt", "update-ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
    'ID="rocky"\nID_LIKE="rhel centos fedora"': ("/etc/pki/ca-trust/source/anchors", ".pem", "update-ca-trust", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
    'ID="amzn"\nID_LIKE="fedora"': ("/etc/pki/ca-trust/source/anchors", ".pem", "update-ca-trust", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
    'ID="sles"\nID_LIKE="suse"': ("/etc/pki/trust/anchors", ".pem", "update-ca-certificates", "/var/lib/ca-certificates/ca-bundle.pem"),
    "ID=photon": ("/etc/ssl/certs", ".pem", "rehash_ca_certificates.sh", "/etc/pki/tls/certs/ca-bundle.crt"),
    "ID=flatcar\nID_LIKE=coreos": ("/etc/ssl/certs", ".pem", "update-ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
}  # fmt: skip


class System:
    """A machine whose program makes the bundle of the files that are there."""

    def __init__(self, release: str = "ID=debian", *, host: FakeHost | None = None) -> None:
        self.directory, self.suffix, self.program, self.bundle = SYSTEMS[release]
        self.host = host or FakeHost()
        self.host.put("/etc/os-release", release)
        if not self.host.offline:
            self.host.commands.on(self.program, effect=self._update)

    def _update(self, _call: Call) -> None:
        paths = [f"{self.directory}/{name}" for name in self.host.files.list(self.directory)]
        files = [self.host.text(path) or "" for path in paths if path.endswith(self.suffix)]
        self.host.put(self.bundle, "".join(["# of the system\n", *files]))

    def steps(self, *made: object) -> tuple[Step, ...]:
        facts = gather(self.host)
        given = [TrustedAuthority(content=text_of(one)) for one in made]  # type: ignore[arg-type]
        return plan_trust(given, facts.family, facts.distribution)

    def run(self, *made: object) -> bool:
        return carry_out(Plan(steps=self.steps(*made)), self.host).complete

    @property
    def files(self) -> list[str]:
        names = self.host.files.list(self.directory)
        return [self.host.text(f"{self.directory}/{one}") or "" for one in names if one.startswith("machineadm-")]  # fmt: skip

    @property
    def updates(self) -> int:
        return [argv[0] for argv in self.host.commands.argvs()].count(self.program)


@pytest.mark.parametrize("release", SYSTEMS)
def test_each_certificate_is_a_file_where_the_distribution_takes_it_and_its_program_runs_once(
    release: str,
) -> None:
    system = System(release)

    assert system.run(ONE, TWO)
    assert sorted(system.files) == sorted(map(text_of, (ONE, TWO)))
    assert system.updates == 1

    assert system.run(ONE, TWO)
    assert system.updates == 1


def test_certificates_of_one_text_are_files_of_their_own_and_their_order_is_nothing() -> None:
    system = System()
    both = TrustedAuthority(content=text_of(ONE) + text_of(TWO) + text_of(ONE))
    facts = gather(system.host)

    carry_out(Plan(steps=plan_trust([both], facts.family, "debian")), system.host)
    assert len(system.files) == 2

    assert system.run(TWO, ONE)
    assert system.updates == 1


def test_what_is_no_longer_declared_goes_and_the_program_runs_again() -> None:
    system = System()
    system.run(ONE, TWO)

    system.run(TWO)
    assert system.files == [text_of(TWO)]
    assert system.updates == 2

    carry_out(Plan(steps=()), system.host)
    assert system.files == []
    assert system.updates == 3
    assert system.host.text(system.bundle) == "# of the system\n"


def test_a_runtime_that_runs_is_restarted_since_it_has_read_the_store() -> None:
    system = System()
    system.run(ONE)
    assert system.host.services.actions == []

    system.host.services.active_units.add("containerd.service")
    system.run(ONE, TWO)
    assert system.host.services.actions == [("restart", "containerd.service")]


def test_the_store_is_ready_before_the_next_step_and_a_lost_bundle_is_made_again() -> None:
    system = System()
    system.run(ONE)
    system.host.put(system.bundle, "")

    assert system.run(ONE)
    assert text_of(ONE) in (system.host.text(system.bundle) or "")


@pytest.mark.parametrize("wrong", ["expired", "no program", "unknown"])
def test_what_cannot_be_trusted_ends_the_run_before_anything_is_written(wrong: str) -> None:
    system = System()
    made, code = (OLD, "MA3582") if wrong == "expired" else (ONE, "MA3584")
    if wrong == "no program":
        system.host.commands.missing.add(system.program)
    if wrong == "unknown":
        system.host.put("/etc/os-release", "ID=void\n")
        code = "MA3581"

    with pytest.raises(StepError) as caught:
        system.run(made)

    assert caught.value.code == code
    assert system.files == []


def test_one_that_expires_after_it_was_installed_ends_no_run() -> None:
    system = System()
    system.host.clock.time = datetime(2020, 6, 1, tzinfo=timezone.utc).timestamp()
    assert system.run(OLD)

    system.host.clock.time = datetime(2025, 6, 1, tzinfo=timezone.utc).timestamp()
    assert system.run(OLD)


def test_a_program_that_passes_a_certificate_over_is_told_of() -> None:
    system = System()
    system.host.commands.on(system.program)

    with pytest.raises(StepError) as caught:
        system.run(ONE)

    assert caught.value.code == "MA3583"
    assert "one.example.com" in caught.value.message


def test_a_program_that_fails_leaves_what_was_there() -> None:
    system = System()
    system.host.commands.on(system.program, exit_code=1, output="no such file\n")

    with pytest.raises((StepError, HostError)):
        system.run(ONE)

    assert system.files == []
    assert not Ledger(system.host.state, machine_id="m1", boot_id="b1").pending


def test_below_another_root_files_are_written_and_the_running_system_takes_them_over() -> None:
    system = System(host=offline_host())

    assert not system.run(ONE)
    assert system.files == [text_of(ONE)]

    running = FakeHost(files=system.host.files, state=system.host.state)
    later = System(host=running)
    assert later.run(ONE)
    assert later.updates == 1
