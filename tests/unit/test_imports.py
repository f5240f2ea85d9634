"""Nothing heavier than needed is imported: a machine starts the agent once, cold.

Each list names all that a command may import beside what a bare interpreter has loaded. A new entry is
a decision: it costs every machine its time at boot.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from machineadm.documents.encryption import seal, to_yaml
from machineadm.redaction import Secret

ROOT = Path(__file__).parents[2]
LIBRARIES = Path(pytest.__file__).parents[1]

# typing_extensions is on a developer's machine, not on a node; msgspec would import it.
PROBE = """
import sys
sys.path[:0] = [{root!r}, {libraries!r}]
sys.modules["typing_extensions"] = None
before = set(sys.modules)
from machineadm.cli.main import main
code = main(sys.argv[1:])
loaded = sorted(set(sys.modules) - before)
import json
sys.stderr.write("\\n" + json.dumps([code, loaded]))
"""

VERSION = {
    "__future__",
    "machineadm",
    "machineadm.cli",
    "machineadm.cli.main",
    "machineadm.cli.version",
    "machineadm.errors",
    "machineadm.version",
    # What runs an archive has imported these before.
    *(
        "_collections_abc",
        "_stat",
        "abc",
        "_abc",
        "errno",
        "genericpath",
        "os",
        "os.path",
        "posixpath",
        "stat",
    ),
}

VALIDATE_PACKAGES = {
    "agent",
    "api",
    "cli",
    "config",
    "documents",
    "errors",
    "redaction",
    "semver",
    "terminal",
    "sources",
}

# Names without a leading underscore, by their first part.
LIBRARIES_FOR_VALIDATE = """
__future__ abc atexit base64 binascii bisect collections compression contextlib copyreg cython_runtime
datetime decimal encodings enum errno fnmatch functools genericpath glob grp importlib ipaddress
itertools keyword locale machineadm math msgspec ntpath numbers operator os pathlib platform posixpath
pwd re reprlib stat struct textwrap types typing urllib uuid warnings weakref yaml
"""
VALIDATE = set(LIBRARIES_FOR_VALIDATE.split())
BOOTSTRAP = VALIDATE | {"ctypes", "fcntl", "hashlib", "select", "shlex", "signal"}

# What the standard library's own modules import, which differs between its releases.
OLD_PLATFORM = (
    "fcntl select selectors signal sre_compile sre_constants sre_parse subprocess threading"
)
NEW_TYPING = "ast dis inspect linecache opcode token tokenize"
NEWER = "annotationlib copy dataclasses io sysconfig threading"
OF_THE_INTERPRETER = set(
    (OLD_PLATFORM if sys.version_info < (3, 11) else "").split()
    + (NEW_TYPING if sys.version_info >= (3, 12) else "").split()
    + (NEWER if sys.version_info >= (3, 14) else "").split()
)

CONFIGURATION = """
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    linuxConfiguration:
      kernelModules: [br_netfilter]
      sysctls: {net.ipv4.ip_forward: "1"}
    files:
      - {path: /etc/motd, content: A node.}
    commands:
      preKubeadm:
        - argv: [echo, hello]
  kubernetes:
    version: v1.34.4
    role:
      type: Initialize
    cluster:
      name: one
      controlPlaneEndpoint: 192.0.2.10:6443
"""


def loaded_by(*arguments: str, code: int = 0) -> set[str]:
    """The modules that a command loads when it ends with that code."""
    probe = PROBE.format(root=str(ROOT), libraries=str(LIBRARIES))
    outcome = subprocess.run(
        [sys.executable, "-IS", "-c", probe, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    ended, loaded = json.loads(outcome.stderr.splitlines()[-1])
    assert ended == code, outcome.stderr
    return set(loaded)


def first_parts(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules if not name.startswith("_")} | {"__future__"}


@pytest.fixture
def configuration(tmp_path: Path) -> str:
    path = tmp_path / "node.yaml"
    path.write_text(CONFIGURATION)
    return str(path)


def test_version_imports_next_to_nothing() -> None:
    assert loaded_by("version") - VERSION == set()


def test_validate_imports_what_it_needs(configuration: str) -> None:
    loaded = loaded_by("validate", "--path", configuration)

    assert first_parts(loaded) - VALIDATE - OF_THE_INTERPRETER == set()


def test_validate_knows_nothing_of_machines(configuration: str) -> None:
    loaded = loaded_by("validate", "--path", configuration)

    ours = {name.split(".")[1] for name in loaded if name.startswith("machineadm.")}
    assert ours - VALIDATE_PACKAGES == set()


def test_bootstrap_imports_what_it_needs(configuration: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()

    loaded = loaded_by("bootstrap", "--root", str(root), "--path", configuration)

    assert first_parts(loaded) - BOOTSTRAP - OF_THE_INTERPRETER == set()
    assert "machineadm.codes" not in loaded


# What a plain configuration does not ask for, and a machine without a history has no use for before it is changed.
FOR_A_RUN = {
    "machineadm.config.concerns.kubeadm.mounts",
    "machineadm.execution.runner",
    "machineadm.execution.history",
    "machineadm.execution.noting",
    "machineadm.execution.settling",
    "machineadm.execution.events",
    "machineadm.execution.taking_back",
    "machineadm.reporting",
    "machineadm.steps.kubeadm.attempt",
    "machineadm.steps.kubeadm.decide",
    "machineadm.steps.kubeadm.evidence",
    "machineadm.steps.kubeadm.failures",
    "machineadm.steps.kubeadm.remains",
    # From 3.12 on typing has it by inspect, whatever is imported.
    *(() if sys.version_info >= (3, 12) else ("weakref",)),
}


def test_a_plan_of_a_new_tree_loads_nothing_that_a_run_alone_needs(
    configuration: str, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.mkdir()

    loaded = loaded_by("plan", "--root", str(root), "--path", configuration, code=10)

    assert loaded & FOR_A_RUN == set()
    # Of the running machine systemctl is asked, and subprocess has it; so have other modules of Python 3.10.
    assert "signal" not in loaded or sys.version_info < (3, 11)
    assert first_parts(loaded) - BOOTSTRAP - OF_THE_INTERPRETER == set()


@pytest.mark.skipif(Path("/etc/kubernetes/kubelet.conf").exists(), reason="this machine is a node")
def test_a_plan_of_a_running_machine_loads_nothing_that_a_run_alone_needs(
    configuration: str, tmp_path: Path
) -> None:
    here = ("--state-dir", str(tmp_path / "state"), "--run-dir", str(tmp_path / "run"))

    loaded = loaded_by("plan", *here, "--path", configuration, code=10)

    assert loaded & FOR_A_RUN == set()


@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize("command", ["validate", "plan"])
def test_nothing_of_plugins_is_loaded_where_none_is_named(
    configuration: str, tmp_path: Path, command: str, declared: bool
) -> None:
    if declared:
        entry = "    plugins: [{name: vault, kind: provider, path: /opt/vault}]\n"
        text = CONFIGURATION.replace("  machine:\n", f"  machine:\n{entry}")
        Path(configuration).write_text(text)
    root = tmp_path / "root"
    root.mkdir()
    options = ("--root", str(root)) if command == "plan" else ()

    loaded = loaded_by(command, *options, "--path", configuration, code=10 if options else 0)

    assert not {name for name in loaded if name.startswith("machineadm.plugins")}
    assert loaded & {"machineadm.agent.providing", "machineadm.reporting.elsewhere"} == set()
    assert loaded & {"grpclib", "google", "asyncio", "threading"} == set()


def test_types_of_what_a_configuration_does_not_name_are_not_built(
    configuration: str, tmp_path: Path
) -> None:
    (tmp_path / "root").mkdir()
    loaded = loaded_by("plan", "--root", str(tmp_path / "root"), "--path", configuration, code=10)

    unnamed = ("windows", "containerd", "storage", "users", "plugins", "discovery", "proxy")
    assert loaded & {f"machineadm.api.v1alpha1.{name}" for name in unnamed} == set()
    assert "machineadm.api.v1alpha1.linux" in loaded


def test_what_decrypts_is_loaded_for_what_is_encrypted_alone(
    configuration: str, tmp_path: Path
) -> None:
    word = tmp_path / "word"
    word.write_text("s3cr3t")
    closed = tmp_path / "closed.yaml"
    data = seal(
        CONFIGURATION.encode(), Secret("s3cr3t"), provider="x", random=bytes, iterations=10000
    )
    closed.write_bytes(to_yaml(data))
    options = ("--passphrase-file", str(word))

    plain = loaded_by("validate", "--path", configuration, *options)
    encrypted = loaded_by("validate", "--path", str(closed), *options)

    assert "machineadm.documents.encryption" not in plain
    assert {"cryptography", "hmac"} & first_parts(plain) == set()
    for loaded in (plain, encrypted):
        assert {name for name in loaded if name.startswith("machineadm.plugins")} == set()
        assert {"grpclib", "google", "h2", "asyncio", "ssl"} & first_parts(loaded) == set()
    assert "cryptography" in first_parts(encrypted)
    # The library itself; of its parts for certificates and the like nothing.
    assert {name for name in encrypted if name.startswith("cryptography.x509")} == set()
