"""What lies in the agents' files, for each architecture: small, complete, and nothing else."""

import re
import struct
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest

import wheels
from slim import needed
from tests.package_parts import Carried, carried

ROOT = Path(__file__).parents[2]
LARGEST = 8_000_000
# e_machine of the ELF header.
MACHINES = {"amd64": 62, "arm64": 183}
ARCHITECTURES = pytest.mark.parametrize("architecture", list(MACHINES))


@pytest.fixture(scope="module")
def agents(agent_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both agents: nothing is compiled, so the other architecture's is built here, too."""
    built = {str(wheels.own_architecture()): agent_file}
    for architecture in MACHINES:
        if architecture not in built:
            output = tmp_path_factory.mktemp("other") / f"machineadm-linux-{architecture}.pyz"
            command = [sys.executable, str(ROOT / "build/package.py"), "--arch", architecture]
            subprocess.run([*command, "--output", str(output)], check=True, capture_output=True)
            built[architecture] = output
    return built


@pytest.fixture(scope="module")
def contents(agents: dict[str, Path]) -> dict[str, list[Carried]]:
    return {architecture: list(carried(path)) for architecture, path in agents.items()}


@ARCHITECTURES
def test_it_is_small_enough_for_a_boot(agents: dict[str, Path], architecture: str) -> None:
    assert agents[architecture].stat().st_size <= LARGEST


@ARCHITECTURES
def test_every_file_is_there_once(contents: dict[str, list[Carried]], architecture: str) -> None:
    paths = Counter(file.path for file in contents[architecture])

    assert [path for path, times in paths.items() if times > 1] == []


@ARCHITECTURES
def test_nothing_is_carried_that_no_machine_runs(
    contents: dict[str, list[Carried]], architecture: str
) -> None:
    useless = re.compile(r"\.(pyc|pyi|pth|h|c|exe)$|(^|/)(bin|tests?|__pycache__|sboms)/|RECORD$")

    assert [file.path for file in contents[architecture] if useless.search(file.path)] == []


@ARCHITECTURES
def test_modes_and_times_tell_nothing_of_the_builder(
    contents: dict[str, list[Carried]], architecture: str
) -> None:
    infos = [file.info for file in contents[architecture]]

    for info in infos:
        assert info.external_attr >> 16 == (0o40755 if info.is_dir() else 0o100644), info.filename
    assert {info.create_system for info in infos} == {3}
    assert len({info.date_time for info in infos}) == 1


@ARCHITECTURES
def test_libraries_are_of_one_architecture_and_load_on_the_oldest_promised_glibc(
    contents: dict[str, list[Carried]], architecture: str
) -> None:
    libraries = [file for file in contents[architecture] if file.content[:4] == b"\x7fELF"]

    assert len(libraries) == 3 * len(wheels.INTERPRETERS) + 2
    assert {struct.unpack_from("<H", file.content, 18)[0] for file in libraries} == {
        MACHINES[architecture]
    }
    wanted = {
        (int(found[1]), int(found[2]))
        for file in libraries
        for found in re.finditer(rb"GLIBC_(\d+)\.(\d+)", file.content)
    }
    assert max(wanted) <= (2, 17)


@ARCHITECTURES
def test_the_rust_library_is_the_one_that_serves_the_oldest_interpreter(
    contents: dict[str, list[Carried]], architecture: str
) -> None:
    (library,) = [file for file in contents[architecture] if file.path.endswith("/_rust.abi3.so")]

    # Of CPython 3.11; the wheel for that and later asks for it.
    assert b"\0PyType_GetName\0" not in library.content


@ARCHITECTURES
def test_the_licence_of_all_that_is_carried_goes_along(
    contents: dict[str, list[Carried]], architecture: str
) -> None:
    paths = {file.path for file in contents[architecture]}
    machine = wheels.ARCHITECTURES[architecture]

    assert "machineadm/LICENSE" in paths
    with wheels.gathered_wheels(machine, None) as found:
        for wheel in found:
            with zipfile.ZipFile(wheel) as archive:
                names = needed(archive.namelist())
            licences = {name for name in names if ".dist-info/" in name}
            assert licences or not names, wheel.name
            assert licences <= paths


def test_architectures_differ_in_their_libraries_alone(
    contents: dict[str, list[Carried]],
) -> None:
    files = {
        architecture: {
            file.path: file.content
            for file in of_one
            if file.part and not file.path.endswith(".so")  # the start knows its architecture
        }
        for architecture, of_one in contents.items()
    }

    assert len(files["amd64"]) > 400
    assert files["amd64"] == files["arm64"]
