"""What READMEs and guides say to write: the blocks of YAML in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.addons import catalog, objects

from .entries import the_catalog
from .shipped import CATALOG, ENTRIES, ROOT

GUIDE = ROOT / "docs" / "guides" / "addons.md"
COMBINATIONS = ROOT / "docs" / "guides" / "addons-combinations.md"
PAGES = {
    **{name: CATALOG / name / "README.md" for name in ENTRIES},
    "guide": GUIDE,
    "combinations": COMBINATIONS,
}


def examples(path: Path) -> list[dict[str, Any]]:
    """What stands in blocks of YAML, by document."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
    return [document for block in blocks for document in yaml.safe_load_all(block) if document]


def things(path: Path) -> Iterator[dict[str, Any]]:
    """Objects as they would go into a cluster: those that stand there, and what becomes of an entry's own."""
    for document in examples(path):
        if "kind" in document:
            yield document
        for addon, patches in document.get("k8s_addons_resources", {}).items():
            entry = the_catalog()[addon]
            own = [
                thing
                for kind in ("policies", "resources", "monitors")
                for thing in catalog.objects(entry, kind)
            ]
            laid_over, left = objects.overlaid([*own, *catalog.alerts(entry)], patches)
            yield from laid_over
            yield from objects.added(addon, left)
