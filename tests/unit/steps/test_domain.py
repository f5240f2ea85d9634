"""The domain: joined once, by an account whose password nobody sees, and every refusal has a reason."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from machineadm.api.v1alpha1.domain import DomainCredentials, DomainJoin
from machineadm.config.defaulting import realise
from machineadm.errors import StepError
from machineadm.host.effects import MakeDirectory
from machineadm.host.facts import Facts
from machineadm.plan.model import Plan
from machineadm.planner import plan
from machineadm.redaction import Secret
from machineadm.steps.domain import JoinDomain, computer_accounts, plan_domain
from tests.applying import carry_out
from tests.configurations import configuration
from tests.fakes.domain import FakeDomain, keytab
from tests.fakes.host import Call, FakeHost, offline_host

KEYTAB = "/etc/krb5.keytab"
PASSWORD = "s3cr3t 'value\" $(x)"
SSSD = "/etc/sssd/conf.d/90-machineadm.conf"
JOIN = DomainJoin(
    domain="corp.example.com",
    credentials=DomainCredentials(username="joiner", password=Secret(PASSWORD)),
)


def domain() -> FakeHost:
    host = FakeHost()
    FakeDomain(host)
    return host


def run(host: FakeHost, join: DomainJoin = JOIN) -> bool:
    return carry_out(Plan(steps=plan_domain(join)), host).complete


def joins(host: FakeHost) -> list[Call]:
    return [one for one in host.commands.calls if one.argv[:2] == ("adcli", "join")]


ACCOUNT = ("host/worker@CORP.EXAMPLE.COM", "WORKER$@CORP.EXAMPLE.COM")


def test_the_machine_joins_with_a_password_that_is_on_no_command_line_and_in_no_file() -> None:
    host = domain()

    assert run(host)

    (call,) = joins(host)
    assert call.argv == (
        "adcli", "join", "--domain=corp.example.com", "--login-type=user", "--login-user=joiner", "--stdin-password",
        f"--host-keytab={KEYTAB}",
    )  # fmt: skip
    assert call.input == PASSWORD.encode()
    for one in host.commands.calls:
        assert not any(PASSWORD in word for word in one.argv)
        assert not any(PASSWORD in str(value) for value in one.environment.values())
    for path, node in host.files.nodes.items():
        assert PASSWORD.encode() not in node.content, path


def test_sssd_and_kerberos_are_configured_and_sssd_runs_once_it_can() -> None:
    host = domain()
    host.put("/etc/krb5.conf", "[libdefaults]\n")

    assert run(host)

    assert "    default_realm = CORP.EXAMPLE.COM\n" in (
        host.text("/etc/krb5.conf.d/90-machineadm.conf") or ""
    )
    assert host.text("/etc/krb5.conf") == "[libdefaults]\nincludedir /etc/krb5.conf.d/\n"
    assert "[domain/corp.example.com]\nid_provider = ad\n" in (host.text(SSSD) or "")
    assert host.files.nodes[SSSD].mode == 0o600
    assert host.services.enabled_units == host.services.active_units == {"sssd.service"}
    assert [one for one in host.services.actions if one[0] == "restart"] == [
        ("restart", "sssd.service")
    ]


def test_a_second_run_changes_nothing_and_asks_nobody() -> None:
    host = domain()
    run(host)
    before, calls = host.mutations(), len(host.commands.calls)

    other = msgspec.structs.replace(
        JOIN, credentials=DomainCredentials(username="b", password=Secret("gone"))
    )
    assert run(host, other)

    assert host.mutations() == before
    assert len(host.commands.calls) == calls


def test_what_the_configuration_says_reaches_adcli() -> None:
    host, there = domain(), "/etc/machineadm.keytab"
    unit = "OU=Nodes; x,DC=corp,DC=example,DC=com"
    run(
        host,
        msgspec.structs.replace(
            JOIN, computer_name="WORKER1", organizational_unit=unit, keytab_path=there,
            options={"os-name": "a b", "verbose": ""},
        ),
    )  # fmt: skip

    (call,) = joins(host)
    assert call.argv[6:] == (
        f"--host-keytab={there}", "--computer-name=WORKER1", f"--domain-ou={unit}", "--os-name=a b", "--verbose",
    )  # fmt: skip
    assert f"krb5_keytab = {there}\n" in (host.text(SSSD) or "")


@pytest.mark.parametrize(
    ("said", "code", "passing"),
    [
        ("! Couldn't authenticate as: joiner@X: Preauthentication failed", "MA3653", False),
        ("Couldn't authenticate as: a@X: Client 'a@X' not found in Kerberos database", "MA3653", False),
        ("Couldn't authenticate to active directory: SASL(-1): generic failure: GSSAPI Error: Unspecified GSS failure.  "
         "Minor code may provide more information (Server not found in Kerberos database)", "MA3660", False),
        ("Couldn't authenticate: Client's credentials have been revoked", "MA3653", False),
        ("Insufficient permissions to modify computer account", "MA3653", False),
        ("Couldn't authenticate as: joiner@X: Clock skew too great", "MA3652", False),
        ("Couldn't authenticate as: joiner@X: Cannot contact any KDC for realm 'X'", "MA3654", True),
        ("! Couldn't connect to LDAP server: Can't contact LDAP server", "MA3654", True),
        ("No LDAP servers found\nadcli: couldn't connect to x domain", "MA3654", True),
        ("Couldn't find a computer container in the ou, creating computer account directly: no such object", "MA3655", False),
        ("something new", "MA3658", False),
    ],
)  # fmt: skip
def test_each_refusal_has_its_code_and_leaves_the_machine_as_it_was(
    said: str, code: str, passing: bool
) -> None:
    host = FakeHost()
    host.commands.on(
        "adcli", "join", exit_code=3, output=f"adcli: joining domain x failed: {said}\n"
    )

    with pytest.raises(StepError) as caught:
        run(host)

    error = caught.value
    assert (error.code, error.passing) == (code, passing)
    assert "corp.example.com" in error.message
    assert error.hint()
    assert said in error.log_tail
    assert PASSWORD not in f"{error.message}{error.hint()}{error.log_tail}"
    assert len(joins(host)) == 1
    assert host.files.written == []
    assert host.services.active_units == set()


def test_a_controller_that_never_answers_does_not_hold_the_run_for_ever() -> None:
    host = FakeHost()
    host.commands.on("adcli", "join", exit_code=-9, timed_out=True)

    with pytest.raises(StepError) as caught:
        run(host)

    assert caught.value.code == "MA3654"
    assert (joins(host)[0].timeout or 0) > 0


def test_a_machine_without_adcli_is_told_what_to_install() -> None:
    host = FakeHost()
    host.commands.missing.add("adcli")

    with pytest.raises(StepError) as caught:
        run(host)

    assert caught.value.code == "MA3651"
    assert "packages" in caught.value.hint()


@pytest.mark.parametrize(
    "written", [None, b"", b"\x05\x02", b"garbage", keytab("host/a@CORP.EXAMPLE.COM")]
)
def test_an_end_without_an_account_is_no_success(written: bytes | None) -> None:
    host = FakeHost()
    if written is not None:
        host.put(KEYTAB, written)

    with pytest.raises(StepError) as caught:
        run(host)

    assert caught.value.code == "MA3656"


def test_a_member_of_another_domain_stays_one() -> None:
    host = domain()
    host.put(KEYTAB, keytab("WORKER$@OTHER.EXAMPLE.COM"))

    with pytest.raises(StepError) as caught:
        run(host)

    assert caught.value.code == "MA3657"
    assert joins(host) == []


@pytest.mark.parametrize(
    ("there", "wanted", "again"),
    [
        ("WORKER$@CORP.EXAMPLE.COM", None, False),
        ("worker$@corp.example.com", "WORKER", False),
        ("OLD$@CORP.EXAMPLE.COM", "WORKER", True),
        # A service's key is no membership.
        ("HTTP/worker@CORP.EXAMPLE.COM", None, True),
    ],
)
def test_a_member_is_one_of_this_domain_and_name(
    there: str, wanted: str | None, again: bool
) -> None:
    host = domain()
    host.put(KEYTAB, keytab(there))

    run(host, msgspec.structs.replace(JOIN, computer_name=wanted))

    assert bool(joins(host)) is again


def test_every_damaged_keytab_is_read_to_an_end() -> None:
    whole = keytab(*ACCOUNT)

    for cut in range(len(whole)):
        assert set(computer_accounts(whole[:cut])) <= {("WORKER$", "CORP.EXAMPLE.COM")}
        damaged = whole[:cut] + b"\xff" + whole[cut + 1 :]
        computer_accounts(damaged)
    hole = (-8).to_bytes(4, "big", signed=True) + bytes(8)
    assert computer_accounts(whole[:2] + hole + whole[2:]) == (("WORKER$", "CORP.EXAMPLE.COM"),)


def test_a_key_that_is_cut_off_makes_no_member() -> None:
    (size,) = (int.from_bytes(keytab(ACCOUNT[1])[2:6], "big"),)
    whole = keytab(ACCOUNT[1])

    assert computer_accounts(whole) != ()
    assert computer_accounts(whole[:2] + (size + 100).to_bytes(4, "big") + whole[6:]) == ()


def test_the_directory_that_krb5_conf_names_is_nobodys_file_s_own() -> None:
    # What was made for a file goes with it, and Kerberos fails where krb5.conf names a directory that is not there.
    host = domain()

    assert run(host)

    join, files = plan_domain(JOIN)[:2]
    assert join.check(host).effects == ()
    host.files.nodes.pop("/etc/krb5.conf.d/90-machineadm.conf")
    host.files.nodes.pop("/etc/krb5.conf.d")
    assert [type(one) for one in join.check(host).effects] == [MakeDirectory]
    assert [one.name for one in (join, files)] == ["domain/join", "domain/files"]


def test_sssd_that_does_not_stay_up_is_a_failure() -> None:
    host = domain()
    run(host)
    host.services.active_units.clear()
    host.services.restart = lambda unit: host.services.actions.append(("restart", unit))  # type: ignore[method-assign]  # a unit that ends at once

    with pytest.raises(StepError) as caught:
        run(host)

    assert caught.value.code == "MA3659"


def planned(mode: Any, facts: Facts | None = None, **join: Any) -> list[str]:
    given = configuration(
        {
            "machine.linuxConfiguration.domainJoin": {
                "domain": "corp.example.com",
                "credentials": {"username": "a", "password": "b"},
                **join,
            },
            "machine.linuxConfiguration.ntp": {},
        }
    )
    facts = facts or Facts(machine_id="m1", kubeadm_version="v1.34.4")
    return [
        one.name
        for one in plan(realise(given), facts, mode=mode, run_directory="/run/machineadm").steps
    ]


def test_the_clock_comes_before_and_kubeadm_after() -> None:
    names = planned("provisioning")

    order = [name for name in names if name.startswith(("ntp/", "domain/", "kubeadm/init"))]
    assert order[0] == "ntp/service"
    assert order[-4:] == ["domain/join", "domain/files", "domain/service", "kubeadm/init"]


def test_an_image_is_no_member() -> None:
    assert not any(name.startswith("domain/") for name in planned("preparation"))
    (step, *_) = plan_domain(JOIN)
    assert isinstance(step, JoinDomain)
    assert step.live
    assert not carry_out(Plan(steps=plan_domain(JOIN)), offline_host()).complete
