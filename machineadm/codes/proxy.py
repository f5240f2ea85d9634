"""Proxies. What can be wrong with them is told by the codes of rules and files."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {}
