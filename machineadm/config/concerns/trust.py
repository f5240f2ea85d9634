"""Rules for the host's trust store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.trust import TrustedAuthority
from machineadm.config.rules.certificate_facts import certificates_in
from machineadm.config.rules.model import Context, Rules, finding
from machineadm.config.rules.pem import certificates_problem


def _issues_certificates(authority: TrustedAuthority, _context: Context) -> Iterator[Finding]:
    """What is not an authority is passed over by some systems' programs without a word, and trusted by others."""
    if authority.content is None:
        return
    # Its shape first: the reader below is for what has it.
    if problem := certificates_problem(authority.content):
        yield finding("MA1317", "content", problem)
        return
    try:
        found = certificates_in(authority.content)
    except ValueError:
        yield finding("MA1317", "content", "a certificate cannot be read")
        return
    for certificate in found:
        # update-ca-certificates takes any certificate, p11-kit (Red Hat) sorts it by its basic
        # constraints.
        if not certificate.is_authority:
            yield finding(
                "MA1326",
                "content",
                f"the certificate of {certificate.subject} is not one of an authority (basic constraints lack CA:TRUE)",
                "give the certificate that issued it: `openssl x509 -noout -ext basicConstraints` shows CA:TRUE",
            )


RULES: Final[Rules] = {TrustedAuthority: (_issues_certificates,)}
