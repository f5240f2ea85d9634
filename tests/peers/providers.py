"""A provider plugin in Python, for our host and for one on scafctl's types."""

from __future__ import annotations

import sys
from pathlib import Path

PLUGIN = f"""#!{sys.executable} -I
from machineadm.plugins.sdk.errors import CallError
from machineadm.plugins.sdk.providers import Output, Provider, serve_providers


class Echo(Provider):
    name = "echo"
    version = "1.0.0"
    schema = {{"type": "object", "required": ["message"]}}
    settings = {{}}

    def configure(self, settings):
        if settings.get("refuse"):
            raise CallError("unfit settings")
        self.settings = settings

    def execute(self, inputs, host):
        if "fail" in inputs:
            raise CallError(inputs["fail"])
        if "secret" in inputs:
            return Output(data=host.get_secret(inputs["secret"]))
        return Output(data={{"in": inputs, "settings": self.settings}}, warnings=("careful",))

    def what_if(self, inputs):
        return "would echo"


class Stream(Provider):
    name = "stream"

    def execute(self, inputs, host):
        return Output(data="unary")

    def stream(self, inputs, host, write):
        for number in range(200):
            write("stdout", b"line %d\\n" % number)
        write("stderr", b"")
        write("stderr", b"end")
        if "fail" in inputs:
            raise CallError("no disk")
        return Output(data="streamed")

    def dependencies(self, inputs):
        return sorted(inputs)


serve_providers(Echo(), Stream())
"""


def provider_plugin(directory: Path) -> str:
    """The plugin as an executable file."""
    path = directory / "provider"
    path.write_text(PLUGIN)
    path.chmod(0o755)
    return str(path)


HANDLER = f"""#!{sys.executable} -I
from machineadm.plugins.sdk.auth_handlers import (
    AuthHandler, CachedToken, Identity, Status, Token, serve_auth_handlers,
)
from machineadm.plugins.sdk.errors import CallError


class Entra(AuthHandler):
    name = "entra"
    flows = ("device_code",)
    tenant, subject = "", ""

    def configure(self, settings):
        self.tenant = settings["tenant"]

    def token(self, scope, *, min_valid_for, force_refresh, host):
        if scope == "broken":
            raise CallError("no route to the issuer")
        if scope == "secret":
            return Token(host.get_secret("entra/key"))
        return Token(f"for-{{scope}}-{{min_valid_for}}", expires_at=99)

    def login(self, login, prompt):
        if login.flow != "device_code":
            raise CallError("no such flow")
        prompt("AB", "https://login.example", "first")
        prompt("CD", "https://login.example", "second")
        self.subject = "ada"
        return self.status()

    def logout(self):
        self.subject = ""

    def status(self):
        return Status(bool(self.subject), Identity(subject=self.subject, tenant_id=self.tenant))

    def cached_tokens(self):
        return [CachedToken("files", is_expired=True)]

    def purge(self):
        return 1


serve_auth_handlers(Entra())
"""


def handler_plugin(directory: Path) -> str:
    """An auth handler plugin as an executable file."""
    path = directory / "handler"
    path.write_text(HANDLER)
    path.chmod(0o755)
    return str(path)
