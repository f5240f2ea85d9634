"""Downloads: MA2001, MA31xx."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again: it goes on where this run stopped."

TABLE: dict[str, Code] = {
    "MA2001": Code(
        "a download is not what it must be",
        "The content behind a URL has another digest than the configuration says. It never got its "
        "name; a file that was there before is still there.",
        "Find out which of the two is right: compute the digest of the file that you mean "
        "(sha256sum, sha512sum). If the URL gives something else, somebody changed it.",
    ),
    "MA3101": Code(
        "unknown kind of URL",
        "A URL has a scheme that this release does not fetch.",
        "Use https; http and file work, too. For a configuration: a path, -, data, file, http, https.",
    ),
    "MA3102": Code(
        "the server cannot be reached",
        "Name resolution, connection or the TLS handshake failed, several times over.",
        "`getent hosts NAME`, `curl -v URL` on the machine; look at routes, firewalls, and the "
        f"proxy variables (https_proxy, no_proxy). {_RERUN}",
    ),
    "MA3103": Code(
        "a download broke off",
        "The connection ended, or was silent for too long, before the whole content had come; "
        "beginning again did not help. Nothing of it got its name.",
        f"Look for a proxy or firewall that cuts long answers. {_RERUN}",
    ),
    "MA3104": Code(
        "the server refuses",
        "The server answered with an HTTP error. 429 and 5xx were tried again, others not.",
        "401 and 403: credentials (headers), or an expired pre-signed URL. 404: the URL. "
        f"5xx: the server's own log. {_RERUN}",
    ),
    "MA3105": Code(
        "the server's certificate is not trusted",
        "The certificate is signed by nobody whom the machine trusts, has expired, or is for "
        "another name.",
        "Give the CA bundle that signed it, or add it to the system's. A clock that is wrong "
        f"makes every certificate invalid: `date`. {_RERUN}",
    ),
    "MA3106": Code(
        "malformed URL or headers",
        "A request could not be made: a header or the URL holds line breaks, blanks or the like.",
        "Fix it; values taken from files often end in a line break.",
    ),
    "MA3107": Code(
        "nothing can be downloaded here",
        "A file has a source, and this kind of host has no downloads.",
        "Give the content in the configuration.",
    ),
    "MA3108": Code(
        "the CA bundle cannot be used",
        "The file does not exist, cannot be read, or holds no certificate in PEM.",
        "Look at the path; `openssl x509 -in FILE -noout -subject` must print a subject.",
    ),
    "MA3109": Code(
        "a redirect is not followed",
        "The server redirects from https to http, or to something that is not a web address.",
        "Give the final URL yourself if you trust it: `curl -sIL URL` shows it.",
    ),
    "MA3110": Code(
        "a download is too large",
        "More bytes came than any file of this kind may have.",
        "Look at what the URL gives.",
    ),
    "MA3111": Code(
        "a file URL cannot be read",
        "The file that a file URL names does not exist, cannot be read, or is not a regular file.",
        f"Look at the path, on the machine that the agent runs on. {_RERUN}",
    ),
    "MA3113": Code(
        "malformed URI of a configuration",
        "The URI given with --path is not of the form that its scheme has.",
        "data:,TEXT with percent-encoding, data:;base64,TEXT, or file:///PATH.",
    ),
}
