"""What a reader of a published tree may rely on at every moment."""

import json
from collections.abc import Mapping

from machineadm.verification.digests import sha256

POINTERS = ("latest.json", "channels/")


def dangling(objects: Mapping[str, bytes]) -> list[str]:
    """Dead ends for a reader: what a pointer, signed yet or not, or a release.json leads to and is not there."""
    problems = []
    for name, data in objects.items():
        if name.startswith(POINTERS) and name.endswith(".json"):
            said = json.loads(data)
            target = f"releases/{said['version']}/release.json"
            if target not in objects:
                problems.append(f"{name} leads to {target}, which is not there")
            elif sha256(objects[target]) != said["releaseSha256"]:
                problems.append(f"{name} leads to another {target}")
        if name.endswith("/release.json"):
            problems += _incomplete(name, json.loads(data), objects)
    return problems


def _incomplete(
    name: str, release: dict[str, list[dict[str, str]]], objects: Mapping[str, bytes]
) -> list[str]:
    directory = name.removesuffix("release.json")
    wanted = {
        f"{directory}{end}"
        for end in ("release.json.sig", "SHA256SUMS", "SHA256SUMS.sig", "machineadm.pub")
    }
    problems = []
    for artifact in release["artifacts"]:
        file = f"{directory}{artifact['name']}"
        wanted |= {f"{file}.sig", f"{file}.sigstore.json"}
        if sha256(objects.get(file, b"")) != artifact["sha256"]:
            problems.append(f"{file} is not what {name} says")
    return problems + [
        f"{file} is missing beside {name}" for file in sorted(wanted - objects.keys())
    ]
