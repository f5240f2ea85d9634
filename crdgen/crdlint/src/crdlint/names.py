"""Kubernetes' rules for names, each with the words in which the API server refuses one."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

# RFC 1035 wants a letter first; RFC 1123 lifted that, and services and versions of APIs did not
# follow.
_LABEL_1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_1123: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")


def label_1035(name: str) -> str:
    """What is wrong with a DNS-1035 label; empty if nothing is."""
    # Bytes, as Go's len() counts; what is not ASCII fails below in any case.
    if len(name.encode()) > 63:
        return "must be no more than 63 bytes"
    if not _LABEL_1035.fullmatch(name):
        return (
            "must consist of lower case letters, digits and '-', start with a letter "
            "and end with a letter or digit (a DNS-1035 label)"
        )
    return ""


def label_1123(name: str) -> str:
    """What is wrong with a DNS-1123 label; empty if nothing is."""
    if len(name.encode()) > 63:
        return "must be no more than 63 bytes"
    return "" if _LABEL_1123.fullmatch(name) else "must be a DNS-1123 label"


def subdomain(name: str) -> str:
    """What is wrong with a DNS-1123 subdomain; empty if nothing is."""
    if len(name.encode()) > 253:
        return "must be no more than 253 bytes"
    if not _SUBDOMAIN.fullmatch(name):
        return (
            "must consist of lower case letters, digits, '-' and '.', "
            "and start and end with a letter or digit (a DNS-1123 subdomain)"
        )
    return ""


def qualified(name: str) -> str:
    """What is wrong with a qualified name such as `example.com/name`; empty if nothing is."""
    # The last slash, and what is before it must be a name of DNS, so there is only one.
    prefix, slash, local = name.rpartition("/")
    if slash and (not prefix or subdomain(prefix)):
        return "must have a DNS subdomain before its '/'"
    if not local or len(local.encode()) > 63 or not _QUALIFIED.fullmatch(local):
        return (
            "must have a name of at most 63 letters, digits, '-', '_' and '.' "
            "that starts and ends with a letter or digit"
        )
    return ""


def label_value(value: str) -> str:
    """What is wrong with the value of a label; empty if nothing is."""
    # A label may be empty.
    if value and (len(value.encode()) > 63 or not _QUALIFIED.fullmatch(value)):
        return (
            "must be at most 63 letters, digits, '-', '_' and '.', "
            "and start and end with a letter or digit"
        )
    return ""


def absolute_url(text: str) -> bool:
    """Whether a text is a URL with a scheme and a host."""
    try:
        parts = urlsplit(text)
        return bool(parts.scheme and parts.netloc) and not re.search(r"[\x00-\x20\x7f]", text)
    except ValueError:
        return False
