"""The ten longest functions and files of the product: for review, failing nothing (`make size`)."""

import ast
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).parents[1]


def functions(path: Path) -> list[tuple[int, str]]:
    """Length and place of every function in a file."""
    tree = ast.parse(path.read_text())
    return [
        (
            (node.end_lineno or node.lineno) - node.lineno + 1,
            f"{path.relative_to(ROOT)}:{node.lineno} {node.name}",
        )
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def show(title: str, sizes: list[tuple[int, str]]) -> None:
    """Print the distribution and the ten longest."""
    lengths = [size for size, _ in sizes]
    p95 = quantiles(lengths, n=20)[-1]
    print(f"{title}: {len(sizes)}, lines {sum(lengths)}, median {median(lengths):g}, p95 {p95:.0f}")
    for size, name in sorted(sizes, reverse=True)[:10]:
        print(f"  {size:5}  {name}")


def main() -> None:
    paths = sorted((ROOT / "machineadm").rglob("*.py"))
    files = [(len(path.read_text().splitlines()), str(path.relative_to(ROOT))) for path in paths]
    show("files", files)
    show("functions", [function for path in paths for function in functions(path)])


if __name__ == "__main__":
    main()
