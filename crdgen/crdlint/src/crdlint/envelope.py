"""The rules of a CustomResourceDefinition around its schemas: names, versions, columns, subresources, conversion."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from crdlint import names
from crdlint.model import Findings, shown

Record = Mapping[str, Any]

# apimachinery's TotalAnnotationSizeLimitB: 256 KiB of all annotations together.
ANNOTATION_LIMIT: Final = 262_144
# Of the table in validation.go (customResourceColumnDefinitionValidTypes, ...Formats), which
# differs from the types of a schema: there is a date.
_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS: Final = (
    "byte",
    "date",
    "date-time",
    "double",
    "float",
    "int32",
    "int64",
    "password",
)
# Groups of the community need a link to the review of their API (pull request 1111 of
# kubernetes/enhancements).
_APPROVAL: Final = "api-approved.kubernetes.io"


def check_envelope(crd: Record, found: Findings) -> None:
    """Check everything but what depends on schemas.

    Args:
        crd: A decoded CustomResourceDefinition.
        found: Where violations go.
    """
    # What is absent is empty from here on, as Go's zero values are; decoding has told what had a
    # wrong type.
    spec = crd.get("spec") or {}
    own = spec.get("names") or {}
    _metadata(crd.get("metadata") or {}, spec, found)
    # An absent group is the empty text here, as in Go.
    _group(spec.get("group", ""), found)
    _scope(spec.get("scope", ""), found)
    _names(own, found)
    _versions(spec.get("versions") or [], found)
    _conversion(spec.get("conversion"), found)
    # Only objects of v1beta1 may have it; in v1 it would switch pruning off for all.
    if spec.get("preserveUnknownFields"):
        found.error(
            "CRD111",
            "spec.preserveUnknownFields",
            "cannot be true: set x-kubernetes-preserve-unknown-fields in the schema",
        )


def _metadata(metadata: Record, spec: Record, found: Findings) -> None:
    name = metadata.get("name", "")
    # The name is derived and asked for all the same: it is the key in etcd, and so can never change
    # with its parts.
    wanted = f"{(spec.get('names') or {}).get('plural', '')}.{spec.get('group', '')}"
    if not name:
        found.error("CRD101", "metadata.name", "is required")
    elif name != wanted:
        found.error("CRD101", "metadata.name", f"must be spec.names.plural.spec.group, {wanted!r}")
    elif wrong := names.subdomain(name):
        found.error("CRD101", "metadata.name", wrong)
    # A definition is of the cluster.
    if metadata.get("namespace"):
        found.error("CRD101", "metadata.namespace", "is not allowed on this type")
    # With a name beside it, generateName has no effect, and the name is prescribed.
    if metadata.get("generateName") not in (None, "", wanted):
        found.error("CRD101", "metadata.generateName", f"must be {wanted!r}, if anything")
    # The API server sets the generation itself.
    check_object_meta({**metadata, "generation": 1}, "metadata", found, "CRD101")
    _approval(spec.get("group", ""), metadata.get("annotations") or {}, found)


def check_object_meta(metadata: Record, path: str, found: Findings, code: str) -> None:
    """Check what holds for the metadata of every object.

    Args:
        metadata: Decoded ObjectMeta.
        path: Where it is.
        found: Where violations go.
        code: The code of a violation.
    """
    for key, value in (metadata.get("labels") or {}).items():
        if wrong := names.qualified(key) or names.label_value(value):
            found.error(code, f"{path}.labels", f"{shown(key)}: {wrong}")
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        # The API server checks annotation keys in lower case (ValidateAnnotations), and label keys
        # as they are.
        if wrong := names.qualified(key.lower()):
            found.error(code, f"{path}.annotations", f"{shown(key)}: {wrong}")
    # Bytes and not characters: Go's len().
    size = sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items())
    if size > ANNOTATION_LIMIT:
        found.error(code, f"{path}.annotations", f"{size} bytes, more than {ANNOTATION_LIMIT}")
    if (metadata.get("generation") or 0) < 0:
        found.error(code, f"{path}.generation", "must not be negative")
    finalizers = metadata.get("finalizers") or []
    for name in finalizers:
        if wrong := names.qualified(name):
            found.error(code, f"{path}.finalizers", f"{shown(name)}: {wrong}")
    # ValidateFinalizers: the garbage collector could obey one of them only.
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        found.error(code, f"{path}.finalizers", "orphan and foregroundDeletion exclude each other")
    _owners(metadata.get("ownerReferences") or [], f"{path}.ownerReferences", found, code)
    _managed(metadata.get("managedFields") or [], f"{path}.managedFields", found, code)


def _owners(owners: list[Record], path: str, found: Findings, code: str) -> None:
    for owner in owners:
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                found.error(code, f"{path}.{key}", "must not be empty")
    # Two controllers would fight about one object.
    if sum(bool(owner.get("controller")) for owner in owners) > 1:
        found.error(code, path, "only one reference can have controller set to true")


def _managed(entries: list[Record], path: str, found: Findings, code: str) -> None:
    for entry in entries:
        # Managed fields come with a dump of a cluster; the server validates them all the same.
        if entry.get("operation") not in ("Apply", "Update"):
            found.error(code, f"{path}.operation", "must be Apply or Update")
        if entry.get("fieldsType", "FieldsV1") not in ("", "FieldsV1"):
            found.error(code, f"{path}.fieldsType", "must be FieldsV1")
        for key, limit in (("manager", 128), ("subresource", 256)):
            text = entry.get(key, "")
            if len(text.encode()) > limit:
                found.error(code, f"{path}.{key}", f"may not be more than {limit} bytes")
        if not _is_printable(entry.get("manager", "")):
            found.error(code, f"{path}.manager", "should only contain printable characters")


def _is_printable(text: str) -> bool:
    # Go's unicode.IsPrint: a space is printable, and no other white space is.
    return all(c == " " or (c.isprintable() and not c.isspace()) for c in text)


def _approval(group: str, annotations: Mapping[str, str], found: Findings) -> None:
    # IsProtectedCommunityGroup: these groups and those below them.
    if not re.search(r"(^|\.)(k8s|kubernetes)\.io$", group):
        return
    text = annotations.get(_APPROVAL, "")
    # A group of the community without the annotation is refused since v1.
    if not text:
        found.error(
            "CRD112", f"metadata.annotations[{_APPROVAL}]", "is required in protected groups"
        )
    elif not text.startswith("unapproved") and not names.absolute_url(text):
        found.error(
            "CRD112",
            f"metadata.annotations[{_APPROVAL}]",
            "must be a URL or start with 'unapproved'",
        )


def _group(group: str, found: Findings) -> None:
    if not group:
        found.error("CRD102", "spec.group", "is required")
    elif wrong := names.subdomain(group):
        found.error("CRD102", "spec.group", wrong)
    # Groups without a dot are Kubernetes' own.
    elif "." not in group:
        found.error("CRD102", "spec.group", "should be a domain with at least one dot")


def _scope(scope: str, found: Findings) -> None:
    if scope not in ("Namespaced", "Cluster"):
        found.error(
            "CRD104", "spec.scope", "must be Namespaced or Cluster" if scope else "is required"
        )


def _names(own: Record, found: Findings) -> None:
    kind = own.get("kind", "")
    # Names are defaulted before they are validated (SetDefaults_CustomResourceDefinitionSpec), so
    # an error may be about a name that was never written.
    singular = own.get("singular") or kind.lower()
    list_kind = own.get("listKind") or (f"{kind}List" if kind else "")
    for key, name in (("plural", own.get("plural", "")), ("singular", singular)):
        wrong = names.label_1035(name) if name else "is required"
        if wrong:
            found.error("CRD103", f"spec.names.{key}", wrong)
    for key, name in (("kind", kind), ("listKind", list_kind)):
        # A kind is compared in lower case: it is written in camel case and becomes a part of
        # resource names.
        wrong = names.label_1035(name.lower()) if name else "is required"
        if wrong:
            found.error("CRD103", f"spec.names.{key}", wrong)
    # The server could not tell an object from a list of them.
    if kind and kind == list_kind:
        found.error("CRD103", "spec.names.listKind", "kind and listKind may not be the same")
    # Both become words of kubectl's command line, so they follow the rules of resource names.
    for key in ("shortNames", "categories"):
        for index, name in enumerate(own.get(key) or []):
            if wrong := names.label_1035(name):
                found.error("CRD103", f"spec.names.{key}[{index}]", wrong)


def _versions(versions: list[Record], found: Findings) -> None:
    seen: set[str] = set()
    for index, version in enumerate(versions):
        path, name = f"spec.versions[{index}]", version.get("name", "")
        if wrong := names.label_1035(name):
            found.error("CRD105", f"{path}.name", wrong)
        if name in seen:
            found.error(
                "CRD105", "spec.versions", f"must contain unique version names, not {name!r} twice"
            )
        seen.add(name)
        if (version.get("schema") or {}).get("openAPIV3Schema") is None:
            found.error("CRD105", f"{path}.schema.openAPIV3Schema", "is required")
        _deprecation(version, path, found)
    # Exactly one: etcd keeps each object in one version.
    storage = sum(bool(v.get("storage")) for v in versions)
    if storage != 1:
        found.error(
            "CRD105",
            "spec.versions",
            f"must have exactly one version marked as storage version, not {storage}",
        )


def _deprecation(version: Record, path: str, found: Findings) -> None:
    warning = version.get("deprecationWarning")
    if warning is None:
        return
    path = f"{path}.deprecationWarning"
    if not version.get("deprecated"):
        found.error("CRD106", path, "can only be set for deprecated versions")
    elif not 1 <= len(warning.encode()) <= 256:
        found.error("CRD106", path, "must have 1 to 256 bytes")
    elif not _is_printable(warning):
        found.error("CRD106", path, "must only contain printable characters")


def check_columns(columns: list[Record], path: str, found: Findings) -> None:
    """Check printer columns.

    Args:
        columns: Decoded additionalPrinterColumns.
        path: Where they are.
        found: Where violations go.
    """
    for index, column in enumerate(columns):
        where = f"{path}[{index}]"
        # It is the header of the table.
        if not column.get("name"):
            found.error("CRD107", f"{where}.name", "is required")
        if column.get("type", "") not in _COLUMN_TYPES:
            found.error("CRD107", f"{where}.type", f"must be one of {', '.join(_COLUMN_TYPES)}")
        if column.get("format", "") not in ("", *_COLUMN_FORMATS):
            found.error("CRD107", f"{where}.format", f"must be one of {', '.join(_COLUMN_FORMATS)}")
        # The rest of the path is compiled by the server when it prints the table.
        if not column.get("jsonPath", "").startswith("."):
            found.error("CRD107", f"{where}.JSONPath", "must be a simple json path starting with .")


def check_subresources(subresources: Record | None, path: str, found: Findings) -> None:
    """Check the scale subresource.

    Args:
        subresources: Decoded subresources.
        path: Where they are.
        found: Where violations go.
    """
    scale = (subresources or {}).get("scale")
    if scale is None:
        return
    rules: tuple[tuple[str, tuple[str, ...]], ...] = (
        # Autoscalers write to one and read the other, so each must be where writing it is right.
        ("specReplicasPath", (".spec.",)),
        ("statusReplicasPath", (".status.",)),
    )
    if scale.get("labelSelectorPath"):
        rules += (("labelSelectorPath", (".spec.", ".status.")),)
    for key, prefixes in rules:
        if not scale.get(key, "").startswith(prefixes):
            found.error(
                "CRD109",
                f"{path}.scale.{key}",
                f"must be a json path under {' or '.join(p[:-1] for p in prefixes)}",
            )


def _conversion(conversion: Record | None, found: Findings) -> None:
    if conversion is None:
        return
    path = "spec.conversion"
    strategy, webhook = conversion.get("strategy", ""), conversion.get("webhook") or {}
    # Messages say webhookClientConfig, the field of the server's internal type.
    client, reviewed = webhook.get("clientConfig"), webhook.get("conversionReviewVersions") or []
    if strategy not in ("None", "Webhook"):
        found.error(
            "CRD110", f"{path}.strategy", "must be None or Webhook" if strategy else "is required"
        )
    # Refused and not ignored: a webhook that is never called looks like one that works.
    if strategy != "Webhook":
        if client is not None:
            found.error(
                "CRD110",
                f"{path}.webhookClientConfig",
                "should not be set when strategy is not Webhook",
            )
        if reviewed:
            found.error(
                "CRD110",
                f"{path}.conversionReviewVersions",
                "should not be set when strategy is not Webhook",
            )
        return
    _client(client, f"{path}.webhookClientConfig", found)
    _reviewed(reviewed, f"{path}.conversionReviewVersions", found)


def _client(client: Record | None, path: str, found: Findings) -> None:
    url, service = (client or {}).get("url"), (client or {}).get("service")
    if client is None:
        found.error("CRD110", path, "is required when strategy is Webhook")
    # With both nobody knows whom the server would call, and with neither it can call nobody.
    elif (url is None) == (service is None):
        found.error("CRD110", path, "exactly one of url or service is required")
    elif url is not None:
        if wrong := _webhook_url(url):
            found.error("CRD110", f"{path}.url", wrong)
    elif service is not None:
        _service(service, f"{path}.service", found)


def _webhook_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        # urlsplit reads a port when it is asked for, and only then refuses one that is none.
        port = parts.port
    except ValueError:
        return "must be a valid URL"
    del port
    # What Go's url.Parse refuses and urlsplit takes.
    if re.search(r"[\x00-\x20\x7f]|%(?![0-9a-fA-F]{2})", url):
        return "must be a valid URL"
    # In the order of webhook.ValidateWebhookURL: the first that is broken is told.
    rules: tuple[tuple[bool, str], ...] = (
        (parts.scheme != "https", "https is the only allowed scheme"),
        (not parts.netloc.rpartition("@")[2], "must name a host"),
        ("@" in parts.netloc, "must not have user information"),
        (bool(parts.fragment), "must not have a fragment"),
        (bool(parts.query), "must not have a query"),
    )
    return next((words for broken, words in rules if broken), "")


def _service(service: Record, path: str, found: Findings) -> None:
    for key in ("name", "namespace"):
        if not service.get(key):
            found.error("CRD110", f"{path}.{key}", "is required")
    port = service.get("port")
    # Only where it is given: the server's default is 443.
    if port is not None and not 1 <= port <= 65535:
        found.error("CRD110", f"{path}.port", "must be between 1 and 65535")
    if wrong := _service_path(service.get("path") or "/"):
        found.error("CRD110", f"{path}.path", wrong)


def _service_path(path: str) -> str:
    if path == "/":
        return ""
    if not path.startswith("/"):
        return "must start with '/'"
    # Each step as a name of DNS (ValidateWebhookService), which ordinary URLs need not keep to.
    steps = path[1:].removesuffix("/").split("/")
    check: Callable[[str], str] = names.subdomain
    return next((f"{shown(s)}: {check(s) or 'is empty'}" for s in steps if not s or check(s)), "")


def _reviewed(versions: list[str], path: str, found: Findings) -> None:
    if not versions:
        found.error("CRD110", path, "is required")
        return
    if len(set(versions)) != len(versions):
        found.error("CRD110", path, "must not name a version twice")
    for index, version in enumerate(versions):
        if wrong := names.label_1035(version):
            found.error("CRD110", f"{path}[{index}]", wrong)
    # What the server can send: a webhook that knows neither could never be called.
    if not {"v1", "v1beta1"} & set(versions):
        found.error("CRD110", path, "must include at least one of v1, v1beta1")
