"""The ledger's file: what a change costs, what a kill or a full disk leaves of it, and no content that nobody refers to."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import pytest

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.api.v1alpha1.commands import Command
from machineadm.errors import HostError
from machineadm.execution.ledger import Ledger, Touch
from machineadm.execution.seen import Seen
from machineadm.host.ports import Host
from machineadm.plan.model import Phase, Plan, Step
from machineadm.steps.commands import plan_commands
from tests.applying import carry_out, context_of
from tests.fakes.host import Call, FakeHost, FakeState
from tests.fakes.killing import Killed, Reaper


class Counting(FakeState):
    """Counts the bytes that are written for the ledger's file."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def write(self, name: str, content: bytes, *, durable: bool) -> None:
        self.bytes += len(content) if name == "ledger.json" else 0
        super().write(name, content, durable=durable)

    def append(self, name: str, content: bytes) -> None:
        self.bytes += len(content) if name == "ledger.json" else 0
        super().append(name, content)


def machine(edits: Callable[[int], str], state: FakeState | None = None) -> FakeHost:
    """A machine whose command number N edits a file."""
    host = FakeHost(state=state or FakeState())

    def edit(call: Call) -> None:
        host.put(edits(int(call.argv[1])), f"{call.argv[1]}\n")

    host.commands.on("edit", effect=edit)
    return host


def plan(commands: int, files: int = 1) -> Plan:
    declared = tuple(PlannedFile(path=f"/etc/f{n}", content=b"declared\n") for n in range(files))
    write = WriteFiles(name="files/write", phase=Phase.PREPARE, files=declared)
    argvs = [Command(argv=("edit", str(number))) for number in range(commands)]
    steps: tuple[Step, ...] = (write, *plan_commands(argvs, Phase.PRE_KUBEADM))
    return Plan(steps=steps, emptied=("/etc/kubernetes/manifests",))


def one_file(number: int) -> str:
    del number
    return "/etc/f0"


def many_files(number: int) -> str:
    return f"/etc/f{number % 10}"


def made(number: int) -> str:
    return f"/etc/kubernetes/manifests/{number % 10}.yaml"


@pytest.mark.parametrize("edits", [one_file, many_files, made])
def test_what_a_touching_command_costs_does_not_grow_with_their_number(
    edits: Callable[[int], str],
) -> None:
    cost = {}
    for count in (100, 1000):
        state = Counting()
        host = machine(edits, state)
        carry_out(plan(count, files=10), host)
        cost[count] = state.bytes / count
        again = context_of(plan(count, files=10), host).ledger
        touches = sum(len(holding.touches) for holding in again.holdings())
        assert touches in (
            count,
            count + 1,
        )  # the directory, made by the first that makes a file there

    assert cost[1000] <= 3 * cost[100]


def test_a_ledger_that_is_written_anew_at_each_change_would_be_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The planted fault."""
    monkeypatch.setattr("machineadm.execution.ledger._SHORTEST", 0)
    monkeypatch.setattr(Ledger, "_left", property(lambda _: 0, lambda *_: None), raising=False)
    with pytest.raises(AssertionError):
        test_what_a_touching_command_costs_does_not_grow_with_their_number(one_file)


def test_what_is_read_is_what_was_noted_whatever_the_number_of_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    for shortest in (0, 1 << 10, 1 << 20):
        monkeypatch.setattr("machineadm.execution.ledger._SHORTEST", shortest)
        host = machine(many_files)
        carry_out(plan(120, files=10), host)
        ledger = context_of(plan(120, files=10), host).ledger
        seen.append((ledger.holdings(), ledger.pending, ledger.room))

    assert seen[0] == seen[1] == seen[2]


def changed(ledger: Ledger, number: int) -> None:
    file = Seen(kind="file", size=1, sha256=f"{number:064}")
    touch = Touch(concern="commands/boot", digest=str(number), name="commands/boot[0]", seen=file)
    holding = ledger.holding("file", "/etc/f0")
    assert holding is not None
    ledger.put_history(holding, len(holding.touches), (touch,))
    ledger.save()


def opened(host: Host) -> Ledger:
    return Ledger(host.state, machine_id="m1", boot_id="b1")


@pytest.fixture
def touched() -> FakeHost:
    """A machine whose ledger has three lines."""
    host = machine(one_file)
    carry_out(plan(1), host)
    ledger = opened(host)
    for number in range(3):
        changed(ledger, number)
    assert host.state.state_files["ledger.json"].count(b"\n") == 3
    return host


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_torn_line_does_not_count_and_is_gone_after_the_next_change(
    kept: int, touched: FakeHost
) -> None:
    whole, last = touched.state.state_files["ledger.json"][:-1].rsplit(b"\n", 1)
    touched.state.state_files["ledger.json"] = whole + b"\n" + last[:kept]

    ledger = opened(touched)
    holding = ledger.holding("file", "/etc/f0")
    assert holding is not None
    assert [touch.digest for touch in holding.touches[1:]] == ["0", "1"]
    changed(ledger, 7)

    holding = opened(touched).holding("file", "/etc/f0")
    assert holding is not None
    assert [touch.digest for touch in holding.touches[1:]] == ["0", "1", "7"]


@pytest.mark.parametrize(
    "line",
    [
        b'{"put": 7}',
        b"{",
        b"",
        b'{"histories":[{"name":"/etc/none"}]}',
        b'{"gone":["00"]}',
        b"\xff",
    ],
)
def test_a_damaged_line_is_an_error_with_a_code(line: bytes, touched: FakeHost) -> None:
    first, *others = touched.state.state_files["ledger.json"].split(b"\n")
    damaged = b"\n".join([first, line, *others])
    touched.state.state_files["ledger.json"] = damaged

    with pytest.raises(HostError) as caught:
        opened(touched)

    assert caught.value.code == "MA6022"
    assert "is damaged: '" not in caught.value.message
    assert touched.state.state_files["ledger.json"] == damaged


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{}", "`ledger`"),
        (b'{"format":1}', "`ledger`"),
        (b'{"ledger":null}', "Expected `int`"),
    ],
)
def test_what_is_damaged_in_a_ledger_is_said(content: bytes, words: str, touched: FakeHost) -> None:
    touched.state.state_files["ledger.json"] = content

    with pytest.raises(HostError) as caught:
        opened(touched)

    assert words in caught.value.message


def test_a_line_that_a_full_disk_took_in_part_is_written_anew(touched: FakeHost) -> None:
    ledger = opened(touched)
    changed(ledger, 7)
    real = touched.state.append

    def full(name: str, content: bytes) -> None:
        real(name, content[: len(content) // 2])
        raise HostError("MA3001", "no space left on device")

    touched.state.append = full  # type: ignore[method-assign]
    with pytest.raises(HostError):
        changed(ledger, 8)
    touched.state.append = real  # type: ignore[method-assign]
    changed(ledger, 9)

    holding = opened(touched).holding("file", "/etc/f0")
    assert holding is not None
    assert [touch.digest for touch in holding.touches[-3:]] == ["7", "8", "9"]


def orphans(host: FakeHost) -> set[str]:
    """Contents that the ledger does not list, and listed ones that are not there."""
    ledger = opened(host)
    return set(host.state.list("kept")) ^ set(ledger.contents)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("edits", [one_file, made])
def test_killed_anywhere_the_next_run_leaves_no_content_that_nobody_refers_to(
    edits: Callable[[int], str], after: bool
) -> None:
    """Also a next run that finds nothing to do: the last thing that was killed may be the removal of a content."""
    reaper, left = Reaper(), 0
    carry_out(plan(3), reaper.over(machine(edits)))
    for at in range(1, reaper.calls + 1):
        host = machine(edits)
        with suppress(Killed):
            carry_out(plan(3), Reaper(at, after=after).over(host))
        left += bool(orphans(host))
        carry_out(plan(3), host)
        assert not orphans(host), at
        before = dict(host.state.state_files)
        carry_out(plan(3), host)
        assert host.state.state_files == before, at
    assert left  # a kill does leave some


def test_contents_of_the_machine_that_this_one_was_cloned_from_go() -> None:
    host = machine(one_file)
    carry_out(plan(3), host, machine_id="m0")
    assert host.state.list("kept")

    carry_out(plan(3), host, machine_id="m1")

    assert not orphans(host)
    assert json.loads(host.state.state_files["ledger.json"].split(b"\n")[0])["machine_id"] == "m1"


def test_a_content_that_cannot_be_removed_fails_no_run_and_goes_with_a_later_one() -> None:
    host = machine(one_file)
    carry_out(plan(3), host)
    host.state.state_files["kept/0000"] = b"orphan"
    real = host.state.remove

    def refuse(name: str, *, durable: bool) -> None:
        del durable
        raise HostError("MA3001", f"cannot remove {name}")

    host.state.remove = refuse  # type: ignore[method-assign]
    carry_out(plan(3), host)
    host.state.remove = real  # type: ignore[method-assign]
    assert host.state.list("kept")

    carry_out(plan(3), host)

    assert not orphans(host)


def test_room_is_given_back_with_the_contents_that_go() -> None:
    host = machine(one_file)
    carry_out(plan(3), host)
    ledger = opened(host)
    used = ledger.room
    ledger.drop("file", "/etc/f0")
    ledger.save()

    assert ledger.room > used
    assert opened(host).room == ledger.room == 16 << 20
