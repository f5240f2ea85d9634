"""Packages: each is there in its version and held, by the distribution's own program, which is asked before it is told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.packages import Package, PackageRepository
from machineadm.errors import InterruptedRunError, StepError
from machineadm.execution.context import Context
from machineadm.execution.looking import look
from machineadm.host.facts import gather
from machineadm.plan.look import Standing
from machineadm.plan.model import Phase, Plan, Step, Work
from machineadm.steps.packages import plan_packages
from machineadm.steps.packages.managers import manager_of
from tests.applying import carry_out, context_of
from tests.fakes.commands import Call
from tests.fakes.host import FakeHost, offline_host
from tests.fakes.packages import DISTRIBUTIONS, FakePackages

FORMATS = list(DISTRIBUTIONS)
KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----"
FILES = {
    "apt": ("/etc/apt/sources.list.d/machineadm-k8s.sources", "/etc/apt/keyrings/machineadm-k8s.asc"),
    "dnf": ("/etc/yum.repos.d/machineadm-k8s.repo", "/etc/pki/rpm-gpg/machineadm-k8s.asc"),
    "zypper": ("/etc/zypp/repos.d/machineadm-k8s.repo", "/etc/pki/rpm-gpg/machineadm-k8s.asc"),
}  # fmt: skip


class System:
    """A machine, and what a configuration wants installed there."""

    def __init__(self, format_: str = "apt") -> None:
        self.format = format_
        self.host = FakeHost()
        self.there = FakePackages(self.host, format_)
        self.there.available = {
            "kubelet": ["1.33.9-1.1", "1.34.4-1.1", "1.35.0-1.1"],
            "conntrack": ["1.4-2"],
        }

    def steps(self, *packages: Package, repositories: bool = False) -> tuple[Step, ...]:
        repository = PackageRepository(
            name="k8s",
            format=self.format,  # type: ignore[arg-type]
            url="https://pkgs.example.com/deb/",
            suites=("/",) if self.format == "apt" else (),
            key=KEY,
        )
        linux = LinuxConfiguration(
            packages=packages, package_repositories=(repository,) if repositories else ()
        )
        facts = gather(self.host)
        return plan_packages(linux, facts.family, facts.distribution)

    def run(self, *packages: Package, repositories: bool = False) -> bool:
        return carry_out(
            Plan(steps=self.steps(*packages, repositories=repositories)), self.host
        ).complete


KUBELET = Package(name="kubelet", version="1.34.4-1.1", hold=True)


@pytest.mark.parametrize("format_", FORMATS)
def test_what_is_missing_is_installed_in_its_version_and_held_and_the_second_run_does_nothing(
    format_: str,
) -> None:
    system = System(format_)

    assert system.run(KUBELET, Package(name="conntrack"))
    assert system.there.installed == {"kubelet": "1.34.4-1.1", "conntrack": "1.4-2"}
    assert system.there.held == {"kubelet"}

    done = list(system.there.log)
    assert system.run(KUBELET, Package(name="conntrack"))
    assert system.there.log == done


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("there", ["1.33.9-1.1", "1.35.0-1.1"])
def test_another_version_is_replaced_though_it_is_held_or_later(format_: str, there: str) -> None:
    system = System(format_)
    system.there.installed["kubelet"] = there
    system.there.held.add("kubelet")

    assert system.run(KUBELET)

    assert system.there.installed["kubelet"] == "1.34.4-1.1"
    assert system.there.held == {"kubelet"}


@pytest.mark.parametrize("wanted", [None, "1.33.9-1.1", "1.33.*"])
def test_a_version_that_is_asked_for_loosely_is_left_as_it_is(wanted: str | None) -> None:
    system = System()
    system.there.installed["kubelet"] = "1.33.9-1.1"

    assert system.run(Package(name="kubelet", version=wanted))

    assert system.there.log == []


@pytest.mark.parametrize(
    ("hold", "after"), [(None, {"kubelet"}), (False, set()), (True, {"kubelet"})]
)
def test_a_hold_is_changed_only_where_the_configuration_says_something_of_it(
    hold: bool | None, after: set[str]
) -> None:
    system = System()
    system.there.installed["kubelet"] = "1.34.4-1.1"
    system.there.held.add("kubelet")

    assert system.run(Package(name="kubelet", hold=hold))

    assert system.there.held == after
    assert ("apt-get", "update") not in [argv[:2] for argv in system.there.log]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("hold", [None, True])
@pytest.mark.parametrize("fails", [False, True])
def test_what_is_held_is_held_again_when_it_is_replaced_and_when_that_fails(
    format_: str, hold: bool | None, fails: bool
) -> None:
    system = System(format_)
    system.there.installed["kubelet"] = "1.33.9-1.1"
    system.there.held.add("kubelet")
    wanted = Package(name="kubelet", version="9.9.9-1.1" if fails else "1.34.4-1.1", hold=hold)

    if fails:
        with pytest.raises(StepError):
            system.run(wanted)
    else:
        assert system.run(wanted)

    assert system.there.installed["kubelet"] == ("1.33.9-1.1" if fails else "1.34.4-1.1")
    assert system.there.held == {"kubelet"}


@pytest.mark.parametrize(
    ("listed", "held"),
    [
        ("kubelet-0:1.34.4-1.1.*\n", {"kubelet"}),
        ("kubelet-extras-0:1-1.*\n", set()),
        ("Package name: kubelet\nevr = 0:1.34.4-1.1\n", {"kubelet"}),
        (
            "# Added by 'versionlock add' command on 2026-11-30 10:00:00\nPackage name: kubeadm\nevr = 0:1-1\n\n"
            "Package name: kubelet\nevr = 0:1.34.4-1.1\n",
            {"kubeadm", "kubelet"},
        ),
        # Only one version is left out, or a range is.
        ("Package name: kubelet\nevr != 0:1.34.4-1.1\n", set()),
        ("Package name: kubelet\nevr < 2\nevr >= 1\n", set()),
        ("Package name: kubelet # entry is invalid: missing package conditions\n", set()),
        ("Package name: kubelet-extras\nevr = 0:1-1\n", set()),
        ("", set()),
    ],
)
def test_the_holds_of_either_dnf_are_read(listed: str, held: set[str]) -> None:
    assert manager_of("dnf").read_holds(listed, ["kubelet", "kubeadm"]) == held


@pytest.mark.parametrize("wanted", ["27.0", "27.0-1", "3:27.0", "3:27.0-1", "3:27.*"])
def test_each_spelling_of_a_version_that_rpm_has_is_that_version(wanted: str) -> None:
    found = manager_of("dnf").read("docker-ce\t3\t27.0\t1\n")["docker-ce"]

    assert found.is_version(wanted)
    assert not found.is_version("2:27.0")
    assert not found.is_version("27.1")


def test_an_installation_that_was_cut_off_is_ended_first() -> None:
    system = System()
    system.there.installed["kubelet"] = "1.34.4-1.1"
    system.there.broken.add("kubelet")

    assert system.run(KUBELET)

    assert system.there.broken == set()
    assert system.there.log[0][:3] == ("dpkg", "--configure", "-a")


@pytest.mark.parametrize("format_", FORMATS)
def test_a_repository_has_its_keys_beside_it_and_both_go_when_it_is_no_longer_declared(
    format_: str,
) -> None:
    system = System(format_)
    repository, keys = FILES[format_]

    assert system.run(repositories=True)
    text = system.host.text(repository) or ""
    assert "https://pkgs.example.com/deb/" in text
    assert keys in text
    assert system.host.text(keys) == f"{KEY}\n"

    carry_out(Plan(steps=()), system.host)
    assert system.host.text(repository) is None
    assert system.host.text(keys) is None


def test_zypper_gets_the_keys_of_the_configuration_and_trusts_no_others() -> None:
    system = System("zypper")

    assert system.run(KUBELET, repositories=True)

    commands = system.there.log
    assert ("rpm", "--import", FILES["zypper"][1]) in commands
    assert not any("--gpg-auto-import-keys" in argv for argv in commands)


@pytest.mark.parametrize(
    ("output", "code", "attempts"),
    [
        ("E: Could not get lock /var/lib/dpkg/lock-frontend\n", "MA3632", True),
        ("E: Failed to fetch http://x  Temporary failure resolving 'x'\n", "MA3632", True),
        ("Errors were encountered while processing:\n kubelet\n", "MA3632", False),
        ("E: The repository 'https://x InRelease' is not signed.\n", "MA3632", False),
        ("E: Unable to locate package kubelet\n", "MA3633", False),
        ("E: Version '1.34.4-1.1' for 'kubelet' was not found\n", "MA3633", False),
    ],
)  # fmt: skip
def test_what_may_pass_is_tried_again_and_what_is_final_is_told_at_once(
    output: str, code: str, attempts: bool
) -> None:
    system = System()
    system.host.commands.on("apt-get", "install", exit_code=100, output=output)

    with pytest.raises(StepError) as caught:
        system.run(KUBELET)

    assert caught.value.code == code
    assert output.strip() in caught.value.log_tail
    tried = [argv[:2] for argv in system.host.commands.argvs()].count(("apt-get", "install"))
    assert (tried > 1) is attempts


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (
            "E: Release file for http://x/dists/stable/InRelease is not valid yet (invalid for another 3h 2min).\n",
            "MA4032",
        ),
        (
            "E: Failed to fetch https://x/InRelease  server certificate verification failed. The certificate is not yet activated.\n",
            "MA4032",
        ),
        ("Curl error (60): SSL certificate problem: certificate is not yet valid\n", "MA4032"),
        (
            "E: Release file for http://x/dists/stable/InRelease is expired (invalid since 3d 2h).\n",
            "MA4033",
        ),
        ("Curl error (60): SSL certificate problem: certificate has expired\n", "MA4033"),
    ],
)
def test_what_is_not_valid_by_the_clock_is_blamed_on_it(said: str, code: str) -> None:
    system = System()
    system.host.commands.on("apt-get", "update", output=said)
    system.host.commands.on(
        "apt-get", "install", exit_code=100, output="E: Unable to locate package kubelet\n"
    )

    with pytest.raises(StepError) as caught:
        system.run(KUBELET)

    assert caught.value.code == code
    assert "this machine's clock says " in caught.value.message
    tried = [argv[:2] for argv in system.host.commands.argvs()].count(("apt-get", "install"))
    assert (tried > 1) is (code == "MA4032")


def test_a_list_that_could_not_be_fetched_is_why_a_package_is_not_known() -> None:
    system = System()
    system.host.commands.on("apt-get", "update", output="W: Failed to fetch http://x\n", times=1)
    system.host.commands.on(
        "apt-get", "install", exit_code=100, output="E: Unable to locate package kubelet\n", times=1
    )

    assert system.run(KUBELET)


def test_a_program_that_says_it_has_done_what_it_has_not_is_told_of() -> None:
    system = System()
    system.host.commands.on("apt-get", "install")

    with pytest.raises(StepError) as caught:
        system.run(KUBELET)

    assert caught.value.code == "MA3634"
    assert "kubelet" in caught.value.message


@pytest.mark.parametrize("wrong", ["no program", "unknown", "without", "format", "loose"])
def test_what_cannot_be_installed_here_ends_the_run_before_anything_is_written(wrong: str) -> None:
    system = System()
    code = {
        "no program": "MA3631",
        "unknown": "MA3635",
        "without": "MA3635",
        "format": "MA3636",
        "loose": "MA3637",
    }[wrong]
    if wrong == "no program":
        system.host.commands.missing.add("apt-get")
    elif wrong == "loose":
        system = System("zypper")
    elif wrong == "format":
        system.host.put("/etc/os-release", DISTRIBUTIONS["dnf"])
    else:
        system.host.put("/etc/os-release", "ID=void\n" if wrong == "unknown" else "ID=flatcar\n")

    with pytest.raises(StepError) as caught:
        system.run(Package(name="kubelet", version="1.34.*"), repositories=True)

    assert caught.value.code == code
    assert system.host.mutations() == []


def test_below_another_root_repositories_are_written_and_packages_wait_for_the_running_system() -> (
    None
):
    system = System()
    tree = offline_host()
    tree.put("/etc/os-release", DISTRIBUTIONS["apt"])

    assert not carry_out(Plan(steps=system.steps(KUBELET, repositories=True)), tree).complete

    assert tree.text(FILES["apt"][0]) is not None


class _Asks(msgspec.Struct, frozen=True, kw_only=True):
    """A step that fails where a program is missing."""

    name: str = "test/asks"
    phase: Phase = Phase.PREPARE
    live: bool = True
    once: bool = False

    def digest(self) -> str:
        return ""

    def check(self, host: Any) -> Work:
        raise StepError("MA3571", "there is no containerd")

    def apply(self, host: Any, work: Work) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize("installed", [False, True])
def test_a_program_that_is_missing_after_packages_are_there_is_missing(installed: bool) -> None:
    system = System()
    if installed:
        system.there.installed["conntrack"] = "1.4-2"
    context: Context = context_of(
        Plan(steps=(*system.steps(Package(name="conntrack")), _Asks())), system.host
    )

    if installed:
        with pytest.raises(StepError):
            look(context)
    else:
        assert [one.standing for one in look(context)] == [Standing.TO_DO, Standing.TO_DO]


def test_killed_between_any_two_commands_the_next_run_ends_where_one_run_would_have() -> None:
    reference = System()
    reference.there.installed["kubelet"] = "1.33.9-1.1"
    reference.there.held.add("kubelet")
    reference.run(KUBELET)
    commands = len(reference.there.log)
    assert commands >= 4

    for number in range(commands):
        system = System()
        system.there.installed["kubelet"] = "1.33.9-1.1"
        system.there.held.add("kubelet")
        real, left = system.host.commands.answer, [number]

        def dies(call: Call, real: Any = real, left: list[int] = left) -> Any:
            if not call.query:
                if left[0] == 0:
                    raise InterruptedRunError("MA5001", "killed")
                left[0] -= 1
            return real(call)

        system.host.commands.answer = dies  # type: ignore[method-assign]
        with pytest.raises(InterruptedRunError):
            system.run(KUBELET)
        system.host.commands.answer = real  # type: ignore[method-assign]

        assert system.run(KUBELET)
        assert system.there.installed == {"kubelet": "1.34.4-1.1"}
        assert system.there.held == {"kubelet"}
