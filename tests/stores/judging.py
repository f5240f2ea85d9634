"""How somebody who has curl, openssl and sha256sum judges a published tree. No code of ours takes part."""

import json
import subprocess
from pathlib import Path


class RefusedError(Exception):
    """The tree is not what a key vouches for."""


def fetch(url: str, target: Path) -> bytes:
    """Download with curl; an HTTP error is a failure."""
    run = subprocess.run(
        ["curl", "--fail", "--silent", "--show-error", "--max-time", "60", "-o", target, url],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise RefusedError(f"{url}: {run.stderr.strip()}")
    return target.read_bytes()


def headers(url: str) -> dict[str, str]:
    """The headers of an answer, with lowercase names."""
    run = subprocess.run(
        ["curl", "--fail", "--silent", "-o", "/dev/null", "--dump-header", "-", url],
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = (line.split(":", 1) for line in run.stdout.splitlines() if ":" in line)
    return {name.lower(): value.strip() for name, value in pairs}


def signed(file: Path, key: Path) -> None:
    """openssl accepts FILE.sig."""
    run = subprocess.run(
        ["openssl", "dgst", "-sha256", "-verify", key, "-signature", f"{file}.sig", file],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise RefusedError(f"{file.name}: {run.stdout.strip()}")


def follow(base: str, pointer: str, key: Path, directory: Path) -> str:
    """Go the way from a pointer to every file of its release, checking each.

    Args:
        base: URL of the tree.
        pointer: Such as `channels/stable.json`.
        key: The public key, from elsewhere.
        directory: Where to put what is fetched; empty.

    Returns:
        The version that was found.

    Raises:
        RefusedError: At the first thing that is not as it should be.
    """
    said = json.loads(_fetch_signed(f"{base}/{pointer}", directory / "pointer.json", key))
    release = f"{base}/releases/{said['version']}"
    _fetch_signed(f"{release}/release.json", directory / "release.json", key)
    _fetch_signed(f"{release}/SHA256SUMS", directory / "SHA256SUMS", key)
    listed = f"{said['releaseSha256']}  release.json\n{(directory / 'SHA256SUMS').read_text()}"
    (directory / "list").write_text(listed)
    for artifact in json.loads((directory / "release.json").read_bytes())["artifacts"]:
        _fetch_signed(f"{release}/{artifact['name']}", directory / artifact["name"], key)
    run = subprocess.run(
        ["sha256sum", "--strict", "--check", "list"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise RefusedError(run.stdout + run.stderr)
    return str(said["version"])


def _fetch_signed(url: str, target: Path, key: Path) -> bytes:
    data = fetch(url, target)
    fetch(f"{url}.sig", Path(f"{target}.sig"))
    signed(target, key)
    return data
