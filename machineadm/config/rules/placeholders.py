"""Placeholders of other template tools, which nothing fills in here: they would reach the machine unchanged.

In free text (a file, a script, an argument of a command, an object that is passed on) `{{ }}` and `${ }` mean something to
many readers, so only names that other bootstrap tools fill in are reported. In every other field either brace is
reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from machineadm.api.finding import Finding
from machineadm.api.meta import ValueSource
from machineadm.api.pruned import PRUNED
from machineadm.api.v1alpha1.commands import Command, EnvironmentVariable
from machineadm.api.v1alpha1.files import FileConfig
from machineadm.config.paths import child
from machineadm.redaction import Secret

# Jinja with cloud-init's names alone: `{{ }}` in a Go template of a file is its reader's business.
_CLOUD_INIT: Final = (
    # Anywhere in an expression: `{{ 'node-' ~ ds.meta_data.id }}`. A word behind a dot, a quote or a dollar sign is
    # another tool's.
    r"\{[{%][-+]?[^{}%]{0,80}?(?<![\w.$\"'/-])"
    r"((?:ds|v1)(?:(?:\.[A-Za-z_][A-Za-z0-9_]{0,39}){1,6}|\[)"
    r"|(?:local_hostname|instance_id|availability_zone|cloud_name|cloud_id|subplatform|system_platform|public_ssh_keys|"
    r"distro|distro_release|distro_version|kernel_release|python_version|merged_cfg|sys_info|userdata|vendordata)\b)"
    # Words that are common enough to be something else in the middle of a text.
    r"|\{\{[-+]?\s*((?:region|platform|machine|variant)\b)"
)
_FREE: Final = (
    ("cloud-init", _CLOUD_INIT),
    # Without braces, too: systemd and shells read $COREOS_EC2_HOSTNAME.
    ("Afterburn", r"\$\{?((?:COREOS|AFTERBURN)_[A-Z0-9_]{1,60})"),
    (
        "Helm",
        r"\{\{-?\s*[^{}]{0,80}?(?<![\w.$\"'/-])\$?(\.(?:Values|Release|Chart|Capabilities)\b)",
    ),
    ("Cluster API", r"\{\{-?\s*[^{}]{0,80}?(?<![\w.$\"'/-])(\.builtin\.[A-Za-z0-9_.]{1,60})"),
    (
        "Ansible",
        r"\{[{%][-+]?[^{}%]{0,80}?(?<![\w.$\"'/-])(ansible_[a-z0-9_]{1,40}|inventory_hostname|hostvars\b|groups\[)",
    ),
    ("Salt", r"\{[{%][-+]?[^{}%]{0,80}?(?<![\w.$\"'/-])((?:pillar|grains)(?:\[|\.[a-z]))"),
    (
        "Terraform",
        r"\$\{~?\s*(?:[a-z0-9_]{1,30}\([^{}]{0,80}?)?\b(?<![.-])((?:var|local|data|module|each|path)\.[A-Za-z0-9_]{1,40})",
    ),
    ("Terraform", r"(%\{[~-]?\s*(?:if|for|endif|endfor)\b)"),
    (
        "GitHub Actions",
        r"\$\{\{\s*((?:secrets|env|vars|inputs|matrix|github)\.[A-Za-z0-9_.]{1,60})",
    ),
    ("CloudFormation", r"\$\{(AWS::[A-Za-z]{1,20})\}"),
)
"""Who fills a placeholder in, and how it looks in a free text."""

_WORDS: Final = {
    "cloud-init": "ds. ds[ v1. v1[ local_hostname instance_id availability_zone cloud_name cloud_id platform public_ssh_keys "
    "distro kernel_release python_version merged_cfg sys_info userdata vendordata region machine variant",
    "Afterburn": "COREOS_ AFTERBURN_",
    "Helm": ".Values .Release .Chart .Capabilities",
    "Cluster API": ".builtin.",
    "Ansible": "ansible_ inventory_hostname hostvars groups[",
    "Salt": "pillar grains",
    "Terraform": "var. local. data. module. each. path. if for endif",
    "GitHub Actions": "secrets. env. vars. inputs. matrix. github.",
    "CloudFormation": "AWS::",
}
"""Of each tool, words one of which is in everything that its patterns find."""

# In a field of ours no such brace can mean anything.
_ANYWHERE: Final = r"\{\{-?|\{%-?|\$\{|%\{|<%"
_SOURCED: Final = "/run/metadata/"
"""A text that reads Afterburn's file has its variables."""


def placeholder(text: str, *, free: bool) -> tuple[str, str]:
    """Find the first placeholder in a text, as far as it can be shown, and the tool that would fill it in; or empty.

    Args:
        text: May be a secret: only the name of the placeholder is returned.
        free: Braces may mean something to the text's own reader.
    """
    # The first hit names the tool, which says where the text came from.
    for tool, pattern in _FREE:
        # In a text full of braces each pattern tries at every one of them, so a name must be there at all.
        if not any(word in text for word in _WORDS[tool].split()):
            continue
        found = re.search(pattern, text)
        if found and not (tool == "Afterburn" and _SOURCED in text):
            return next(filter(None, found.groups())), tool
    if not free and (found := re.search(_ANYWHERE, text)):
        return found[0], "another templater"
    return "", ""


def warnings(value: msgspec.Struct) -> Iterator[Finding]:
    """Yield a warning for each text of a value's own fields that holds a placeholder."""
    for name, field in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
        for text, path in _texts(getattr(value, name), field):
            yield from warned(text, path, free=_is_free(value, name))


def warned(text: str, path: str, *, free: bool) -> Iterator[Finding]:
    """Yield a warning if a text holds a placeholder."""
    shown, tool = placeholder(text, free=free)
    if shown:
        yield Finding(
            code="MA1411",
            # Not refused: a file may be meant for a reader that fills it in on the machine.
            severity="warning",
            path=path,
            message=f"{shown} looks like a placeholder for {tool}; machineadm does not fill it in, so the machine gets it unchanged",
            hint="fill it in before; what only the machine knows a field takes by its twin, as nameFrom: {instanceData: $(v1.local_hostname)}",
        )


def _is_free(value: msgspec.Struct, name: str) -> bool:
    # By type where the field's name is common, by the name alone below.
    if isinstance(value, Command | EnvironmentVariable):
        return name in ("argv", "script", "value")
    if isinstance(value, FileConfig):
        return name == "content"
    if isinstance(value, ValueSource):
        return name == "instance_data"
    return name in (
        "manifest",
        "policy",
        "config",
        "structured",
        "kubelet",
        "patch",
        "contents",
        "text",
    )


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield all texts in a field, except those of Structs in it, which are judged themselves."""
    if value is PRUNED or value is None:
        return
    if isinstance(value, str):
        yield value, path
    elif isinstance(value, Secret):
        yield value.reveal(), path
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            if key is not PRUNED:
                yield from _texts(item, child(path, key))
