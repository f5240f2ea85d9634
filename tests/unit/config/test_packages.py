"""Packages: every rule, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from typing import Any

from tests.rulecases import Case, judging

X = "machine.linuxConfiguration.packageRepositories"
S = f"spec.{X}"
KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----\n"


def repository(**fields: Any) -> dict[str, Any]:
    base = {
        "name": "k8s",
        "format": "apt",
        "url": "https://pkgs.example.com/deb/",
        "suites": ["/"],
        "key": KEY,
    }
    return {X: [{name: value for name, value in {**base, **fields}.items() if value is not None}]}


GOOD = repository()
DNF = {"format": "dnf", "suites": None}
CASES = [
    Case("apt needs suites", repository(suites=None), [("MA1303", f"{S}[0].suites")], GOOD),
    Case("a flat repository has no components", repository(components=["main"]), [("MA1323", f"{S}[0].components")], GOOD),
    Case("a suite has components", repository(suites=["bookworm"]), [("MA1303", f"{S}[0].components")],
         repository(suites=["bookworm"], components=["main"])),
    Case("one flat suite among others", repository(suites=["/", "bookworm"]), [("MA1303", f"{S}[0].components")],
         repository(suites=["/", "bookworm"], components=["main"])),
    Case("suites are apt's", repository(format="dnf"), [("MA1304", f"{S}[0].suites")], repository(**DNF)),
    Case("components are apt's", repository(format="zypper", suites=None, components=["main"]),
         [("MA1304", f"{S}[0].components")], repository(format="zypper", suites=None)),
    Case("one program", {X: [*GOOD[X], {**repository(**DNF)[X][0], "name": "b"}]}, [("MA1323", f"{S}[1].format")],
         {X: [*GOOD[X], {**GOOD[X][0], "name": "b"}]}),
    Case("a scheme that programs know", repository(url="ftp://example.com/"), [("MA1323", f"{S}[0].url")],
         repository(url="file:///srv/repository")),
    Case("no login in a URL", repository(url="https://u:p@example.com/"), [("MA1323", f"{S}[0].url")],
         repository(url="https://example.com/a@b/")),
    Case("a key in armor", repository(key="mQENBF"), [("MA1351", f"{S}[0].key")], GOOD),
    Case("no private key", repository(key=KEY + KEY.replace("PUBLIC", "PRIVATE")), [("MA1351", f"{S}[0].key")], GOOD),
    Case("a key", repository(key=None), [("MA1302", f"{S}[0]")],
         repository(key=None, keyFrom={"provider": {"name": "vault"}})),
    Case("one writer", {**GOOD, "machine.files": [{"path": "/etc/apt/keyrings/machineadm-k8s.asc", "content": ""}]},
         [("MA1306", "spec.machine.files[0].path")], GOOD),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
