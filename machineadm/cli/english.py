"""argparse, without its search for translations.

What machineadm says is English, its parser's own words included. argparse would load gettext and the locale for them, which
takes longer than it takes to parse; so it is given a gettext that translates nothing, and nobody else sees that.
"""

from __future__ import annotations

import sys
from types import ModuleType

_plain = ModuleType("gettext")
_plain.gettext = str  # type: ignore[attr-defined]
_plain.ngettext = lambda one, many, number: one if number == 1 else many  # type: ignore[attr-defined]
_found = sys.modules.setdefault("gettext", _plain)

import argparse  # noqa: E402

if _found is _plain:
    del sys.modules["gettext"]

__all__ = ["argparse"]
