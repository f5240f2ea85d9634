"""The journal: what counts, what does not, and when it is written."""

from __future__ import annotations

import pytest

from machineadm.errors import ConfigError, HostError
from machineadm.execution.journal import JOURNAL, Identity
from tests.fakes.host import FakeHost
from tests.unit.execution.toys import ToyStep, journal_of

STEP = ToyStep("commands/a", set(), once=True)


def durable(host: FakeHost) -> dict[str, bytes]:
    return host.state.state_files


def test_a_done_step_is_known_to_the_next_run() -> None:
    host = FakeHost()
    journal = journal_of(host)
    journal.started(STEP)
    journal.done(STEP)

    assert journal_of(host).finished(STEP)
    assert journal_of(host).run == 2


def test_reading_writes_nothing() -> None:
    host = FakeHost()

    journal_of(host).finished(STEP)

    assert durable(host) == {}


@pytest.mark.parametrize("kept", range(1, 12))
def test_a_torn_last_line_is_no_record_and_is_mended_by_the_next_write(kept: int) -> None:
    host = FakeHost()
    journal = journal_of(host)
    journal.started(STEP)
    whole = len(durable(host)[JOURNAL])
    journal.done(STEP)
    lost = len(durable(host)[JOURNAL]) - whole
    durable(host)[JOURNAL] = durable(host)[JOURNAL][: whole + lost * kept // 12]

    torn = journal_of(host)
    assert torn.unfinished(STEP)
    torn.done(STEP)

    assert journal_of(host).finished(STEP)


def test_even_a_whole_record_does_not_count_before_its_newline() -> None:
    host = FakeHost()
    journal = journal_of(host)
    journal.started(STEP)
    journal.done(STEP)
    durable(host)[JOURNAL] = durable(host)[JOURNAL].rstrip(b"\n")

    assert not journal_of(host).finished(STEP)


def test_a_record_that_a_full_disk_took_in_part_damages_none_after_it() -> None:
    host = FakeHost()
    journal = journal_of(host)
    journal.started(STEP)
    real = host.state.append

    def full(name: str, content: bytes) -> None:
        real(name, content[: len(content) // 2])
        raise HostError("MA3001", "no space left on device")

    host.state.append = full  # type: ignore[method-assign]
    with pytest.raises(HostError):
        journal.done(STEP)
    host.state.append = real  # type: ignore[method-assign]
    journal.failed(STEP)

    assert journal_of(host).last_event(STEP.name) == "failed"


def test_a_full_disk_empties_no_journal_that_was_moved_aside() -> None:
    host = FakeHost()
    journal_of(host, machine_id="other").started(STEP)
    moved = durable(host)[JOURNAL]
    journal = journal_of(host, machine_id="m2")
    real = host.state.append

    def full(name: str, content: bytes) -> None:
        raise HostError("MA3001", f"no space left on device for {name}: {len(content)}")

    host.state.append = full  # type: ignore[method-assign]
    with pytest.raises(HostError):
        journal.started(STEP)
    host.state.append = real  # type: ignore[method-assign]
    journal.started(STEP)

    assert durable(host)["journal-of-other.jsonl"] == moved


def test_damage_in_the_middle_is_an_error_with_a_code() -> None:
    host = FakeHost()
    journal = journal_of(host)
    journal.started(STEP)
    journal.done(STEP)
    header, started, done, _ = durable(host)[JOURNAL].split(b"\n")
    durable(host)[JOURNAL] = b"\n".join([header, started[:-9], done, b""])

    with pytest.raises(HostError) as caught:
        journal_of(host)

    assert caught.value.code == "MA6004"


def test_another_machines_journal_does_not_count_and_is_moved_aside_by_the_first_write() -> None:
    host = FakeHost()
    golden = journal_of(host, machine_id="golden/../image")
    golden.done(STEP)
    content = durable(host)[JOURNAL]

    clone = journal_of(host, machine_id="m2")
    assert not clone.finished(STEP)
    assert durable(host) == {JOURNAL: content}
    clone.done(STEP)

    assert durable(host)["journal-of-goldenimage.jsonl"] == content
    assert journal_of(host, machine_id="m2").finished(STEP)


WORKER = Identity(role="JoinWorker", cluster="blue", endpoint="10.0.0.1:6443", version="v1.34.4")


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("role", Identity(role="Initialize")),
        ("cluster", Identity(role="JoinWorker", cluster="green")),
        ("version", Identity(role="JoinWorker", cluster="blue", version="v1.35.0")),
        ("endpoint", Identity(role="JoinWorker", endpoint="10.0.0.2:6443")),
    ],
)
def test_a_node_becomes_no_other(field: str, asked: Identity) -> None:
    host = FakeHost()
    journal_of(host).succeeded(WORKER)

    with pytest.raises(ConfigError, match=field) as caught:
        journal_of(host).guard(asked)

    assert caught.value.code == "MA6005"


def test_the_same_node_may_be_asked_for_again() -> None:
    host = FakeHost()
    journal_of(host).guard(WORKER)
    journal_of(host).succeeded(WORKER)

    journal_of(host).guard(WORKER)
