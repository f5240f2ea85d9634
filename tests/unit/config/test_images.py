"""Images: every rule, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from typing import Any

import pytest

from machineadm.config.concerns.images import full_name
from tests.rulecases import Case, judging

P = "machine.images"
S = f"spec.{P}"
SUM = "a" * 64
URL = "https://example.com/images.tar"


def archive(**fields: Any) -> dict[str, Any]:
    return {P: [{"archive": fields}]}


CASES = [
    Case("a download is pinned", archive(url=URL), [("MA1309", f"{S}[0].archive.sha256")], archive(url=URL, sha256=SUM)),
    Case("who vouches is for a download", archive(path="/a.tar", authFrom={"handler": {"name": "h"}}),
         [("MA1304", f"{S}[0].archive.authFrom")], archive(url=URL, sha256=SUM, authFrom={"handler": {"name": "h"}})),
    Case("paths of Linux", archive(path="C:\\a.tar"), [("MA1304", f"{S}[0].archive.path")], archive(path="/a.tar")),
    Case("an archive is not pulled", {P: [{"archive": {"path": "/a.tar"}, "pullPolicy": "Always"}]},
         [("MA1323", f"{S}[0].pullPolicy")], {P: [{"reference": "a.example.com/b", "pullPolicy": "Always"}]}),
    Case("an image is named once", {P: [{"reference": "nginx"}, {"reference": "docker.io/library/nginx:latest"}]},
         [("MA1306", f"{S}[1]")], {P: [{"reference": "nginx"}, {"reference": "nginx", "namespace": "other"}]}),
    Case("an archive is named once", {P: [{"archive": {"path": "/a"}}, {"archive": {"path": "/a"}}]},
         [("MA1306", f"{S}[1]")], {P: [{"archive": {"path": "/a"}}, {"archive": {"path": "/a"}, "platform": "linux/arm64"}]}),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1", "docker.io/library/nginx:1"),
        ("bitnami/nginx", "docker.io/bitnami/nginx:latest"),
        ("localhost/a", "localhost/a:latest"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        (f"a.example.com/b@sha256:{SUM}", f"a.example.com/b@sha256:{SUM}"),
        (f"nginx:1@sha256:{SUM}", f"docker.io/library/nginx:1@sha256:{SUM}"),
    ],
)
def test_a_reference_has_one_full_name(given: str, full: str) -> None:
    assert full_name(given) == full


def test_images_of_kubernetes_need_its_version() -> None:
    from machineadm.config.validation import check
    from tests.configurations import configuration

    found = check(configuration({"kubernetes": None, "machine.kubernetesImages": True}), mode="preparation")  # fmt: skip

    assert [(one.code, one.path) for one in found] == [("MA1304", "spec.machine.kubernetesImages")]
