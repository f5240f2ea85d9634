"""EncryptedData in a stream: whatever is in them belongs to the stream, within one budget, and every problem has its place."""

from __future__ import annotations

import gzip
import json
import os
from typing import Any

import pytest

from machineadm.documents.decoding import decode
from machineadm.documents.decryption import decrypt
from machineadm.documents.encryption import seal, to_yaml
from machineadm.documents.model import Problem
from machineadm.documents.opening import MAX_ROUNDS, Opener, expand
from machineadm.errors import ConfigError
from machineadm.redaction import Secret

MACHINE = b"apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: MachineConfiguration\nspec: {}\n"
WRONG = MACHINE.replace(b"spec: {}", b"spec:\n  machin: {}")


class Known:
    """Passphrases that are at hand, and what was asked for."""

    def __init__(self, **passphrases: str) -> None:
        self.passphrases = passphrases
        self.asked: list[str] = []

    def passphrase(self, provider: str) -> Secret | None:
        self.asked.append(provider)
        if provider == "broken":
            raise ConfigError("MA1511", "it is readable for all", hint="chmod")
        known = self.passphrases.get(provider)
        return Secret(known) if known is not None else None


def sealed(plaintext: bytes, provider: str = "vault", *, times: int = 1, **settings: Any) -> bytes:
    """EncryptedData that takes so many openings; their passphrase is the provider's name."""
    for _ in range(times):
        wanted: dict[str, Any] = {"random": os.urandom, "iterations": 10000} | settings
        plaintext = to_yaml(seal(plaintext, Secret(provider), provider=provider, **wanted))
    return plaintext


def opened(data: bytes, *, lenient: bool = False) -> tuple[list[str], list[Problem]]:
    """Files of the documents, and all problems."""
    opener = Opener(passphrases=Known(vault="vault", other="other"), allow_unauthenticated=lenient)
    documents, unopened = expand(decode(data, file="node.yaml"), opener)
    problems = [problem for document in documents for problem in document.problems]
    return [document.file for document in documents], [*problems, *unopened]


def test_what_is_in_it_follows_it() -> None:
    stream = MACHINE + b"---\n" + sealed(sealed(MACHINE) + b"---\n" + MACHINE) + b"---\n" + MACHINE

    files, problems = opened(stream)

    assert problems == []
    assert files == [
        "node.yaml",
        "node.yaml",
        "node.yaml#2",
        "node.yaml#2#1",
        "node.yaml#2",
        "node.yaml",
    ]


def test_a_problem_inside_has_its_place_in_the_plaintext() -> None:
    _, (problem,) = opened(MACHINE + b"---\n" + sealed(MACHINE + b"---\n" + WRONG))

    assert (problem.file, problem.document, problem.line, problem.column) == (
        "node.yaml#2",
        2,
        8,
        3,
    )
    assert problem.code == "MA1203"


def test_four_levels_open_and_a_fifth_does_not() -> None:
    assert opened(sealed(MACHINE, times=4))[1] == []

    _, (problem,) = opened(sealed(MACHINE, times=5))

    assert (problem.code, problem.file) == ("MA1506", "node.yaml#1#1#1#1")


def test_one_that_does_not_open_hides_no_other() -> None:
    stream = b"---\n".join([sealed(MACHINE, "unknown"), sealed(WRONG), sealed(MACHINE, "broken")])

    _, problems = opened(stream)

    assert [(one.code, one.file, one.path) for one in problems] == [
        ("MA1203", "node.yaml#2", "spec.machin"),
        ("MA1501", "node.yaml", "spec.provider"),
        ("MA1511", "node.yaml", "spec.provider"),
    ]


def test_a_missing_passphrase_is_told_with_what_would_open_it() -> None:
    _, (problem,) = opened(sealed(MACHINE, "hsm"))

    assert (problem.code, problem.line) == ("MA1501", 4)
    for part in (
        "/etc/machineadm/passphrases/hsm",
        "--passphrase-file hsm=FILE",
        "--passphrase-fd hsm=N",
        "machineadm-plugin-encryption-provider-hsm",
    ):
        assert part in problem.hint


def test_a_wrong_passphrase_is_told_at_the_ciphertext() -> None:
    data = to_yaml(seal(MACHINE, Secret("x"), provider="vault", random=os.urandom))

    _, (problem,) = opened(data)

    assert (problem.code, problem.path, problem.line) == ("MA1502", "spec.ciphertext", 5)


def test_unfit_parameters_are_told_together_and_with_a_missing_passphrase() -> None:
    text = sealed(MACHINE, "unknown").decode()
    lines = [
        '  salt: "AAAA"' if line.startswith("  salt") else line
        for line in text.splitlines()
        if '"mac"' not in line
    ]

    _, problems = opened("\n".join(lines).encode())

    assert [one.code for one in problems] == ["MA1508", "MA1507", "MA1501"]


def test_what_is_not_of_the_type_is_not_opened() -> None:
    data = sealed(MACHINE).replace(b"iterations: 10000", b"iterations: 9999")

    files, problems = opened(data)

    assert files == ["node.yaml"]
    assert [one.code for one in problems] == ["MA1104"]


def test_iterations_may_be_a_text_of_digits() -> None:
    data = sealed(MACHINE)

    assert opened(data.replace(b"iterations: 10000", b'iterations: "10000"'))[1] == []
    (problem,) = opened(data.replace(b"iterations: 10000", b'iterations: "010000"'))[1]
    assert problem.path == "spec.iterations"


def test_a_stream_that_asks_for_too_much_work_gets_none() -> None:
    """1,000 documents of 10,000,000 rounds would be hours; refused before the first is begun."""
    dear = sealed(MACHINE).replace(b"iterations: 10000", b"iterations: 10000000")
    known = Known(vault="vault")

    documents, problems = expand(
        decode(b"---\n".join([dear] * 1000), file="node.yaml"), Opener(passphrases=known)
    )

    assert len(documents) == 1000
    assert [(one.code, one.document) for one in problems] == [("MA1505", 3)]
    assert str(MAX_ROUNDS) in problems[0].message
    assert known.asked == []


def test_the_levels_share_the_work() -> None:
    opener = Opener(passphrases=Known(vault="vault"), rounds=50000)

    assert expand(decode(sealed(MACHINE, times=4), file="-"), opener)[1] == ()
    assert (
        expand(decode(sealed(MACHINE + b"---\n" + MACHINE, digest="sha-256"), file="-"), opener)[1]
        == ()
    )
    inner = sealed(MACHINE, digest="sha-256")
    _, (problem,) = expand(decode(sealed(b"---\n".join([inner, inner, inner])), file="-"), opener)
    assert (problem.code, problem.file, problem.document) == ("MA1505", "-#1", 3)


def test_all_plaintexts_together_are_bounded() -> None:
    """Each is small, decompresses to 9 MiB, and two of them are more than is read."""
    bomb = sealed(gzip.compress(b"# " + b"x" * (9 << 20) + b"\n" + MACHINE))

    files, problems = opened(bomb + b"---\n" + bomb)

    assert files == ["node.yaml", "node.yaml#1", "node.yaml"]
    assert [(one.code, one.document) for one in problems] == [("MA1503", 2)]


def test_an_empty_plaintext_is_no_document() -> None:
    _, (problem,) = opened(sealed(b""))

    assert (problem.code, problem.file) == ("MA1001", "node.yaml#1")


def test_without_a_mac_it_opens_on_demand_alone() -> None:
    data = b"\n".join(line for line in sealed(MACHINE).splitlines() if b'"mac"' not in line)

    assert [one.code for one in opened(data)[1]] == ["MA1507"]
    assert opened(data, lenient=True)[1] == []


def test_no_problem_shows_a_passphrase_or_a_secret() -> None:
    secret = b"s3cr3t-value-of-a-test"
    text = MACHINE.replace(
        b"spec: {}",
        b"spec:\n  machine:\n    commands:\n      boot:\n      - argv: [x]\n"
        b"        env: [{name: A, value: {" + secret + b": " + secret + b"}}]\n"
        b"        env: [{name: B, valu: " + secret + b"}]\n",
    )

    _, problems = opened(sealed(text))

    assert problems
    assert secret.decode() not in repr(problems)


@pytest.mark.parametrize(
    "plaintext",
    [MACHINE, b"anything: [", b"\xff\xfe", b"", b"no newline at the end", b"---\na: b\n", WRONG],
)
def test_decrypt_gives_back_what_was_encrypted_whatever_it_is(plaintext: bytes) -> None:
    found, problems = decrypt(
        sealed(plaintext, times=2), file="-", opener=Opener(passphrases=Known(vault="vault"))
    )

    assert (found, problems) == (plaintext, ())


def test_decrypt_leaves_what_is_not_encrypted_as_it_is() -> None:
    secret = b"# of another tool\napiVersion: v1\nkind: Secret\n"
    stream = b"---\n".join([secret, sealed(b"a: b"), sealed(b"---\nc: d\n")])

    found, problems = decrypt(stream, file="-", opener=Opener(passphrases=Known(vault="vault")))

    assert problems == ()
    assert found == secret + b"---\na: b\n---\nc: d\n"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (MACHINE, "MA1513"),
        (b"", "MA1001"),
        (b"a: [\n---\n" + sealed(MACHINE), "MA1005"),
        (sealed(MACHINE).replace(b"salt:", b"salz:"), "MA1203"),
        (sealed(MACHINE, "unknown"), "MA1501"),
        (sealed(sealed(MACHINE) + b"---\na: [\n---\n" + sealed(MACHINE, "hsm")), "MA1501"),
        (sealed(sealed(MACHINE, "unknown")), "MA1501"),
        (sealed(MACHINE, times=5), "MA1506"),
    ],
)
def test_decrypt_tells_why_it_cannot(data: bytes, code: str) -> None:
    _, problems = decrypt(data, file="-", opener=Opener(passphrases=Known(vault="vault")))

    assert code in [one.code for one in problems]


def test_decrypt_never_loses_a_document_that_stands_beside_another_in_one_part() -> None:
    spec = decode(sealed(MACHINE), file="-")[0].value.spec
    closed = {
        "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
        "kind": "EncryptedData",
        "spec": {
            "provider": "vault",
            "ciphertext": spec.ciphertext,
            "salt": spec.salt,
            "iv": spec.iv,
            "mac": spec.mac,
            "iterations": 10000,
        },
    }
    other = {"apiVersion": "v1", "kind": "Secret"}
    opener = Opener(passphrases=Known(vault="vault"))

    twice = decrypt((json.dumps(closed) * 2).encode(), file="-", opener=opener)
    mixed = decrypt((json.dumps(closed) + json.dumps(other)).encode(), file="-", opener=opener)

    assert twice == (MACHINE + b"---\n" + MACHINE, ())
    assert [one.code for one in mixed[1]] == ["MA1513"]


def test_decrypt_keeps_what_cannot_be_read_beside_one_that_opens() -> None:
    inside = b"a: [\n---\n" + sealed(b"b: c\n")

    found, problems = decrypt(
        sealed(inside), file="-", opener=Opener(passphrases=Known(vault="vault"))
    )

    assert (found, problems) == (b"a: [\n---\nb: c\n", ())
