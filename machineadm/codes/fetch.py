"""The agent's way to a machine: fetching it at boot (docs/fetching.md)."""

from __future__ import annotations

from machineadm.codes.model import Code

_NOTHING = "Nothing executable was left on the machine."

TABLE: dict[str, Code] = {
    "MA1901": Code(
        "no location delivered the agent",
        f"Every location failed; the message lists the reasons. {_NOTHING}",
        "Look up each reason by its own code.",
    ),
    "MA1902": Code(
        "the agent cannot be downloaded",
        "The connection failed, was not trusted, stalled, broke off or took too long, until the time "
        f"for fetching was over. {_NOTHING}",
        "Try the URL on such a machine: check name resolution, routes, proxy variables, the certificate "
        "authority (caBundle), the machine's clock.",
    ),
    "MA1903": Code(
        "the server refuses to give the agent",
        "It answered with an HTTP status that is neither 200 nor a redirect. 408, 429 and 5xx were retried "
        f"until the time was over. {_NOTHING}",
        "404: check the URL ({version} becomes the version exactly as written, with or without v), and that FILE.sig is "
        "beside the file. 401, 403: check the headers. 407: check the "
        "proxy's user and password. Otherwise see the server's log.",
    ),
    "MA1904": Code(
        "a redirect is refused",
        "A location led from https to plain http, in a circle, or to a URL whose host programs read differently (a user, a "
        "backslash, an escape in it). " + _NOTHING,
        "Use the URL where the file really is.",
    ),
    "MA1905": Code(
        "the download is too large",
        "The limit is 32 MiB for the agent and 32 KiB for a signature; the server sent more. "
        + _NOTHING,
        "Check what is at the URL.",
    ),
    "MA1906": Code(
        "the agent has another digest",
        "The download does not match the configuration's sha256: another release or architecture, an error "
        f"page, or a damaged or changed file. {_NOTHING}",
        "Compare with SHA256SUMS of the release. If they agree, distrust the location.",
    ),
    "MA1907": Code(
        "the agent's signature is wrong",
        "No key in publicKey made the signature beside the file: it was another key, the signature is another file's, or "
        f"the file was changed. {_NOTHING}",
        "Compare the key with the release's. If it is right, distrust the location.",
    ),
    "MA1908": Code(
        "another version of the agent",
        "The file is genuine, but not the requested version: the location serves an older or newer "
        f"release under this name. {_NOTHING}",
        "Fix the location or the version.",
    ),
    "MA1909": Code(
        "the agent cannot be checked on this machine",
        "Checking a signature needs openssl, checking a digest needs sha256sum or openssl; the machine has neither. "
        + _NOTHING,
        "Also set sha256, or add openssl to the image.",
    ),
    "MA1910": Code(
        "no program to download with",
        "The machine has neither curl nor GNU wget. busybox's wget checks no certificate, so it is used for plain http only. "
        + _NOTHING,
        "Put curl, or the agent itself, into the image.",
    ),
    "MA1911": Code(
        "the agent cannot be written",
        "The directory of its destination, or /run/machineadm, is read-only, full, or not a directory; or a directory has the "
        f"agent's name. {_NOTHING}",
        "Choose another destination, such as /opt/bin/machineadm.",
    ),
    "MA1912": Code(
        "nothing can be executed at the destination",
        "The file system of the agent's destination is mounted noexec. " + _NOTHING,
        "Choose another destination.",
    ),
    "MA1913": Code(
        "the agent does not run on this machine",
        "The file is genuine, but it could not be asked for its version: /usr/bin/python3 is missing or unsuitable, or the "
        f"file is for another architecture. {_NOTHING}",
        "The agent needs CPython 3.10 to 3.14 as /usr/bin/python3: see docs/os-contract.md.",
    ),
    "MA1914": Code(
        "no agent for this CPU",
        "The machine is neither x86-64 nor 64-bit Arm. " + _NOTHING,
        "Use another machine.",
    ),
    "MA1915": Code(
        "others may write to the agent's directory",
        "A directory on the way to the agent's destination belongs to an ordinary user, or its group or others may write to it: "
        "they could put another program, or a link, in the agent's place. " + _NOTHING,
        "Choose a destination in directories of root, such as /opt/bin/machineadm, or correct their owner and mode.",
    ),
    "MA1920": Code(
        "nothing to verify the agent with",
        "A download of the agent needs sha256, publicKey, or both.",
        "Set one: every release has SHA256SUMS and machineadm.pub.",
    ),
    "MA1921": Code(
        "headers for the agent's download are missing",
        "headersFrom names a Secret or ConfigMap that is not among the documents.",
        "Add the Secret or ConfigMap to the documents.",
    ),
    "MA1922": Code(
        "a NUL in the settings of the agent's download",
        "A value contains a NUL character, which no shell can handle.",
        "Remove it.",
    ),
    "MA1923": Code(
        "the agent cannot be fetched from a URL with this scheme",
        "The machine fetches over https and http only.",
        "Use an https URL: GCS and S3 buckets have one.",
    ),
    "MA1924": Code(
        "a password would go over plain http",
        "A URL of the agent contains a user and password, and its scheme is http.",
        "Use https, or leave them out.",
    ),
    "MA1925": Code(
        "the agent's public key is invalid",
        "publicKey must hold one or two ECDSA public keys on the curve P-256, each as a PEM block PUBLIC KEY.",
        "Take machineadm.pub of the release.",
    ),
    "MA1926": Code(
        "a URL that programs read differently",
        "In `https://a%2Fb@c/` GNU wget takes `a` for the host, curl takes `c`: one would get what is meant for the other. Nothing "
        "is fetched from a URL whose host has anything but letters, digits, dots, hyphens and a port, has a zone, or whose "
        "user has an escape of `/`, `?`, `#` or a backslash.",
        "Write the host plainly; give a password as a header.",
    ),
}
