"""CustomResourceDefinitions: the envelope around the schemas of a resource's versions."""

from __future__ import annotations

import json

from crdgen.generate.described import described
from crdgen.generate.docstrings import Docs
from crdgen.generate.model import GenerationError, Schema
from crdgen.generate.structural import Rules, Structural
from machineadm.api.resources import Column, Resource, Version

# Not crdlint's: generating must not depend on the distribution that checks the result.
ANNOTATION_LIMIT = 262144
"""Bytes that `kubectl apply` can keep of an object in its annotation."""


def definition(resource: Resource, docs: Docs, rules: Rules) -> Schema:
    """The definition of a resource.

    Raises:
        GenerationError: Its types say what a definition cannot express, its versions do not fit together, or it would
            be too large.
    """
    kind = _kind(resource)
    # Told here in words of the types, before a server says it of the output.
    stored = [version.name for version in resource.versions if version.storage]
    if len(stored) != 1:
        raise GenerationError(kind, f"exactly one version is stored, not {len(stored)}")
    if not any(version.served for version in resource.versions):
        raise GenerationError(kind, "no version is served")
    # A fixed order: moving a version in the source must not change the file.
    versions = sorted(resource.versions, key=lambda version: version.name)
    found = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{resource.plural}.{resource.group}",
            "labels": dict(resource.labels),
        },
        "spec": {
            "group": resource.group,
            "names": _names(resource, kind),
            "scope": "Namespaced",
            "versions": [_version(version, resource, docs, rules) for version in versions],
        },
    }
    # As it is sent, compact.
    size = len(json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode())
    if size > ANNOTATION_LIMIT:
        raise GenerationError(
            kind,
            f"its definition has {size} bytes, {ANNOTATION_LIMIT} can be applied; set descriptions",
        )
    return found


def file_name(resource: Resource) -> str:
    """As controller-gen calls it: `<group>_<plural>.yaml`."""
    return f"{resource.group}_{resource.plural}.yaml"


def _kind(resource: Resource) -> str:
    kinds = {version.type.__name__ for version in resource.versions}
    # The kind is the name of the type, and a resource has one kind in all versions.
    if len(kinds) != 1:
        raise GenerationError(resource.plural, "its versions have types of different names")
    return kinds.pop()


def _names(resource: Resource, kind: str) -> Schema:
    names: Schema = {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": resource.plural,
        "singular": kind.lower(),
    }
    if resource.categories:
        names["categories"] = list(resource.categories)
    if resource.short_names:
        names["shortNames"] = list(resource.short_names)
    return names


def _version(version: Version, resource: Resource, docs: Docs, rules: Rules) -> Schema:
    walker = Structural(
        docs,
        rules,
        defaults=resource.defaults,
        descriptions=resource.descriptions,
        undescribed=resource.undescribed,
    )
    # A walker for each version: what is known of a type includes its descriptions, which are a
    # resource's own.
    root = walker.root(described(version.type), status=resource.status)
    found: Schema = {
        "name": version.name,
        "served": version.served,
        "storage": version.storage,
        "schema": {"openAPIV3Schema": root},
    }
    if resource.columns:
        found["additionalPrinterColumns"] = [_column(column) for column in resource.columns]
    if resource.status:
        found["subresources"] = {"status": {}}
    if version.deprecated:
        found["deprecated"] = True
        if version.deprecation_warning:
            found["deprecationWarning"] = version.deprecation_warning
    elif version.deprecation_warning:
        raise GenerationError(version.name, "only a deprecated version has a warning")
    return found


def _column(column: Column) -> Schema:
    found: Schema = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        found["description"] = column.description
    if column.wide:
        # Columns with a priority above 0 are shown by `kubectl get -o wide` alone.
        found["priority"] = 1
    return found
