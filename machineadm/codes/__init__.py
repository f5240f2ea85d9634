"""What each error code means and what to do about it: data for `machineadm explain`.

Here: one module per owner of codes, each with a `TABLE` from code to Code. Not here: raising
anything. Nothing imports it but `explain` and the tests, so that a run never pays for it.
May import: nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from machineadm.codes.model import Code


def load() -> dict[str, Code]:
    """All codes of this release, in order."""
    from importlib import import_module
    from pkgutil import iter_modules

    found: dict[str, Code] = {}
    for module in iter_modules(__path__):
        if module.name != "model":
            found.update(import_module(f"{__name__}.{module.name}").TABLE)
    return dict(sorted(found.items()))
