"""What must be shown before an artefact is used."""

import pytest

from machineadm.errors import VerificationError
from machineadm.verification import digests, policy
from machineadm.verification.policy import Policy
from tests import releases

DATA = b"the agent\n"
KEYS = (releases.public_key(),)
SIGNATURE = releases.signer().sign(DATA)
DIGEST = digests.sha256(DATA)


@pytest.mark.parametrize(
    ("asked", "signature"),
    [
        (Policy(sha256=DIGEST), None),
        (Policy(sha256=DIGEST), b"not looked at"),
        (Policy(keys=KEYS), SIGNATURE),
        (Policy(sha256=DIGEST, keys=KEYS), SIGNATURE),
    ],
)
def test_what_shows_all_that_is_asked_passes(asked: Policy, signature: bytes | None) -> None:
    policy.check("agent", DATA, asked, signature=signature)


@pytest.mark.parametrize(
    ("asked", "signature", "code"),
    [
        (Policy(), SIGNATURE, "MA1740"),
        (Policy(sha256="0" * 64), SIGNATURE, "MA1720"),
        (Policy(sha256="0" * 64, keys=KEYS), SIGNATURE, "MA1720"),
        (Policy(keys=KEYS), None, "MA1741"),
        (Policy(keys=KEYS), b"", "MA1711"),
        (Policy(sha256=DIGEST, keys=KEYS), None, "MA1741"),
        (Policy(sha256=DIGEST, keys=(releases.public_key("other"),)), SIGNATURE, "MA1710"),
    ],
)
def test_one_thing_that_fails_is_enough(asked: Policy, signature: bytes | None, code: str) -> None:
    with pytest.raises(VerificationError) as caught:
        policy.check("agent", DATA, asked, signature=signature)

    assert caught.value.code == code
