"""A registry for plugins, as much of the OCI distribution protocol as a reader meets, that misbehaves on request.

with Registry() as registry:
    registry.push("plugins/encryption-providers/file", "1.0.0", {"linux/amd64": b"..."})
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qsl

from tests.servers.authority import Identity
from tests.servers.serving import Handler, Request, Serving

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.machineadm.plugin.v1+binary"
CONFIG = "application/vnd.machineadm.plugin.config.v1+json"


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Registry(Serving):
    """Keeps blobs and tags in memory.

    Args:
        user: Who may read; empty: everybody.
        password: Of the user.
        tokens: Give a token for the password (Bearer); else ask for the password itself.
        blobs_at: Base URL of another server that blobs are redirected to; empty: none.
        page: Tags of a page.
        identity: Certificate and key for TLS.
    """

    def __init__(
        self,
        *,
        user: str = "",
        password: str = "",
        tokens: bool = False,
        blobs_at: str = "",
        page: int = 1000,
        identity: Identity | None = None,
    ) -> None:
        super().__init__(_Registry, identity=identity)
        self.user, self.password, self.tokens = user, password, tokens
        self.blobs_at, self.page = blobs_at, page
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.faults: list[str] = []
        """Taken one for each request of a blob: `500`, `half`, `cut`, `whole`, `drip`, `wrong`, `long`; `ok` is none."""

        self.manifest_faults: list[str] = []
        """The same for manifests: a status, or `wrong`."""

        self.realm = ""
        self.challenges: list[str] = []
        """What is asked for with 401, a header each; empty: as `tokens` says."""

        self.uses = 0
        """Requests that each token is good for; 0: any number."""

        self.link = ""
        """Of each list of tags, whatever there is; empty: as it is."""

        self.identity_token = ""
        """What buys a token by OAuth 2's refresh grant; empty: the service has no such road."""

        self.token_faults: list[str] = []
        """Taken one for each POST to the token service: a status, or a URL to redirect to."""

        self.forms: list[dict[str, str]] = []
        """What was posted."""

        self.tokens_given = 0
        self.left = 0

    def __enter__(self) -> Registry:
        super().__enter__()
        return self

    @property
    def address(self) -> str:
        """As a catalog's address has it."""
        return f"oci{'' if self.tls else '+http'}://{self.host}:{self.port}/plugins"

    def push(
        self, repository: str, tag: str, files: dict[str, bytes], media_type: str = LAYER
    ) -> str:
        """Push a plugin for each platform, as an index; one without a platform alone. The digest of what the tag names."""
        listed = []
        for platform, content in files.items():
            pushed = self.push_one(repository, content, platform, media_type)
            one: dict[str, Any] = {"mediaType": MANIFEST, **pushed}
            if platform:
                system, _, machine = platform.partition("/")
                one["platform"] = {"os": system, "architecture": machine}
            listed.append(one)
        if list(files) == [""]:
            self.manifests[repository, tag] = self.manifests[repository, listed[0]["digest"]]
            return str(listed[0]["digest"])
        return self.tag(
            repository, tag, INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
        )

    def push_one(
        self, repository: str, content: bytes, platform: str, media_type: str
    ) -> dict[str, Any]:
        config = json.dumps({"platform": platform}).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, **self.put(config)},
            "layers": [{"mediaType": media_type, **self.put(content)}],
        }
        named = self.tag(repository, "", MANIFEST, manifest)
        return {"digest": named, "size": len(json.dumps(manifest).encode())}

    def put(self, data: bytes) -> dict[str, Any]:
        """Keep a blob; its digest and size."""
        self.blobs[digest(data)] = data
        return {"digest": digest(data), "size": len(data)}

    def tag(self, repository: str, tag: str, kind: str, document: object) -> str:
        """Keep a manifest or an index, under a tag if one is given; its digest."""
        data = json.dumps(document).encode()
        self.manifests[repository, digest(data)] = (kind, data)
        if tag:
            self.manifests[repository, tag] = (kind, data)
        return digest(data)

    def tags(self, repository: str) -> list[str]:
        return [tag for name, tag in self.manifests if name == repository and ":" not in tag]

    def authorized(self, given: str) -> bool:
        if not self.user:
            return True
        if not self.tokens:
            return given == self.basic
        if not self.uses:
            return given == "Bearer a-token"
        if given != f"Bearer token-{self.tokens_given}" or not self.left:
            return False
        self.left -= 1
        return True

    def token(self) -> str:
        """The token that is good from now on."""
        if not self.uses:
            return "a-token"
        self.tokens_given += 1
        self.left = self.uses
        return f"token-{self.tokens_given}"

    @property
    def basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class _Registry(Handler):
    owner: Registry

    def do_GET(self) -> None:  # noqa: N802 - as http.server calls it
        owner = self.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner.requests.append(Request("GET", self.path, headers))
        if self.path.startswith("/token"):
            known = headers.get("authorization") == owner.basic
            given = json.dumps({"token": owner.token() if known else ""}).encode()
            self._answer(200 if known else 401, given)
            return
        if not owner.authorized(headers.get("authorization", "")):
            realm = owner.realm or f"{owner.url}/token"
            wanted = f'Bearer realm="{realm}",service="test"' if owner.tokens else 'Basic realm="x"'
            self.send_response(401)
            for one in owner.challenges or [wanted]:
                self.send_header("WWW-Authenticate", one.replace("REALM", realm))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        found = re.fullmatch(
            r"/v2/(.+)/(tags/list|manifests|blobs)(?:/([^?]+))?(?:\?(.*))?", self.path
        )
        if found is None:
            self._answer(404, b"{}")
        elif found[2] == "tags/list":
            self._tags(found[1], found[4] or "")
        elif found[2] == "manifests":
            self._manifest(found[1], found[3])
        elif owner.blobs_at:
            self._answer(307, b"", {"Location": f"{owner.blobs_at}/{found[3]}"})
        else:
            self._blob(owner.blobs.get(found[3]))

    def do_POST(self) -> None:  # noqa: N802 - as http.server calls it
        owner = self.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner.requests.append(Request("POST", self.path, headers))
        form = dict(parse_qsl(self.rfile.read(int(headers["content-length"])).decode()))
        owner.forms.append(form)
        fault = owner.token_faults.pop(0) if owner.token_faults else ""
        if "://" in fault:
            self._answer(307, b"", {"Location": fault})
        elif fault or not owner.identity_token:
            self._answer(int(fault or 405), b"{}")
        elif (form["grant_type"], form["refresh_token"]) == ("refresh_token", owner.identity_token):
            self._answer(200, json.dumps({"access_token": owner.token()}).encode())
        else:
            self._answer(400, b'{"error": "invalid_grant"}')

    def _tags(self, repository: str, query: str) -> None:
        tags = self.owner.tags(repository)
        if not tags:
            self._answer(404, b"{}")
            return
        last = query.partition("last=")[2]
        rest = tags[tags.index(last) + 1 :] if last else tags
        page = rest[: self.owner.page]
        following = f'</v2/{repository}/tags/list?last={page[-1]}>; rel="next"'
        headers = {"Link": following} if len(rest) > len(page) else {}
        if self.owner.link:
            headers = {"Link": self.owner.link}
        self._answer(200, json.dumps({"name": repository, "tags": page}).encode(), headers)

    def _manifest(self, repository: str, reference: str) -> None:
        owner = self.owner
        fault = owner.manifest_faults.pop(0) if owner.manifest_faults else ""
        kind, data = owner.manifests.get((repository, reference), ("", b""))
        if fault.isdecimal():
            self._answer(int(fault), b"{}")
        elif not kind:
            self._answer(404, b"{}")
        else:
            headers = {"Content-Type": kind, "Docker-Content-Digest": digest(data)}
            self._answer(200, data + b" " * (fault == "wrong"), headers)

    def _blob(self, data: bytes | None) -> None:
        owner = self.owner
        fault = owner.faults.pop(0) if owner.faults else ""
        if fault.isdecimal() or data is None:
            self._answer(int(fault or 404), b"{}")
            return
        if fault == "wrong":
            data = data[:-1] + bytes([data[-1] ^ 1])
        if fault == "long":
            data += b"more"
        given = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(given[1]) if given and fault != "whole" else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        rest = data[start:]
        if fault == "cut":
            rest = rest[: len(rest) // 2]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if fault == "half":
            self.wfile.write(rest[: len(rest) // 2])
            self.close_connection = True
        elif fault == "drip":
            self.close_connection = True
            for byte in rest:
                self.wfile.write(bytes([byte]))
                if owner.closing.wait(0.1):
                    return
        else:
            self.wfile.write(rest)

    def _answer(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
