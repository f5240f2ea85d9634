"""The step that puts files in place."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machineadm.actions import files as files_module
from machineadm.actions.files import PlannedFile, WriteFiles, appended
from machineadm.errors import HostError, StepError, VerificationError
from machineadm.execution.looking import look
from machineadm.host.effects import Download, WriteFile
from machineadm.plan.look import anything_to_do
from machineadm.plan.model import Change, Phase, Plan
from machineadm.redaction import Secret
from tests.applying import apply, carry_out, context_of
from tests.fakes.host import FakeFiles, FakeHost

URL = "https://files.example/tool"
SHA = {n: hashlib.sha256(b"%d" % n).hexdigest() for n in (1, 2)}


def step(*files: PlannedFile) -> WriteFiles:
    return WriteFiles(name="files/write", phase=Phase.PREPARE, files=files)


def writes(one: WriteFiles, host: FakeHost) -> list[WriteFile]:
    """What its check would write."""
    return [effect for effect in one.check(host).effects if isinstance(effect, WriteFile)]


def file(
    path: str = "/etc/app.conf", content: bytes | Download = b"a\n", **more: object
) -> PlannedFile:
    return PlannedFile(path=path, content=content, **more)  # type: ignore[arg-type]


def test_second_run_changes_nothing() -> None:
    host = FakeHost()
    write = step(file(mode=0o600, owner="nobody:nogroup"), file("/srv/x", b""))

    assert write.check(host).summary == "2 of 2 files differ"
    assert apply(write, host).change is Change.CHANGED
    host.files.written.clear()
    assert write.check(host).change is Change.ALREADY_IN_PLACE
    assert apply(write, host).change is Change.ALREADY_IN_PLACE
    assert host.files.written == []


def test_only_what_differs_is_written() -> None:
    host = FakeHost()
    host.put("/a", "a\n")
    host.put("/b", "other\n")
    apply(step(file("/a"), file("/b"), file("/c")), host)

    assert host.files.written == ["/b", "/c"]


@pytest.mark.parametrize(
    ("mode", "uid", "note"),
    [(0o600, 0, "mode 0600 -> 0644"), (0o644, 5, "owner 5:0 -> root:root")],
)
def test_a_wrong_mode_or_owner_is_mended_and_noted(mode: int, uid: int, note: str) -> None:
    host = FakeHost()
    host.files.put("/etc/app.conf", b"a\n", mode=mode, uid=uid)
    write = step(file())

    (change,) = writes(write, host)
    assert (change.note, change.before, change.content) == (note, b"a\n", None)
    apply(write, host)
    stat = host.files.stat("/etc/app.conf")
    assert stat is not None
    assert (stat.mode, stat.uid, host.text("/etc/app.conf")) == (0o644, 0, "a\n")


def test_a_link_is_replaced_and_noted() -> None:
    host = FakeHost()
    host.put("/etc/real", "a\n")
    host.files.put_link("/etc/app.conf", "real")
    write = step(file())

    assert writes(write, host)[0].note == "a link is replaced by a file"
    apply(write, host)
    assert write.check(host).change is Change.ALREADY_IN_PLACE


def test_a_directory_or_device_in_the_way_is_found_before_anything_is_written() -> None:
    host = FakeHost()
    host.files.special("/dev/null")

    with pytest.raises(StepError) as caught:
        apply(step(file("/a"), file("/dev/null")), host)
    assert caught.value.code == "MA3004"
    assert host.files.written == []


def test_an_unknown_owner_is_shown_in_the_plan_and_refused_before_anything_is_written() -> None:
    host = FakeHost()
    write = step(file("/a"), file("/b", owner="etcd:etcd"))

    assert writes(write, host)[1].note == "there is no user 'etcd' yet"
    with pytest.raises(StepError) as caught:
        apply(write, host)
    assert caught.value.code == "MA3011"
    assert host.files.written == []

    host.accounts.users["etcd"] = host.accounts.groups["etcd"] = 999
    assert apply(write, host).change is Change.CHANGED


def test_a_user_alone_brings_its_login_group() -> None:
    host = FakeHost()
    apply(step(file(owner="nobody")), host)

    stat = host.files.stat("/etc/app.conf")
    assert stat is not None
    assert (stat.uid, stat.gid) == (65534, 65534)


def test_an_owner_that_cannot_be_given_is_deferred_and_setuid_with_it() -> None:
    host = FakeHost(files=FakeFiles(uid=1000))
    write = step(file(mode=0o4755), file("/mine", owner="1000:1000"))

    outcome = apply(write, host)
    assert outcome.deferred == ("owner root:root of /etc/app.conf",)
    stat = host.files.stat("/etc/app.conf")
    assert stat is not None
    assert (stat.mode, stat.uid) == (0o755, 1000)
    again = write.check(host)
    assert again.change is Change.ALREADY_IN_PLACE
    assert again.deferred == outcome.deferred


@pytest.mark.parametrize(
    ("planned", "hidden"),
    [
        (file(mode=0o600), True),
        (file(mode=0o640), False),
        (file(mode=0o644, sensitive=True), True),
    ],
)
def test_what_others_may_not_read_is_not_shown(planned: PlannedFile, hidden: bool) -> None:
    assert writes(step(planned), FakeHost())[0].sensitive is hidden


def test_what_a_link_leads_to_is_not_shown() -> None:
    host = FakeHost()
    host.put("/root/key", "password\n", mode=0o600)
    host.files.put_link("/etc/app.conf", "/root/key")

    assert writes(step(file()), host)[0].sensitive


def test_a_file_too_large_to_be_ours_is_replaced_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_module, "LARGEST", 100)
    host = FakeHost()
    host.put("/etc/app.conf", bytes(101))
    (change,) = writes(step(file()), host)

    assert (change.before, change.note) == (None, "replaces 101 bytes")
    apply(step(file()), host)
    assert host.text("/etc/app.conf") == "a\n"


def test_content_that_was_private_until_now_is_not_shown() -> None:
    host = FakeHost()
    host.put("/etc/app.conf", "password\n", mode=0o600)

    assert writes(step(file()), host)[0].sensitive


@pytest.mark.parametrize(
    ("existing", "content", "result"),
    [
        (b"", b"a\n", b"a\n"),
        (b"x\n", b"a\n", b"x\na\n"),
        (b"x", b"a\n", b"x\na\n"),
        (b"x", b"\na\n", b"x\na\n"),
        (b"x\na\ny\n", b"a\n", b"x\na\ny\n"),
        (b"x\na", b"a\n", b"x\na"),
        (b"a\nb\n", b"a\nb", b"a\nb\n"),
        (b"ba\n", b"a\n", b"ba\na\n"),
        (b"ab\n", b"a", b"ab\na"),
        (b"x\n", b"", b"x\n"),
    ],
)
def test_appending_adds_whole_lines_unless_they_are_there(
    existing: bytes, content: bytes, result: bytes
) -> None:
    assert appended(existing, content) == result
    assert appended(result, content) == result


def test_what_is_appended_leaves_owner_and_mode_unless_told() -> None:
    host = FakeHost()
    host.files.put("/etc/app.conf", b"x\n", mode=0o600, uid=7, gid=8)
    host.files.nodes["/etc"].uid = 7
    apply(step(file(append=True, mode=None, owner=None)), host)

    stat = host.files.stat("/etc/app.conf")
    assert stat is not None
    assert (stat.mode, stat.uid, stat.gid) == (0o600, 7, 8)
    assert host.text("/etc/app.conf") == "x\na\n"


def test_what_is_appended_to_and_given_away_can_be_appended_to_again() -> None:
    host = FakeHost()
    files = (file(append=True, owner=None), file(content=b"b\n", append=True, owner="1:2"))
    apply(step(*files), host)
    apply(step(*files, file(content=b"c\n", append=True, owner="1:2")), host)

    assert host.text("/etc/app.conf") == "a\nb\nc\n"


def test_what_a_stranger_put_into_roots_directory_is_not_appended_to() -> None:
    host = FakeHost()
    host.files.put("/etc/app.conf", b"x\n", uid=7)

    with pytest.raises(HostError) as caught:
        step(file(append=True, owner="1:2")).check(host)
    assert caught.value.code == "MA3015"


def test_a_link_is_not_appended_to_and_not_read_to_be_replaced() -> None:
    host = FakeHost()
    host.put("/etc/shadow", "secret\n", mode=0o600)
    host.files.put_link("/etc/app.conf", "shadow", uid=7)

    with pytest.raises(HostError) as caught:
        step(file(append=True)).check(host)
    assert caught.value.code == "MA3004"
    replacing = step(file(content=b"new\n"))
    (change,) = writes(replacing, host)
    assert (change.before, change.content) == (None, b"new\n")
    apply(replacing, host)
    assert (host.text("/etc/app.conf"), host.text("/etc/shadow")) == ("new\n", "secret\n")


@pytest.mark.parametrize("append", [True, False])
def test_a_file_that_only_gets_another_mode_is_not_copied_from_what_lies_there_by_then(
    append: bool,
) -> None:
    host = FakeHost()
    host.put("/etc/app.conf", "a\n", mode=0o600)
    write = step(file(append=append))
    work = write.check(host)
    host.files.put_link("/etc/app.conf", "shadow")
    host.put("/etc/shadow", "secret\n", mode=0o600)
    write.apply(host, work)

    assert host.text("/etc/app.conf") == "a\n"


def test_a_download_that_only_gets_another_mode_is_checked_again_before_it_is_copied() -> None:
    host = FakeHost()
    tool = Download(url=URL, sha256=hashlib.sha256(b"tool").hexdigest())
    host.fetch.bodies[URL] = b"tool"
    write = step(file("/bin/tool", tool, mode=0o755))
    host.put("/bin/tool", "tool", mode=0o644)
    apply(write, host)
    stat = host.files.stat("/bin/tool")
    assert stat is not None
    assert (stat.mode, host.fetch.fetched) == (0o755, [])

    host.put("/bin/tool", "tool", mode=0o644)
    work = write.check(host)
    host.put("/bin/tool", "evil", mode=0o644)
    write.apply(host, work)
    assert host.text("/bin/tool") == "tool"


def test_a_file_that_appending_makes_is_roots() -> None:
    host = FakeHost()
    apply(step(file(append=True, mode=None, owner=None)), host)

    stat = host.files.stat("/etc/app.conf")
    assert stat is not None
    assert (stat.mode, stat.uid) == (0o644, 0)


def test_several_entries_with_one_path_act_in_order_as_one_change() -> None:
    host = FakeHost()
    host.put("/etc/app.conf", "old\n")
    write = step(file(content=b"a\n"), file(content=b"b\n", append=True, mode=0o640))

    (change,) = writes(write, host)
    assert (change.before, change.content) == (b"old\n", b"a\nb\n")
    apply(write, host)
    assert host.files.written == ["/etc/app.conf"]
    assert write.check(host).change is Change.ALREADY_IN_PLACE


PIECES = st.binary(max_size=6).map(lambda b: b.replace(b"\x00", b"\n").replace(b"\x01", b"a"))
TEXTS = st.text("ab\n", max_size=6).map(str.encode) | PIECES
ENTRIES = st.lists(
    st.builds(
        PlannedFile,
        path=st.sampled_from(["/a", "/b"]),
        content=TEXTS,
        mode=st.sampled_from([0o600, 0o644, None]),
        owner=st.sampled_from(["root:root", "1:2", None]),
        append=st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@given(entries=ENTRIES, existing=st.none() | TEXTS)
def test_any_sequence_of_writes_and_appends_is_safe_to_repeat(
    entries: list[PlannedFile], existing: bytes | None
) -> None:
    host = FakeHost()
    if existing is not None:
        host.files.put("/a", existing, mode=0o640, gid=3)
    write = step(*entries)
    promised = {change.path: change.content for change in writes(write, host)}
    apply(write, host)
    after = dict(host.files.nodes)

    for path, content in promised.items():
        if content is not None:
            assert host.files.read(path) == content
    assert write.check(host).change is Change.ALREADY_IN_PLACE
    assert apply(write, host).change is Change.ALREADY_IN_PLACE
    assert host.files.nodes == after


def download(body: bytes, **more: object) -> Download:
    return Download(url=URL, sha256=hashlib.sha256(body).hexdigest(), **more)  # type: ignore[arg-type]


def test_a_download_is_made_once_with_its_headers() -> None:
    host = FakeHost()
    host.fetch.bodies[URL] = b"tool"
    write = step(file("/bin/tool", download(b"tool", headers={"X-Key": Secret("k")}), mode=0o755))

    assert isinstance(writes(write, host)[0].content, Download)
    assert host.fetch.fetched == []
    apply(write, host)
    assert host.text("/bin/tool") == "tool"
    assert write.check(host).change is Change.ALREADY_IN_PLACE
    assert host.fetch.fetched == [(URL, {"X-Key": "k"})]


def test_a_download_with_a_wrong_mode_alone_is_not_made_again() -> None:
    host = FakeHost()
    host.put("/bin/tool", "tool", mode=0o644)
    apply(step(file("/bin/tool", download(b"tool"), mode=0o755)), host)

    stat = host.files.stat("/bin/tool")
    assert stat is not None
    assert stat.mode == 0o755
    assert host.fetch.fetched == []


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_download_with_a_wrong_digest_never_gets_its_name(algorithm: str) -> None:
    host = FakeHost()
    host.put("/bin/tool", "old")
    host.fetch.bodies[URL] = b"evil"
    digests = {algorithm: hashlib.new(algorithm, b"tool").hexdigest()}

    with pytest.raises(VerificationError) as caught:
        apply(step(file("/bin/tool", Download(url=URL, **digests))), host)  # type: ignore[arg-type]
    assert caught.value.code == "MA2001"
    assert host.text("/bin/tool") == "old"


def test_a_download_whose_connection_broke_is_begun_anew() -> None:
    host = FakeHost()
    host.fetch.bodies[URL] = [b"to", HostError("MA3103", "broke")]

    def fix(seconds: float) -> None:
        host.fetch.bodies[URL] = b"tool"
        FakeHost().clock.sleep(seconds)

    host.clock.sleep = fix  # type: ignore[method-assign]
    apply(step(file("/bin/tool", download(b"tool"))), host)

    assert host.text("/bin/tool") == "tool"


def test_a_download_that_keeps_breaking_fails() -> None:
    host = FakeHost()
    host.fetch.bodies[URL] = [HostError("MA3103", "broke")]

    with pytest.raises(HostError, match="broke"):
        apply(step(file("/bin/tool", download(b"tool"))), host)
    assert len(host.fetch.fetched) == 3


def test_a_download_without_a_digest_is_fetched_once_and_no_check_fetches_it() -> None:
    host = FakeHost()
    host.fetch.bodies[URL] = b"1"
    plan = Plan(steps=(step(file("/f", Download(url=URL))),))

    carry_out(plan, host)
    assert not anything_to_do(look(context_of(plan, host)))
    carry_out(plan, host)

    assert len(host.fetch.fetched) == 1


def test_a_download_without_a_digest_is_fetched_again_where_the_file_is_another() -> None:
    host = FakeHost()
    host.fetch.bodies[URL] = b"1"
    plan = Plan(steps=(step(file("/f", Download(url=URL))),))
    carry_out(plan, host)
    host.put("/f", b"somebody's")

    carry_out(plan, host)

    assert host.text("/f") == "1"


def test_a_download_that_fails_costs_no_other() -> None:
    host = FakeHost()
    host.fetch.bodies = {"https://a/1": b"1", "https://a/2": [HostError("MA3104", "404")]}
    write = step(
        file("/plain"),
        *(file(f"/{n}", Download(url=f"https://a/{n}", sha256=SHA[n])) for n in (1, 2)),
    )

    with pytest.raises(HostError, match="404"):
        apply(write, host)
    assert host.files.written == ["/1"]
    host.fetch.bodies["https://a/2"] = b"2"
    apply(write, host)
    assert [url for url, _ in host.fetch.fetched].count("https://a/1") == 1
    assert host.files.written == ["/1", "/2", "/plain"]


def test_appending_a_download_is_refused() -> None:
    with pytest.raises(StepError) as caught:
        step(file("/f", download(b"x"), append=True)).check(FakeHost())
    assert caught.value.code == "MA3012"


@pytest.mark.parametrize(
    "other",
    [
        file(content=b"b\n"),
        file(path="/other"),
        file(mode=0o600),
        file(owner="1:1"),
        file(append=True),
        file(content=download(b"a\n")),
    ],
)
def test_whatever_shapes_the_files_shapes_the_digest(other: PlannedFile) -> None:
    assert step(file()).digest() == step(file()).digest()
    assert step(file()).digest() != step(other).digest()
