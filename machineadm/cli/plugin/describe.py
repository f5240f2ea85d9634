"""Start a plugin and show what it says of itself: kinds, methods, settings; of providers their inputs; of auth handlers their flows."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from machineadm.cli.plugin import common

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's arguments."""
    common.add_plugin(parser)
    common.add_places(parser)
    parser.add_output()


def run(arguments: Namespace) -> int:
    """Start it, print, end it."""
    from machineadm.plugins.catalogs.model import Wanted

    wanted = Wanted.parse(arguments.plugin)
    # Before the imports below: what is not installed is told without loading what talks to plugins.
    found = common.require_installed(wanted.kind, wanted.name, arguments)
    from machineadm.plugins.inspection.describing import description
    from machineadm.plugins.inspection.running import running

    with running(wanted.kind, found, common.warn) as plugin:
        # All is asked while it runs; a plugin must not be kept alive by a slow terminal.
        said = description(plugin, wanted.kind) | {"path": found.path}
        if found.container is not None:
            said["image"] = found.container.reference
    if arguments.output == "json":
        common.print_json(said)
    else:
        from machineadm.terminal import printable

        sys.stdout.write("".join(f"{printable(line)}\n" for line in _lines(said)))
    return 0


def _lines(said: dict[str, Any]) -> list[str]:
    place = said["path"] or f"container {said['image']}"
    lines = [f"{said['kind']}/{said['name']}  {place}"]
    # Those that are empty are left out: an SDK of another language may not say them.
    names = ("version", "description", "sdk", "encoding", "protocolVersion")
    lines += [f"  {name:16} {said[name]}" for name in names if said.get(name)]
    if said.get("methods"):
        lines.append(f"  {'methods':16} {', '.join(said['methods'])}")
    if said.get("settingsSchema"):
        lines += ["  settings", *_properties(said["settingsSchema"])]
    for one in said.get("providers", ()):
        lines.append(f"  provider {one['name']} {one['version']}  {one['description']}".rstrip())
        lines += _properties(one["schema"] or {})
    for one in said.get("handlers", ()):
        flows = ", ".join(one["flows"]) or "none"
        lines.append(f"  handler {one['name']}  {one['displayName']}".rstrip())
        lines.append(
            f"    flows: {flows}; capabilities: {', '.join(one['capabilities']) or 'none'}"
        )
    return lines


def _properties(schema: dict[str, Any]) -> list[str]:
    required = schema.get("required", ())
    return [
        f"    {name + ('*' if name in required else ''):20} {one.get('type', 'any'):8} {one.get('description', '')}".rstrip()
        for name, one in sorted(schema.get("properties", {}).items())
        # A JSON Schema may have true or false in the place of a property's schema.
        if isinstance(one, dict)
    ]
