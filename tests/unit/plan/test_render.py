"""A plan in print: diffs as everybody knows them, no secret, no control character."""

from __future__ import annotations

import json

from machineadm.actions.files import WriteFiles
from machineadm.host.effects import WriteFile
from machineadm.plan.look import Look, Standing
from machineadm.plan.model import Phase, Work
from machineadm.plan.render import MOST_LINES, describe, render_json, render_text
from machineadm.redaction import Redactor, Secret


def seen(*effects: WriteFile, standing: Standing = Standing.TO_DO, summary: str = "") -> Look:
    step = WriteFiles(name="files/write", phase=Phase.PREPARE, files=())
    return Look(step=step, standing=standing, work=Work(summary=summary, effects=effects))


def shown(looks: tuple[Look, ...], redactor: Redactor, *, colour: bool = False) -> str:
    return "".join(render_text(looks, redactor, colour=colour))


def test_a_changed_file_is_a_unified_diff() -> None:
    change = WriteFile(path="/etc/motd", before=b"one\ntwo\n", content=b"one\nthree\n", note="0644")

    assert describe(change) == [
        "--- /etc/motd",
        "+++ /etc/motd  (0644)",
        "@@ -1,2 +1,2 @@",
        " one",
        "-two",
        "+three",
    ]


def test_a_new_file_comes_from_nowhere() -> None:
    assert describe(WriteFile(path="/etc/motd", before=None, content=b"one\n")) == [
        "--- /dev/null",
        "+++ /etc/motd",
        "@@ -0,0 +1 @@",
        "+one",
    ]


def test_a_missing_last_newline_is_told() -> None:
    lines = describe(WriteFile(path="/a", before=b"one\n", content=b"one"))

    assert lines[-1] == "+\\ No newline at end of file"


def test_a_sensitive_file_shows_that_it_changes_and_not_how() -> None:
    change = WriteFile(path="/etc/key", before=b"old-key", content=b"new-key", sensitive=True)

    text = shown((seen(change),), Redactor())

    assert "/etc/key" in text
    assert "***" in text
    assert "key\n-" not in text
    assert "old-key" not in text
    assert "new-key" not in text
    assert "new-key" not in render_json((seen(change),), Redactor())


def test_a_secret_in_a_file_that_is_not_sensitive_is_masked() -> None:
    change = WriteFile(path="/etc/env", before=None, content=b"TOKEN=s3cr3t\n")
    redactor = Redactor([Secret("s3cr3t")])

    assert "+TOKEN=***" in shown((seen(change),), redactor)
    assert "s3cr3t" not in render_json((seen(change),), redactor)


def test_control_characters_of_a_file_never_reach_the_terminal() -> None:
    change = WriteFile(path="/etc/motd", before=None, content=b"\x1b]0;owned\x07\xc2\x9b31m\r\n")

    text = shown((seen(change, summary="a\x1bb"),), Redactor())

    assert not {character for character in text if ord(character) < 32} - {"\n"}
    assert "\\x1b]0;owned\\x07\\x9b31m\\r" in text


def test_binary_and_very_long_files_are_told_by_their_size() -> None:
    binary = describe(WriteFile(path="/a", before=None, content=b"\xff\xfe"))
    long = describe(WriteFile(path="/a", before=b"x\n" * 9, content=b"y\n" * (MOST_LINES + 1)))

    assert binary[-1] == "@@ binary, 0 bytes before, 2 after @@"
    assert long[-1].startswith("@@ 18 bytes before")


def test_the_headline_counts() -> None:
    plan = (
        seen(standing=Standing.IN_PLACE),
        seen(standing=Standing.DEFERRED),
        seen(summary="1 of 2 files differs"),
    )

    text = shown(plan, Redactor())

    assert text.splitlines()[0] == "Plan: 3 steps: 1 to do, 1 in place, 1 deferred"
    assert "   3. files/write  to do: 1 of 2 files differs" in text
    assert json.loads(render_json(plan, Redactor()))["toDo"] == 1


def test_only_a_terminal_gets_colours() -> None:
    change = WriteFile(path="/a", before=None, content=b"one\n")

    assert "\x1b[32m+one" in shown((seen(change),), Redactor(), colour=True)
    assert "\x1b" not in shown((seen(change),), Redactor())
