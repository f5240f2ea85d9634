"""The one table of what differs between distributions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from machineadm.host.ports import Distribution, TrustStore

_CA_TRUST: Final = TrustStore(
    directory="/etc/pki/ca-trust/source/anchors",
    suffix=".pem",
    # Without its word `extract`, which is what the program does when nothing is said.
    update=("update-ca-trust",),
    bundle="/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
)
_FAMILIES: Final = (
    Distribution(
        family="debian",
        trust=TrustStore(
            directory="/usr/local/share/ca-certificates",
            suffix=".crt",
            # Without --fresh the links to files that are gone stay until the next time.
            update=("update-ca-certificates", "--fresh"),
            bundle="/etc/ssl/certs/ca-certificates.crt",
        ),
        packages="apt",
    ),
    Distribution(family="rhel", trust=_CA_TRUST, packages="dnf"),
    Distribution(
        family="suse",
        trust=TrustStore(
            directory="/etc/pki/trust/anchors",
            suffix=".pem",
            update=("update-ca-certificates",),
            bundle="/var/lib/ca-certificates/ca-bundle.pem",
        ),
        packages="zypper",
    ),
    Distribution(
        family="photon",
        trust=TrustStore(
            directory="/etc/ssl/certs",
            suffix=".pem",
            update=("rehash_ca_certificates.sh",),
            bundle="/etc/pki/tls/certs/ca-bundle.crt",
        ),
    ),
    Distribution(family="amzn", trust=_CA_TRUST, packages="dnf"),
    Distribution(
        family="flatcar",
        trust=TrustStore(
            directory="/etc/ssl/certs",
            suffix=".pem",
            update=("update-ca-certificates",),
            bundle="/etc/ssl/certs/ca-certificates.crt",
        ),
    ),
)
_ALSO: Final = {
    "ubuntu": "debian",
    "centos": "rhel",
    "fedora": "rhel",
    "rocky": "rhel",
    "almalinux": "rhel",
    "ol": "rhel",
    "sles": "suse",
    "sle-micro": "suse",
    "opensuse": "suse",
    "coreos": "flatcar",
}
"""Names that some say they are like, or that are not like anything by their own word."""


def distribution_of(release: Mapping[str, str]) -> Distribution | None:
    """The family of a distribution.

    Args:
        release: The assignments of os-release(5).

    Returns:
        None where neither ID nor ID_LIKE names a known one.
    """
    known = {one.family: one for one in _FAMILIES}
    # ID first: Amazon Linux says it is like several, and Fedora CoreOS, which Flatcar's word could mean, is `fedora`.
    for name in (release.get("ID", ""), *release.get("ID_LIKE", "").split()):
        if (found := known.get(_ALSO.get(name, name))) is not None:
            return found
    return None
