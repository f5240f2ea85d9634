"""Which wheels are packed is the lock's word, whatever interpreter and cache the builder has."""

import hashlib
import zipfile
from pathlib import Path

import pytest

import wheels
from wheels import INTERPRETERS, LOCK, fetch_wheels, read_lock


def wheel(directory: Path, name: str, tag: str, content: str = "") -> Path:
    """Make a wheel that pip takes for one."""
    path = directory / f"{name}-1.0-{tag}.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def lock_of(directory: Path, markers: dict[str, str]) -> Path:
    """Pin all wheels of a directory."""
    lines = []
    for name in sorted({path.name.split("-")[0] for path in directory.glob("*.whl")}):
        lines.append(f"{name}==1.0{markers.get(name, '')}")
        for path in sorted(directory.glob(f"{name}-*.whl")):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines[-1] += f" \\\n    --hash=sha256:{digest}"
        lines.append("    # via -r runtime.in")
    lock = directory / "lock.txt"
    lock.write_text("\n".join(lines) + "\n")
    return lock


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stand in for the package index: what cryptography, msgspec and typing_extensions look like."""
    directory = tmp_path_factory.mktemp("index")
    for version in INTERPRETERS:
        abi = "cp" + version.replace(".", "")
        wheel(directory, "tied", f"{abi}-{abi}-manylinux2014_x86_64")
    wheel(directory, "stable", "cp39-abi3-manylinux2014_x86_64", "old = True")
    wheel(directory, "stable", "cp311-abi3-manylinux2014_x86_64", "old = False")
    wheel(directory, "tied", "cp311-cp311-manylinux_2_34_x86_64")
    wheel(directory, "multidict", "cp310-cp310-manylinux2014_x86_64")
    wheel(directory, "multidict", "py3-none-any")
    wheel(directory, "backport", "py3-none-any")
    wheel(directory, "tomorrow", "py3-none-any")
    lock_of(
        directory,
        {"backport": " ; python_full_version < '3.11'", "tomorrow": " ; python_version >= '3.15'"},
    )
    return directory


@pytest.fixture(scope="module")
def found(index: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return fetch_wheels("x86_64", index, tmp_path_factory.mktemp("cache"), index / "lock.txt")


def test_every_interpreter_has_its_wheel_and_none_has_two_of_one_name(found: list[Path]) -> None:
    tags = [path.name.removesuffix(".whl").partition("-1.0-")[::2] for path in found]

    tied = [(f"cp3{minor}-cp3{minor}") for minor in range(10, 15)]
    assert [tag for name, tag in tags if name == "tied"] == [
        f"{tag}-manylinux2014_x86_64" for tag in tied
    ]
    # The wheel for 3.11 and later holds a file of the same name, which 3.10 cannot load.
    assert [tag for name, tag in tags if name == "stable"] == ["cp39-abi3-manylinux2014_x86_64"]


def test_a_library_named_as_pure_comes_without_extension(found: list[Path]) -> None:
    assert [path.name for path in found if path.name.startswith("multidict")] == [
        "multidict-1.0-py3-none-any.whl"
    ]


def test_markers_are_judged_for_the_interpreter_that_is_packed_for(found: list[Path]) -> None:
    names = {path.name.split("-")[0] for path in found}

    assert "backport" in names  # though the builder may be of 3.11 or later
    assert "tomorrow" not in names


def test_a_wheel_that_the_lock_does_not_know_is_refused(index: Path, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    text = (index / "lock.txt").read_text()
    digest = hashlib.sha256((index / "backport-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    lock.write_text(text.replace(digest, "0" * 64))

    with pytest.raises(SystemExit, match="cannot get the locked wheels from"):
        fetch_wheels("x86_64", index, tmp_path / "cache", lock)
    assert not list((tmp_path / "cache").iterdir())


def test_a_wheel_that_was_changed_in_the_cache_is_refused(index: Path, found: list[Path]) -> None:
    cache = found[0].parents[1]
    changed = next(path for path in found if path.name.startswith("stable"))
    before = changed.read_bytes()
    changed.write_bytes(before + b"x")
    try:
        with pytest.raises(SystemExit, match="its hash is not in"):
            fetch_wheels("x86_64", None, cache, index / "lock.txt")
    finally:
        changed.write_bytes(before)


def test_a_wheel_that_was_removed_from_the_cache_is_fetched_again(
    index: Path, found: list[Path]
) -> None:
    cache = found[0].parents[1]
    removed = next(path for path in found if "cp312" in path.name)
    removed.unlink()

    assert fetch_wheels("x86_64", index, cache, index / "lock.txt") == found
    assert removed.exists()


def test_a_line_without_a_hash_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("msgspec==0.22.0\n")

    with pytest.raises(SystemExit, match="not a pinned version with its hashes: msgspec"):
        read_lock(lock)


def test_the_builders_tools_are_those_of_the_developer() -> None:
    developer = {pin.text for pin in read_lock(LOCK.with_name("dev.txt"))}

    assert {pin.text for pin in read_lock(LOCK.with_name("builder.txt"))} <= developer


def test_a_wheel_that_is_changed_after_its_hash_was_compared_is_refused(
    found: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "fetch_wheels", lambda *_: found)  # none of them is in the lock

    with (
        pytest.raises(SystemExit, match="its hash is not in"),
        wheels.gathered_wheels("x86_64", None),
    ):
        pass


def test_a_build_reads_no_wheel_that_others_can_change() -> None:
    with wheels.gathered_wheels("x86_64", None) as lent:
        directories = {path.parent for path in lent}

    assert wheels.usual_cache() not in {
        parent for directory in directories for parent in directory.parents
    }
