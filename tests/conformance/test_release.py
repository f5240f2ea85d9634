"""A release: the same bytes whoever makes it, verified by building it anew, and papers that their readers take."""

import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import wheels
from machineadm.cli.main import main
from machineadm.plugins.catalogs.model import KINDS
from signing.__main__ import main as sign
from tests.package_parts import carried, commit, commit_of_checkout, run_build
from tests.real import missing
from tests.roots import pythons
from tests.roots.roots import Root

AGENTS = tuple(f"machineadm-linux-{architecture}.pyz" for architecture in ("amd64", "arm64"))
PLUGINS = tuple(
    f"machineadm-plugin-{name}-linux-{architecture}.pyz"
    for architecture in ("amd64", "arm64")
    for name in (
        "attestation-tpm",
        "encryption-provider-aws",
        "encryption-provider-file",
        "infrastructure-aws",
        "infrastructure-gcs",
        "infrastructure-http",
    )
)
RELEASE = (
    "machineadm-crds.yaml",
    "bootstrap-components.yaml",
    "infrastructure-components.yaml",
    "metadata.yaml",
    *(
        file + suffix
        for file in (*AGENTS, *PLUGINS)
        for suffix in ("", ".cdx.json", ".intoto.json")
    ),
)
"""What a release holds beside build.json, which tells of the builder."""


class Builder(NamedTuple):
    """Surroundings that must not show in the bytes."""

    directory: str
    umask: int
    variables: dict[str, str]
    years: int
    """How much younger its files are than the first builder's."""


FIRST = Builder("first", 0o022, {"TZ": "UTC", "LANG": "C.UTF-8"}, 0)
OTHERS = {
    "3.10": Builder("of 3.10, elsewhere", 0o022, {"TZ": "Asia/Tokyo", "LANG": "C"}, 1),
    "3.11": Builder("a directory/with a space", 0o077, {"TZ": "Asia/Kathmandu", "LC_ALL": "C"}, 2),
    "3.12": Builder("ümlaut", 0o000, {"TZ": "America/New_York", "LANG": "de_DE.ISO-8859-1"}, 3),
    "3.13": Builder("d/e/e/p", 0o027, {"PYTHONOPTIMIZE": "2", "PYTHONHASHSEED": "1"}, 4),
}
BUILT_BY = pytest.mark.parametrize("version", list(OTHERS))


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lend this environment's builder's tools to other interpreters; zopfli is for each from 3.10 on (abi3)."""
    directory = tmp_path_factory.mktemp("tools")
    for name in ("shiv", "click", "packaging", "setuptools", "pip", "zopfli"):
        found = next(
            Path(path) for path in sys.path if (Path(path) / name / "__init__.py").exists()
        )
        for part in [found / name, *found.glob(f"{name}-*.dist-info")]:
            shutil.copytree(
                part, directory / part.name, ignore=shutil.ignore_patterns("__pycache__")
            )
    # zopfli's library for C++: on every Debian for apt, and not in a root of essential packages.
    (cpp,) = Path("/usr/lib").glob(f"{os.uname().machine}-linux-gnu/libstdc++.so.6")
    shutil.copy(cpp, directory)
    return directory


class Released(NamedTuple):
    """A checkout and the release that was made of it."""

    checkout: Path
    directory: Path

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.directory.iterdir()}


def release(
    builder: Builder, directory: Path, tools: Path, python: str = sys.executable
) -> Released:
    """Make a release of a checkout of its own."""
    checkout = commit_of_checkout(directory / builder.directory)
    stamp = time.time() - 3600 * 24 * 365 * builder.years
    for path in checkout.rglob("*"):
        os.utime(path, (stamp, stamp))
    variables = builder.variables | {"PYTHONPATH": str(tools), "PYTHONDONTWRITEBYTECODE": "1"}
    done = run_build(
        checkout, "release.py", python=python, umask=builder.umask, variables=variables
    )
    assert done.returncode == 0, done.stderr
    (made,) = (checkout / "dist/release").iterdir()
    return Released(checkout, made)


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory, tools: Path) -> Released:
    return release(FIRST, tmp_path_factory.mktemp("checkout"), tools)


def test_a_release_holds_what_it_promises(first: Released) -> None:
    assert set(first.files()) == {*RELEASE, "build.json"}


@BUILT_BY
def test_another_builder_gets_the_same_bytes(
    first: Released, tools: Path, tmp_path: Path, version: str
) -> None:
    found = [python for python in pythons.installed() if python.version == version]
    if not found:
        missing(f"no Python {version}")

    other = release(OTHERS[version], tmp_path, tools, str(found[0].executable)).files()

    ours = first.files()
    assert [name for name in RELEASE if ours[name] != other[name]] == []


@pytest.fixture(scope="module")
def without_git(tmp_path_factory: pytest.TempPathFactory, tools: Path) -> tuple[Path, bytes]:
    """An archive of the sources without a repository, and the agent that this machine makes of it."""
    sources = commit_of_checkout(tmp_path_factory.mktemp("sources"))
    shutil.rmtree(sources / ".git")
    agent = sources / "agent.pyz"
    variables = {"PYTHONPATH": str(tools), "PYTHONDONTWRITEBYTECODE": "1"}
    run_build(
        sources, "package.py", f"--output={agent}", python=sys.executable, variables=variables
    ).check_returncode()
    return sources, agent.read_bytes()


@pytest.mark.parametrize("suite", ["bookworm", "trixie", "sid"])
def test_debians_python_and_zlib_give_the_same_bytes_without_git(
    without_git: tuple[Path, bytes], tools: Path, tmp_path: Path, suite: str
) -> None:
    if os.geteuid() != 0:
        missing("a Debian root needs root")
    sources, agent = without_git

    done = Root(suite).run(
        ["python3", "/sources/build/package.py", "--output=/there/agent.pyz"],
        binds={"/sources": sources, "/tools": tools, "/cache/wheels": wheels.usual_cache()},
        writable={"/there": tmp_path},
        environment={
            "PYTHONPATH": "/tools",
            "LD_LIBRARY_PATH": "/tools",
            "MACHINEADM_CACHE": "/cache",
        },
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "agent.pyz").read_bytes() == agent


def test_the_builders_time_zone_would_be_seen_if_it_got_into_the_bytes(
    tools: Path, tmp_path: Path
) -> None:
    made = []
    for zone in ("UTC", "Asia/Tokyo"):
        checkout = commit_of_checkout(tmp_path / zone)
        archive = checkout / "build/archive.py"
        before = archive.read_text()
        archive.write_text(before.replace("time.gmtime(", "time.localtime("))
        assert archive.read_text() != before
        commit(checkout)
        package = checkout / "agent.pyz"
        run_build(
            checkout,
            "package.py",
            f"--output={package}",
            python=sys.executable,
            variables={"TZ": zone, "PYTHONPATH": str(tools)},
        ).check_returncode()
        made.append(package.read_bytes())

    assert made[0] != made[1]


def test_a_changed_checkout_is_not_released(tools: Path, tmp_path: Path) -> None:
    checkout = commit_of_checkout(tmp_path / "checkout")
    (checkout / "machineadm/stray.py").write_text("")

    done = run_build(
        checkout, "release.py", python=sys.executable, variables={"PYTHONPATH": str(tools)}
    )

    assert done.returncode == 2
    assert done.stderr == ("the checkout differs from its commit: ?? machineadm/stray.py\n")


def verify(
    first: Released, file: Path, tools: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    variables = {"PYTHONPATH": str(tools)}
    return run_build(
        first.checkout,
        "verify_release.py",
        str(file),
        *arguments,
        python=sys.executable,
        variables=variables,
    )


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_a_release_is_verified(first: Released, tools: Path, architecture: str) -> None:
    done = verify(first, first.directory / f"machineadm-linux-{architecture}.pyz", tools)

    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if line.startswith("SAME")] == [
        "SAME BYTES: the commit produces this file",
        f"SAME BYTES: machineadm-linux-{architecture}.pyz.cdx.json",
        f"SAME BYTES: machineadm-linux-{architecture}.pyz.intoto.json",
    ]


@pytest.mark.parametrize("named", ["as released", "as installed"])
def test_a_plugin_of_a_release_is_verified_by_its_name(
    first: Released, tools: Path, tmp_path: Path, named: str
) -> None:
    plugin = first.directory / PLUGINS[0]
    if named == "as installed":
        plugin = Path(shutil.copy(plugin, tmp_path / "machineadm-plugin-attestation-tpm"))
    done = verify(first, plugin, tools)

    assert (done.returncode, done.stderr) == (0, "")
    papers = 2 if named == "as released" else 0
    assert done.stdout.count("SAME BYTES: ") == 1 + papers

    # One plugin under the name of another is what a machine must not run.
    other = shutil.copy(plugin, tmp_path / "machineadm-plugin-infrastructure-http")
    done = verify(first, Path(other), tools)
    assert done.returncode == 1
    assert "machineadm_plugin.py: content differs" in done.stdout


def test_a_signed_release_installs_its_plugins(
    first: Released, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = shutil.copytree(first.directory, tmp_path / first.directory.name)
    key, public = tmp_path / "key.pem", tmp_path / "release.pub"
    assert sign(["keygen", "--private", str(key), "--public", str(public)]) == 0
    assert sign(["sign", str(directory), "--key", f"file:{key}"]) == 0
    assert sign(["verify", str(directory), "--key", str(public)]) == 0
    options = ["--lock", str(tmp_path / "lock"), "--cache-dir", str(tmp_path / "cache")]
    options += ["--release-key", str(public)]
    here = ["--plugin-dir", str(tmp_path / "plugins")]

    names = [
        name.removeprefix("machineadm-plugin-")
        for name in PLUGINS
        if name.endswith("-linux-amd64.pyz")
    ]
    wanted = [name.removesuffix("-linux-amd64.pyz") for name in names]
    kinds = [
        next(f"{kind}/{one.removeprefix(kind + '-')}" for kind in KINDS if one.startswith(kind))
        for one in wanted
    ]
    installed = main(["plugin", "install", *kinds, "--catalog", str(directory), *options, *here])
    assert installed == 0, capsys.readouterr().err
    assert {path.name for path in (tmp_path / "plugins").iterdir()} == {
        f"machineadm-plugin-{one}{end}" for one in wanted for end in ("", "_SHA256SUM")
    }
    assert main(["plugin", "verify", *kinds, *here, "--lock", str(tmp_path / "lock")]) == 0
    capsys.readouterr()
    if os.uname().machine == "x86_64":
        for one in kinds:
            assert main(["plugin", "describe", one, *here]) == 0
            assert one in capsys.readouterr().out


def test_another_bill_of_materials_is_told(first: Released, tools: Path, tmp_path: Path) -> None:
    for name in (AGENTS[0], f"{AGENTS[0]}.cdx.json"):
        shutil.copy(first.directory / name, tmp_path)
    bill = tmp_path / f"{AGENTS[0]}.cdx.json"
    bill.write_text(bill.read_text().replace('"openssl"', '"opensssl"'))

    done = verify(first, tmp_path / AGENTS[0], tools)

    assert done.returncode == 1
    assert done.stderr == f"DIFFERENT: {bill.name} is not what the commit produces\n"


def test_another_compressor_is_said_and_the_contents_are_compared(
    first: Released, tools: Path, tmp_path: Path
) -> None:
    # As another release of zopfli does: the same calls, other compressed bytes.
    (tmp_path / "sitecustomize.py").write_text(
        "import zopfli.zlib\n"
        "original = zopfli.zlib.compress\n"
        "zopfli.zlib.compress = lambda data, **named: original(data, numiterations=1)\n"
    )
    # Its streams must not be taken for those of this one.
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/wheels").symlink_to(wheels.usual_cache())
    file = tmp_path / "agent.pyz"
    built = run_build(
        first.checkout,
        "package.py",
        f"--output={file}",
        "--arch=amd64",
        python=sys.executable,
        variables={
            "PYTHONPATH": f"{tmp_path}:{tools}",
            "MACHINEADM_CACHE": str(tmp_path / "cache"),
        },
    )
    assert built.returncode == 0, built.stderr
    assert file.read_bytes() != (first.directory / "machineadm-linux-amd64.pyz").read_bytes()

    done = verify(first, file, tools)

    assert (done.returncode, done.stderr) == (0, "")
    assert "SAME CONTENTS: only the compression differs" in done.stdout


def test_a_file_that_the_commit_does_not_give_is_told_with_what_differs(
    first: Released, tools: Path, tmp_path: Path
) -> None:
    agent = first.directory / "machineadm-linux-amd64.pyz"
    changed = tmp_path / "agent.pyz"
    with zipfile.ZipFile(agent) as archive, changed.open("wb") as file:
        file.write(b"#!/usr/bin/python3 -IS\n")
        with zipfile.ZipFile(file, "w") as target:
            for info in archive.infolist():
                content = archive.read(info)
                if info.filename == "front.py":
                    content += b"# and one line more\n"
                target.writestr(info, content, compresslevel=9)

    done = verify(first, changed, tools)

    assert done.returncode == 1
    assert "  front.py: content differs (sha256 " in done.stdout
    assert done.stderr == "DIFFERENT: the commit does not produce this file\n"


def test_another_commit_cannot_tell(first: Released, tools: Path, tmp_path: Path) -> None:
    other = commit_of_checkout(tmp_path / "other")
    (other / "LICENSE").write_text("another")
    commit(other)
    agent = first.directory / "machineadm-linux-amd64.pyz"

    done = verify(Released(other, first.directory), agent, tools)

    assert done.returncode == 2
    assert "says that it was built from commit " in done.stderr


def test_a_directory_of_wheels_is_enough_without_a_network(
    first: Released, tools: Path, tmp_path: Path
) -> None:
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--net"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode != 0:
        missing("unshare --net is not permitted")
    gathered = tmp_path / "wheels"
    run_build(
        first.checkout,
        "wheels.py",
        str(gathered),
        python=sys.executable,
        variables={"PYTHONPATH": str(tools)},
    ).check_returncode()
    agent = first.directory / "machineadm-linux-amd64.pyz"
    make = ["make", "verify-release", f"FILE={agent}", f"WHEELS={gathered}"]
    nothing = {"MACHINEADM_CACHE": str(tmp_path / "cache"), "PIP_CACHE_DIR": str(tmp_path / "pip")}

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*unshare, *make, f"PYTHON={sys.executable}"],
            cwd=first.checkout,
            env=os.environ | nothing,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run()
    assert done.returncode == 0, done.stderr
    assert "SAME BYTES: the commit produces this file\n" in done.stdout

    next(gathered.glob("msgspec-*-cp312-*_x86_64.whl")).unlink()
    done = run()
    assert done.returncode != 0
    assert f"cannot get the locked wheels from {gathered}" in done.stderr
    assert "Traceback" not in done.stderr


EACH_FILE = pytest.mark.parametrize("agent", [*AGENTS, *PLUGINS])


def judge(module: str) -> Any:
    """Import what `make conformance` installs beside the tests' own libraries."""
    try:
        return importlib.import_module(module)
    except ImportError:
        missing(f"no {module}: make conformance installs it")


def schema_errors(bill: str) -> object:
    """Ask CycloneDX's own schema; None: it is content."""
    schema = judge("cyclonedx.schema").SchemaVersion.V1_6
    errors: object = (
        judge("cyclonedx.validation.json").JsonStrictValidator(schema).validate_str(bill)
    )
    return errors


@EACH_FILE
def test_the_bill_of_materials_is_valid_and_names_what_lies_inside_wheels(
    first: Released, agent: str
) -> None:
    text = (first.directory / f"{agent}.cdx.json").read_text()

    assert schema_errors(text) is None
    bill = json.loads(text)
    assert bill["metadata"]["component"]["name"] == agent.partition("-linux-")[0]
    assert bill["metadata"]["component"]["hashes"][0]["content"] == digest(first.directory / agent)
    inside = [
        (component["name"], part)
        for component in bill["components"]
        for part in component.get("components", ())
    ]
    versions = {part.get("purl", "").partition("@")[0]: part.get("version") for _, part in inside}
    library = next(
        file.content
        for file in carried(first.directory / agent)
        if file.path.endswith("/_rust.abi3.so")
    )
    assert f"OpenSSL {versions['pkg:generic/openssl']} ".encode() in library
    assert versions["pkg:github/yaml/libyaml"] == "0.2.5"
    assert {f"pkg:cargo/{name}" for name in ("pyo3", "asn1", "openssl")} <= set(versions)
    # Every module in the file is of a wheel of which this says what was linked in; msgspec is all its own.
    modules = {
        file.path.partition("/")[0].partition(".")[0]
        for file in carried(first.directory / agent)
        if file.path.endswith(".so")
    }
    assert modules == {"_cffi_backend", "cryptography", "google", "msgspec", "yaml"}
    assert {wheel for wheel, _ in inside} == {"cffi", "cryptography", "protobuf", "pyyaml"}


def test_a_wrong_bill_of_materials_would_be_refused(first: Released) -> None:
    bill = json.loads((first.directory / f"{AGENTS[0]}.cdx.json").read_text())
    del bill["components"][0]["type"]

    assert schema_errors(json.dumps(bill)) is not None


@EACH_FILE
def test_the_provenance_is_a_statement_that_names_every_input(first: Released, agent: str) -> None:
    statement = json.loads((first.directory / f"{agent}.intoto.json").read_text())

    read_statement(statement)
    (subject,) = statement["subject"]
    assert subject == {"name": agent, "digest": {"sha256": digest(first.directory / agent)}}
    inputs = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    built = json.loads((first.directory / "build.json").read_text())
    assert inputs[0]["digest"] == {"gitCommit": built["commit"]}
    assert {
        f"sha256:{part['digest']['sha256']}" for part in inputs if part["name"].endswith(".txt")
    } == set(built["locks"].values())
    # Five interpreters' msgspec, PyYAML and cffi; cryptography, protobuf and the pure ones once.
    assert len([part for part in inputs if part["name"].endswith(".whl")]) >= 3 * 5 + 8


def test_a_wrong_statement_would_be_refused(first: Released) -> None:
    statement = json.loads((first.directory / f"{AGENTS[0]}.intoto.json").read_text())
    statement["predicate"]["buildDefinition"]["buildTyp"] = "mistyped"

    with pytest.raises(Exception, match="buildTyp"):
        read_statement(statement)


def read_statement(statement: dict[str, Any]) -> None:
    """Have in-toto's own library read a statement and its predicate strictly."""
    messages = judge("in_toto_attestation.v1.statement_pb2")
    parse = judge("google.protobuf.json_format").ParseDict
    parsed = parse(statement, messages.Statement())
    judge("in_toto_attestation.v1.statement").Statement.copy_from_pb(parsed).validate()
    predicate = judge("in_toto_attestation.predicates.provenance.v1.provenance_pb2").Provenance()
    parse(statement["predicate"], predicate)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
