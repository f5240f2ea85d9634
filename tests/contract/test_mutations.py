"""Damaged files end in coded problems or in a configuration: never in a trace, a crash or a long wait."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from resource import RLIMIT_AS, setrlimit
from signal import ITIMER_PROF, SIGPROF, setitimer, signal

import pytest

from machineadm.agent.intake import examine
from machineadm.codes import load
from machineadm.sources.stream import Stream
from tests.contract.mutations import mutants

HANGS = 60
"""Seconds of a processor after which nothing will come."""
FAST = 2
REFERENCES = 40
"""What takes longer than FAST may still take so many times what `reference` takes on the machine as it is now: 0.05 s
on an idle one."""
MEMORY = 1 << 30
PROBLEM = re.compile(r"^(<stdin>|\S+):\d+:\d+: (MA\d{4}) .+$", re.MULTILINE)


@contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in what takes more time of a processor, once it returns to Python."""

    def bark(*_: object) -> None:
        raise TimeoutError(f"longer than {seconds} s")

    before = signal(SIGPROF, bark)
    setitimer(ITIMER_PROF, seconds)
    try:
        yield
    finally:
        setitimer(ITIMER_PROF, 0)
        signal(SIGPROF, before)


def reference() -> float:
    """Seconds of a processor for a fixed piece of work: more where others slow the processor down."""
    started = time.process_time()
    assert len({str(number) for number in range(200_000)}) == 200_000
    return time.process_time() - started


def assert_in_time(seconds: float) -> None:
    if seconds > FAST:
        allowed = REFERENCES * max(reference() for _ in range(5))
        assert seconds < allowed, f"took {seconds:.1f} s where {allowed:.1f} s are allowed"


def examined(data: bytes) -> list[str]:
    """The codes of what is wrong with a file."""
    started = time.process_time()
    with watchdog(HANGS):
        intake = examine([Stream(name="damaged.yaml", data=data)])
    assert_in_time(time.process_time() - started)
    for problem in intake.problems:
        assert "\n" not in problem.message
        assert problem.line >= 1
        assert problem.column >= 1
    return [problem.code for problem in intake.problems]


def batch(seed: int) -> None:
    known = set(load())
    for data in mutants(1000, seed=seed):
        try:
            codes = set(examined(data))
        except Exception as error:
            raise AssertionError(f"{error!r} for {data!r}") from error
        # MA1199: a verdict of msgspec's that the search for problems does not explain.
        assert codes <= known - {"MA1199"}, data


@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_damaged_files_raise_nothing(seed: int) -> None:
    batch(seed)


def test_the_damage_reaches_every_part_of_reading() -> None:
    codes = {code for data in mutants(1500, seed=99) for code in examined(data)}

    expected = {
        "MA1003", "MA1004", "MA1005", "MA1006", "MA1009", "MA1014", "MA1101", "MA1102", "MA1103",
        "MA1104", "MA1105", "MA1107", "MA1108", "MA1202", "MA1203", "MA1204", "MA1205", "MA1206",
        "MA1208",
    }  # fmt: skip
    assert expected - codes == set()
    # No verdict of msgspec's that the search for problems would not explain.
    assert "MA1199" not in codes


def test_a_long_wait_is_noticed() -> None:
    with pytest.raises(TimeoutError), watchdog(0.05):
        [None for _ in iter(int, 1)]
    with pytest.raises(AssertionError, match="allowed"):
        assert_in_time(FAST + 100 * REFERENCES * reference())


# ------------------------------------------------------------------ in processes of their own


def validate(
    data: bytes, *options: str, command: Sequence[str] = ()
) -> subprocess.CompletedProcess[bytes]:
    """Run the command line on a file; too long, or too much memory, is an error of the test."""
    return subprocess.run(
        [*(command or [sys.executable, "-m", "machineadm"]), "validate", "--path", "-", *options],
        input=data,
        capture_output=True,
        check=False,
        timeout=2 * HANGS,
        env={**os.environ, "MACHINEADM_DEBUG": "1"},
        preexec_fn=lambda: setrlimit(RLIMIT_AS, (MEMORY, MEMORY)),
    )


def is_sound(outcome: subprocess.CompletedProcess[bytes]) -> bool:
    """Nothing on standard error, and exit 0 with that said or exit 3 with problems."""
    if outcome.stderr:
        return False
    if outcome.returncode == 0:
        return outcome.stdout == b"machineadm: no problems in <stdin>\n"
    return outcome.returncode == 3 and PROBLEM.search(outcome.stdout.decode()) is not None


def test_two_hundred_damaged_files_end_in_an_exit_code_each() -> None:
    files = list(mutants(200, seed=1234))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = list(pool.map(validate, files))

    bad = [(one, data) for one, data in zip(outcomes, files, strict=True) if not is_sound(one)]
    assert bad == []
    assert {one.returncode for one in outcomes} >= {3}


HEAD = b"apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: MachineConfiguration\nspec:\n"
DEEP = 1_000_000
LARGE = 16 * 1024 * 1024


def aliases() -> bytes:
    """Each line names the one before it nine times."""
    lines = [
        b"%c: &%c [%s]\n" % (name, name, b",".join([b"*%c" % before] * 9))
        for before, name in zip(b"abcdefg", b"bcdefgh", strict=True)
    ]
    return b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(lines)


BOMBS: dict[str, Callable[[], bytes]] = {
    "aliases in 300 bytes": aliases,
    "1,000,000 brackets": lambda: b"[" * DEEP,
    "1,000,000 braces": lambda: b"a: " + b"{a: " * DEEP,
    "1,000,000 dashes": lambda: b"- " * DEEP,
    "1,000,000 question marks": lambda: b"? " * DEEP,
    "1,000,000 maps of JSON": lambda: b'{"a":' * DEEP,
    "1,000,000 lists of JSON": lambda: b'{"a":' + b"[" * DEEP,
    "2,000 indented lines": lambda: b"".join(b" " * level + b"a:\n" for level in range(2000)),
    "16 MiB of one line": lambda: b"a: ".ljust(LARGE, b"x"),
    "16 MiB of commas": lambda: b"[".ljust(LARGE, b","),
    "16 MiB of small values": lambda: b"[" + b"1," * (LARGE // 2 - 1),
    "16 MiB of quotes": lambda: b'"' * LARGE,
    "16 MiB of markers": lambda: b"---\n" * (LARGE // 4),
    "16 MiB of JSON documents": lambda: b"{}" * (LARGE // 2),
    "16 MiB of colons": lambda: b": " * (LARGE // 2),
    "16 MiB of blanks": lambda: b" " * LARGE,
    "16 MiB of anchors": lambda: b"- &a\n" * (LARGE // 5),
    "90,000 unknown fields": lambda: HEAD + b"".join(b"  k%d: x\n" % n for n in range(90_000)),
    "one key 90,000 times": lambda: HEAD + b"  k: x\n" * 90_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_within_the_time(name: str) -> None:
    assert examined(BOMBS[name]())


def test_the_alias_bomb_is_small() -> None:
    assert len(aliases()) < 350


@pytest.mark.parametrize(
    "name", ["aliases in 300 bytes", "1,000,000 brackets", "1,000,000 maps of JSON"]
)
def test_a_bomb_ends_its_process_with_exit_code_3(name: str) -> None:
    outcome = validate(BOMBS[name](), "--output", "json")

    assert outcome.returncode == 3
    assert json.loads(outcome.stdout)["problems"][0]["code"].startswith("MA10")


@pytest.mark.parametrize(
    "script",
    [
        "raise SystemExit(70)",
        "print('x:1:1: MA1005 y'); 1/0",
        "import os; os.abort()",
        "print('fine')",
    ],
    ids=["an exit code of its own", "a trace", "a crash", "an output without a problem"],
)
def test_an_agent_that_breaks_would_be_found(script: str) -> None:
    assert not is_sound(validate(b"", command=[sys.executable, "-c", script]))


if __name__ == "__main__":
    # python -m tests.contract.test_mutations FIRST LAST: a thousand files for each seed, as a longer search.
    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        started = time.perf_counter()
        batch(seed)
        print(seed, f"{time.perf_counter() - started:.1f} s", flush=True)
