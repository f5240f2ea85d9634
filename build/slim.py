"""Choose what of a wheel is packed: what is used at run time, and licences."""

from __future__ import annotations

import ast
import re
import sys
import tokenize
import zipfile
from collections.abc import Iterator
from pathlib import Path

from elf import without_sections

USELESS_SUFFIXES = {".pyi", ".pyx", ".pxd", ".h", ".c", ".cpp", ".pyc"}
# What no agent runs: tools to build extensions (at run time cryptography loads _cffi_backend alone),
# code generators, tests, and services that we do not offer.
USELESS = (
    "cffi/",
    "pycparser/",
    "google/protobuf/compiler/",
    "google/protobuf/internal/json_format_benchmark.py",
    "google/protobuf/internal/message_benchmark.py",
    "google/protobuf/internal/testing_refleaks.py",
    "google/protobuf/testdata/",
    "grpclib/channelz/",
    "grpclib/plugin/",
    "grpclib/reflection/",
    "grpclib/testing.py",
)
LICENCE = re.compile(r"(?i)(licen[cs]e|copying|notice|authors)")


def unpack(wheel: Path, tree: Path) -> None:
    """Unpack what is needed at run time; two wheels must agree on a file that both contain."""
    with zipfile.ZipFile(wheel) as archive:
        for name in needed(archive.namelist()):
            if name.startswith("/") or ".." in name.split("/"):
                sys.exit(f"{wheel.name}: {name} is not a path inside a wheel")
            if ".data/" in name:
                sys.exit(
                    f"{wheel.name}: {name} would be installed elsewhere, which is not supported"
                )
            content = archive.read(name)
            if name.endswith(".so"):
                content = without_sections(content)
            target = tree / name
            # Namespace packages share a directory; a file of both would be whichever came last.
            if target.exists() and target.read_bytes() != content:
                sys.exit(f"{wheel.name}: {name} differs from that of another wheel")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def needed(names: list[str]) -> list[str]:
    """Choose what is packed; a wheel without any code needs no licence either."""
    files = [name for name in names if not name.endswith("/") and is_needed(name)]
    return files if any(".dist-info/" not in name for name in files) else []


def is_needed(name: str) -> bool:
    """Tell whether a wheel's file is used at run time, or is a licence that must be packed."""
    top, _, rest = name.partition("/")
    if top.endswith(".dist-info"):
        return bool(LICENCE.match(rest))
    return not name.startswith(USELESS) and Path(name).suffix not in USELESS_SUFFIXES


def slim(source: str) -> str:
    """Remove from a module of ours what costs time at a start and nobody uses on a machine."""
    # Comments first: a docstring with one behind it would not stand alone on its lines, and would stay.
    return without_types(without_docstrings(without_comments(source)))


def without_comments(source: str) -> str:
    """Remove comments; every line keeps its number, and its code stays where it was.

    They are a tenth of a module's text, so they would cost a hundred kilobytes of the file that nobody reads on a machine.
    """
    # As the parser counts lines. A text cannot be searched for `#`: most of those are in strings and patterns.
    lines = source.split("\n")
    numbered = iter([f"{line}\n" for line in lines])
    for token in tokenize.generate_tokens(lambda: next(numbered, "")):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return "\n".join(lines)


def without_docstrings(source: str) -> str:
    """Blank the docstrings of classes, functions and fields; every line keeps its number.

    They are a tenth of the file's size and of a first start, which compiles all that it imports, and nobody
    can read them on a machine. A module's own docstring stays: the command line shows it.
    """
    lines = source.split("\n")  # as the parser counts them; splitlines ends one at a form feed, too
    for body in _bodies(ast.parse(source)):
        for statement in body:
            first, last = statement.lineno - 1, (statement.end_lineno or statement.lineno) - 1
            if not _is_text(statement) or not _stands_alone(statement, lines[first], lines[last]):
                continue
            lines[first : last + 1] = [""] * (last + 1 - first)
            if all(map(_is_text, body)):
                lines[first] = f"{' ' * statement.col_offset}pass"
    return "\n".join(lines)


def without_types(source: str) -> str:
    """Blank what only type checkers read: annotations of functions, blocks under `if TYPE_CHECKING`, the base Protocol.

    They are a tenth of what a first start compiles and of what every start loads, and nothing reads them at run
    time. The fields of classes, which msgspec reads, stay. Every line keeps its number.
    """
    text = source.encode()
    lines = [0]
    for line in text.split(b"\n"):
        lines.append(lines[-1] + len(line) + 1)

    def start(node: ast.expr | ast.arg | ast.stmt) -> int:
        return lines[node.lineno - 1] + node.col_offset

    def end(node: ast.expr | ast.stmt) -> int:
        return lines[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)

    blanked = bytearray(text)

    def blank(first: int, last: int) -> None:
        # Blanks and not a cut: line and column of what follows stay, and tracebacks stay true.
        blanked[first:last] = bytes(c if c == 10 else 32 for c in blanked[first:last])

    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None:
            blank(start(node) + len(node.arg.encode()), end(node.annotation))
            node.annotation = None
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns is not None:
            blank(text.rindex(b"->", 0, start(node.returns)), end(node.returns))
            node.returns = None
        elif isinstance(node, ast.ClassDef) and _is_protocol(node):
            # A decorated one (runtime_checkable) is used with isinstance, and stays.
            opening = text.rindex(b"(", 0, start(node.bases[0]))
            blank(opening, text.index(b")", end(node.bases[0])) + 1)
            node.bases = []
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            first = start(node.body[0])
            blank(first, end(node.body[-1]))
            blanked[first : first + 4] = b"pass"
            node.body = [ast.Pass()]
    result = blanked.decode()
    # Parentheses around an annotation, for example, are not part of it: if the result differs, keep the source.
    try:
        return result if ast.dump(ast.parse(result)) == ast.dump(tree) else source
    except SyntaxError:
        return source


def _is_protocol(node: ast.ClassDef) -> bool:
    return [*map(ast.unparse, node.bases)] == ["Protocol"] and not node.decorator_list


def _bodies(module: ast.Module) -> Iterator[list[ast.stmt]]:
    yield module.body[1:]
    for node in ast.walk(module):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.body


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _stands_alone(statement: ast.stmt, first: str, last: str) -> bool:
    """Whether nothing else is on its lines."""
    before = first.encode()[: statement.col_offset]
    behind = last.encode()[statement.end_col_offset :]
    return not before.strip() and not behind.strip()
