"""Platforms: which one a machine runs on, and what its metadata service says, well or not."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import pytest

from machineadm.host.instance.lookup import Found, Lookup, Missing
from machineadm.host.instance.model import UnknownError
from machineadm.host.instance.platforms import PLATFORMS, Firmware, Recognised, source
from machineadm.host.instance.platforms.service import LINK_LOCAL
from machineadm.host.linux.metadata import LinuxMetadata
from machineadm.host.ports import MetadataAnswer
from tests.fakes.host import FakeHost
from tests.servers.metadata import EC2, MetadataService

DMI = "/sys/class/dmi/id"
FIRMWARE = [
    ("EC2", {"sys_vendor": "Amazon EC2"}),
    ("EC2", {"product_uuid": "EC2E1916-9099", "product_serial": "ec2e1916-9099"}),
    ("OpenStack", {"product_name": "OpenStack Nova"}),
    ("OpenStack", {"product_name": "OpenStack Compute", "sys_vendor": "RDO"}),
    ("OpenStack", {"chassis_asset_tag": "OpenTelekomCloud"}),
    ("GCE", {"product_name": "Google Compute Engine"}),
    ("GCE", {"product_serial": "GoogleCloud-55C5E1"}),
    ("Azure", {"sys_vendor": "Microsoft Corporation", "chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77"}),
    ("VMware", {"sys_vendor": "VMware, Inc.", "product_name": "VMware7,1"}),
    ("", {"sys_vendor": "QEMU", "product_name": "Standard PC"}),
    ("", {"sys_vendor": "Microsoft Corporation", "product_name": "Virtual Machine"}),
    ("", {"product_uuid": "ec2e1916-9099", "product_serial": "something else"}),
    ("", {}),
]  # fmt: skip


class Redirected:
    """The port of Linux, with the link-local address led to a stand-in."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.real = LinuxMetadata()

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        timeout: float,
    ) -> MetadataAnswer:
        assert url.startswith(LINK_LOCAL)
        led = url.replace(LINK_LOCAL, self.base)
        return self.real.ask(led, method=method, headers=headers, timeout=timeout)


@contextmanager
def standing_in(platform: str, fault: str = "") -> Iterator[tuple[FakeHost, MetadataService]]:
    with MetadataService(platform, fault) as service:
        assert isinstance(service, MetadataService)
        host = FakeHost()
        host.metadata = Redirected(service.url)  # type: ignore[assignment]
        yield host, service


@pytest.mark.parametrize(("platform", "said"), FIRMWARE)
def test_a_platform_is_recognised_by_what_the_firmware_says(
    platform: str, said: dict[str, str]
) -> None:
    host = FakeHost()
    for name, value in said.items():
        host.put(f"{DMI}/{name}", f"{value}\n")

    assert Recognised(host).recognised == platform


def test_nobody_is_asked_on_a_platform_that_is_not_recognised() -> None:
    host = FakeHost()
    host.put(f"{DMI}/sys_vendor", "QEMU\n")

    with pytest.raises(UnknownError) as caught:
        Recognised(host).value("v1.instance_id", 10)

    assert "vendor 'QEMU'" in caught.value.reason
    assert "machine.instanceData.sources" in caught.value.reason
    assert host.metadata.asked == []


def test_a_firmware_that_only_root_may_read_is_no_error() -> None:
    assert Firmware().platform == ""


@pytest.mark.parametrize(
    ("platform", "name", "value"),
    [
        ("EC2", "v1.instance_id", "i-0123456789abcdef0"),
        ("EC2", "v1.local_hostname", "ip-10-0-0-1"),
        ("EC2", "v1.availability_zone", "eu-west-1a"),
        ("EC2", "v1.region", "eu-west-1"),
        ("EC2", "v1.cloud_name", "aws"),
        ("EC2", "v1.cloud_id", "aws"),
        ("EC2", "v1.platform", "ec2"),
        ("EC2", "v1.subplatform", "metadata (http://169.254.169.254)"),
        ("EC2", "ds.meta_data.local_hostname", "ip-10-0-0-1.eu-west-1.compute.internal"),
        ("EC2", "ds.meta_data.placement.availability_zone", "eu-west-1a"),
        ("EC2", "ds.meta_data.tags.instance.Name", "worker"),
        ("EC2", "ds.dynamic.instance_identity.document.accountId", "123456789012"),
        ("OpenStack", "v1.instance_id", "d8e02d56-2648-49a3-bf97-6be8f1204f38"),
        ("OpenStack", "v1.local_hostname", "worker"),
        ("OpenStack", "v1.availability_zone", "nova"),
        ("OpenStack", "v1.cloud_name", "openstack"),
        ("OpenStack", "v1.subplatform", "metadata (http://169.254.169.254)"),
        ("OpenStack", "ds.meta_data.uuid", "d8e02d56-2648-49a3-bf97-6be8f1204f38"),
        ("OpenStack", "ds.meta_data.instance_id", "d8e02d56-2648-49a3-bf97-6be8f1204f38"),
        ("OpenStack", "ds.meta_data.local-hostname", "worker.novalocal"),
        ("OpenStack", "ds.meta_data.meta.role", "worker"),
        ("GCE", "v1.instance_id", "5123456789012345678"),
        ("GCE", "v1.local_hostname", "worker"),
        ("GCE", "v1.availability_zone", "europe-west1-b"),
        ("GCE", "v1.region", "europe-west1"),
        ("GCE", "v1.cloud_name", "gce"),
        ("GCE", "ds.meta_data.local_hostname", "worker.europe-west1-b.c.project-1.internal"),
        ("GCE", "ds.meta_data.project_id", "project-1"),
        ("GCE", "ds.meta_data.name", "worker"),
        ("Azure", "v1.instance_id", "02aab8a4-74ef-476e-8182-f6d2ba4166a6"),
        ("Azure", "v1.local_hostname", "worker-0"),
        ("Azure", "v1.region", "westeurope"),
        ("Azure", "v1.availability_zone", "0"),
        ("Azure", "ds.meta_data.imds.compute.zone", "2"),
        ("Azure", "ds.meta_data.imds.network.interface.0.ipv4.ipAddress.0.privateIpAddress", "10.0.0.4"),
        ("Azure", "v1.subplatform", "imds"),
    ],
)  # fmt: skip
def test_a_service_says_what_its_documentation_says(platform: str, name: str, value: str) -> None:
    with standing_in(platform) as (host, _):
        assert source(platform, host).value(name, 10) == value


@pytest.mark.parametrize(
    ("platform", "name", "said"),
    [
        ("EC2", "ds.meta_data.placement", "is a list"),
        ("EC2", "ds.meta_data.no-such", "status 404"),
        ("EC2", "v1.variant", "no such name"),
        ("OpenStack", "v1.region", "no such name"),
        ("OpenStack", "ds.meta_data.meta", "has a map there"),
        ("GCE", "ds.meta_data.attributes.kube-env", "no such name"),
        ("Azure", "ds.meta_data.imds.compute.nothing", "no such name"),
    ],
)
def test_what_a_service_does_not_know_is_said(platform: str, name: str, said: str) -> None:
    with standing_in(platform) as (host, _), pytest.raises(UnknownError) as caught:
        source(platform, host).value(name, 10)

    assert said in caught.value.reason


SERVICES = ["EC2", "OpenStack", "GCE", "Azure"]


@pytest.mark.parametrize("platform", SERVICES)
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("missing", "status 404"),
        ("redirect", "status 302"),
        ("half", "broke off"),
        ("huge", "more than 1048576 bytes"),
        ("hang", "no whole answer within"),
        ("dribble", "no whole answer within"),
    ],
)
def test_an_answer_that_is_none_is_taken_for_none(platform: str, fault: str, said: str) -> None:
    # An answer that comes is not raced against the clock; one that does not is waited for briefly.
    budget = 0.3 if said.startswith("no whole answer") else 30
    with standing_in(platform, fault) as (host, service), pytest.raises(UnknownError) as caught:
        source(platform, host).value("v1.instance_id", budget)

    assert said in caught.value.reason
    assert LINK_LOCAL not in said
    assert all("stolen" not in request.path for request in service.requests)


@pytest.mark.parametrize("platform", SERVICES)
@pytest.mark.parametrize("fault", ["slow", "starting"])
def test_a_service_that_takes_its_time_is_waited_for(platform: str, fault: str) -> None:
    with standing_in(platform, fault) as (host, _):
        assert source(platform, host).value("v1.instance_id", 10)


def test_the_token_is_asked_for_once_and_goes_with_every_request() -> None:
    with standing_in("EC2") as (host, service):
        ec2 = source("EC2", host)
        for name in ("v1.instance_id", "v1.region", "v1.local_hostname"):
            ec2.value(name, 10)

    assert [request.method for request in service.requests].count("PUT") == 1
    assert len(service.requests) == 4


def test_somebody_else_on_the_address_of_google_is_not_believed() -> None:
    host = FakeHost()
    host.metadata.on(f"{LINK_LOCAL}/computeMetadata/v1/instance/id", "1")

    with pytest.raises(UnknownError) as caught:
        source("GCE", host).value("v1.instance_id", 1)

    assert "not the metadata service" in caught.value.reason


@pytest.mark.parametrize("platform", SERVICES)
def test_a_service_that_says_what_is_no_text_is_not_believed(platform: str) -> None:
    host = FakeHost()
    host.metadata.answers = _Everything(
        MetadataAnswer(status=200, body=b"\xff\xfe", headers={"metadata-flavor": "Google"})
    )

    with pytest.raises(UnknownError):
        source(platform, host).value("v1.instance_id", 1)


class _Everything(dict[tuple[str, str], MetadataAnswer]):
    """One answer to all."""

    def __init__(self, answer: MetadataAnswer) -> None:
        super().__init__()
        self._answer = answer

    def get(self, key: object, default: object = None) -> MetadataAnswer:
        return self._answer


def test_a_proxy_is_never_asked_for_what_is_on_this_link(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    with standing_in("EC2") as (host, _):
        assert source("EC2", host).value("v1.region", 5) == EC2["placement/region"]


def test_a_disk_comes_before_the_service_and_its_mount_is_nobody_elses() -> None:
    host = FakeHost()
    host.put("/dev/disk/by-label/config-2")
    host.commands.on("unshare", output=json.dumps({"uuid": "from-disk"}))

    assert source("OpenStack", host).value("v1.instance_id", 5) == "from-disk"

    (call,) = (one for one in host.commands.calls if one.argv[0] == "unshare")
    assert call.query
    assert call.argv[1:4] == ("--mount", "--propagation", "private")
    assert "-o ro" in call.argv[6]
    assert host.metadata.asked == []


def test_a_disk_that_is_mounted_already_is_read_where_it_is() -> None:
    host = FakeHost()
    host.put("/media/configdrive/openstack/latest/meta_data.json", '{"uuid": "mounted"}')

    assert source("ConfigDrive", host).value("v1.instance_id", 5) == "mounted"
    assert source("ConfigDrive", host).value("v1.subplatform", 5) == "config-disk"


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda _host: None, "no disk is labelled config-2"),
        (lambda host: _disk(host, exit_code=32), "cannot be read"),
        (lambda host: _disk(host, output='{"uuid":'), "not JSON"),
    ],
)
def test_a_disk_that_is_none_is_said(prepare: object, said: str) -> None:
    host = FakeHost()
    prepare(host)  # type: ignore[operator]

    with pytest.raises(UnknownError) as caught:
        source("ConfigDrive", host).value("v1.instance_id", 5)

    assert said in caught.value.reason


def _disk(host: FakeHost, *, output: str = "", exit_code: int = 0) -> None:
    host.put("/dev/disk/by-label/CONFIG-2")
    host.commands.on("unshare", output=output, exit_code=exit_code)


METADATA = "instance-id: vm-7\nlocal-hostname: worker.example.com\nfailure-domain: rack-1\n"


def vmware(value: bytes | str, encoding: str = "") -> FakeHost:
    host = FakeHost()
    text = value if isinstance(value, str) else value.decode()

    host.commands.on("vmware-rpctool", "info-get guestinfo.metadata", output=text)
    host.commands.on(
        "vmware-rpctool",
        "info-get guestinfo.metadata.encoding",
        output=encoding,
        exit_code=0 if encoding else 1,
    )
    return host


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        (METADATA, ""),
        (base64.b64encode(METADATA.encode()), "base64"),
        (base64.b64encode(gzip.compress(METADATA.encode())), "gzip+base64"),
        (json.dumps({"instance-id": "vm-7", "local-hostname": "worker.example.com", "failure-domain": "rack-1"}), ""),
    ],
)  # fmt: skip
def test_guestinfo_is_read_by_its_tool_however_it_is_encoded(
    value: bytes | str, encoding: str
) -> None:
    there = source("VMware", vmware(value, encoding))

    assert there.value("v1.instance_id", 5) == "vm-7"
    assert there.value("v1.local_hostname", 5) == "worker"
    assert there.value("ds.meta_data.failure_domain", 5) == "rack-1"
    assert there.value("ds.meta_data.hostname", 5) == "worker.example.com"
    assert there.value("ds.meta_data.local_ipv4", 5) == "192.0.2.10"
    assert there.value("v1.cloud_name", 5) == "vmware"


@pytest.mark.parametrize(
    ("value", "encoding", "said"),
    [
        ("", "", "has no guestinfo.metadata"),
        ("---", "", "has no guestinfo.metadata"),
        ("%%%", "base64", "is not base64"),
        (base64.b64encode(b"\x1f\x8bcut"), "gzip+base64", "is not gzip+base64"),
        (base64.b64encode(gzip.compress(b"x" * (2 << 20))), "gzip+base64", "more than 1048576 bytes"),
        (METADATA, "rot13", "'rot13'"),
        ("a: b: c", "", "cannot be read"),
        ("- a", "", "cannot be read"),
    ],
)  # fmt: skip
def test_guestinfo_that_is_none_is_said(value: bytes | str, encoding: str, said: str) -> None:
    with pytest.raises(UnknownError) as caught:
        source("VMware", vmware(value, encoding)).value("v1.instance_id", 5)

    assert said in caught.value.reason


def test_a_machine_without_the_tool_says_so() -> None:
    host = FakeHost()
    host.commands.missing |= {"vmware-rpctool", "vmtoolsd"}

    with pytest.raises(UnknownError, match="neither vmware-rpctool nor vmtoolsd"):
        source("VMware", host).value("v1.instance_id", 5)


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_platform_knows_the_names_of_its_cloud(name: str) -> None:
    host = FakeHost()
    host.put("/media/configdrive/openstack/latest/meta_data.json", "{}")

    assert source(name, host).value("v1.cloud_name", 1)
    assert source(name, host).value("v1.platform", 1)
    assert source(name, host).value("v1.subplatform", 1)


class _Slow:
    """A source that takes time and never knows."""

    name: ClassVar[str] = "slow"
    kinds: ClassVar[tuple[str, ...]] = ("v1",)

    def __init__(self, host: FakeHost, takes: float) -> None:
        self.host = host
        self.takes = takes
        self.asked: list[float] = []

    def value(self, name: str, timeout: float) -> str:
        self.asked.append(timeout)
        self.host.clock.sleep(min(self.takes, timeout))
        raise UnknownError("took too long")


def test_all_sources_together_have_one_time_and_each_its_own() -> None:
    host = FakeHost()
    first, second = _Slow(host, 20), _Slow(host, 20)
    lookup = Lookup([(first, 8.0), (second, None)], host.clock, 30.0)

    assert isinstance(lookup.find("v1.region"), Missing)
    assert isinstance(lookup.find("v1.instance_id"), Missing)
    assert isinstance(lookup.find("v1.variant"), Missing)

    assert host.clock.elapsed == 30.0
    assert first.asked == [8.0]
    assert second.asked == [22.0, 2.0]


def test_a_name_is_asked_for_once() -> None:
    host = FakeHost()
    slow = _Slow(host, 1)
    lookup = Lookup([(slow, None)], host.clock, 30.0)

    assert lookup.find("v1.region") is lookup.find("v1.region")
    assert len(slow.asked) == 1


def test_a_port_that_fails_is_an_answer_and_no_end() -> None:
    host = FakeHost()
    host.put(f"{DMI}/sys_vendor", "Amazon EC2\n")

    found = Lookup([(Recognised(host), None)], host.clock, 30.0).find("v1.region")

    assert isinstance(found, Missing)
    assert "EC2" in found.text
    assert "no whole answer" in found.text
    assert not isinstance(found, Found)
