"""The property: a user who races a run gains nothing, and the run ends in time by a code of the table."""

from __future__ import annotations

import os
import random
import re
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from tests.torture.harness import TABLE
from tests.torture.machines import STATE, Machine, facts_of, is_passing

HERE = Path(__file__).parent
MALLORY = 1500
THEIRS = ("home/mallory", "tmp", "var/tmp", "dev")
"""Where an ordinary user may write: what is there proves nothing, but what it holds may."""
CANARY = b"CANARY-OF-"
LONGEST = 60.0
"""Seconds: the deadline of the configuration, ten for its end, and some for the machine's start. A quiet run takes two."""
# The user starts when the file systems are there, and ends with the namespace.
RACE = """\
for n in $SEEDS; do
  chroot "$ROOT" setpriv --reuid=1500 --regid=1500 --clear-groups --no-new-privs \\
    /usr/bin/python3 -IS /usr/local/lib/racer.py "$n" </dev/null >/dev/null 2>&1 &
done
exec timeout --foreground --signal KILL "$LONGEST" "$@"
"""
KILLED = 137
"""What timeout(1) exits with."""


class Race(NamedTuple):
    """How one run was raced, and what came of it."""

    seeds: tuple[int, ...]
    code: int
    error: str
    """The code of the error that ended it; empty for a success."""
    seconds: float
    wrong: tuple[str, ...]
    """What the user gained, or the run did not keep; empty."""


class Shared(Machine):
    """A machine with an ordinary user who has been there before, and secrets of root's.

    Args:
        directory: A scratch directory.
        agent: The packed agent, or what stands for it.
        root: A Debian root.
        cache: What the agent has unpacked before.
        seed: Draws two files of the configuration; None: all. A run that looks at many raced files is refused at one of
            them, and comes no further.
    """

    def __init__(
        self,
        directory: Path,
        agent: Path,
        root: Path,
        cache: Path | None,
        seed: int | None = None,
    ) -> None:
        text = (HERE / "configuration.yaml").read_text()
        if seed is not None:
            text = _with_two_files(text, seed)
        super().__init__(directory, agent, root, text, cache)
        etc = self.upper / "etc"
        etc.mkdir(exist_ok=True)
        etc.chmod(0o755)
        for name, line in {
            "passwd": "mallory:x:1500:1500::/home/mallory:/bin/bash\n",
            "group": "mallory:x:1500:\n",
        }.items():
            (etc / name).write_text((root / "etc" / name).read_text() + line)
            (etc / name).chmod(0o644)
        for place, mode, owner in (
            ("home", 0o755, 0),
            ("home/mallory", 0o755, MALLORY),
            ("root/kept", 0o700, 0),
            ("usr/local", 0o755, 0),
            ("usr/local/lib", 0o755, 0),
            ("usr/local/bin", 0o755, 0),
            ("tmp", 0o1777, 0),
            ("var", 0o755, 0),
            ("var/tmp", 0o1777, 0),
        ):
            path = self.upper / place
            path.mkdir(exist_ok=True)
            path.chmod(mode)
            os.chown(path, owner, owner)
        for name in ("root/kept/secret", "etc/kept-secret"):
            (self.upper / name).write_text("CANARY-OF-THE-MACHINE\n")
            (self.upper / name).chmod(0o600)
        racer = self.upper / "usr/local/lib/racer.py"
        racer.write_text((HERE / "racer.py").read_text())
        racer.chmod(0o644)

    def race(self, *seeds: int) -> subprocess.CompletedProcess[str]:
        """Run while users race, one for each seed."""
        script = f'SEEDS="{" ".join(map(str, seeds))}" LONGEST={LONGEST}\n{RACE}'
        return self.run("bash", "-c", script, "race")


def _with_two_files(text: str, seed: int) -> str:
    configuration = yaml.safe_load(text)
    machine = configuration["spec"]["machine"]
    draw = random.Random(seed)  # noqa: S311 - reproducible by its seed
    machine["files"] = draw.sample(machine["files"], 2)
    if draw.random() < 0.7:
        del machine["linuxConfiguration"]
    return yaml.safe_dump(configuration)


def race(machine: Shared, quiet: dict[str, object], seeds: tuple[int, ...]) -> Race:
    """Race one run, and judge.

    Args:
        machine: A machine that nobody has run on.
        quiet: What a run that nobody raced makes of such a machine, by `outside`.
        seeds: One for each user.
    """
    before = outside(machine)
    started = time.monotonic()
    ended = machine.race(*seeds)
    seconds, code, errors = time.monotonic() - started, ended.returncode, ended.stderr
    wrong = list(_gained(machine, before, quiet))
    if "Traceback" in errors or "MA9001" in errors:
        wrong.append(f"a traceback: {errors[-400:]}")
    if code == KILLED:
        wrong.append(f"it does not end within {LONGEST:.0f} s")
    elif code not in {0, *TABLE}:
        wrong.append(f"exit code {code}: {errors[-400:]}")
    known = re.findall(r"MA[0-9]{4}", errors) if code else []
    return Race(seeds, code, known[-1] if known else "", seconds, tuple(wrong))


def outside(machine: Shared) -> dict[str, object]:
    """The machine but for the user's own places, and what tells of the run."""
    found: dict[str, object] = {}
    for directory, directories, files in os.walk(machine.upper):
        below = Path(directory).relative_to(machine.upper)
        # What is there is not even looked at: it may be a sparse file of 64 GiB.
        directories[:] = [one for one in directories if str(below / one) not in (*THEIRS, STATE)]
        for name in (*directories, *files):
            path = str(below / name)
            if not is_passing(path):
                found[path] = facts_of(machine.upper / path)
    return found


def _gained(machine: Shared, before: dict[str, object], quiet: dict[str, object]) -> Iterator[str]:
    for path, facts in outside(machine).items():
        known = (before.get(path), quiet.get(path), facts_of(machine.lower / path))
        # The run may have ended before it came there: then it is as it was.
        if facts not in known:
            yield f"{path} is {facts!r:.300}"
    loot = machine.upper / "tmp/loot"
    if loot.exists():
        yield f"the user has {loot.read_bytes()[:400]!r}"
    for found, status in _open_to_mallory(machine.upper):
        name = str(found.relative_to(machine.upper))
        if status.st_uid == MALLORY and not _is_below(name, THEIRS):
            yield f"{name} is the user's"
        # A sparse file of the user's is 64 GiB, and its beginning says what it is.
        if stat.S_ISREG(status.st_mode) and name != "tmp/loot" and CANARY in _beginning(found):
            yield f"{name} can be read, and holds a secret"


def _open_to_mallory(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """What the user may read, in directories that they may enter."""
    for entry in os.scandir(directory):
        status = entry.stat(follow_symlinks=False)
        owns = status.st_uid == MALLORY
        may_read = owns or status.st_mode & (0o040 if status.st_gid == MALLORY else 0o004)
        if may_read:
            yield Path(entry.path), status
        # The owner may give themselves the right to enter.
        if stat.S_ISDIR(status.st_mode) and (owns or status.st_mode & 0o001):
            yield from _open_to_mallory(Path(entry.path))


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1 << 16)


def _is_below(path: str, places: tuple[str, ...]) -> bool:
    return path in places or path.startswith(tuple(f"{place}/" for place in places))
