"""Archives: members of a verified archive become files, and are compared without fetching it again."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import Any

import pytest

from machineadm.api.v1alpha1.archives import Archive, ArchiveMember, ArchiveSource
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.errors import MachineadmError
from machineadm.plan.model import Plan
from machineadm.steps.archives import plan_archives
from tests.applying import carry_out
from tests.fakes.host import FakeHost, offline_host

URL = "https://example.com/tools.tgz"
CONTENT = {"./bin/tool": b"tool", "./bin/other": b"other", "README": b"text"}


def packed(kind: str = "gz", *more: tarfile.TarInfo, mode: int = 0o4775) -> bytes:
    """An archive of CONTENT and of entries that are no regular files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{kind}") as tar:  # type: ignore[call-overload]  # a kind that only the test knows
        for name, content in CONTENT.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid = len(content), mode, 1000
            tar.addfile(entry, io.BytesIO(content))
        for entry in more:
            tar.addfile(entry)
    return out.getvalue()


def linked(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


class System:
    """A machine, and an archive that a server has."""

    def __init__(self, data: bytes | None = None, host: FakeHost | None = None) -> None:
        self.data = packed() if data is None else data
        self.host = host or FakeHost()
        self.host.fetch.bodies[URL] = self.data

    def run(self, *members: ArchiveMember, digest: str = "") -> bool:
        source = ArchiveSource(url=URL, sha256=digest or hashlib.sha256(self.data).hexdigest())
        archive = Archive(source=source, destination="/usr/local", members=members)
        plan = Plan(steps=plan_archives(LinuxConfiguration(archives=(archive,))))
        return carry_out(plan, self.host).complete

    @property
    def fetched(self) -> int:
        return len(self.host.fetch.fetched)

    def mode(self, path: str) -> int:
        found = self.host.files.stat(path)
        assert found
        return found.mode


TOOL = ArchiveMember(name="bin/tool")


@pytest.mark.parametrize("first", ["0700", "0644", None])
@pytest.mark.parametrize("then", ["0750", None])
def test_permissions_are_those_of_the_last_configuration_or_the_archive_s(
    first: str | None, then: str | None
) -> None:
    system = System()
    system.run(ArchiveMember(name="bin/tool", permissions=first))

    assert system.run(ArchiveMember(name="bin/tool", permissions=then))
    assert system.mode("/usr/local/bin/tool") == int(then or "0755", 8)


@pytest.mark.parametrize("kind", ["", "gz", "bz2", "xz"])
def test_members_are_files_of_root_and_the_second_run_fetches_nothing(kind: str) -> None:
    system = System(packed(kind))

    assert system.run(TOOL, ArchiveMember(name="README", path="share/doc/tool"))
    assert system.host.text("/usr/local/bin/tool") == "tool"
    assert system.host.text("/usr/local/share/doc/tool") == "text"
    assert system.host.text("/usr/local/bin/other") is None
    assert system.host.files.list("/var/lib/machineadm/downloads") == ()

    assert system.run(TOOL, ArchiveMember(name="README", path="share/doc/tool"))
    assert system.fetched == 1


def test_an_archive_cannot_give_rights_that_nobody_asked_for() -> None:
    system = System()

    system.run(TOOL, ArchiveMember(name="bin/other", permissions="4711"))

    assert system.mode("/usr/local/bin/tool") == 0o755
    assert system.mode("/usr/local/bin/other") == 0o4711
    stat = system.host.files.stat("/usr/local/bin/tool")
    assert stat is not None
    assert (stat.uid, stat.gid) == (0, 0)


@pytest.mark.parametrize("drift", ["content", "mode", "owner", "gone", "link"])
def test_what_was_changed_since_is_put_back(drift: str) -> None:
    system = System()
    system.run(TOOL)
    node = system.host.files.nodes["/usr/local/bin/tool"]
    if drift == "content":
        system.host.put("/usr/local/bin/tool", "changed", mode=0o755)
    elif drift == "mode":
        node.mode = 0o700
    elif drift == "owner":
        node.uid = 1000
    else:
        system.host.files.remove("/usr/local/bin/tool")
        if drift == "link":
            system.host.files.link("/usr/local/bin/tool", "/etc/passwd")

    assert system.run(TOOL)

    assert system.host.text("/usr/local/bin/tool") == "tool"
    assert system.mode("/usr/local/bin/tool") == 0o755
    assert system.fetched == 2


def test_a_member_that_is_no_longer_named_goes_and_so_does_all_of_another_archive() -> None:
    system = System()
    system.run(TOOL, ArchiveMember(name="bin/other"))

    system.run(TOOL)
    assert system.host.text("/usr/local/bin/other") is None
    assert system.host.text("/usr/local/bin/tool") == "tool"

    carry_out(Plan(steps=()), system.host)
    assert system.host.text("/usr/local/bin/tool") is None


@pytest.mark.parametrize(
    ("data", "member", "code"),
    [
        (b"not an archive", "bin/tool", "MA3641"),
        (packed()[:60], "bin/tool", "MA3641"),
        (packed(), "bin/absent", "MA3642"),
        (packed("gz", linked("a", tarfile.SYMTYPE, "/etc/shadow")), "a", "MA3643"),
        (packed("gz", linked("a", tarfile.LNKTYPE, "bin/tool")), "a", "MA3643"),
        (packed("gz", linked("a", tarfile.DIRTYPE)), "a", "MA3643"),
        (packed("gz", linked("a", tarfile.CHRTYPE)), "a", "MA3643"),
    ],
)
def test_what_cannot_be_unpacked_leaves_what_was_there(data: bytes, member: str, code: str) -> None:
    system = System(data)
    system.host.put("/usr/local/README", "mine")

    with pytest.raises(MachineadmError) as caught:
        system.run(ArchiveMember(name="README"), ArchiveMember(name=member))

    assert caught.value.code == code
    assert system.host.text("/usr/local/README") == "mine"


def test_an_archive_with_another_digest_is_not_even_opened() -> None:
    system = System()

    with pytest.raises(MachineadmError) as caught:
        system.run(TOOL, digest="0" * 64)

    assert caught.value.code == "MA2001"
    assert system.host.text("/usr/local/bin/tool") is None


def test_a_directory_at_the_place_of_a_member_is_not_replaced() -> None:
    system = System()
    system.host.files.make_directory("/usr/local/bin/tool")

    with pytest.raises(MachineadmError) as caught:
        system.run(TOOL)

    assert caught.value.code == "MA3004"
    assert system.fetched == 0


def test_an_image_is_prepared_below_its_root_and_its_machines_fetch_nothing() -> None:
    image: Any = System(host=offline_host())
    assert image.run(TOOL)

    machine = FakeHost(files=image.host.files, state=image.host.state)
    later = System(host=machine)
    archive_is_known = later.run(TOOL)

    assert archive_is_known
    assert later.fetched == 0
