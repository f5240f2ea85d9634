"""Downloads: MA2001, MA31xx."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again: it continues where this run stopped."

TABLE: dict[str, Code] = {
    "MA2001": Code(
        "a download has the wrong digest",
        "What the URL returned has another digest than the configuration says. It was discarded; "
        "a file that was there before is still there.",
        "Find out which of the two is right: compute the digest of the file that you want "
        "(sha256sum, sha512sum). If the URL gives something else, somebody changed it.",
    ),
    "MA3101": Code(
        "unknown kind of URL",
        "A URL has a scheme that this release does not fetch.",
        "Use https; http and file also work. For a configuration: a path, -, data, file, http, https, plugin.",
    ),
    "MA3102": Code(
        "the server cannot be reached",
        "Name resolution, the connection or the TLS handshake failed several times.",
        "`getent hosts NAME`, `curl -v URL` on the machine; check routes, firewalls, and the "
        f"proxy variables (https_proxy, no_proxy). {_RERUN}",
    ),
    "MA3103": Code(
        "a download broke off",
        "The connection ended, or was silent for too long, before the content was complete; "
        "retries did not help. Nothing was put in place.",
        f"Look for a proxy or firewall that cuts long answers. {_RERUN}",
    ),
    "MA3104": Code(
        "the server refuses",
        "The server answered with an HTTP error. Only 429 and 5xx were retried.",
        "401 and 403: credentials (headers), or an expired pre-signed URL. 404: the URL. "
        f"5xx: the server's own log. {_RERUN}",
    ),
    "MA3105": Code(
        "the server's certificate is not trusted",
        "The certificate is not signed by an authority that this machine trusts, has expired, or is for "
        "another name.",
        "Give the CA bundle that signed it, or add it to the system's. A wrong clock "
        f"makes every certificate invalid: check `date`. {_RERUN}",
    ),
    "MA3106": Code(
        "malformed URL or headers",
        "A header or the URL contains line breaks, blanks or other characters that a request cannot carry.",
        "Fix it; values taken from files often end in a line break.",
    ),
    "MA3107": Code(
        "nothing can be downloaded here",
        "A file has a source, but this kind of host cannot download.",
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
        "If you trust the final URL, use it instead: `curl -sIL URL` shows it.",
    ),
    "MA3110": Code(
        "a download is too large",
        "The server sent more than the limit for this kind of file.",
        "Check what the URL returns.",
    ),
    "MA3111": Code(
        "a file URL cannot be read",
        "The file that a file URL names does not exist, cannot be read, or is not a regular file.",
        f"Look at the path, on the machine that the agent runs on. {_RERUN}",
    ),
    "MA3113": Code(
        "malformed URI of a configuration",
        "The URI given with --path does not have the form of its scheme.",
        "data:,TEXT with percent-encoding, data:;base64,TEXT, or file:///PATH.",
    ),
    "MA3114": Code(
        "the server's certificate is not valid yet",
        "The certificate becomes valid later than this machine's clock says. Usually the clock has not been set yet; "
        "NTP may set it at any moment, so this was tried several times.",
        "Make sure that the clock is set (`timedatectl`, `chronyc tracking`) before the run; if it is right, the certificate "
        f"was made on a machine whose clock is ahead. {_RERUN}",
    ),
}
