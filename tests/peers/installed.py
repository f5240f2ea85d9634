"""Plugins of any kind for tests of the agent: installed as an image brings them, each a program of its own."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

VAULT = """
class Vault(Provider):
    name = "vault"
    version = "1.0.0"
    schema = {"type": "object", "required": ["path"], "additionalProperties": False,
              "properties": {"path": {"type": "string", "minLength": 2}, "count": {"type": "integer", "maximum": 9},
                             "token": {"type": "string"}, "after": {"type": "array"}}}
    settings = {}

    def configure(self, settings):
        self.settings = settings
        if settings.get("refuse"):
            raise CallError("unfit settings")

    def execute(self, inputs, host):
        note("execute " + inputs["path"])
        if inputs["path"] == "broken":
            logging.getLogger().error("the seal is broken")
            raise CallError("vault is sealed")
        value = "value-of-" + inputs["path"]
        return Output(data={"data": {"password": value, "port": 8443, "list": ["a", "b"]}, "text": value + "\\n"})

    def stream(self, inputs, host, write):
        result = self.execute(inputs, host)
        write("stdout", b"reading " + inputs["path"].encode() + b"\\n")
        write("stdout", b"it is value-of-" + inputs["path"].encode() + b" indeed\\n")
        return result

    def what_if(self, inputs):
        note("what-if " + inputs["path"])
        return "would read " + inputs["path"]

    def dependencies(self, inputs):
        return list(inputs.get("after", []))
"""


def install(
    directory: Path, kind: str, name: str, content: bytes, *, checksum: bool = True
) -> Path:
    """Install an executable as a plugin, with its checksum."""
    directory.mkdir(exist_ok=True, mode=0o755)
    path = directory / f"machineadm-plugin-{kind}-{name}"
    path.write_bytes(content)
    path.chmod(0o755)
    if checksum:
        digest = hashlib.sha256(content).hexdigest()
        path.with_name(f"{path.name}_SHA256SUM").write_text(f"{digest}  {path.name}\n")
    return path


def provider(body: str = VAULT, served: str = "Vault()", *, notes: Path | None = None) -> bytes:
    """A provider plugin; what `note` is given stands in a file afterwards, a line each."""
    return program(
        f"""
import logging
from machineadm.plugins.sdk.errors import CallError
from machineadm.plugins.sdk.providers import Output, Provider, serve_providers
{body}
serve_providers({served})
""",
        notes,
    )


def program(body: str, notes: Path | None = None) -> bytes:
    """A program of Python with the tests' interpreter, and `note`."""
    return f"""#!{sys.executable} -I
def note(text):
    if {str(notes or "")!r}:
        with open({str(notes or "")!r}, "a") as file:
            file.write(text + "\\n")

{body}
""".encode()
