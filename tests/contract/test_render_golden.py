"""What each built-in template makes of the example: the user data with a name instead of each content, and the configuration.

MACHINEADM_GOLDEN=write makes the expected files anew; read the difference before you commit it. The fetch script has tests of its own.
"""

import base64
import os
import re
import zlib
from pathlib import Path

import pytest

from machineadm.rendering.builtin import BUILTINS
from machineadm.rendering.stream import read_bundle, render_bundle

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden/render"
_BASE64 = rb'(?:(?<=content: )|(?<=base64,)|^)[A-Za-z0-9+/]{24,}={0,2}(?=$|")'
EXAMPLE = ROOT / "examples/rendering/worker.yaml"


def rendered(template: str) -> bytes:
    outcome = render_bundle(
        read_bundle([("worker.yaml", EXAMPLE.read_bytes())]),
        random=lambda _: pytest.fail("nothing is encrypted"),
        template=template,
    )
    assert outcome.rendered is not None, outcome.problems
    return outcome.rendered.user_data


def opened(user_data: bytes) -> bytes:
    """With the name of what is inside instead of base64; whatever compresses it decides the bytes."""
    configuration = rendered("bare")

    def name(found: re.Match[bytes]) -> bytes:
        content = base64.b64decode(found[0])
        if content.startswith(b"\x1f\x8b"):
            content = zlib.decompress(content, wbits=31)
            return b"@CONFIGURATION@" if content == configuration else b"@FETCH_SCRIPT@"
        return b"@" + content.replace(b"\n", b" | ") + b"@"

    return re.sub(_BASE64, name, user_data, flags=re.MULTILINE)


@pytest.mark.requirement("R5", "U1")
@pytest.mark.parametrize("template", BUILTINS)
def test_user_data_is_as_expected(template: str) -> None:
    data = rendered(template)
    written = data if template == "bare" else opened(data)
    path = GOLDEN / template
    if os.environ.get("MACHINEADM_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(written)

    assert written == path.read_bytes()
