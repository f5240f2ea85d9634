"""cloud-init itself reads the user data that is judged when a template of one's own is rendered.

What is taken, both read alike; of what is refused cloud-init makes what the refusal says.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from machineadm.documents.nodes import builtins
from machineadm.rendering.readers import UnfitError, cloud_configs
from tests.machine.machine import require_stage
from tests.unit.rendering.test_readers import HEAD, mail

ROOT = Path(__file__).parents[2]
FLAVOURS = ("bookworm-cloud", "trixie-cloud")

# Cuts each text of a list as at a boot, and loads the cloud-configs in it; includes are not fetched.
JUDGE = """
import json, logging, sys
from cloudinit import helpers, user_data, util
logging.disable(logging.CRITICAL)
load = getattr(util, "load_yaml", None)
if load is None:
    from cloudinit import safeyaml
    load = lambda text: safeyaml.load(text)
class Processor(user_data.UserDataProcessor):
    def _do_include(self, content, append_msg):
        self.urls += [l for l in content.splitlines() if l.strip() and not l.startswith("#")]
def read(text):
    processor = Processor(helpers.Paths({}))
    processor.urls = []
    whole = processor.process(text.encode())
    parts = [p for p in whole.walk() if p.get_content_maintype() != "multipart"]
    kinds = [p.get_content_type() for p in parts]
    configs = []
    for part in parts:
        if part.get_content_type() == "text/cloud-config":
            try:
                configs.append(load(util.decode_binary(part.get_payload(decode=True))))
            except Exception as error:
                configs.append(type(error).__name__)
    return {"kinds": kinds, "configs": configs, "urls": processor.urls}
print(json.dumps([read(text) for text in json.load(sys.stdin)]))
"""


def judged(flavour: str, texts: list[str]) -> list[dict[str, Any]]:
    require_stage(flavour)
    asked = f". tests/machine/lib.sh; machine_root {flavour}"
    directory = subprocess.run(
        ["bash", "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    command = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"]
    entered = [str(ROOT / "tests/roots/enter.sh"), directory, "-", "--"]
    done = subprocess.run(
        [*command, *entered, "/usr/bin/python3", "-c", JUDGE],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


TAKEN = [
    f"{HEAD}a: 1\nruncmd: [[a, b]]\n",
    "#Cloud-Config # ours\na: 1\nb: &x {c: d}\ne: *x\n",
    mail(("text/cloud-config", "a: 1"), ("text/x-shellscript", "#!/bin/sh\ntrue")),
    mail(("text/plain", "#cloud-config\na: 1"), ("text/cloud-config", "b: [1, 2]")),
    "#cloud-config-archive\n- type: text/cloud-config\n  content: 'a: 1'\n- |\n  #cloud-config\n  b: 2\n",
    "#!/bin/sh\na: 1\n",
    f"{HEAD}# MIME-Version: 1.0\na: 1\n",
    "#cloud-boothook\n#!/bin/sh\n",
    f"{HEAD}x: {'y' * 4096}\nz: 'MIME-Version: 1.0'\n",
]

# What is refused, and what cloud-init makes of it.
REFUSED: list[tuple[str, dict[str, Any]]] = [
    (f"{HEAD}runcmd: [a]\nruncmd: [b]\n", {"configs": [{"runcmd": ["b"]}]}),
    (f"{HEAD}yes: a\ntrue: b\n", {"configs": [{"true": "b"}]}),
    (f"{HEAD}1: a\n1.0: b\n", {"configs": [{"1": "b"}]}),
    (f"{HEAD}a: &a {{x: 1}}\nb:\n  <<: *a\n", {"configs": [{"a": {"x": 1}, "b": {"x": 1}}]}),
    (f"{HEAD}a: 1\n---\nb: 2\n", {}),
    ("#cloud-config:\n# MIME-Version: 1.0\na: 1\n", {"configs": []}),
    (f"{HEAD}# MIME-Version: 1.0\na: \u00f6\n", {}),
    ("hello\n", {"configs": []}),
    ("Content-Type: text/cloud-config\n\na: 1\n", {"configs": []}),
    ("#include\nhttps://a.example/x\na: 1\n", {"urls": ["https://a.example/x", "a: 1"]}),
    ("#cloud-config-archive\n- {content: x, content: 'a: 1'}\n", {"configs": [{"a": 1}]}),
    ("## template: jinja\n#cloud-config\n{}\n", {"kinds": ["text/jinja2"]}),
]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_cloud_init_reads_as_we_do(flavour: str) -> None:
    if not shutil.which("unshare"):
        pytest.skip("there is no unshare")
    found = judged(flavour, [*TAKEN, *(text for text, _ in REFUSED)])

    for text, made in zip(TAKEN, found, strict=False):
        assert [builtins(one) for one in cloud_configs(text.encode())] == made["configs"], text
    for (text, expected), made in zip(REFUSED, found[len(TAKEN) :], strict=True):
        with pytest.raises(UnfitError):
            cloud_configs(text.encode())
        for key, value in expected.items():
            assert made[key] == value, text
        assert made != found[0]
