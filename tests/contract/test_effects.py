"""Effects laid over a machine and effects done to it are the same to whoever asks, on the fake host and on Linux."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machineadm.actions.perform import perform
from machineadm.errors import HostError, InternalError
from machineadm.host import effects as vocabulary
from machineadm.host.effects import (
    AskPlugin,
    CopyToState,
    DisableUnit,
    Download,
    DropState,
    Effect,
    EnableUnit,
    KeepState,
    LoadModule,
    MakeDirectory,
    MakeLink,
    RemoveDirectory,
    RemoveFile,
    RunProgram,
    SetHostname,
    SetParameter,
    WaitFor,
    WriteFile,
)
from machineadm.host.linux.adapter import linux_host
from machineadm.host.overlay.host import Overlay
from machineadm.host.ports import FileStat, Host
from machineadm.plan.render import describe
from tests.fakes.host import FakeHost, offline_host

PATHS = ("/etc/a", "/etc/b", "/etc/deep/c")
EXAMPLES: dict[type[Effect], Effect] = {
    WriteFile: WriteFile(path="/etc/a", content=b"new\n", mode=0o640),
    RemoveFile: RemoveFile(path="/etc/b"),
    MakeLink: MakeLink(path="/etc/a", target="/etc/b"),
    MakeDirectory: MakeDirectory(path="/var/x", mode=0o700),
    RemoveDirectory: RemoveDirectory(path="/var/empty"),
    LoadModule: LoadModule(module="br-netfilter"),
    SetParameter: SetParameter(name="net/ipv4/ip_forward", value=" 1  2 "),
    SetHostname: SetHostname(hostname="other"),
    EnableUnit: EnableUnit(unit="a.service"),
    DisableUnit: DisableUnit(unit="b.service"),
    KeepState: KeepState(name="x/y.json", content=b"1", durable=True, path="/shown"),
    CopyToState: CopyToState(source="/etc/b", name="copy"),
    DropState: DropState(name="old.json", durable=False),
    RunProgram: RunProgram(title="true", argv=("true",)),
    AskPlugin: AskPlugin(whom="provider vault", what="spec.x", note="would read"),
    WaitFor: WaitFor(condition="clock", budget=1, reason="certificates need it"),
}


IN_NO_GENERAL_WAY: set[type[Effect]] = {RunProgram, AskPlugin}


def kinds() -> set[type[Effect]]:
    found = {one for one in vars(vocabulary).values() if isinstance(one, type)}
    return {one for one in found if issubclass(one, Effect) and one is not Effect}


def test_every_kind_of_effect_has_an_example() -> None:
    assert set(EXAMPLES) == kinds()


def prepared() -> FakeHost:
    host = FakeHost()
    host.put("/etc/a", "old\n")
    host.put("/etc/b", "b\n", mode=0o600)
    host.files.make_directory("/var/empty")
    host.files.made.clear()
    host.services.enabled_units.add("b.service")
    host.state.run_files["old.json"] = b"0"
    return host


def answers(host: Host) -> list[object]:
    """All that a check can ask of what effects change."""
    found: list[object] = []
    for path in (*PATHS, "/var/x", "/var/empty", "/etc/deep"):
        found += [_shown(host.files.stat(path)), host.files.readlink(path)]
        for ask in (host.files.read, host.files.sha256, host.files.sha512):
            try:
                found.append(ask(path))
            except HostError as error:
                found.append(error.code)
        try:
            extended = host.files.read_for_append(path)
            found.append(extended and (extended.content, _shown(extended.stat)))
        except HostError as error:
            found.append(error.code)
    found += [host.files.list("/etc"), host.files.list("/etc/deep"), host.files.list("/var")]
    for name in ("x/y.json", "old.json", "copy"):
        found += [host.state.read(name, durable=True), host.state.read(name, durable=False)]
    if host.kernel is not None:
        found += [host.kernel.loaded("br_netfilter"), host.kernel.sysctl("net.ipv4.ip_forward")]
        found.append(host.kernel.hostname())
    if host.services is not None:
        found += [host.services.enabled("a.service"), host.services.enabled("b.service")]
    return found


def _shown(stat: FileStat | None) -> object:
    if stat is None:
        return None
    size = stat.size if stat.kind.value == "file" else 0
    mode = stat.mode if stat.kind.value != "link" else 0o777
    return stat.kind, mode, size


@pytest.mark.parametrize("kind", sorted(kinds() - IN_NO_GENERAL_WAY, key=str), ids=str)
def test_an_effect_laid_over_is_seen_as_one_that_is_done(kind: type[Effect]) -> None:
    done, real = prepared(), prepared()
    overlay = Overlay(real)

    overlay.lay([EXAMPLES[kind]])
    before = real.mutations()
    perform([EXAMPLES[kind]], done)

    assert answers(overlay.host) == answers(done)
    assert real.mutations() == before == []


@pytest.mark.parametrize("kind", sorted(kinds(), key=str), ids=str)
def test_an_effect_is_shown_in_a_plan_or_its_summary_says_it_all(kind: type[Effect]) -> None:
    in_summary = {LoadModule, SetParameter, SetHostname, DropState}

    assert bool(describe(EXAMPLES[kind])) is (kind not in in_summary)


@pytest.mark.parametrize("kind", sorted(IN_NO_GENERAL_WAY, key=str), ids=str)
def test_what_its_own_step_alone_can_do_is_not_done_in_general(kind: type[Effect]) -> None:
    with pytest.raises(InternalError):
        perform([EXAMPLES[kind]], FakeHost())


CONTENTS = st.sampled_from([b"", b"a\n", b"b" * 70_000])
FILES = st.one_of(
    st.builds(
        WriteFile,
        path=st.sampled_from(PATHS),
        content=CONTENTS,
        mode=st.sampled_from([0o600, 0o644, 0o755]),
    ),
    st.builds(RemoveFile, path=st.sampled_from(PATHS)),
    st.builds(MakeLink, path=st.sampled_from(PATHS), target=st.just("/etc/nothing")),
    st.builds(
        MakeDirectory,
        path=st.just("/etc/deep"),
        mode=st.sampled_from([0o700, 0o755]),
        owner=st.sampled_from([None, (7, 8)]),
    ),
    st.builds(RemoveDirectory, path=st.sampled_from(["/etc/deep", "/etc"])),
)


@pytest.fixture(params=["fake", "linux"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Host, Path | None]]:
    if request.param == "fake":
        yield offline_host(), None
    else:
        yield linux_host(root=str(tmp_path)), tmp_path


@settings(max_examples=40, deadline=None)
@given(effects=st.lists(FILES, max_size=6))
def test_any_effects_on_files_laid_over_are_seen_as_done(effects: list[Effect]) -> None:
    done, real = offline_host(), offline_host()
    overlay = Overlay(real)

    overlay.lay(effects)
    perform(effects, done)

    assert answers(overlay.host)[:-4] == answers(done)[:-4]
    assert real.mutations() == []


def test_files_are_done_as_they_are_laid_over(tree: tuple[Host, Path | None]) -> None:
    host, _ = tree
    effects: list[Effect] = [
        WriteFile(path="/etc/a", content=b"1", mode=0o600),
        WriteFile(path="/etc/b", content=b"2"),
        MakeLink(path="/etc/deep/c", target="../b"),
        MakeDirectory(path="/var/x", mode=0o711),
        RemoveFile(path="/etc/a"),
    ]
    overlay = Overlay(host)
    overlay.lay(effects)
    expected = answers(overlay.host)[:-4]
    perform(effects, host)
    # What a relative link leads to, the overlay does not know.
    seen = answers(host)[:-4]

    assert [a for a in seen if not isinstance(a, bytes)][:4] == [
        a for a in expected if not isinstance(a, bytes)
    ][:4]
    assert host.files.readlink("/etc/deep/c") == overlay.host.files.readlink("/etc/deep/c")
    assert host.files.list("/etc") == overlay.host.files.list("/etc")


def test_the_content_of_a_download_is_not_known_before_it_is_done() -> None:
    overlay = Overlay(FakeHost())
    overlay.lay(
        [WriteFile(path="/bin/tool", content=Download(url="https://x.example/t", sha256="AB"))]
    )

    stat = overlay.host.files.stat("/bin/tool")
    assert stat is not None
    assert overlay.host.files.sha256("/bin/tool") == "ab"
    assert overlay.host.files.sha512("/bin/tool") != overlay.host.files.sha256("/bin/tool")


def test_an_owner_is_kept_by_both() -> None:
    effect = WriteFile(path="/f", content=b"", uid=os.geteuid(), gid=os.getegid())
    done, overlay = FakeHost(), Overlay(FakeHost())
    overlay.lay([effect])
    perform([effect], done)

    a, b = overlay.host.files.stat("/f"), done.files.stat("/f")
    assert a is not None
    assert b is not None
    assert (a.uid, a.gid) == (b.uid, b.gid)
