"""What of a wheel goes along, and that two wheels never fight over one file."""

import ast
import ctypes
import importlib
import io
import struct
import tokenize
import zipfile
from pathlib import Path

import pytest

from elf import without_sections
from slim import slim, unpack, without_comments, without_docstrings, without_types


def wheel(directory: Path, name: str, contents: dict[str, bytes]) -> Path:
    path = directory / name
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in contents.items():
            archive.writestr(entry, content)
    return path


def files(tree: Path) -> set[str]:
    return {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}


def test_licences_go_along_wherever_they_lie_and_types_and_sources_stay_behind(
    tmp_path: Path,
) -> None:
    contents = dict.fromkeys(
        (
            "some/__init__.py", "some/__init__.pyi", "some/_c.h", "some/_c.c", "some/old.pyc",
            "some-1.dist-info/METADATA", "some-1.dist-info/RECORD", "some-1.dist-info/LICENSE",
            "some-1.dist-info/licenses/COPYING", "some-1.dist-info/licenses/vendored/NOTICE",
            "some-1.dist-info/sboms/some.cdx.json",
        ),
        b"",
    )  # fmt: skip

    unpack(wheel(tmp_path, "some-1-py3-none-any.whl", contents), tmp_path / "tree")

    assert files(tmp_path / "tree") == {
        "some/__init__.py",
        "some-1.dist-info/LICENSE",
        "some-1.dist-info/licenses/COPYING",
        "some-1.dist-info/licenses/vendored/NOTICE",
    }


def test_a_wheel_of_which_nothing_runs_leaves_nothing_behind(tmp_path: Path) -> None:
    contents = {"pycparser/__init__.py": b"", "pycparser-3.dist-info/LICENSE": b""}
    (tmp_path / "tree").mkdir()

    unpack(wheel(tmp_path, "pycparser-3-py3-none-any.whl", contents), tmp_path / "tree")

    assert not files(tmp_path / "tree")


def test_two_wheels_may_bring_the_same_file_but_not_two_of_one_name(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    first = wheel(tmp_path, "a-1-cp39-abi3-any.whl", {"a/_rust.abi3.so": b"one", "a/x.py": b""})
    same = wheel(tmp_path, "a-1-cp310-abi3-any.whl", {"a/_rust.abi3.so": b"one"})
    other = wheel(tmp_path, "a-1-cp311-abi3-any.whl", {"a/_rust.abi3.so": b"two"})

    unpack(first, tree)
    unpack(same, tree)
    with pytest.raises(SystemExit) as refusal:
        unpack(other, tree)

    assert str(refusal.value) == (
        "a-1-cp311-abi3-any.whl: a/_rust.abi3.so differs from that of another wheel"
    )


def test_a_wheel_that_installs_files_elsewhere_is_refused(tmp_path: Path) -> None:
    scripts = wheel(tmp_path, "a-1-py3-none-any.whl", {"a-1.data/scripts/tool": b"", "a.py": b""})

    with pytest.raises(SystemExit, match="would be installed elsewhere"):
        unpack(scripts, tmp_path / "tree")


@pytest.mark.parametrize("name", ["../a.py", "/a.py", "a/../../b.py"])
def test_a_wheel_cannot_write_outside_of_the_tree(tmp_path: Path, name: str) -> None:
    with pytest.raises(SystemExit, match="is not a path inside a wheel"):
        unpack(wheel(tmp_path, "a-1-py3-none-any.whl", {name: b""}), tmp_path / "tree")


def test_what_is_cut_still_loads_and_is_cut_no_further(tmp_path: Path) -> None:
    whole = Path(str(importlib.import_module("msgspec._core").__file__)).read_bytes()
    cut = without_sections(whole)
    (tmp_path / "cut.so").write_bytes(cut)

    assert len(cut) < len(whole)
    assert hasattr(ctypes.CDLL(str(tmp_path / "cut.so")), "PyInit__core")
    assert struct.unpack_from("<Q", cut, 0x28) == (0,)
    assert without_sections(cut) == cut


def test_what_is_no_elf_file_stays_as_it_is() -> None:
    assert without_sections(b"MZ" + bytes(100)) == b"MZ" + bytes(100)


def idle(tree: ast.AST) -> ast.AST:
    """Without any `pass`: a body that had nothing but a docstring has one now."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [one for one in node.body if not isinstance(one, ast.Pass)]
    return tree


ROOT = Path(__file__).parents[3]
MODULES = sorted((ROOT / "machineadm").rglob("*.py"))


class Undocumented(ast.NodeTransformer):
    """The tree that is left when docstrings go, each node where it was."""

    def visit(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        body: list[ast.stmt] = getattr(node, "body", None) or []
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
            kept = 1 if isinstance(node, ast.Module) else 0
            node.body = body[:kept] + [one for one in body[kept:] if not self.is_text(one)]
        return node

    @staticmethod
    def is_text(node: ast.stmt) -> bool:
        value = node.value if isinstance(node, ast.Expr) else None
        return isinstance(value, ast.Constant) and isinstance(value.value, str)


def program(tree: ast.AST) -> tuple[str, list[int]]:
    """What it does, and on which lines; a body may end with what has gone, so ends do not count."""
    return ast.dump(tree), [one.lineno for one in ast.walk(tree) if hasattr(one, "lineno")]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_without_docstrings_a_module_is_the_same_program_on_the_same_lines(module: Path) -> None:
    source = module.read_text()
    stripped = without_docstrings(source)

    was, became = ast.parse(source), ast.parse(stripped)
    assert ast.get_docstring(became) == ast.get_docstring(was)
    assert program(idle(became)) == program(idle(Undocumented().visit(was)))
    assert stripped.count("\n") == source.count("\n")


def comments(source: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_without_comments_a_module_is_the_same_program_in_the_same_places(module: Path) -> None:
    source = module.read_text()
    stripped = without_comments(source)

    # Columns, too: tracebacks underline what failed.
    was, became = (
        ast.dump(ast.parse(text), include_attributes=True) for text in (source, stripped)
    )
    assert became == was
    assert comments(stripped) == []
    assert stripped.count("\n") == source.count("\n")


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ("# only\nx = 1  # behind\n", "\nx = 1\n"),
        ("x = '#'  # '#'", "x = '#'"),
        ('x = """\n# a string\n"""  # "', 'x = """\n# a string\n"""'),
        ("x = f'{y:#x}#'  # z", "x = f'{y:#x}#'"),
        ("x = [  # a\n    1,  # b\n    # c\n]", "x = [\n    1,\n\n]"),
        ("ä = 'ö'  # ü", "ä = 'ö'"),
        ("x = 1 \\\n    + 2  # \\", "x = 1 \\\n    + 2"),
        ('x = "\x0c\x1c\u2028"  # \u2028 ends no line\ny = 1', 'x = "\x0c\x1c\u2028"\ny = 1'),
    ],
)
def test_only_comments_are_left_out(source: str, left: str) -> None:
    assert without_comments(source) == left


def test_a_docstring_with_a_comment_behind_it_goes_along_with_it() -> None:
    assert slim('"""Kept."""\nclass A:\n    x: int\n    """Goes."""  # a reason\n') == (
        '"""Kept."""\nclass A:\n    x: int\n\n'
    )


def test_a_docstring_beside_something_else_stays_and_an_empty_body_passes() -> None:
    source = '''"""Kept."""
class A(Exception):
    """Goes."""
def b(): "stays"
x = 1; "stays"
class C:
    x: int = 1
    """Goes,
    all of it."""
    y = "stays"
'''
    assert (
        without_docstrings(source)
        == '''"""Kept."""
class A(Exception):
    pass
def b(): "stays"
x = 1; "stays"
class C:
    x: int = 1


    y = "stays"
'''
    )


@pytest.mark.parametrize(
    "source",
    [
        'x = "\x0c\x1c\u2028"\ndef f():\n    """Goes."""\n    return 1\n',
        'class A:\n    """Goes."""\n\n    """And this."""\n',
    ],
    ids=["what only splitlines takes for an end of a line", "nothing but texts"],
)
def test_odd_modules_stay_the_same_program(source: str) -> None:
    stripped = without_docstrings(source)

    assert "Goes" not in stripped
    assert program(idle(ast.parse(stripped))) == program(
        idle(Undocumented().visit(ast.parse(source)))
    )


ANNOTATED = {
    "def f(a: int, *b: str, c: list[int] = (), **d: object) -> None: ...": "def f(a, *b, c = (), **d): ...",
    "def f(a: 'ä' = 'ö') -> 'ü':\n    return '->'": "def f(a = 'ö'):\n    return '->'",
    "async def f(\n    a: dict[\n        str, int\n    ],\n) -> int: ...": "async def f(a): ...",
    "def f(a: lambda: (yield) = 1): ...": "def f(a = 1): ...",
    "class C:\n    field: int = 1\n    def f(self) -> int:\n        x: int = 1\n        return x": (
        "class C:\n    field: int = 1\n    def f(self):\n        x: int = 1\n        return x"
    ),
    "if TYPE_CHECKING:\n    import a\n    from b import (\n        c,\n    )\nx = 1": (
        "if TYPE_CHECKING:\n    pass\nx = 1"
    ),
    "if TYPE_CHECKING: import a": "if TYPE_CHECKING: pass",
    "if not TYPE_CHECKING:\n    import a": "if not TYPE_CHECKING:\n    import a",
    "class C(Protocol):\n    def f(self) -> int: ...": "class C:\n    def f(self): ...",
    "@runtime_checkable\nclass C(Protocol):\n    x: int": (
        "@runtime_checkable\nclass C(Protocol):\n    x: int"
    ),
    "class C(D, Protocol):\n    x: int": "class C(D, Protocol):\n    x: int",
    "class C(asyncio.Protocol):\n    x: int": "class C(asyncio.Protocol):\n    x: int",
    # Parentheses are not part of the annotation, so this stays as it is.
    "def f(a: (int)) -> (\n    str\n): ...": "def f(a: (int)) -> (str): ...",
}


@pytest.mark.parametrize("source", ANNOTATED)
def test_only_what_type_checkers_alone_read_is_left_out(source: str) -> None:
    slim = without_types(source)

    assert ast.dump(ast.parse(slim)) == ast.dump(ast.parse(ANNOTATED[source]))
    assert slim.count("\n") == source.count("\n")


def test_no_protocol_of_the_agent_extends_one_that_the_builder_makes_a_plain_class() -> None:
    """It would be refused when it is imported: protocols extend protocols alone."""
    classes = [
        node
        for path in (ROOT / "machineadm").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and "Protocol" in map(ast.unparse, node.bases)
    ]

    plain = {node.name for node in classes if len(node.bases) == 1 and not node.decorator_list}
    extended = {ast.unparse(base) for node in classes for base in node.bases}
    assert {"Files", "Clock"} <= plain
    assert plain & extended == set()


def test_nearly_every_module_of_the_agent_loses_its_annotations_and_keeps_its_lines() -> None:
    modules = sorted((ROOT / "machineadm").rglob("*.py"))
    left = []
    for path in modules:
        source = path.read_text()
        slim = without_types(source)
        assert slim.count("\n") == source.count("\n"), path
        if any(
            isinstance(node, ast.FunctionDef) and node.returns for node in ast.walk(ast.parse(slim))
        ):
            left.append(path)

    assert len(modules) > 200
    assert len(left) < len(modules) / 20, left
