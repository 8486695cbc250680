"""Write the generated pages, or say which are stale: ``python -m docs.generate [--check]``."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from docs import plugins, specs
from docs.markup import MarkupError
from docs.pages import Sources, pages, sections

# Folders that hold nothing but generated pages: what is not generated any more is removed from them.
OWNED = ("docs/reference",)


def read(root: Path) -> Sources:
    """All that pages are made from, in the checkout at ``root``."""
    return Sources(specs.roles(root), specs.playbooks(root), plugins.read(root))


def wanted(root: Path, sources: Sources) -> dict[str, str]:
    """The text that each file should have, by its path below ``root``."""
    texts = pages(sources)
    for section in sections(sources):
        texts[section.path] = section.insert(texts.get(section.path) or (root / section.path).read_text())
    return texts


def surplus(root: Path, texts: Mapping[str, str]) -> list[str]:
    """Pages in owned folders that nothing generates any more."""
    present = (str(path.relative_to(root)) for folder in OWNED for path in (root / folder).rglob("*.md"))
    return sorted(path for path in present if path not in texts)


def stale(root: Path, texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Path and unified diff of each file that is not as it should be."""
    for path, text in {**texts, **dict.fromkeys(surplus(root, texts), "")}.items():
        file = root / path
        actual = file.read_text() if file.exists() else ""
        if actual != text:
            lines = difflib.unified_diff(
                actual.splitlines(keepends=True), text.splitlines(keepends=True), path, f"{path} (generated)"
            )
            yield path, "".join(lines)


def write(root: Path, texts: Mapping[str, str]) -> list[str]:
    """Make the files as they should be; the paths of those that changed."""
    changed = [path for path, _ in stale(root, texts)]
    for path in changed:
        file = root / path
        if path in texts:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(texts[path])
        else:
            file.unlink()
    return changed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail and name the files that are stale"
    )
    parser.add_argument("--root", type=Path, default=specs.ROOT, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    try:
        texts = wanted(given.root, read(given.root))
    except (MarkupError, specs.SpecError, plugins.PluginError, ValueError) as error:
        print(f"docs.generate: {error}", file=sys.stderr)
        return 1
    if not given.check:
        for path in write(given.root, texts):
            print(f"wrote {path}")
        return 0
    found = list(stale(given.root, texts))
    for path, difference in found:
        print(difference, end="")
        print(f"docs.generate: {path} is stale", file=sys.stderr)
    if found:
        print("docs.generate: run python -m docs.generate and commit what it writes", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
