"""Where catalogs' tests keep what they fetch, and a fetcher that does not wait."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machineadm.plugins.catalogs.cache import Cache
from machineadm.plugins.catalogs.fetcher import Fetched, Fetcher
from machineadm.plugins.catalogs.lockfile import Lock
from machineadm.plugins.catalogs.model import Catalog, Wanted
from machineadm.plugins.catalogs.opening import open_catalog
from machineadm.plugins.catalogs.registry import Login, credentials
from machineadm.sources.registries import CatalogWeb
from tests.servers.registry import CONFIG, INDEX, LAYER, MANIFEST, digest

PLATFORM = "linux/amd64"
CONTENT = b"#!/bin/sh\n" + bytes(range(256)) * 2000


class Site:
    """A machine that fetches plugins.

    Args:
        directory: For its cache and its lock.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.cache = Cache(str(directory / "cache"))
        self.lock_path = directory / "plugins.lock"
        self.warnings: list[str] = []
        self.progress: list[int] = []
        self.ca_file = ""
        self.timeout = 20.0
        self.auths: dict[str, str] = {}
        self.identities: dict[str, str] = {}
        """Identity tokens by registry, as `docker login` leaves them."""

        self.platform = PLATFORM

    def open(self, address: str | Path) -> Catalog:
        data = json.dumps(
            {
                "auths": {
                    host: {"auth": base64.b64encode(word.encode()).decode()}
                    for host, word in self.auths.items()
                }
                | {
                    host: {"auth": "PHRva2VuPjo=", "identitytoken": token}
                    for host, token in self.identities.items()
                }
            }
        ).encode()

        def known(host: str) -> Login:
            return credentials(data, host, "auth.json")

        web = CatalogWeb(ca_file=self.ca_file, timeout=self.timeout, silence=2)
        return open_catalog(str(address), lambda: web, known)

    def fetch(self, wanted: str, *catalogs: str | Path, **settings: Any) -> Fetched:
        lock = Lock.read(str(self.lock_path))
        fetcher = Fetcher(
            [self.open(one) for one in catalogs],
            self.cache,
            lock,
            warn=self.warnings.append,
            progress=lambda _, came: self.progress.append(came),
            timeout=self.timeout,
            **settings,
        )
        fetched = fetcher.fetch(Wanted.parse(wanted), self.platform)
        if fetched.changed_lock:
            lock.save()
        return fetched

    @property
    def files(self) -> list[str]:
        """Everything in the cache, by its path."""
        base = self.directory / "cache"
        return sorted(str(one.relative_to(base)) for one in base.rglob("*") if one.is_file())


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    # The pauses between attempts, not the bounds, are what a test need not wait for.
    real = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: real(min(seconds, 0.01)))
    return Site(tmp_path)


Publish = Callable[..., Path]


def publish(
    directory: Path,
    version: str = "1.0.0",
    content: bytes = CONTENT,
    *,
    platform: str = PLATFORM,
    kind: str = "encryption-provider",
    name: str = "file",
) -> Path:
    """Put a plugin into a catalog that is a plain directory; the catalog."""
    place = directory / kind / name / version / platform.replace("/", "-")
    place.mkdir(parents=True)
    path = place / f"machineadm-plugin-{kind}-{name}"
    path.write_bytes(content)
    checksum = hashlib.sha256(content).hexdigest()
    path.with_name(f"{path.name}_SHA256SUM").write_text(f"{checksum}  {path.name}\n")
    return directory


def lay_out(
    directory: Path,
    files: dict[str, bytes],
    reference: str = "encryption-provider/file:1.0.0",
    config: dict[str, str] | None = None,
) -> Path:
    """Make an OCI layout with one plugin, for these platforms; the layout."""
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def put(data: bytes, kind: str) -> dict[str, Any]:
        (blobs / digest(data).removeprefix("sha256:")).write_bytes(data)
        return {"mediaType": kind, "digest": digest(data), "size": len(data)}

    listed = []
    for platform, content in files.items():
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": put(json.dumps(config or {}).encode(), CONFIG),
            "layers": [put(content, LAYER)],
        }
        one = put(json.dumps(manifest).encode(), MANIFEST)
        if platform:
            system, _, machine = platform.partition("/")
            one["platform"] = {"os": system, "architecture": machine}
        listed.append(one)
    top = listed[0]
    if list(files) != [""]:
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
        top = put(json.dumps(index).encode(), INDEX)
    if reference:
        top["annotations"] = {"org.opencontainers.image.ref.name": reference}
    path = directory / "index.json"
    before = json.loads(path.read_text())["manifests"] if path.exists() else []
    path.write_text(json.dumps({"schemaVersion": 2, "manifests": [*before, top]}))
    return directory
