"""Update an author's project to this release of the SDK: pure, from the texts of its files to the new texts.

Two fixes. `encodings=(1,)` is removed from calls of `serve`: the older encoding alone is deprecated. The dependency on the SDK is
added, raised or removed. Any other pin is the author's decision, and is refused.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from machineadm.errors import PluginError
from machineadm.version import VERSION

PROJECT: Final = "pyproject.toml"
REQUIREMENTS: Final = ("requirements.txt", "requirements.in")
SDK: Final = "machineadm.plugins.sdk"
_OURS: Final = "machineadm"
_RANGE: Final = r">=\s*[0-9]+(?:\.[0-9]+)*\s*,\s*<\s*[0-9]+(?:\.[0-9]+)*"
# Not machineadm-extra and not machineadm.x: a name of somebody else's begins like ours.
_ENTRY: Final = r"\s*(?i:machineadm)(?![\w.-])(?P<rest>.*)"
_TOML: Final = r"""(?P<item>"(?:[^"\\\n]|\\.)+"|'[^'\n]+')|\#[^\n]*|[,\]]|\s+"""
_TABLE: Final = r"(?ms)^\[[ \t]*project[ \t]*\][ \t]*(?:#[^\n]*)?$.*?(?=^\[|\Z)"
_LIST: Final = r"(?m)^[ \t]*dependencies[ \t]*=[ \t]*\["
_ELSEWHERE: Final = (
    r"""(?m)^[ \t]*["']?dependencies\b|^[ \t]*dynamic\s*=\s*\[[^\]]*["']dependencies["']"""
)


def wanted() -> str:
    """Return the dependency on this release: its minor version, within which the SDK stays compatible."""
    # Below 1.0 a minor version may break (semver.org, 4), so the range ends before the next one.
    major, minor, *_ = VERSION.split(".")
    return f"{_OURS}>={major}.{minor},<{major}.{int(minor) + 1}"


def fixed(files: Mapping[str, str]) -> dict[str, str]:
    """Compute what has to change.

    Args:
        files: Texts by path below the project: pyproject.toml, requirements, modules and scripts.

    Returns:
        The new text of each file that changes.

    Raises:
        PluginError: MA7256: It is not a project of a plugin in Python, or pins the SDK otherwise.
    """
    # Of Windows: all lines end so, or it is not looked at.
    foreign = {name for name, text in files.items() if text.count("\r\n") == text.count("\n") > 0}
    plain = {
        name: text.replace("\r\n", "\n") if name in foreign else text
        for name, text in files.items()
    }
    return {
        name: text.replace("\n", "\r\n") if name in foreign else text
        for name, text in _fixed(plain).items()
    }


def _fixed(files: Mapping[str, str]) -> dict[str, str]:
    """See `fixed`.

    Raises:
        PluginError: As of `fixed`.
    """
    listing = next((name for name in (PROJECT, *REQUIREMENTS) if name in files), "")
    if not listing:
        raise PluginError(
            "MA7256",
            f"there is neither {PROJECT} nor {REQUIREMENTS[0]}",
            hint="name the directory of a plugin's project in Python; one in Go is fixed by go get and its compiler",
        )
    sources = {name: text for name, text in files.items() if _is_python(name, text)}
    after = {name: _without_old_encoding(name, text) for name, text in sources.items()}
    used = any(_imports_sdk(name, text) for name, text in sources.items())
    text = files[listing]
    fix = _project if listing == PROJECT else _requirements
    after[listing] = fix(listing, text, wanted() if used else "")
    return {name: text for name, text in after.items() if text != files[name]}


def _is_python(name: str, text: str) -> bool:
    first = text.partition("\n")[0]
    # A plugin is often a script without a suffix.
    return name.endswith(".py") or (first.startswith("#!") and "python" in first)


def _tree(name: str, text: str) -> ast.Module:
    """A module, parsed.

    Raises:
        PluginError: MA7256: It is not Python.
    """
    try:
        # A mark that Windows' editors put there is no part of the program.
        return ast.parse(text.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None) or 1
        raise PluginError(
            "MA7256", f"{name}:{line} is not Python", hint="correct it, and fix the project then"
        ) from error


def _imports_sdk(name: str, text: str) -> bool:
    # Before it is parsed: most files of a project have nothing to do with us, and some may be for
    # another Python.
    if _OURS not in text:
        return False
    for node in ast.walk(_tree(name, text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == _OURS:
            return True
        if isinstance(node, ast.Import) and any(
            one.name.split(".")[0] == _OURS for one in node.names
        ):
            return True
    return False


# ------------------------------------------------------------------------------ encoding
def _without_old_encoding(name: str, text: str) -> str:
    """Remove `encodings=...` from calls of serve that name only the old one."""
    if "encodings" not in text:
        return text
    tree = _tree(name, text)
    lines = text.split("\n")
    # Of the mark at the beginning, which the parser did not see.
    starts = [3 if text.startswith("\ufeff") else 0]
    for line in [lines[0].removeprefix("\ufeff"), *lines[1:]]:
        # In bytes: ast counts columns in UTF-8, not in characters.
        starts.append(starts[-1] + len(line.encode()) + 1)
    data = text.encode()
    spans = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) == "serve":
            for keyword in node.keywords:
                if keyword.arg == "encodings" and _names_old_alone(keyword.value):
                    first = starts[keyword.lineno - 1] + keyword.col_offset
                    last = starts[(keyword.end_lineno or 0) - 1] + (keyword.end_col_offset or 0)
                    # By spans and not by unparsing the tree: an author's layout and comments stay.
                    spans.append(_with_comma(data, first, last))
    # From the end, so that a removal does not move the spans that are still to come.
    for first, last in sorted(spans, reverse=True):
        data = data[:first] + data[last:]
    return data.decode()


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _names_old_alone(value: ast.expr) -> bool:
    if not isinstance(value, (ast.Tuple, ast.List)) or not value.elts:
        return False
    return all(
        (isinstance(one, ast.Constant) and one.value == 1)
        or (isinstance(one, ast.Name) and one.id == "JSON")
        for one in value.elts
    )


def _with_comma(data: bytes, first: int, last: int) -> tuple[int, int]:
    """Return the span of an argument, including its comma."""
    before = re.search(rb",\s*$", data[:first])
    if before:
        return before.start(), last
    behind = re.match(rb"\s*,\s*", data[last:])
    return first, last + (behind.end() if behind else 0)


# ---------------------------------------------------------------------------- dependency
def _project(name: str, text: str, want: str) -> str:
    """pyproject.toml with the dependency that is wanted, or without any.

    Raises:
        PluginError: MA7256: There is no list that could be changed.
    """
    table = re.search(_TABLE, text)
    if table is None:
        raise PluginError(
            "MA7256", f"{name} has no table [project]", hint="see packaging.python.org"
        )
    key = re.search(_LIST, table[0])
    found = _list(text, table.start() + key.end()) if key else None
    if found is None:
        # A list that something else makes, or in a form that this does not read: better told than
        # damaged.
        if re.search(_ELSEWHERE, table[0]):
            raise PluginError(
                "MA7256",
                f"{name}: the dependencies are not a list that can be changed",
                hint=f"add {want!r} where they come from" if want else "",
            )
        added = f'dependencies = ["{want}"]\n' if want else ""
        head = table[0].partition("\n")[0] + "\n"
        body = table[0][len(head) :]
        new = head + body.rstrip("\n") + "\n" * bool(body.strip()) + added
        tail = table[0][len(table[0].rstrip("\n")) :][1:]
        return text[: table.start()] + (new + tail if added else table[0]) + text[table.end() :]
    return _entries(name, text, found, want)


class _List(NamedTuple):
    """A list of TOML as it is written."""

    start: int
    """Right behind its bracket."""

    end: int
    """Its closing bracket."""

    items: list[tuple[int, int]]
    """Its strings, with their quotes."""

    commas: list[int]


def _list(text: str, start: int) -> _List | None:
    """Read a list of strings; None if it holds anything else, or does not end.

    Args:
        text: All of the file, or a part.
        start: Right behind the bracket.
    """
    items: list[tuple[int, int]] = []
    commas: list[int] = []
    at = start
    while found := re.compile(_TOML).match(text, at):
        if found[0] == "]":
            return _List(start, at, items, commas)
        if found[0] == ",":
            commas.append(at)
        elif found["item"]:
            items.append(found.span())
        at = found.end()
    return None


def _entries(name: str, text: str, found: _List, want: str) -> str:
    """Return the text with a list of dependencies that has what is wanted.

    Raises:
        PluginError: MA7256: Ours is pinned otherwise.
    """
    for number, (start, end) in enumerate(found.items):
        ours = re.fullmatch(_ENTRY, text[start + 1 : end - 1])
        if ours is None:
            continue
        _require_range(name, ours["rest"])
        if want:
            return text[: start + 1] + want + text[end - 1 :]
        return _without(text, found, number)
    return _with(text, found, want) if want else text


def _with(text: str, found: _List, want: str) -> str:
    """Add an item as the last one, behind whatever comment there is."""
    item = f'"{want}"'
    last = found.items[-1][1] if found.items else found.start
    comma = next((at for at in found.commas if at >= last), None)
    if "\n" not in text[found.start : found.end]:
        between = ", " if found.items else ""
        return text[:last] + between + item + text[last:]
    first = found.items[0][0] if found.items else found.start
    indent = (re.search(r"\n([ \t]*)$", text[:first]) or ["", "    "])[1]
    at = last if comma is None else comma + 1
    line = text.find("\n", at)
    # The rest of the line is a comment, or the end of the list.
    behind = line if line < found.end else found.end
    rest = text[at:behind].rstrip(" \t")
    missing = "," if found.items and comma is None else ""
    closing = "" if line < found.end else "\n"
    return f"{text[:at]}{missing}{rest}\n{indent}{item},{closing}{text[behind:]}"


def _without(text: str, found: _List, number: int) -> str:
    """Remove an item with its comma, and with its line if that has nothing else."""
    start, end = found.items[number]
    comma = next((at for at in found.commas if at >= end), None)
    following = found.items[number + 1][0] if number + 1 < len(found.items) else found.end
    if comma is not None and comma < following:
        end = comma + 1
    elif number and (before := [at for at in found.commas if at < start]):
        # The last one without a comma behind it: the one before it has to go.
        between = text[before[-1] + 1 : start].rstrip()
        # A comment must not take the bracket along.
        if "#" in between and "\n" not in text[end : found.end]:
            between += "\n"
        return text[: before[-1]] + between + text[end:]
    line = text.rfind("\n", 0, start) + 1
    rest = re.compile(r"[ \t]*\n?").match(text, end)
    assert rest is not None  # noqa: S101 - it matches nothing, too
    if not text[line:start].strip() and rest[0].endswith("\n"):
        return text[:line] + text[rest.end() :]
    return text[:start] + text[rest.end() if number or following != found.end else end :]


def _requirements(name: str, text: str, want: str) -> str:
    """A file of requirements with the dependency that is wanted, or without any."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        found = re.fullmatch(r"[ \t]*(?i:machineadm)(?![\w.-])([^#\n]*)(#[^\n]*)?\n?", line)
        if found:
            _require_range(name, found[1])
            comment = f"  {found[2]}" if found[2] and want else ""
            lines[number] = f"{want}{comment}\n" if want else ""
            return "".join(lines)
    if want:
        lines.append(("" if not lines or lines[-1].endswith("\n") else "\n") + f"{want}\n")
    return "".join(lines)


def _require_range(name: str, rest: str) -> None:
    """Accept a dependency that is a range, as this command writes it, or that has no version.

    Raises:
        PluginError: MA7256: It is a pin of somebody else's.
    """
    if rest.strip() and not re.fullmatch(_RANGE, rest.strip()):
        raise PluginError(
            "MA7256",
            f"{name} pins machineadm{rest.rstrip()}, which is not a range of releases",
            hint=f"if nobody needs that: {wanted()}",
        )
