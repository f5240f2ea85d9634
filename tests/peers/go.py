"""Programs of go-plugin: built from the modules beside this file, once for a given text of them."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.real import missing

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("MACHINEADM_CACHE") or Path.home() / ".cache/machineadm") / "peers"
VERSIONS = {"1.8.0": "go.mod", "1.6.0": "go-1.6.mod"}


@functools.cache
def program(name: str, version: str = "1.8.0") -> str:
    """A program of the module go-plugin, `host` or `plugin`, with a release of go-plugin."""
    return build(HERE / "go-plugin", f"./{name}", VERSIONS[version])


@functools.cache
def build(module: Path, package: str, modfile: str = "go.mod") -> str:
    """Build a package of a module; skips the test where there is no Go.

    Raises:
        RuntimeError: It does not build.
    """
    path = f"{os.environ['PATH']}:/usr/local/go/bin"
    go = shutil.which("go", path=path)
    if go is None:
        missing("Go is not installed: go-plugin's own host and plugin cannot be built")
    sources = [*sorted(module.rglob("*.go")), module / modfile]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    output = CACHE / f"{module.name}-{digest}" / (Path(package).name or module.parent.name)
    if not output.exists():
        new = output.with_name(f".{output.name}.{os.getpid()}")
        ran = subprocess.run(
            [go, "build", f"-modfile={modfile}", "-trimpath", "-o", str(new), package],
            cwd=module,
            env={
                **os.environ,
                "PATH": path,
                "CGO_ENABLED": "0",
                "GOFLAGS": "-mod=readonly -buildvcs=false",
                "GOTOOLCHAIN": "local",
                "GOWORK": "off",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise RuntimeError(f"{module.name} does not build:\n{ran.stderr[-4000:]}")
        new.rename(output)
    return str(output)
