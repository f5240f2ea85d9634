"""The keys of a CustomResourceDefinition of apiextensions.k8s.io/v1 around its schemas."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

from crdlint.schema import decode_schema
from crdlint.shapes import (
    STRINGS,
    Decoding,
    anything,
    boolean,
    integer,
    list_of,
    map_of,
    record,
    string,
)

API_VERSION: Final = "apiextensions.k8s.io/v1"
KIND: Final = "CustomResourceDefinition"
# Go's time.Parse of RFC 3339 takes one digit of an hour and a comma before the fraction;
# metav1.Time relies on it.
_TIME: Final = re.compile(
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01]?[0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.,][0-9]+)?"
    r"(Z|[-+]([01][0-9]|2[0-3]):[0-5][0-9])"
)


def _time(value: Any, path: str, decoding: Decoding) -> str:
    text = string(value, path, decoding)
    if text and not _TIME.fullmatch(text):
        decoding.wrong(path, "a time as RFC 3339 writes it", value)
    return text


def _bytes(value: Any, path: str, decoding: Decoding) -> bytes:
    text = string(value, path, decoding)
    try:
        # encoding/json drops line breaks in base64 and refuses everything else.
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        decoding.wrong(path, "base64", value)
        return b""


_INT32: Final = integer(32)
_INT64: Final = integer(64)
# null in a map of strings is the empty string to encoding/json.
_LABELS: Final = map_of(string, "")
# Also decoded alone, for the metadata in defaults of embedded resources (defaults.py).
METADATA: Final = {
    "name": string,
    "generateName": string,
    "namespace": string,
    # No longer set by servers, but still a field of ObjectMeta, so strict decoding takes it.
    "selfLink": string,
    "uid": string,
    "resourceVersion": string,
    "generation": _INT64,
    "creationTimestamp": _time,
    "deletionTimestamp": _time,
    "deletionGracePeriodSeconds": _INT64,
    "labels": _LABELS,
    "annotations": _LABELS,
    "ownerReferences": list_of(
        record(
            {
                "apiVersion": string,
                "kind": string,
                "name": string,
                "uid": string,
                "controller": boolean,
                "blockOwnerDeletion": boolean,
            }
        ),
        dict,
    ),
    "finalizers": STRINGS,
    "managedFields": list_of(
        record(
            {
                "manager": string,
                "operation": string,
                "apiVersion": string,
                "time": _time,
                "fieldsType": string,
                # Raw JSON to Go as well.
                "fieldsV1": anything,
                "subresource": string,
            }
        ),
        dict,
    ),
}
_NAMES: Final = record(
    {
        "plural": string,
        "singular": string,
        "shortNames": STRINGS,
        "kind": string,
        "listKind": string,
        "categories": STRINGS,
    }
)
_VERSION: Final = record(
    {
        "name": string,
        "served": boolean,
        "storage": boolean,
        "deprecated": boolean,
        "deprecationWarning": string,
        "schema": record({"openAPIV3Schema": decode_schema}),
        "subresources": record(
            {
                "status": record({}),
                "scale": record(
                    {
                        "specReplicasPath": string,
                        "statusReplicasPath": string,
                        "labelSelectorPath": string,
                    }
                ),
            }
        ),
        "additionalPrinterColumns": list_of(
            record(
                {
                    "name": string,
                    "type": string,
                    "format": string,
                    "description": string,
                    "priority": _INT32,
                    "jsonPath": string,
                }
            ),
            dict,
        ),
        "selectableFields": list_of(record({"jsonPath": string}), dict),
    }
)
_CONVERSION: Final = record(
    {
        "strategy": string,
        "webhook": record(
            {
                "clientConfig": record(
                    {
                        "url": string,
                        "service": record(
                            {"namespace": string, "name": string, "path": string, "port": _INT32}
                        ),
                        "caBundle": _bytes,
                    }
                ),
                "conversionReviewVersions": STRINGS,
            }
        ),
    }
)
# A dump of a cluster has it; it is decoded because a wrong type there fails the whole object.
_STATUS: Final = record(
    {
        "conditions": list_of(
            record(
                {
                    "type": string,
                    "status": string,
                    "lastTransitionTime": _time,
                    "reason": string,
                    "message": string,
                    "observedGeneration": _INT64,
                }
            ),
            dict,
        ),
        "acceptedNames": _NAMES,
        "storedVersions": STRINGS,
        "observedGeneration": _INT64,
    }
)
DEFINITION: Final = record(
    {
        "apiVersion": string,
        "kind": string,
        "metadata": record(METADATA),
        "spec": record(
            {
                "group": string,
                "names": _NAMES,
                "scope": string,
                "versions": list_of(_VERSION, dict),
                "conversion": _CONVERSION,
                "preserveUnknownFields": boolean,
            }
        ),
        "status": _STATUS,
    }
)
