"""Where the catalog is that the collection ships, and where the real charts are that it is held against."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
FILES = ROOT / "roles" / "k8s_addons" / "files"
CATALOG = FILES / "catalog"
CONTRACTS = Path(os.environ.get("GROUNDWORK_CONTRACTS", ROOT.parent / "shared" / "contracts")) / "charts"
NO_CONTRACTS = f"no charts at {CONTRACTS}: set GROUNDWORK_CONTRACTS to the folder that holds charts/"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def load(path: Path) -> Any:
    return yaml.load(path.read_text(), Loader=LOADER)  # noqa: S506  # a subclass of SafeLoader


@cache
def load_all(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.load_all(path.read_text(), Loader=LOADER) if document]


# What is retired is nothing but a name and its successors.
NAMES = sorted(path.parent.name for path in CATALOG.glob("*/addon.yml"))
ENTRIES = [name for name in NAMES if not load(CATALOG / name / "addon.yml").get("retired")]
RETIRED = [name for name in NAMES if name not in ENTRIES]


def there() -> bool:
    return (CONTRACTS / "INDEX.yaml").is_file()
