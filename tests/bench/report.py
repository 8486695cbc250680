"""The shape of every benchmark's result: a table for people, one line of JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One number. ``goal`` is met by at least it (``higher``), at most it (``lower``), or absent."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    better: str = "lower"

    @property
    def holds(self) -> bool:
        if self.goal is None:
            return True
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal

    @property
    def goal_text(self) -> str:
        if self.goal is None:
            return "-"
        return f"{'>=' if self.better == 'higher' else '<='} {self.goal:g}"


def render(benchmark: str, figures: Sequence[Figure]) -> str:
    """The table and, as the last line, the JSON object."""
    rows = [("FIGURE", "VALUE", "UNIT", "GOAL", "HOLDS")]
    rows += [
        (figure.name, f"{figure.value:.3g}", figure.unit, figure.goal_text, "yes" if figure.holds else "NO")
        for figure in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    )
    document = {
        "benchmark": benchmark,
        "holds": all(figure.holds for figure in figures),
        "figures": [
            {
                "name": figure.name,
                "value": round(figure.value, 4),
                "unit": figure.unit,
                "goal": figure.goal,
                "better": figure.better,
                "holds": figure.holds,
            }
            for figure in figures
        ],
    }
    return f"{table}\n{json.dumps(document)}"
