"""Name resolution: systemd-resolved where it is asked, /etc/resolv.conf otherwise, and never through a link."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.resolver import Resolver
from machineadm.errors import StepError
from machineadm.plan.model import Plan
from machineadm.steps.resolver import plan_resolver
from tests.applying import carry_out
from tests.fakes.host import FakeHost, FakeServices, offline_host

FILE = "/etc/resolv.conf"
DROP_IN = "/etc/systemd/resolved.conf.d/90-machineadm.conf"
IN_USE = "/run/systemd/resolve/resolv.conf"
UNIT = "systemd-resolved.service"
BOTH = Resolver(
    nameservers=("192.0.2.53", "2001:DB8:0::53"), search_domains=("Corp.example.com", "b.example")
)
OFFERED = "nameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch corp.example.com b.example lan\n"


class Restarting(FakeServices):
    """systemd with something that happens at a restart."""

    def __init__(self) -> None:
        super().__init__()
        self.then: Callable[[], None] = lambda: None

    def restart(self, unit: str) -> None:
        super().restart(unit)
        self.then()


def resolved(
    link: str = "../run/systemd/resolve/stub-resolv.conf", *, offers: str = OFFERED
) -> FakeHost:
    services = Restarting()
    host = FakeHost(services=services)
    host.put("/run/systemd/resolve/stub-resolv.conf", "nameserver 127.0.0.53\n")
    host.put(IN_USE, "nameserver 198.51.100.1\nsearch lan\n")
    host.files.link(FILE, link)
    services.then = lambda: host.put(IN_USE, offers)
    return host


def run(host: FakeHost, resolver: Resolver = BOTH) -> bool:
    plan = Plan(steps=plan_resolver(LinuxConfiguration(resolver=resolver)))
    return carry_out(plan, host).complete


@pytest.mark.parametrize(
    "link",
    [
        "../run/systemd/resolve/stub-resolv.conf",
        "/run/systemd/resolve/resolv.conf",
        "/usr/lib/systemd/resolv.conf",
    ],
)
def test_systemd_resolved_is_told_restarted_once_and_uses_them(link: str) -> None:
    host = resolved(link)

    assert run(host)
    assert run(host)

    assert host.text(DROP_IN) == (
        "[Resolve]\nDNS=\nDNS=192.0.2.53 2001:DB8:0::53\nDomains=\nDomains=Corp.example.com b.example ~.\n"
    )
    assert host.files.readlink(FILE) == link
    assert host.services.actions == [("restart", UNIT)]


def test_search_domains_alone_leave_the_servers_of_the_network() -> None:
    host = resolved(offers="search b.example\n")

    run(host, Resolver(search_domains=("b.example",)))

    assert host.text(DROP_IN) == "[Resolve]\nDomains=\nDomains=b.example\n"


def test_systemd_resolved_that_forgets_them_is_restarted_and_that_uses_others_ends_the_run() -> (
    None
):
    host = resolved()
    run(host)
    host.put(IN_USE, "nameserver 198.51.100.1\n")

    run(host)
    assert host.services.actions == [("restart", UNIT)] * 2

    with pytest.raises(StepError) as caught:
        run(resolved(offers="nameserver 192.0.2.53\nsearch b.example\n"))
    assert caught.value.code == "MA3552"
    assert "2001:DB8:0::53, Corp.example.com" in caught.value.message


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, ""),
        ("nameserver 198.51.100.1\noptions ndots:2\n", "options ndots:2\n"),
        ("# a\ndomain lan\nsearch lan\n\nsortlist 192.0.2.0\nnameserver 198.51.100.1", "# a\n\nsortlist 192.0.2.0\n"),
        ("#nameserver 198.51.100.1\n", "#nameserver 198.51.100.1\n"),
    ],
)  # fmt: skip
def test_a_file_gets_the_lines_of_the_configuration_and_keeps_the_others(
    before: str | None, after: str
) -> None:
    host = FakeHost()
    if before is not None:
        host.put(FILE, before)

    for _ in range(2):
        assert run(host)

    ours = "nameserver 192.0.2.53\nnameserver 2001:DB8:0::53\nsearch Corp.example.com b.example\n"
    assert host.text(FILE) == ours + after
    assert host.services.actions == []


@pytest.mark.parametrize(
    ("resolver", "after"),
    [
        (Resolver(nameservers=("192.0.2.53",)), "nameserver 192.0.2.53\nsearch lan\n"),
        (Resolver(search_domains=("b.example",)), "search b.example\nnameserver 198.51.100.1\n"),
    ],
)
def test_what_the_configuration_does_not_say_stays(resolver: Resolver, after: str) -> None:
    host = FakeHost()
    host.put(FILE, "nameserver 198.51.100.1\nsearch lan\n")

    run(host, resolver)

    assert host.text(FILE) == after


def test_bytes_that_are_no_text_stay() -> None:
    host = FakeHost()
    host.put(FILE, b"# caf\xe9\n")

    run(host)

    assert (host.files.read(FILE) or b"").endswith(b"# caf\xe9\n")


@pytest.mark.parametrize(
    "link", ["/run/resolvconf/resolv.conf", "../run/NetworkManager/resolv.conf", "/nowhere"]
)
def test_nothing_is_written_through_the_link_of_another_program(link: str) -> None:
    host = FakeHost()
    host.files.link(FILE, link)
    before = len(host.mutations())

    with pytest.raises(StepError) as caught:
        run(host)

    assert caught.value.code == "MA3551"
    assert host.files.readlink(FILE) == link
    assert len(host.mutations()) == before


def test_a_file_of_networkmanager_is_left_to_it() -> None:
    host = FakeHost()
    host.put(FILE, "# Generated by NetworkManager\nnameserver 198.51.100.1\n")

    with pytest.raises(StepError) as caught:
        run(host)

    assert caught.value.code == "MA3551"


def test_what_the_configuration_no_longer_says_is_as_it_was() -> None:
    host = FakeHost()
    host.put(FILE, "nameserver 198.51.100.1\n")
    run(host)

    carry_out(Plan(steps=()), host)

    assert host.text(FILE) == "nameserver 198.51.100.1\n"


def test_below_another_root_the_file_is_written_and_the_rest_is_left() -> None:
    host = offline_host()
    host.files.link(FILE, "../run/systemd/resolve/stub-resolv.conf")

    assert not run(host)
    assert host.text(DROP_IN)


@pytest.mark.parametrize("linux", [LinuxConfiguration(), LinuxConfiguration(resolver=Resolver())])
def test_what_is_not_said_is_not_planned(linux: LinuxConfiguration) -> None:
    assert plan_resolver(linux) == ()
