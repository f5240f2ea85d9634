"""The pages hang together: links lead somewhere, decisions are listed, the layers are those that are checked."""

import re
from pathlib import Path

import pytest
from importlinter.api import read_configuration

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "tests/*.md", "examples/**/*.md", "crdgen/**/*.md")
    for path in ROOT.glob(pattern)
)
DECISIONS = sorted((ROOT / "docs/adr").glob("0*.md"))


def headings(page: str) -> set[str]:
    """The anchors that a page's headings make."""
    titles = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path, text: str) -> list[str]:
    prose = re.sub(r"^```.*?^```|`[^`\n]+`", "", text, flags=re.MULTILINE | re.DOTALL)
    broken = []
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", prose):
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        if not target.exists() or (anchor and anchor not in headings(target.read_text())):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert broken_links(page, (ROOT / page).read_text()) == []


def test_a_broken_link_would_be_found() -> None:
    text = "[a](no-such.md) [b](CHANGELOG.md#nowhere) [c](CHANGELOG.md#changelog) [d](#gone)\n"

    assert broken_links(Path("README.md"), text) == ["no-such.md", "CHANGELOG.md#nowhere", "#gone"]


def test_every_decision_is_listed_by_its_title() -> None:
    index = (ROOT / "docs/adr/README.md").read_text()
    listed = re.findall(r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \|$", index, re.MULTILINE)

    titles = {path.name: path.read_text().partition("\n")[0] for path in DECISIONS}
    assert {name: f"# {number}: {title}" for number, name, title in listed} == titles
    assert all(name.startswith(number) for number, name, _ in listed)


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.name[:4])
def test_a_decision_says_what_it_was_about_and_what_it_costs(path: Path) -> None:
    sections = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)

    assert sections == ["Context", "Decision", "Consequences"]
    assert re.search(r"^Status: (accepted|superseded by \S+)", path.read_text(), re.MULTILINE)


def test_the_layers_of_the_page_are_those_of_the_contract() -> None:
    contracts = read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"]
    layers = contracts[0]["layers"]
    page = (ROOT / "docs/architecture.md").read_text().partition("## Layers")[2]
    rows = re.findall(r"^\| (\(?`.*?) \|", page, re.MULTILINE)

    assert [re.findall(r"\w+", row.replace("*planned*", "")) for row in rows] == [
        re.findall(r"\w+", layer) for layer in layers
    ]
