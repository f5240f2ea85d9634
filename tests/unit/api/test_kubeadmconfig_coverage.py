"""All that Cluster API's KubeadmConfigSpec can say, and all that kubeadm's own API can say, is sayable.

`.venv/bin/python -m tests.unit.api.test_kubeadmconfig_coverage` writes docs/kubeadmconfig.md from them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from msgspec import inspect

from machineadm.api.later import load
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.machine import MachineConfig, MachineConfigurationSpec
from machineadm.documents.kubeadm_fields import ALL, KUBEADM_CONFIG_SPEC, KUBEADM_OWN, Ours, Reason
from machineadm.documents.suggestions import foreign

DOC: Final = Path(__file__).parents[3] / "docs/kubeadmconfig.md"


def exists(path: str) -> bool:
    """Whether the types have a field at a path below spec."""
    found: list[inspect.Type] = [inspect.type_info(MachineConfigurationSpec)]
    steps = path.replace("[]", ".[]").replace("{}", ".{}").replace("(", ".(").split(".")
    for step in steps:
        found = [below for each in found for below in _below(each, step)]
    return bool(found)


def _below(type_: inspect.Type, step: str) -> list[inspect.Type]:
    if isinstance(type_, inspect.Metadata):
        return _below(type_.type, step)
    if isinstance(type_, inspect.UnionType):
        return [below for each in type_.types for below in _below(each, step)]
    if isinstance(type_, inspect.VarTupleType):
        return [type_.item_type] if step == "[]" else []
    if isinstance(type_, inspect.DictType):
        return [type_.value_type] if step == "{}" else []
    if isinstance(type_, inspect.StructType):
        if step.startswith("("):
            return [type_] if type_.tag == step.strip("()") else []
        return [field.type for field in type_.fields if field.encode_name == step]
    return []


@pytest.mark.requirement("U6", "R4")
@pytest.mark.parametrize("field", ALL)
def test_what_a_kubeadmconfig_can_say_ours_can_say(field: str) -> None:
    answer = ALL[field]

    assert exists(answer.path) if isinstance(answer, Ours) else answer.text


def test_a_path_that_is_not_there_is_noticed() -> None:
    assert exists("kubernetes.role(JoinWorker).discovery(Token).endpoint")
    for path in (
        "kubernetes.nodes",
        "kubernetes.role(Leave)",
        "machine.files.path",
        "machine.files[]x",
    ):
        assert not exists(path)


def test_only_what_a_machine_cannot_use_has_no_field_of_ours() -> None:
    without = {field for field, answer in ALL.items() if isinstance(answer, Reason)}

    assert without == {
        "format",
        "ignition.containerLinuxConfig.additionalConfig",
        "ignition.containerLinuxConfig.strict",
        "initConfiguration.nodeRegistration.taints[].timeAdded",
        "joinConfiguration.nodeRegistration.taints[].timeAdded",
        "InitConfiguration.dryRun",
        "JoinConfiguration.dryRun",
        "JoinConfiguration.discovery.file.kubeConfigPath as a URL",
    }


HEAD = """\
# Where a KubeadmConfig's fields are

For users of Cluster API's kubeadm provider, or of kubeadm's own configuration: each field that these have,
and ours below `spec` of a MachineConfiguration or MachineBootstrap. `(Initialize)` and the like stand for `type:` of
a role or a discovery. Lengths of time are durations here (`90s`, `24h`), and arguments are lists of name and value.

What the version of kubeadm that is asked for cannot express is refused by name (MA1310), never dropped. Fields marked *not in this release* are
refused too (MA1401); `machineadm explain` says of each how to do it meanwhile.
"""


OUR_NAMES = {
    part
    for answer in ALL.values()
    if isinstance(answer, Ours)
    for part in re.split(r"[.\[\]{}()]+", answer.path)
}


@pytest.mark.parametrize("field", ALL)
def test_whoever_writes_one_of_their_names_is_led_to_ours(field: str) -> None:
    """Their field stands at the place it has with them, below spec, in a configuration of ours."""
    parts = [re.split(r"[\[{(]", part)[0] for part in field.split(" ")[0].split(".")]
    path = ".".join(["spec", *parts[:-1]])

    theirs = foreign(parts[-1], path)

    assert theirs is not None
    answer = ALL[field]
    if isinstance(answer, Ours) and parts[-1] not in OUR_NAMES:
        ours_ = re.sub(r"\([^)]*\)|\{\}|\[\]", "", answer.path)
        led = theirs.message.removeprefix("here it is spec.").replace("[]", "")
        assert ours_.startswith(led), theirs.message
        assert led.count(".") >= 1


def refused(path: str) -> bool:
    """Whether this release refuses the field at a path below spec, or one that it lies in."""
    steps = path.replace("[]", "").replace("{}", "").split(".")
    places = (
        (MachineConfig, ["machine"]),
        (LinuxConfiguration, ["machine", "linuxConfiguration"]),
    )
    return any(
        steps[: len(above)] == above
        and len(steps) > len(above)
        and steps[len(above)] in type_.not_built
        for type_, above in places
    )


def page() -> str:
    """The page of the documentation that the tables above make."""
    parts = [HEAD]
    for title, table in (
        ("KubeadmConfigSpec (bootstrap.cluster.x-k8s.io/v1beta2)", KUBEADM_CONFIG_SPEC),
        ("kubeadm (kubeadm.k8s.io/v1beta4), what Cluster API does not offer", KUBEADM_OWN),
    ):
        rows = [
            f"| `{field}` | `{answer.path}`{' (not in this release)' if refused(answer.path) else ''} |"
            if isinstance(answer, Ours)
            else f"| `{field}` | none: {answer.text} |"
            for field, answer in table.items()
        ]
        parts.append(
            "\n".join((f"## {title}", "", "| theirs | ours |", "| --- | --- |", *rows, ""))
        )
    return "\n".join(parts)


def test_what_this_release_refuses_is_marked() -> None:
    assert not refused("machine.linuxConfiguration.ntp.servers[]")
    assert not refused("machine.linuxConfiguration.users[].name")
    assert not refused("machine.linuxConfiguration.domainJoin")
    assert refused("machine.windowsConfiguration")
    assert not refused("machine.files[].path")
    assert not refused("machine.linuxConfiguration.sysctls{}")


def test_the_page_for_those_who_come_from_kubeadmconfig_is_up_to_date() -> None:
    assert DOC.read_text() == page()


if __name__ == "__main__":
    load()  # as tests/conftest.py does
    DOC.write_text(page())
