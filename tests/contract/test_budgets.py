"""What an input may cost: its sum is bounded, not only each of its parts.

Each case is a small input that would unfold to a lot. It is refused with a code and a place, in less memory than 60 MB
and in about the time that a valid configuration of the same size takes. That the measuring notices a missing bound is
tested, too.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
import pytest

from machineadm.documents.declared import breach
from machineadm.documents.encryption import seal, to_yaml
from machineadm.documents.formats import FORMATS
from machineadm.redaction import Secret
from tests.typewalk import places

MIB = 1024 * 1024
MEMORY = 60 * MIB
PASSPHRASE = "correct horse battery"
HEAD = "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: MachineConfiguration\nspec:\n  machine:\n"


class Cost(msgspec.Struct, frozen=True):
    code: int
    output: str
    memory: int
    """Bytes, at most."""
    seconds: float
    """Of CPU."""


def cost(arguments: Sequence[str], *, before: str = "") -> Cost:
    """What a run of the agent costs; `before` runs in its process before it."""
    program = _PROGRAM.replace("BEFORE", before)
    done = subprocess.run(
        # By way of a shell: what a process was before exec() counts to its memory, and the tests are large.
        ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    output, _, measured = done.stdout.rpartition("\n")
    memory, seconds = measured.split()
    return Cost(done.returncode, output, int(memory) * 1024, float(seconds))


_PROGRAM = """
import os, resource, sys
BEFORE
from machineadm.cli.main import main
code = main(sys.argv[1:])
sys.stdout.flush()
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(f"\\n{memory} {sum(os.times()[:2])}", end="")
sys.exit(code)
"""


def packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


def files(*entries: str) -> str:
    return HEAD + "    files:\n" + "".join(f"    - {{{entry}}}\n" for entry in entries)


def sealed(*plaintexts: str) -> str:
    return "---\n".join(
        to_yaml(
            seal(
                text.encode(),
                Secret(PASSPHRASE),
                provider="site",
                random=os.urandom,
                cipher="aes-256-gcm",
                iterations=10000,
            )
        ).decode()
        for text in plaintexts
    )


def aliased(first: str, number: int) -> str:
    others = (f"path: /x{n}, <alias>" for n in range(1, number))
    key, _, value = first.rpartition(" ")
    names = [f"path: /x0, {key} &b {value}"]
    return files(*names, *(other.replace("<alias>", f"{key} *b") for other in others))


TEXT = "x" * 1_000_000
CONFIGURATIONS: dict[str, tuple[Callable[[], list[str]], str]] = {
    "aliases of one gzip": (
        lambda: [aliased(f"encoding: gzip, content: '{packed(bytes(8 * MIB))}'", 30)],
        "MA1325",
    ),
    "gzips of their own": (
        lambda: [
            files(
                *(
                    f"path: /x{n}, encoding: gzip+base64, content: '{packed(bytes(9 * MIB) + bytes([n]))}'"
                    for n in range(5)
                )
            )
        ],
        "MA1325",
    ),
    "a gzip of many members": (
        lambda: [
            files(
                *(
                    f"path: /x{n}, encoding: gzip, content: '{base64.b64encode(gzip.compress(b'') * 18_000).decode()}'"
                    for n in range(3)
                )
            )
        ],
        "MA1325",
    ),
    "gzip within base64 in JSON": (
        lambda: [
            json.dumps(
                {
                    "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
                    "kind": "MachineConfiguration",
                    "spec": {
                        "machine": {
                            "files": [
                                {
                                    "path": f"/x{n}",
                                    "encoding": "gzip",
                                    "content": packed(bytes(MIB)),
                                }
                                for n in range(40)
                            ]
                        }
                    },
                }
            )
        ],
        "MA1325",
    ),
    "aliases over several inputs": (
        lambda: 4 * [aliased(f"content: '{TEXT}'", 6)],
        "MA1009",
    ),
    "aliases in EncryptedData": (
        lambda: [sealed(*(4 * [aliased(f"content: '{TEXT}'", 6)]))],
        "MA1009",
    ),
    "values over several inputs": (
        lambda: 6 * ["a: [" + "1," * 40_000 + "]\n"],
        "MA1008",
    ),
    "EncryptedData that grows": (lambda: [sealed("#" * (40 * MIB))], "MA1503"),
    "many EncryptedData that grow": (lambda: [sealed(*(12 * ["#" * (2 * MIB)]))], "MA1503"),
    "EncryptedData that grows in another": (
        lambda: [sealed(sealed("#" * (20 * MIB)), "#" * MIB)],
        "MA1503",
    ),
    "a gzip in EncryptedData": (
        lambda: [sealed(aliased(f"encoding: gzip, content: '{packed(bytes(8 * MIB))}'", 9))],
        "MA1325",
    ),
    "a duration of many units": (
        lambda: [HEAD + f"    commands: {{boot: [{{argv: [a], timeout: {'1h' * 500_000}}}]}}\n"],
        "MA11",
    ),
    "a server of many digits": (
        lambda: [HEAD + f"    linuxConfiguration: {{ntp: {{servers: ['{'1' * 500_000}']}}}}\n"],
        "MA11",
    ),
    "escapes in JSON": (
        lambda: ['{"apiVersion": "' + "\\n" * 500_000 + "x"],
        "MA1006",
    ),
    "lines without end": (lambda: ["\n" * 2_000_000 + "x"], "MA10"),
}


def arguments(tmp_path: Path, texts: Sequence[str]) -> list[str]:
    paths = []
    for number, text in enumerate(texts):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        paths += ["--path", str(path)]
    return paths


def run_plan(tmp_path: Path, texts: Sequence[str], *, before: str = "") -> Cost:
    root, secret = tmp_path / "root", tmp_path / "passphrase"
    root.mkdir(exist_ok=True)
    secret.write_text(PASSPHRASE)
    secret.chmod(0o600)
    given = ["--root", str(root), "--passphrase-file", f"site={secret}"]
    return cost(
        ["plan", "--mode", "preparation", *given, *arguments(tmp_path, texts)], before=before
    )


def assert_bounded(refused: Cost, valid: Cost, code: str, place: str) -> None:
    assert refused.code == 3, refused.output[:2000]
    assert "Traceback" not in refused.output
    assert re.search(rf"{place}: {code}[0-9]* ", refused.output), refused.output[:2000]
    assert len(refused.output) < 200_000
    assert refused.memory < MEMORY
    assert refused.seconds < 1 + 3 * valid.seconds


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_what_unfolds_is_refused_as_a_whole_and_at_the_price_of_its_own_size(
    tmp_path: Path, name: str
) -> None:
    make, code = CONFIGURATIONS[name]
    texts = make()
    size = sum(map(len, texts)) - len(HEAD)
    number, last = divmod(min(size, 15 * MIB), MIB)
    contents = [*([MIB] * number), last]
    valid = run_plan(
        tmp_path, [files(*(f"path: /v{n}, content: '{'v' * c}'" for n, c in enumerate(contents)))]
    )
    assert valid.code == 10, valid.output[:2000]

    assert_bounded(run_plan(tmp_path, texts), valid, code, r"\.yaml(#[0-9]+)*:[0-9]+:[0-9]+")


@pytest.mark.parametrize(
    "unit",
    ["a", "1", "1h", "1.", ".", "-", "a.", "a:", ":", "/", "A=", "1e", "0.0.0-", "[", "@", "%"],
)
def test_the_forms_of_texts_cost_little_however_long_a_text_is(unit: str) -> None:
    """Every pattern and every format of every field, in memory and time that do not grow with the text's form."""
    text = unit * (300_000 // len(unit)) + "!"
    declared = {
        (extra["pattern"], extra["maxLength"])
        for place in places()
        if "pattern"
        in (extra := {"maxLength": getattr(place.type, "max_length", None)} | place.extra)
    }
    checks = [
        *(partial(breach, text, {"pattern": p, "maxLength": most}) for p, most in declared),
        *(partial(breach, text, {"format": name}) for name in FORMATS),
    ]
    assert len(checks) > 80
    for check in checks:
        check()  # compiles
        tracemalloc.start()
        began = time.process_time()
        check()
        seconds, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 12 * len(text)
        assert seconds < 1


def test_every_text_with_a_pattern_or_a_format_is_bounded() -> None:
    bounds = {
        place.path: {"maxLength": getattr(place.type, "max_length", None)} | place.extra
        for place in places()
    }
    unbounded = [
        path
        for path, extra in bounds.items()
        if ("pattern" in extra or "format" in extra) and extra["maxLength"] is None
    ]

    assert unbounded == []


def test_inputs_that_are_too_large_together_are_not_read_to_their_end(tmp_path: Path) -> None:
    found = run_plan(tmp_path, 5 * ["#" * (4 * MIB)])

    assert found.code == 2
    assert "MA7004" in found.output
    assert found.memory < MEMORY


def test_without_the_bound_on_contents_the_measuring_notices(tmp_path: Path) -> None:
    texts = [aliased(f"encoding: gzip, content: '{packed(bytes(8 * MIB))}'", 8)]
    lifted = "from machineadm.config import contents\ncontents.Allowance.take = lambda *_: None"

    found = run_plan(tmp_path, texts, before=lifted)

    assert found.code == 10
    assert found.memory > MEMORY


CLOUD_CONFIG = "#cloud-config\n{}\n"
TEMPLATES: dict[str, tuple[Callable[[], str], str]] = {
    "calls within each other": (
        lambda: CLOUD_CONFIG + 200 * ("{{if machine_config" + "|base64" * 40 + "|gzip}}{{end}}"),
        "MA1614",
    ),
    "calls that differ a little": (
        lambda: (
            CLOUD_CONFIG
            + "".join(
                "{{if machine_config" + "|base64" * a + "|gzip" + "|base64" * b + "|gzip}}{{end}}"
                for a in range(26)
                for b in range(12)
            )
        ),
        "MA1614",
    ),
    "quotes of quotes": (
        lambda: CLOUD_CONFIG + "{{`" + "\x01" * 200_000 + "`" + "|quote" * 30 + "|base64}}",
        "MA1614",
    ),
    "more actions than anybody writes": (
        lambda: CLOUD_CONFIG + "{{if agent_path}}{{end}}" * 30_000,
        "MA1614",
    ),
    "more words than anybody writes": (
        lambda: CLOUD_CONFIG + "{{" + "agent_path " * 60_000 + "}}",
        "MA1614",
    ),
    "comments": (lambda: CLOUD_CONFIG + "{{- /* */ -}}" * 60_000, "MA1614"),
    "a literal of escapes that does not end": (
        lambda: CLOUD_CONFIG + '{{"' + "\\u00e4" * 150_000 + "}}",
        "MA1610",
    ),
    "a name without end": (lambda: CLOUD_CONFIG + "{{" + "x" * 500_000 + "}}", "MA1612"),
    "branches within each other": (
        lambda: CLOUD_CONFIG + "{{if true}}" * 3_000 + "{{end}}" * 3_000,
        "MA1611",
    ),
    "the configuration over and over": (
        lambda: CLOUD_CONFIG + ("# {{machine_config" + "|quote" * 8 + "}}\n") * 2_000,
        "MA1614",
    ),
    "contents that grow": (
        lambda: (
            "#cloud-config\nwrite_files:\n"
            f"- &a {{path: /x, encoding: gz+b64, content: '{packed(bytes(2 * MIB))}'}}\n"
            + "- *a\n"
            * 2_000
        ),
        "MA1614",
    ),
    "contents that grow, for Ignition": (
        lambda: json.dumps(
            {
                "ignition": {"version": "3.4.0"},
                "storage": {
                    "files": [
                        {
                            "path": f"/x{n}",
                            "contents": {
                                "compression": "gzip",
                                "source": f"data:;base64,{packed(bytes(4 * MIB))}",
                            },
                        }
                        for n in range(6)
                    ]
                },
            }
        ),
        "MA1614",
    ),
}


def bundle(template: str, **spec: object) -> str:
    main = {
        "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
        "kind": "MachineBootstrap",
        "metadata": {"name": "m"},
        "spec": {
            "format": "ignition" if template.startswith("{") else "cloud-config",
            "machine": {"bootstrapperTemplateConfigMapName": "own"} | spec,
            "kubernetes": {"version": "v1.34.1", "role": {"type": "Initialize"}},
        },
    }
    own = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "own"},
        "data": {"template": template},
    }
    return json.dumps(main) + "\n" + json.dumps(own)


def run_render(tmp_path: Path, text: str, *, before: str = "") -> Cost:
    return cost(["render", *arguments(tmp_path, [text])], before=before)


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_a_template_unfolds_is_refused_as_a_whole(tmp_path: Path, name: str) -> None:
    make, code = TEMPLATES[name]
    template = make()
    valid = run_render(tmp_path, bundle("#cloud-config\n{}\n" + "#" * len(template)))
    assert valid.code == 0, valid.output[:2000]

    assert_bounded(run_render(tmp_path, bundle(template)), valid, code, r"\.yaml:[0-9]+:[0-9]+")


def test_a_value_that_is_referred_to_often_counts_as_often(tmp_path: Path) -> None:
    template = "#cloud-config\n{}\n" + "#" * 900_000
    reference = {"configMap": {"name": "own", "key": "template"}}
    often = [{"path": f"/x{n}", "contentFrom": reference} for n in range(150)]
    valid = run_render(tmp_path, bundle(template, files=often[:1]))
    assert valid.code == 0, valid.output[:2000]

    refused = run_render(tmp_path, bundle(template, files=often))

    assert_bounded(refused, valid, "MA1607", r"\.yaml:[0-9]+:[0-9]+")


def test_without_the_bound_on_work_the_measuring_notices(tmp_path: Path) -> None:
    template = TEMPLATES["calls that differ a little"][0]()
    lifted = "from machineadm.rendering import template\ntemplate._FACTOR = 1 << 40"
    valid = run_render(tmp_path, bundle("#cloud-config\n{}\n" + "#" * len(template)))

    found = run_render(tmp_path, bundle(template), before=lifted)

    assert found.seconds > 1 + 3 * valid.seconds or found.memory > MEMORY
