"""What kinds of files a release has: said in release.json, and told to those who serve them."""

from __future__ import annotations

from typing import Final

_BINARY: Final = "application/octet-stream"
# First match by the end of the name.
MEDIA_TYPES: Final = (
    # The longer ends first: `.json` below matches them, too.
    (".sigstore.json", "application/vnd.dev.sigstore.bundle.v0.3+json"),
    (".cdx.json", "application/vnd.cyclonedx+json"),
    (".intoto.json", "application/vnd.in-toto+json"),
    (".json", "application/json"),
    (".yaml", "application/yaml"),
    (".pub", "application/x-pem-file"),
    # A zipapp is a zip file behind a `#!` line.
    (".pyz", "application/zip"),
    ("SHA256SUMS", "text/plain; charset=utf-8"),
)


def media_type(file: str) -> str:
    """The IANA media type of a file, by the end of its name."""
    return next((kind for end, kind in MEDIA_TYPES if file.endswith(end)), _BINARY)
