"""The agent's way to a machine: fetching it at boot (docs/fetching.md)."""

from __future__ import annotations

from machineadm.codes.model import Code

_NOTHING = "Nothing that can be run was left on the machine."

TABLE: dict[str, Code] = {
    "MA1901": Code(
        "no location gave the agent",
        f"Each location failed for another reason; the message has them all. {_NOTHING}",
        "Look at each reason: it has a code of its own.",
    ),
    "MA1902": Code(
        "the agent cannot be downloaded",
        "The connection failed, was not trusted, stalled, broke off or took too long, again and again until the time "
        f"for fetching was over. {_NOTHING}",
        "Try the URL on such a machine: name resolution, routes, proxy variables, the certificate "
        "authority (caBundle), the machine's clock.",
    ),
    "MA1903": Code(
        "the server refuses to give the agent",
        "It answered with an HTTP status that is neither 200 nor a redirect. Of these 408, 429 and 5xx were tried "
        f"again until the time was over. {_NOTHING}",
        "404: the URL, where {version} stands for the version as it is written, with or without v, and for the signature whether FILE.sig is beside the file. 401, 403: headers. 407: the "
        "proxy's user and password. Else look at the server's log.",
    ),
    "MA1904": Code(
        "a redirect is refused",
        "A location led from https to plain http, in a circle, or to a URL whose host programs read differently (a user, a "
        "backslash, an escape in it). " + _NOTHING,
        "Give the URL where the file really is.",
    ),
    "MA1905": Code(
        "the download is too large",
        "The agent has at most 32 MiB, a signature 32 KiB; the server sent more. " + _NOTHING,
        "Look at what is at the URL.",
    ),
    "MA1906": Code(
        "the agent has another digest",
        "What was downloaded is not what the configuration's sha256 says: another release or architecture, an error "
        f"page, a damaged or a changed file. {_NOTHING}",
        "Compare with SHA256SUMS of the release. If they agree, distrust the location.",
    ),
    "MA1907": Code(
        "the agent's signature is wrong",
        "None of the keys in publicKey made the signature beside the file: another key, another file's signature, or "
        f"a changed file. {_NOTHING}",
        "Compare the key with the release's. If it is right, distrust the location.",
    ),
    "MA1908": Code(
        "another version of the agent",
        "The file is genuine, and it is not the version that was asked for: the location serves an older or newer "
        f"release under this name. {_NOTHING}",
        "Fix the location or the version.",
    ),
    "MA1909": Code(
        "the agent cannot be checked on this machine",
        "A signature needs openssl, a digest needs sha256sum or openssl, and the machine lacks them. "
        + _NOTHING,
        "Give sha256 too, or put openssl into the image.",
    ),
    "MA1910": Code(
        "no program to download with",
        "Neither curl nor GNU wget is there. The wget of busybox checks no certificate, so it is used for plain http alone. "
        + _NOTHING,
        "Put curl into the image, or let the image bring the agent.",
    ),
    "MA1911": Code(
        "the agent cannot be written",
        "The directory of its destination, or /run/machineadm, is read-only, full, or not a directory; or a directory has the "
        f"agent's name. {_NOTHING}",
        "Choose another destination, such as /opt/bin/machineadm.",
    ),
    "MA1912": Code(
        "nothing can be run at the destination",
        "The file system of the agent's destination is mounted noexec. " + _NOTHING,
        "Choose another destination.",
    ),
    "MA1913": Code(
        "the agent does not run on this machine",
        "The file is genuine, but it could not be asked for its version: /usr/bin/python3 is missing or unfit, or it is the "
        f"file of another architecture. {_NOTHING}",
        "The agent needs CPython 3.10 to 3.14 as /usr/bin/python3; docs/os-contract.md.",
    ),
    "MA1914": Code(
        "no agent for this CPU",
        "The machine is neither x86-64 nor 64-bit Arm. " + _NOTHING,
        "Use another machine.",
    ),
    "MA1915": Code(
        "others may write to the place of the agent",
        "A directory on the way to the agent's destination belongs to an ordinary user, or its group or others may write to it: "
        "they could put another program, or a link, in the agent's place. " + _NOTHING,
        "Choose a destination in directories of root, such as /opt/bin/machineadm, or correct their owner and mode.",
    ),
    "MA1920": Code(
        "nothing says which agent is genuine",
        "A download of the agent needs sha256, publicKey, or both.",
        "Give one: SHA256SUMS and machineadm.pub are beside each release.",
    ),
    "MA1921": Code(
        "headers of the agent's download are not there",
        "headersFrom names a Secret or ConfigMap that was not given.",
        "Give the Secret or ConfigMap as a further document.",
    ),
    "MA1922": Code(
        "a NUL in the agent's download",
        "A value holds a NUL character, which no shell can carry.",
        "Remove it.",
    ),
    "MA1923": Code(
        "the agent cannot be fetched by this scheme",
        "The machine fetches by https and http alone.",
        "Give an https URL: buckets of GCS and S3 have one.",
    ),
    "MA1924": Code(
        "a password would go over plain http",
        "A URL of the agent holds user and password, and its scheme is http.",
        "Use https, or leave them out.",
    ),
    "MA1925": Code(
        "the agent's public key is unfit",
        "publicKey has to hold one or two ECDSA public keys on the curve P-256, each as PEM block PUBLIC KEY.",
        "Take machineadm.pub of the release.",
    ),
    "MA1926": Code(
        "a URL that programs read differently",
        "Of `https://a%2Fb@c/` GNU wget takes a for the host, curl c: it would be given what is meant for the other. Nothing "
        "is fetched from a URL whose host has anything but letters, digits, dots, hyphens and a port, has a zone, or whose "
        "user has an escape of `/`, `?`, `#` or a backslash.",
        "Write the host plainly; give a password as a header.",
    ),
}
