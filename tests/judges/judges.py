"""Ask the real programs: `kubeadm config validate` of three releases, one judge a version of Kubernetes, and the CRD judge.

All are processes that are given text and say what is wrong with it. A program that is not built yet is built here,
which takes minutes; `make judges` does it before any test runs.
"""

import base64
import functools
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

from tests.real import missing
from tests.upstream.tables import ETCD

HERE = Path(__file__).parent
KUBEADM_VERSIONS = ("1.30.4", "1.31.4", "1.34.4")
_NO_GO = 77
_IGNORED = "Ignored configuration document"


class Problem(NamedTuple):
    """Something that a component refuses."""

    document: int  # from 0, documents without content not counted
    kind: str
    message: str


@functools.cache
def _build(name: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [HERE / "build.sh", name],
        capture_output=True,
        text=True,
        check=False,
    )


def program(name: str) -> Path:
    """The program of that name, built when it is not there yet; a build that failed is not tried again."""
    run = _build(name)
    if run.returncode == _NO_GO:
        missing(run.stderr.strip().removeprefix("judges: "))
    if run.returncode != 0:
        raise RuntimeError(f"{name} does not build:\n{run.stderr[-4000:]}")
    return Path(run.stdout.split(maxsplit=1)[1].strip())


def kubeadm(version: str) -> Path:
    """kubeadm of a release, such as `1.34.4` or `1.34`."""
    minor = ".".join(version.removeprefix("v").split(".")[:2])
    return program(f"kubeadm-{minor}")


def kubeadm_validate(version: str, text: str) -> list[str]:
    """What that kubeadm finds wrong with a configuration; a document that it would ignore counts.

    It is strict about structure and lenient about some values (taint effects, phases to skip, values of a
    KubeletConfiguration), and takes kubernetesVersion of its own and the preceding minor release only.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        run = subprocess.run(
            [kubeadm(version), "config", "validate", "--config", file.name],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    lines = [line for line in run.stderr.splitlines() if line.strip()]
    if run.returncode == 0:
        return [line for line in lines if _IGNORED in line]
    return lines or [f"exit code {run.returncode}"]


def component_validate(text: str) -> list[Problem]:
    """What the components of 1.34 find wrong with a stream of documents, YAML or JSON, all in one process.

    Raises:
        RuntimeError: The judge itself failed.
    """
    documents = [each for each in _SEPARATOR.split(text) if _has_content(each)]
    requests = [{"judge": "document", "text": each} for each in documents]
    return [
        Problem(document=number, kind=_kind(document), message=one.removeprefix("document: "))
        for number, (document, problems) in enumerate(
            zip(documents, verdicts(34, requests), strict=True)
        )
        for one in problems
    ]


_SEPARATOR = re.compile(r"(?m)^---[ \t]*$")


def _has_content(document: str) -> bool:
    return any(line.strip() and line.lstrip()[0] != "#" for line in document.splitlines())


def _kind(document: str) -> str:
    try:
        content = yaml.safe_load(document)
    except yaml.YAMLError:
        return ""
    return str(content.get("kind", "")) if isinstance(content, dict) else ""


class Machine(NamedTuple):
    """What kubeadm and the API server are given on a first control plane machine."""

    config: str
    """What `kubeadm init` reads."""

    files: Mapping[str, str] = MappingProxyType({})
    """What the API server reads, by path."""

    patches: Mapping[str, str] = MappingProxyType({})
    """kubeadm's patches, by file name."""


def crd() -> Path:
    """The program that judges CustomResourceDefinitions, and objects of them, as the API server would."""
    return program("crd")


def crd_validate(
    requests: Iterable[tuple[str, list[dict[str, Any]]]],
) -> list[dict[str, Any]]:
    """What the API server's code says of many CustomResourceDefinitions, all in one process.

    Args:
        requests: The text of a CRD, YAML or JSON, and objects of it: `{"object": {...}, "old": {...} or absent}` each.

    Returns:
        A verdict for each, in order: ok, errors (type, field, detail), warnings, costs of its CEL rules, columns,
        and for each object ok, pruned, errors and the object as it would be stored.

    Raises:
        RuntimeError: The judge itself failed.
    """
    lines = [
        json.dumps({"id": str(number), "crd": text, "objects": objects})
        for number, (text, objects) in enumerate(requests)
    ]
    return _answers([crd(), "--batch"], lines, "the CRD judge")


def template_fill(requests: Iterable[dict[str, bytes]]) -> list[bytes | str]:
    """What Go's text/template makes of templates of user data, all in one process; gzip is a stand-in.

    Args:
        requests: Of each, `template`, `config`, `fetch` and `path`.

    Returns:
        For each what comes out, or as text why it is refused.

    Raises:
        RuntimeError: The judge itself failed.
    """
    lines = [
        json.dumps({name: base64.b64encode(value).decode() for name, value in request.items()})
        for request in requests
    ]
    run = subprocess.run(
        [program("template")],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    verdicts = [json.loads(line) for line in run.stdout.splitlines()]
    if run.returncode != 0 or len(verdicts) != len(lines):
        raise RuntimeError(f"the template judge: {run.stderr.strip()[-4000:]}")
    return [one.get("error") or base64.b64decode(one["output"] or "") for one in verdicts]


def cluster_api_render(requests: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What Cluster API's own provider makes of KubeadmConfigSpecs, all in one process.

    Args:
        requests: Of each, `apiVersion` (v1beta1 or v1beta2), `spec`, `role`, `version`, and `cluster` with what the provider
            would take from the Cluster.

    Returns:
        For each `userData` and the documents for `kubeadm`, or `error`.

    Raises:
        RuntimeError: The judge itself failed.
    """
    lines = [json.dumps({"id": str(number), **one}) for number, one in enumerate(requests)]
    return _answers([program("cluster-api")], lines, "the Cluster API judge")


CONTROLLER_GEN_TYPES = HERE / "controller-gen"
"""The module whose Go types say the same as three of our kinds."""


def controller_gen(directory: Path, **environment: str) -> None:
    """Let controller-gen write the definitions of its Go types, as a project that is written in Go does.

    Args:
        directory: Where they are written.
        **environment: Further variables of its environment.

    Raises:
        RuntimeError: It failed.
    """
    run = subprocess.run(
        [program("controller-gen"), "crd", "paths=./types/...", f"output:crd:dir={directory}"],
        cwd=CONTROLLER_GEN_TYPES,
        env={
            **os.environ,
            "PATH": f"{os.environ['PATH']}:/usr/local/go/bin",
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "-mod=readonly",
            "GOWORK": "off",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if run.returncode != 0:
        raise RuntimeError(f"controller-gen: {run.stderr.strip()[-4000:]}")


def ignition() -> Path:
    """Ignition 2.24, which a machine runs before its first boot; it takes configurations up to 3.5."""
    return program("ignition")


def ignition_validate(config: bytes) -> list[str]:
    """What Ignition's own validation says of a configuration; an unknown key, which it only warns about, counts."""
    run = subprocess.run(
        [program("validate-ignition"), "-"],
        input=config,
        capture_output=True,
        timeout=60,
        check=False,
    )
    lines = (run.stdout + run.stderr).decode().splitlines()
    return lines or ([f"exit code {run.returncode}"] if run.returncode else [])


def verdict(minor: int) -> Path:
    """The program that judges cases as the programs of a minor version would: `verdict(37)`."""
    return program(f"verdict-1.{minor}")


def verdicts(
    minor: int, requests: Iterable[Mapping[str, Any]], *, kubeadm_alone: bool = False
) -> list[list[str]]:
    """What the programs of a minor version find wrong with each case, all in one process.

    Args:
        minor: 37 for Kubernetes 1.37.
        requests: As tests/judges/verdict/main.go says. All of them, or none, are arguments of etcd, whose program is another.
        kubeadm_alone: By the smaller program that has kubeadm's validation alone.

    Raises:
        RuntimeError: The judge itself failed.
    """
    lines = [json.dumps({"id": str(number), **each}) for number, each in enumerate(requests)]
    if lines and json.loads(lines[0]).get("program") == "etcd":
        judge = program(f"etcdflags-{ETCD[minor]}")
    else:
        judge = program(f"kubeadm-judge-1.{minor}") if kubeadm_alone else verdict(minor)
    answers = _answers([judge], lines, f"the judge of 1.{minor}")
    return [[f"{one['stage']}: {one['message']}" for one in each["errors"]] for each in answers]


def _answers(command: list[Any], lines: list[str], name: str) -> list[dict[str, Any]]:
    """Give a judge one request a line; its answers, one for each, in order.

    Raises:
        RuntimeError: It failed, or answered another number of requests.
    """
    run = subprocess.run(
        command,
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )
    # Not splitlines: a text may hold characters that Python takes for ends of lines.
    answers = [json.loads(line) for line in run.stdout.split("\n") if line]
    if run.returncode != 0 or len(answers) != len(lines):
        raise RuntimeError(f"{name}: {run.stderr.strip()[-4000:]}")
    return answers
