"""The navigation and the pages agree; the strict build looks at links only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from docs import site, terminal
from docs.specs import ROOT

# Keys of mkdocs itself: TechDocs builds the same file with mkdocs.
MKDOCS = {
    "site_name", "site_description", "site_url", "repo_url", "repo_name", "edit_uri", "docs_dir", "site_dir",
    "use_directory_urls", "exclude_docs", "theme", "validation", "markdown_extensions", "plugins", "nav",
}  # fmt: skip


@pytest.fixture(scope="module")
def configuration() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def leaves(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            for value in entry.values():
                yield from [value] if isinstance(value, str) else leaves(value)


def test_every_page_is_in_the_navigation_once(configuration: dict[str, Any]) -> None:
    listed = list(leaves(configuration["nav"]))
    docs = ROOT / "docs"
    assert sorted(listed) == sorted(str(path.relative_to(docs)) for path in docs.rglob("*.md"))


def test_plain_mkdocs_keys_only(configuration: dict[str, Any]) -> None:
    assert set(configuration) <= MKDOCS


def test_pages_name_no_machine_paths() -> None:
    machine = re.compile(r"/(?:work|tmp|root/\.cache|home/(?!\*)[a-z]+)/")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
        for match in machine.finditer(path.read_text())
    ]
    assert not found


def test_every_decision_is_listed() -> None:
    decisions = ROOT / "docs" / "decisions"
    index = (decisions / "index.md").read_text()
    for path in decisions.glob("[0-9]*.md"):
        number = int(path.name[:4])
        assert f"| [{number}]({path.name}) |" in index
        assert path.read_text().startswith(f"# {number}. ")


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert site.main(["publish"]) == 2
    assert "usage: python -m docs.site build|serve" in capsys.readouterr().err


def test_the_execution_environment_holds_this_version() -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    definition = (ROOT / "execution_environment" / "execution-environment.yml").read_text()
    assert set(re.findall(r"groundwork-platform-([0-9.]+)\.tar\.gz", definition)) == {version}


def test_a_terminal_is_drawn_as_it_reads() -> None:
    document = ElementTree.fromstring(terminal.draw("$ ls <x>\n\nA  B\n"))  # noqa: S314 - our own document
    namespace = "{http://www.w3.org/2000/svg}"
    lines = ["".join(text.itertext()) for text in document.findall(f"{namespace}g/{namespace}text")]
    assert lines == ["$ ls <x>", "A  B"]


def test_the_picture_of_the_lab_is_drawn_from_its_text() -> None:
    assets: Path = ROOT / "docs" / "assets"
    assert (assets / "lab.svg").read_text() == terminal.draw((assets / "lab.txt").read_text())
