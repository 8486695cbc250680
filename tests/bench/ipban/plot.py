"""Lines over two logarithmic axes, as SVG: enough for growth, and nothing to install."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 220, 30, 50
# Distinct for those who see few colours, and on white and dark pages.
COLOURS = ("#d55e00", "#0072b2", "#56b4e9", "#7f7f7f", "#009e73", "#b8a000")


def draw(lines: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """Seconds (up) by entries (right)."""
    points = [point for line in lines.values() for point in line]
    columns = _decades([x for x, _ in points])
    rows = _decades([y for _, y in points])

    def across(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * _place(value, columns)

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * _place(value, rows)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        ' font-size="13" role="img" aria-label="Seconds of a full load by entries">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for decade in range(columns[0], columns[1] + 1):
        x = across(10.0**decade)
        parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#dddddd"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{10**decade:,}</text>'
        )
    for decade in range(rows[0], rows[1] + 1):
        y = up(10.0**decade)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**decade:g} s</text>')
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">entries</text>'
    )
    ends = _apart([(up(line[-1][1]), label) for label, line in lines.items()])
    for (label, line), colour in zip(lines.items(), COLOURS):
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts += [f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in line]
        parts.append(
            f'<text x="{WIDTH - RIGHT + 10}" y="{ends[label] + 4:.1f}" fill="{colour}">{escape(label)}:'
            f" {line[-1][1]:.2f} s</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def _decades(values: Sequence[float]) -> tuple[int, int]:
    return math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))


def _place(value: float, decades: tuple[int, int]) -> float:
    return (math.log10(value) - decades[0]) / (decades[1] - decades[0])


def _apart(labels: Sequence[tuple[float, str]], distance: float = 18) -> dict[str, float]:
    """Where labels go so that none covers another."""
    placed: dict[str, float] = {}
    lowest = -math.inf
    for y, label in sorted(labels):
        lowest = max(y, lowest + distance)
        placed[label] = lowest
    return placed
