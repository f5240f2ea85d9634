"""A release that has its name is compared, and never overwritten."""

from pathlib import Path

import pytest

import release


def directory(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, content in files.items():
        (path / name).write_text(content)
    return path


@pytest.fixture(autouse=True)
def below_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "ROOT", tmp_path)


def test_a_new_release_gets_its_name(tmp_path: Path) -> None:
    assert release.put(directory(tmp_path / "new", agent="1"), tmp_path / "v1") == 0

    assert (tmp_path / "v1/agent").read_text() == "1"


def test_the_same_release_again_leaves_what_was_signed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    final = directory(tmp_path / "v1", agent="1", signature="s", **{"build.json": "by me"})
    made = directory(tmp_path / "new", agent="1", **{"build.json": "by another"})

    assert release.put(made, final) == 0

    assert capsys.readouterr().out == f"{final} exists, with the same bytes\n"
    assert (final / "signature").read_text() == "s"
    assert (final / "build.json").read_text() == "by me"


@pytest.mark.parametrize("there", [{"agent": "2"}, {"other": "1"}])
def test_another_release_of_that_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], there: dict[str, str]
) -> None:
    final = directory(tmp_path / "v1", **there)

    assert release.put(directory(tmp_path / "new", agent="1"), final) == 1

    assert f"{final / 'agent'} is not what the commit produces" in capsys.readouterr().err
    assert {path.name: path.read_text() for path in final.iterdir()} == there


def test_the_definitions_are_those_that_kustomize_would_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()

    stream = release.definitions().decode()

    root = Path(release.__file__).parents[1] / "crds"
    assert stream.count("\nkind: CustomResourceDefinition\n") == len(list(root.glob("*_*.yaml")))
    assert stream.count("\nkind: ClusterRole\n") == 1
    assert "kind: Kustomization" not in stream
