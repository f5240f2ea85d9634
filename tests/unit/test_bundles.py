"""Bundles of authorities say in comments whose they are, in any language: curl's does. Python's ssl takes no text beyond ASCII."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from machineadm.api.infrastructure.v1alpha1.http import HttpAccess, HTTPBootstrapStoreSpec
from machineadm.controllers.cli import _bundle
from machineadm.controllers.runtime.client import Client, Connection
from machineadm.controllers.runtime.kubeconfig import from_kubeconfig
from machineadm.controllers.stores.opening import Stores, _trusting
from machineadm.sources.web import Web
from tests.servers.authority import Authority

COMMENTS = ["# NetLock Arany (Class Gold) Főtanúsítvány", "# Käse AG", "证书"]


def agent(bundle: str, _: Path) -> None:
    context = Web(ca_bundle=bundle)._read_trusted()
    assert "a private authority" in str(context.get_ca_certs())


def kubeconfig(bundle: str, _: Path) -> None:
    data = base64.b64encode(bundle.encode()).decode()
    whole = {
        "clusters": [
            {"name": "c", "cluster": {"server": "https://h", "certificate-authority-data": data}}
        ],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    context = from_kubeconfig(msgspec.json.encode(whole)).tls
    assert context is not None
    assert "a private authority" in str(context.get_ca_certs())


def reports(bundle: str, directory: Path) -> None:
    file = directory / "ca.crt"
    file.write_text(bundle)
    assert _bundle(str(file)) == bundle


def store(bundle: str, _: Path) -> None:
    spec = HTTPBootstrapStoreSpec(url="https://h", ca_bundle=bundle, fetch=HttpAccess())
    stores = Stores(Client(Connection(server="https://h")))
    context = asyncio.run(stores._tls("default", "edge", spec))
    assert context is not None
    assert "a private authority" in str(context.get_ca_certs())


def bucket(bundle: str, _: Path) -> None:
    context = _trusting(bundle, "S3BootstrapStore", "edge")
    assert context is not None
    assert "a private authority" in str(context.get_ca_certs())


@pytest.mark.parametrize("reader", [agent, kubeconfig, reports, store, bucket])
@pytest.mark.parametrize("comment", COMMENTS)
def test_a_bundle_may_be_commented_in_any_language(
    comment: str, reader: Callable[[str, Path], None], tmp_path: Path
) -> None:
    reader(f"{comment}\n{Authority().certificate}", tmp_path)
