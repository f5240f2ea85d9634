"""How the file of an agent or a plugin came to be: an in-toto Statement with SLSA provenance.

It contains nothing of the builder's machine, so that anyone who builds the commit again gets the same
statement; build.json has that.
"""

from __future__ import annotations

from hashlib import sha256

from checkout import ROOT
from sbom import Subject, as_json, purl_of
from wheels import BUILDER_LOCK, LOCK

# Names, not addresses: docs/packaging.md says what they stand for.
BUILD_TYPE = "https://machineadm.cluster.x-k8s.io/build/zipapp/v1"
BUILDER = "https://machineadm.cluster.x-k8s.io/builder/make-release/v1"


def statement(subject: Subject) -> bytes:
    """Write the statement of the file of an agent or a plugin."""
    source = {
        "name": "source",
        # No address of a repository: the same commit may be fetched from a mirror.
        "uri": f"pkg:generic/machineadm@{subject.version}",
        "digest": {"gitCommit": subject.commit},
    }
    locks = [
        {"name": str(lock.relative_to(ROOT)), "digest": digest(lock.read_bytes())}
        # The builder's, too: its zopfli decides the bytes as much as the libraries do.
        for lock in (LOCK, BUILDER_LOCK)
    ]
    wheels = [
        {"name": wheel.name, "uri": purl_of(wheel), "digest": digest(wheel.read_bytes())}
        for wheel in subject.wheels
    ]
    return as_json(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": subject.name, "digest": digest(subject.content)}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": {
                        "architecture": subject.architecture,
                        "sourceDateEpoch": str(subject.epoch),
                    },
                    # Each with its digest, so that a verifier can fetch the same from anywhere.
                    "resolvedDependencies": [source, *locks, *wheels],
                },
                "runDetails": {"builder": {"id": BUILDER}},
            },
        }
    )


def digest(content: bytes) -> dict[str, str]:
    """Give a digest as in-toto has it."""
    return {"sha256": sha256(content).hexdigest()}
