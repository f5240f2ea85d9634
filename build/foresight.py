"""Find out from the sources which modules a plan or a bootstrap will import."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import parts

# What is named at run time alone: the subcommand (a bootstrap begins as a plan does), and what nearly every configuration asks
# for. A module too much costs nobody anything; one that is missing is compiled when it is imported.
FIRST = (
    "machineadm.cli.main",
    "machineadm.cli.plan",
    "machineadm.api.scheme",
    "machineadm.documents.yaml_reader",
    "machineadm.config.concerns.hostname",
    "machineadm.config.concerns.modules",
    "machineadm.config.concerns.sysctl",
    "machineadm.config.concerns.commands",
    "machineadm.config.concerns.files",
    "machineadm.config.concerns.kubeadm.cluster",
    "machineadm.config.concerns.kubeadm.roles",
    "machineadm.config.concerns.kubeadm.versions",
    "machineadm.steps.kubeadm",
    "machineadm.steps.kubeadm.v1beta4",
)
# Of these, what is imported within functions is needed, too, but for what stands below an `if`: that depends on the configuration.
FOLLOWED = ("machineadm.cli.main", "machineadm.cli.plan", "machineadm.planner")

# But not these concerns, which few configurations ask for: together they would be a tenth of a first run's compiling.
SELDOM = tuple(
    f"machineadm.steps.{name}"
    for name in ("containerd", "images", "proxy", "selinux", "storage", "trust")
)


def foreseen(files: dict[str, bytes]) -> list[str]:
    """Return paths of modules in the order in which the interpreter imports them.

    Args:
        files: The files of a part, `TYPE_CHECKING` blocks left out.
    """
    order: dict[str, None] = {}
    for name in FIRST:
        _visit(name, files, order)
    return list(order)


def _visit(name: str, files: dict[str, bytes], order: dict[str, None]) -> None:
    if name.startswith(SELDOM):
        return
    # A package before what is in it, as the interpreter does it.
    if "." in name:
        _visit(name.rpartition(".")[0], files, order)
    stem = name.replace(".", "/")
    path = next((one for one in (f"{stem}/__init__.py", f"{stem}.py") if one in files), None)
    if path is None or path in order or name in parts.LATE:
        return
    order[path] = None
    package = name if path.endswith("/__init__.py") else name.rpartition(".")[0]
    for imported in _imports(ast.parse(files[path]), package, within=name in FOLLOWED):
        _visit(imported, files, order)


def _imports(node: ast.AST, package: str, *, within: bool) -> Iterator[str]:
    """Yield what a module imports when it runs; with `within` also what its functions import."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - child.level + 1]
            base = ".".join([*(above if child.level else ()), *filter(None, [child.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in child.names)
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            if within:
                yield from _unconditional(child, package)
        else:
            yield from _imports(child, package, within=within)


def _unconditional(function: ast.AST, package: str) -> Iterator[str]:
    """Yield what a function imports whenever it is called."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.If):
            yield from _imports(ast.Module([child], []), package, within=True)  # type: ignore[list-item]
