"""Read ``budgets.yml``."""

from __future__ import annotations

from pathlib import Path

import yaml

BUDGETS = Path(__file__).with_name("budgets.yml")


def budget(name: str) -> float:
    """The number that ``name`` may cost or must reach; KeyError names a budget that does not exist."""
    return float(yaml.safe_load(BUDGETS.read_text())[name])
