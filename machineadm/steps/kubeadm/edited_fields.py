"""Which fields of ours say what a script wanted when it edited kubeadm's documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from machineadm.documents.kubeadm_fields import ALL, Ours


def edited_fields(before: bytes, after: bytes) -> Iterator[str]:
    """Our fields for what differs between two streams of kubeadm's documents; nothing where it is no YAML any more."""
    try:
        old, new = (
            {str(one.get("kind")): one for one in yaml.safe_load_all(text) if isinstance(one, dict)}
            for text in (before, after)
        )
    except yaml.YAMLError:
        return
    known: set[str] = set()
    for kind in sorted(old.keys() | new.keys()):
        for place in _differences(old.get(kind), new.get(kind), ""):
            field = _field(f"{kind}{place}")
            if field and field not in known:
                known.add(field)
                yield field


def _differences(old: Any, new: Any, place: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _differences(old.get(key), new.get(key), f"{place}.{key}")
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            one, other = (items[index] if index < len(items) else None for items in (old, new))
            yield from _differences(one, other, f"{place}[]")
    elif isinstance(new, dict) and old is None:
        for key, value in new.items():
            yield from _differences(None, value, f"{place}.{key}")
    elif isinstance(new, list) and old is None:
        yield from _differences([], new, place)
    elif old != new:
        yield place


def _field(place: str) -> str:
    """Our field for a place in kubeadm's documents; the nearest one that is known; empty: none."""
    kind, _, rest = place.partition(".")
    if kind in ("KubeletConfiguration", "KubeProxyConfiguration"):
        own = ALL[f"{kind} of the cluster"]
        return f"spec.{own.path}" if isinstance(own, Ours) else ""
    parts = rest.split(".")
    while parts:
        for begin in (kind, kind[:1].lower() + kind[1:]):
            name = ".".join((begin, *parts))
            # Exactly, or the first of the fields below it: extraArgs is a list of pairs in one version, and a map in another.
            for key, home in ALL.items():
                below = key.startswith((f"{name}.", f"{name}[", f"{name}{{"))
                if isinstance(home, Ours) and (key == name or below):
                    cut = (
                        home.path.rpartition("[")[0]
                        if below and "[]" in key[len(name) :]
                        else home.path
                    )
                    return f"spec.{cut}"
        parts.pop()
    return ""
