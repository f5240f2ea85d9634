"""`machineadm plugin fix`: two fixes, a diff, the same again changes nothing, and what is not ours to change is refused."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from machineadm.cli.main import main
from machineadm.errors import PluginError
from machineadm.plugins.inspection.fixing import fixed, wanted

PLUGIN = """#!/usr/bin/env python3
from machineadm.plugins.sdk import EncryptionProvider, serve


class Files(EncryptionProvider):
    pass


serve(Files())
"""
OTHER = "print('nothing of plugins')\n"


def project(dependencies: str) -> str:
    return f'[build-system]\nrequires = ["hatchling"]\n\n[project]\nname = "x"\n{dependencies}\n[tool.x]\na = 1\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("dependencies = []\n", 'dependencies = ["WANT"]\n'),
        ('dependencies = ["a>=1"]\n', 'dependencies = ["a>=1", "WANT"]\n'),
        ('dependencies = [\n    "a",\n]\n', 'dependencies = [\n    "a",\n    "WANT",\n]\n'),
        ('dependencies = [\n  "a"\n]\n', 'dependencies = [\n  "a",\n  "WANT",\n]\n'),
        ('dependencies = ["machineadm>=0.0.1,<0.1"]\n', 'dependencies = ["WANT"]\n'),
        ("dependencies = ['machineadm', 'b']\n", "dependencies = ['WANT', 'b']\n"),
        ('dependencies = ["machineadm-extra"]\n', 'dependencies = ["machineadm-extra", "WANT"]\n'),
        ('dependencies = ["WANT"]\n', 'dependencies = ["WANT"]\n'),
        ('version = "1"\n', 'version = "1"\ndependencies = ["WANT"]\n'),
        (
            'dynamic = ["version"]\nkeywords = ["dependencies"]\n',
            'dynamic = ["version"]\nkeywords = ["dependencies"]\ndependencies = ["WANT"]\n',
        ),
    ],
)
def test_the_dependency_on_the_sdk_is_added_or_raised(before: str, after: str) -> None:
    given = project(before.replace("WANT", wanted()))
    files = {"pyproject.toml": given, "plugin": PLUGIN}
    found = {**files, **fixed(files)}

    assert found["pyproject.toml"] == project(after.replace("WANT", wanted()))
    assert fixed(found) == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('["machineadm>=0.1,<0.2"]', "[]"),
        ('["a", "machineadm>=0.1,<0.2"]', '["a"]'),
        ('["machineadm>=0.1,<0.2", "a"]', '["a"]'),
        ('[\n    "machineadm",\n    "a",\n]', '[\n    "a",\n]'),
        ('[\n    "a",\n    "machineadm",\n    "b",\n]', '[\n    "a",\n    "b",\n]'),
        ('["a"]', '["a"]'),
        ('[\n    # ä€\n    "a",\n    "machineadm",\n]', '[\n    # ä€\n    "a",\n]'),
        ('[\n    # öüä\n    "machineadm",\n    "b",\n]', '[\n    # öüä\n    "b",\n]'),
        ('["ümläut", "machineadm", "b"]', '["ümläut", "b"]'),
    ],
)
def test_the_dependency_goes_where_nothing_uses_the_sdk(before: str, after: str) -> None:
    files = {"pyproject.toml": project(f"dependencies = {before}\n"), "x.py": OTHER}
    found = {**files, **fixed(files)}

    assert found["pyproject.toml"] == project(f"dependencies = {after}\n")
    assert fixed(found) == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "WANT\n"),
        ("a==1\n", "a==1\nWANT\n"),
        ("a==1", "a==1\nWANT\n"),
        ("machineadm>=0.0.1,<0.1  # the SDK\nb\n", "WANT  # the SDK\nb\n"),
        ("machineadm\n", "WANT\n"),
    ],
)
def test_requirements_are_fixed_where_there_is_no_pyproject(before: str, after: str) -> None:
    files = {"requirements.txt": before, "plugin": PLUGIN}
    found = {**files, **fixed(files)}

    assert found["requirements.txt"] == after.replace("WANT", wanted())
    assert fixed(found) == {}


@pytest.mark.parametrize(
    "pin",
    [
        "machineadm==0.0.9",
        "machineadm @ git+https://example.com/fork",
        "machineadm~=0.0.9",
        "machineadm[controller]>=0.1,<0.2",
        "machineadm>=0.1,<0.2; python_version > '3'",
        "machineadm>=0.0.9",
    ],
)
@pytest.mark.parametrize("listing", ["pyproject.toml", "requirements.txt"])
def test_a_foreign_pin_is_refused(pin: str, listing: str) -> None:
    text = project(f'dependencies = ["{pin}"]\n') if listing == "pyproject.toml" else f"{pin}\n"
    if "'" in pin and listing == "pyproject.toml":
        text = text.replace("'3'", "3")
    with pytest.raises(PluginError) as caught:
        fixed({listing: text, "plugin": PLUGIN})

    assert caught.value.code == "MA7256"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("serve(Files(), encodings=(1,))", "serve(Files())"),
        ("serve(Files(), encodings=[1])", "serve(Files())"),
        ("serve(Files(), encodings=(JSON,))", "serve(Files())"),
        ("serve(encodings=(1,), *kinds)", "serve(*kinds)"),
        ("serve(\n    Files(),\n    encodings=(1,),\n)", "serve(\n    Files(),\n)"),
        ("sdk.serve(Files('ü'), encodings=(1,))", "sdk.serve(Files('ü'))"),
        ("serve(Files(), encodings=(1, 2))", "serve(Files(), encodings=(1, 2))"),
        ("other(Files(), encodings=(1,))", "other(Files(), encodings=(1,))"),
        ("serve(Files(), encodings=mine)", "serve(Files(), encodings=mine)"),
    ],
)
def test_the_old_encoding_alone_goes_from_serve(before: str, after: str) -> None:
    files = {
        "pyproject.toml": project(f'dependencies = ["{wanted()}"]\n'),
        "plugin": PLUGIN.replace("serve(Files())", before),
    }
    found = {**files, **fixed(files)}

    assert found["plugin"] == PLUGIN.replace("serve(Files())", after)
    assert fixed(found) == {}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"main.go": "package main"}, "there is neither"),
        ({"pyproject.toml": "[tool.x]\n", "plugin": PLUGIN}, "no table"),
        ({"pyproject.toml": project("dependencies = deps\n"), "plugin": PLUGIN}, "not a list"),
        (
            {"pyproject.toml": project('dynamic = ["dependencies"]\n'), "plugin": PLUGIN},
            "not a list",
        ),
        (
            {
                "pyproject.toml": project('dynamic = [\n    "version",\n    "dependencies",\n]\n'),
                "plugin": PLUGIN,
            },
            "not a list",
        ),
        ({"requirements.txt": "", "x.py": "machineadm ="}, "x.py:1 is not Python"),
    ],
)
def test_what_cannot_be_fixed_is_told(files: dict[str, str], words: str) -> None:
    with pytest.raises(PluginError, match=words) as caught:
        fixed(files)

    assert caught.value.code == "MA7256"


def test_a_diff_is_shown_and_written_only_when_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(project("dependencies = []\n"))
    (tmp_path / "plugin").write_text(PLUGIN.replace("Files())", "Files(), encodings=(1,))"))
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv/broken.py").write_text("machineadm =")
    before = (tmp_path / "pyproject.toml").read_text()

    assert main(["plugin", "fix", str(tmp_path)]) == 10
    diff = capsys.readouterr().out
    assert "+++ b/plugin" in diff
    assert f'+dependencies = ["{wanted()}"]' in diff
    assert (tmp_path / "pyproject.toml").read_text() == before
    assert main(["plugin", "fix", str(tmp_path), "--write"]) == 0
    assert capsys.readouterr().out == diff
    assert main(["plugin", "fix", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["plugin", "fix", str(tmp_path / "none")]) == 7


def test_what_is_not_the_authors_own_is_neither_read_nor_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(project("dependencies = []\n"))
    (tmp_path / "plugin").write_text(PLUGIN)
    for name in (".venv", "venv", "node_modules"):
        (tmp_path / name / "a").mkdir(parents=True)
        for number in range(1700):
            (tmp_path / name / f"a/{number}.py").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "nowhere.py").symlink_to("nothing")
    (tmp_path / "round").symlink_to(".")
    (tmp_path / "closed").mkdir(mode=0)

    assert main(["plugin", "fix", str(tmp_path)]) == 10
    assert f'+dependencies = ["{wanted()}"]' in capsys.readouterr().out


def test_a_directory_with_too_many_files_is_not_a_project(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(project("dependencies = []\n"))
    for number in range(5001):
        (tmp_path / f"{number}").touch()

    assert main(["plugin", "fix", str(tmp_path)]) == 7
    assert "more than 5000 files" in capsys.readouterr().err


# A list as authors write them; ours is added to it, and taken from it again.
LISTS = [
    '["a[b]"]',
    '["a", "b[c]>=1"]',
    '["a",]',
    "[]",
    "['a']",
    '[\n    "a",  # see [1]\n]',
    '[\n    "a",  # see [1]\n    "b",\n]',
    '[\n    "a"  # the last one\n]',
    '[\n    "a",\n    # and no more\n]',
    "[\n    # none yet\n]",
    '[\n    # "machineadm>=0.0.1,<0.1",\n    "a",\n]',
    '[\n    "a", "b",\n]',
    '["a",\n "b"]',
    '["a",\n "b",]',
    '[\n    "a",\n    "ä # no comment",\n]',
    '[\n\t"a",\n]',
    '[ # first\n    "a",\n]',
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("form", LISTS)
def test_a_list_in_any_form_stays_toml_with_ours_and_without(form: str, end: str) -> None:
    tomllib = pytest.importorskip("tomllib")
    given = project(f"dependencies = {form}\n").replace("\n", end)
    others = tomllib.loads(given)["project"]["dependencies"]

    def listed(files: dict[str, str]) -> list[str]:
        text = files["pyproject.toml"]
        assert text.count("\r\n") == (text.count("\n") if end == "\r\n" else 0)
        # Whatever the author wrote beside them stays.
        assert re.findall(r"#[^\r\n]*", text) == re.findall(r"#[^\r\n]*", given)
        found: list[str] = tomllib.loads(text)["project"]["dependencies"]
        return found

    used = {"pyproject.toml": given, "plugin": PLUGIN}
    used |= fixed(used)
    assert listed(used) == [*others, wanted()]
    assert fixed(used) == {}

    unused = {**used, "plugin": OTHER}
    unused |= fixed(unused)
    assert listed(unused) == others
    assert fixed(unused) == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('["machineadm",  # the SDK\n    "a"]', '["a"]'),
        ('[\n    "a",  # note\n    "machineadm"]', '["a"]'),
        ('[\n    "a",  # note\n    "machineadm"\n]', '["a"]'),
        ('[\n    "machineadm",  # the SDK\n]', "[]"),
        ('["machineadm",]', "[]"),
        ('["MachineADM>=0.0.1,<0.1", "b"]', '["b"]'),
    ],
)
def test_ours_goes_from_wherever_it_stands(before: str, after: str) -> None:
    tomllib = pytest.importorskip("tomllib")
    files = {"pyproject.toml": project(f"dependencies = {before}\n"), "x.py": OTHER}
    files |= fixed(files)
    found = tomllib.loads(files["pyproject.toml"])["project"]["dependencies"]

    assert found == tomllib.loads(f"x = {after}")["x"]


@pytest.mark.parametrize(
    "table",
    [
        "[project]  # of ours\nname = 'x'\ndependencies = ['a']\n",
        "[ project ]\nname = 'x'\n  dependencies = ['a']\n",
        "[project]\ndependencies=['a']\n[project.optional-dependencies]\ndependencies = ['b']\n",
    ],
)
def test_a_table_in_any_form_is_found(table: str) -> None:
    tomllib = pytest.importorskip("tomllib")
    files = {"pyproject.toml": table, "plugin": PLUGIN}
    found = tomllib.loads(fixed(files)["pyproject.toml"])

    assert found["project"]["dependencies"] == ["a", wanted()]
    assert found["project"].get("optional-dependencies", {}) in ({}, {"dependencies": ["b"]})


@pytest.mark.parametrize("value", ["[1]", "['a'", '["""a"""]', "[['a']]", "{a = 1}", "[x]"])
def test_a_list_that_is_none_of_texts_is_refused(value: str) -> None:
    files = {"pyproject.toml": project(f"dependencies = {value}\n"), "plugin": PLUGIN}
    with pytest.raises(PluginError, match="not a list") as caught:
        fixed(files)

    assert caught.value.code == "MA7256"


@pytest.mark.parametrize(
    "line", ["  machineadm>=0.0.1,<0.1", "Machineadm", "\tMACHINEADM>=0.0,<0.1"]
)
def test_a_requirement_is_ours_however_it_is_spelled(line: str) -> None:
    files = {"requirements.txt": f"a==1\r\n{line}\r\n", "plugin": PLUGIN}

    assert fixed(files) == {"requirements.txt": f"a==1\r\n{wanted()}\r\n"}


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_program_of_an_editor_of_windows_is_fixed(mark: str, end: str) -> None:
    before = mark + PLUGIN.replace("Files())", "Files(), encodings=(1,))").replace("\n", end)
    files = {"requirements.txt": f"{wanted()}\n", "plugin.py": before}

    assert fixed(files) == {"plugin.py": before.replace(", encodings=(1,)", "")}


def test_a_link_out_of_the_project_is_neither_read_nor_written(tmp_path: Path) -> None:
    base, outside = tmp_path / "project", tmp_path / "another.py"
    base.mkdir()
    (base / "pyproject.toml").write_text(project("dependencies = []\n"))
    outside.write_text(PLUGIN.replace("Files())", "Files(), encodings=(1,))"))
    (base / "linked.py").symlink_to(outside)
    before = outside.read_text()

    assert main(["plugin", "fix", str(base), "--write"]) == 0
    assert outside.read_text() == before
    assert wanted() not in (base / "pyproject.toml").read_text()
