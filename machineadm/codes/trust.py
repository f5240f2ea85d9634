"""The host's trust store."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again."

TABLE: dict[str, Code] = {
    "MA1326": Code(
        "not the certificate of an authority",
        "A certificate for the trust store must be one that may issue others (CA:TRUE). The programs of some "
        "distributions silently skip a server's own certificate.",
        "Give the certificate of the authority that issued it. `openssl x509 -noout -issuer -ext basicConstraints` shows who that is.",
    ),
    "MA3581": Code(
        "the distribution's trust store is not known",
        "Neither ID nor ID_LIKE of /etc/os-release names a distribution whose trust store machineadm knows. "
        "Nothing was changed.",
        "Write the certificates with `files` where the distribution expects them, run its program in commands.preKubeadm, and leave "
        "systemTrustCertificateAuthorities out.",
    ),
    "MA3582": Code(
        "a certificate has expired",
        "A certificate of the configuration has expired. Nothing was changed.",
        f"Replace it, or remove it. If the date in the message is in the future, the machine's clock is wrong. {_RERUN}",
    ),
    "MA3583": Code(
        "the trust store does not have a certificate",
        "The distribution's program was run, but the file that programs read lacks some certificates of the configuration.",
        f"Run the program yourself, and read what it says about the files. {_RERUN}",
    ),
    "MA3584": Code(
        "the program of the trust store is not installed",
        "The distribution's program that adds certificates to the trust store is missing. Nothing was changed.",
        f"Install the package ca-certificates, in the image or in commands.boot. {_RERUN}",
    ),
}
