"""The tables by which the agent judges are those that Kubernetes' own modules give."""

from __future__ import annotations

import json
import os
from typing import Any

from tests.judges import judges
from tests.upstream import tables

FIELDS = json.loads((tables.TABLES / "fields.json").read_text())
NAMES = json.loads((tables.TABLES / "names.json").read_text())


def test_types_gates_and_etcds_flags_are_those_in_the_source_of_every_version() -> None:
    assert judges.component_validate("apiVersion: v1\nkind: Pod\n")  # there is Go
    types, gates = tables.read_source()

    assert tables.fields_table(types) == FIELDS
    found = tables.names_table(dict.fromkeys(tables.MINORS, NOTHING), gates, tables.read_etcd())
    assert found["gates"] == NAMES["gates"]
    assert found["flags"]["etcd"] == NAMES["flags"]["etcd"]


NOTHING: dict[str, Any] = {
    program: {"flags": {}, "plugins": {}, "phases": {"init": [], "join": []}, "patches": []}
    for program in tables.PROGRAM_NAMES
}


def test_flags_plugins_and_phases_are_those_of_the_programs_of_a_version() -> None:
    """Of one version, since each is a build of minutes; MACHINEADM_EVERY_MINOR=1 asks all."""
    minors = tables.MINORS if os.environ.get("MACHINEADM_EVERY_MINOR") else (34,)
    for minor, facts in tables.read_names(minors, optimized=True).items():
        whole = tables.names_table({minor: facts}, {minor: NO_GATES}, ALL_ETCDS)

        assert of_version(NAMES["plugins"], minor) == of_version(whole["plugins"], minor)
        for program, flags in whole["flags"].items():
            if program != "etcd":
                assert of_version(NAMES["flags"][program], minor) == of_version(flags, minor)
        for role, phases in whole["phases"].items():
            assert of_version(NAMES["phases"][role], minor) == of_version(phases, minor)
        assert of_version(NAMES["patches"], minor) == of_version(whole["patches"], minor)


NO_GATES: dict[str, dict[str, Any]] = {"components": {}, "kubeadm": {}}
ALL_ETCDS: dict[str, dict[str, Any]] = {version: {} for version in set(tables.ETCD.values())}


def of_version(table: dict[str, Any], minor: int) -> dict[str, str]:
    """What a table says of a version."""
    found: dict[str, str] = {}
    for name, entry in table.items():
        pairs: list[Any] = [[entry, None]] if isinstance(entry, str) else entry
        for word, ranges in pairs:
            if ranges is None or any(
                first <= minor and (last is None or minor <= last)
                for first, last in zip(ranges[::2], ranges[1::2], strict=True)
            ):
                found[name] = word
    return found


def test_a_table_that_lacks_something_is_seen() -> None:
    planted = dict(list(NAMES["plugins"].items())[1:])

    assert of_version(planted, 34) != of_version(NAMES["plugins"], 34)
