"""libyaml's parser without the rest of PyYAML.

`import yaml` loads PyYAML's own reader, resolver, constructor and emitter with all their patterns: a tenth of what `plan`
costs. None of it is used: libyaml makes the events, and this package makes the values. PyYAML's extension needs only the
error classes of those modules, so it gets modules that have nothing else. A later `import yaml` gets the whole.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

# All that yaml/_yaml.pyx takes by name from modules of PyYAML other than error, events, nodes and
# tokens.
_ERRORS = {
    "composer": "ComposerError",
    "constructor": "ConstructorError",
    "emitter": "EmitterError",
    "parser": "ParserError",
    "reader": "ReaderError",
    "representer": "RepresenterError",
    "scanner": "ScannerError",
    "serializer": "SerializerError",
}


def load() -> tuple[Any, Any, Any]:
    """Return the extension's CParser class, the module of its events, and the base class of its errors."""
    # If somebody has loaded PyYAML, its events are taken: classes of two copies would never be
    # equal.
    if "yaml" not in sys.modules and "yaml._yaml" not in sys.modules:
        _load_alone()
    # Not `from yaml import`: that would load the whole package.
    modules = sys.modules if "yaml._yaml" in sys.modules else _whole()
    error: Any = modules["yaml.error"]
    extension: Any = modules["yaml._yaml"]
    return extension.CParser, modules["yaml.events"], error.YAMLError


def _load_alone() -> None:
    # To learn where PyYAML is without running its __init__, which imports all that is to be
    # avoided.
    specs = (finder.find_spec("yaml", None) for finder in sys.meta_path)
    found = next((spec for spec in specs if spec), None)
    # _whole() then raises what Python says of a missing package.
    if found is None:
        return
    package = ModuleType("yaml")
    package.__path__ = found.submodule_search_locations or []
    stand_ins = {f"yaml.{name}": ModuleType(f"yaml.{name}") for name in _ERRORS}
    # Before the imports below, which otherwise would run yaml/__init__.py as the parent package.
    sys.modules.update(stand_ins, yaml=package)
    try:
        import yaml.error
        import yaml.events
        import yaml.nodes
        import yaml.tokens

        for name, error in _ERRORS.items():
            stand_in = stand_ins[f"yaml.{name}"]
            # With a base of their own: the reader catches YAMLError and asks for the mark that
            # MarkedYAMLError has.
            setattr(stand_in, error, type(error, (yaml.error.MarkedYAMLError,), {}))
            setattr(package, name, stand_in)
        import yaml._yaml
    finally:
        # A later `import yaml` must find PyYAML itself, not these stand-ins.
        for name in ("yaml", *stand_ins):
            del sys.modules[name]


def _whole() -> dict[str, ModuleType]:
    import yaml._yaml  # noqa: F401 - found in sys.modules

    return sys.modules
