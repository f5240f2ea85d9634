"""Files of the configuration become one batch."""

import base64
import gzip

import pytest

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.api.v1alpha1.files import FileConfig, FileSource
from machineadm.errors import StepError
from machineadm.host.effects import Download, MakeLink
from machineadm.plan.model import Plan, Step
from machineadm.redaction import Secret
from machineadm.steps.files import plan_files
from tests.applying import apply, carry_out
from tests.fakes.host import FakeHost


def planned(**fields: object) -> PlannedFile:
    (step,) = plan_files([FileConfig(path="/f", **fields)])  # type: ignore[arg-type]
    assert isinstance(step, WriteFiles)
    return step.files[0]


def test_no_files_make_no_step() -> None:
    assert plan_files([]) == ()


def test_defaults_are_roots_and_readable() -> None:
    file = planned(content="é\n")

    assert (file.content, file.mode, file.owner) == ("é\n".encode(), 0o644, "root:root")


def test_what_is_appended_keeps_mode_and_owner_unless_told() -> None:
    assert (planned(append=True).mode, planned(append=True).owner) == (None, None)
    assert planned(append=True, permissions="0600").mode == 0o600


def test_a_sensitive_file_is_private_unless_told() -> None:
    assert planned(content="x", sensitive=True).mode == 0o600
    assert planned(content="x", sensitive=True, permissions="0640").mode == 0o640
    assert planned(content="x", sensitive=True, source=None, append=True).mode is None


@pytest.mark.parametrize(("sensitive", "mode"), [(True, 0o600), (False, 0o644)])
def test_a_file_that_appending_makes_is_private_if_it_is_sensitive(
    sensitive: bool, mode: int
) -> None:
    host = FakeHost()
    host.files.put("/there", "1\n", mode=0o640)
    (step,) = plan_files(
        [
            FileConfig(path=path, content="2\n", append=True, sensitive=sensitive)
            for path in ("/new", "/there")
        ]
    )
    apply(step, host)

    new, there = host.files.stat("/new"), host.files.stat("/there")
    assert new is not None
    assert there is not None
    assert (new.mode, there.mode) == (mode, 0o640)


PACKED = base64.b64encode(gzip.compress(b"a", mtime=0) + gzip.compress(b"b", mtime=0)).decode()


@pytest.mark.parametrize(
    ("encoding", "content", "expected"),
    [
        ("base64", "AAH/\n  AA==\n", b"\0\1\xff\0"),
        ("gzip", PACKED, b"ab"),
        ("gzip+base64", PACKED, b"ab"),
    ],
)
def test_encodings_are_undone(encoding: str, content: str, expected: bytes) -> None:
    assert planned(encoding=encoding, content=content).content == expected


def test_a_source_becomes_a_download() -> None:
    source = FileSource(url="https://x/y", sha256="0" * 64, headers={"A": Secret("b")})

    assert planned(source=source).content == Download(
        url="https://x/y", sha256="0" * 64, headers={"A": Secret("b")}
    )


@pytest.mark.requirement("U2")
def test_files_are_written_with_owner_mode_and_content() -> None:
    host = FakeHost()
    (step,) = plan_files(
        [FileConfig(path="/etc/app/a", content="1", permissions="600", owner="nobody:root")]
    )
    apply(step, host)

    stat = host.files.stat("/etc/app/a")
    assert stat is not None
    assert (stat.mode, stat.uid, stat.gid, host.text("/etc/app/a")) == (0o600, 65534, 0, "1")


def linked(**targets: str) -> Step:
    (step,) = plan_files([FileConfig(path=f"/etc/{k}", link_to=v) for k, v in targets.items()])
    return step


def test_links_come_after_files_and_are_made_as_they_are_said() -> None:
    host = FakeHost()
    steps = plan_files(
        [FileConfig(path="/etc/a", link_to="../srv/gone"), FileConfig(path="/etc/b", content="1")]
    )
    for step in steps:
        apply(step, host)

    assert [step.name for step in steps] == ["files/write", "files/link"]
    assert host.files.readlink("/etc/a") == "../srv/gone"
    assert not steps[1].check(host).effects


@pytest.mark.parametrize("there", ["a file", "another link", "a link of a user's"])
def test_what_is_at_a_links_path_is_replaced_and_said(there: str) -> None:
    host = FakeHost()
    if there == "a file":
        host.put("/etc/a", "mine\n")
    else:
        host.files.link("/etc/a", "/old" if there == "another link" else "/new")
    if there == "a link of a user's":
        host.files.nodes["/etc/a"].uid = 1000
    step = linked(a="/new")
    (effect,) = step.check(host).effects
    apply(step, host)

    assert isinstance(effect, MakeLink)
    assert effect.note in ("a file is replaced by a link", "instead of /old", "owner 1000 -> root")
    stat = host.files.stat("/etc/a")
    assert stat is not None
    assert (host.files.readlink("/etc/a"), stat.uid) == ("/new", 0)


def test_a_directory_is_not_replaced_by_a_link_and_nothing_is_made() -> None:
    host = FakeHost()
    host.put("/etc/b/kept")
    with pytest.raises(StepError) as raised:
        linked(a="/new", b="/new").check(host)

    assert raised.value.code == "MA3004"


def test_a_link_that_is_no_longer_declared_is_taken_back() -> None:
    host = FakeHost()
    host.put("/etc/a", "mine\n", mode=0o640)
    host.files.link("/etc/c", "/old")
    carry_out(Plan(steps=(linked(a="/new", b="/new", c="/new"),)), host)
    assert [host.files.readlink(f"/etc/{one}") for one in "abc"] == ["/new"] * 3

    carry_out(Plan(steps=()), host)

    stat = host.files.stat("/etc/a")
    assert stat is not None
    assert (host.text("/etc/a"), stat.mode) == ("mine\n", 0o640)
    assert (host.files.stat("/etc/b"), host.files.readlink("/etc/c")) == (None, "/old")


def test_a_link_that_somebody_has_changed_since_stays() -> None:
    host = FakeHost()
    carry_out(Plan(steps=(linked(a="/new"),)), host)
    host.files.link("/etc/a", "/theirs")

    carry_out(Plan(steps=()), host)

    assert host.files.readlink("/etc/a") == "/theirs"
