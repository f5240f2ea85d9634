"""What is taken back: no link of root's that root never made, and nothing too large to be read."""

import hashlib

import pytest

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.execution.seen import Eyes
from machineadm.host.effects import Download
from machineadm.host.ports import LARGEST_READ, FileKind
from machineadm.plan.model import Phase, Plan
from tests.applying import carry_out
from tests.fakes.host import FakeFiles, FakeHost

USER = 4001


def plan(*paths: str) -> Plan:
    files = tuple(PlannedFile(path=path, content=b"x") for path in (*paths, "/etc/other"))
    return Plan(steps=(WriteFiles(name="files/write", phase=Phase.PREPARE, files=files),))


@pytest.mark.parametrize(("owner", "comes_back"), [(0, True), (USER, False)])
def test_a_users_link_that_was_replaced_does_not_come_back_as_roots(
    owner: int, comes_back: bool
) -> None:
    host = FakeHost()
    host.files.put_link("/home/user/conf", "/root/.ssh", uid=owner)
    carry_out(plan("/home/user/conf"), host)
    assert host.text("/home/user/conf") == "x"
    carry_out(plan(), host)

    found = host.files.stat("/home/user/conf")
    assert found is not None
    assert (found.kind is FileKind.LINK) == comes_back


def test_a_users_links_are_told_apart_by_their_targets() -> None:
    host = FakeHost()
    host.files.put_link("/a", "b", uid=USER)
    before = Eyes(host).look("/a")
    host.files.put_link("/a", "c", uid=USER)

    assert Eyes(host).look("/a") != before


def test_an_ordinary_users_own_link_comes_back() -> None:
    host = FakeHost(files=FakeFiles(uid=USER))
    host.files.put_link("/a", "b", uid=USER)

    assert Eyes(host).look("/a").kind == "link"


def test_a_file_too_large_to_be_shown_is_taken_back() -> None:
    host = FakeHost()
    body = bytes(LARGEST_READ + 1)
    host.fetch.bodies["https://files.example/x"] = body
    tool = Download(url="https://files.example/x", sha256=hashlib.sha256(body).hexdigest())
    step = WriteFiles(
        name="files/write",
        phase=Phase.PREPARE,
        files=(PlannedFile(path="/bin/tool", content=tool),),
    )
    carry_out(Plan(steps=(step,)), host)
    carry_out(plan(), host)

    assert host.files.stat("/bin/tool") is None
