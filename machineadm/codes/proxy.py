"""Proxies. Their problems have codes of rules and files."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {}
