"""Draw captured terminal text as a picture, from standard input to standard output.

``python -m docs.terminal <docs/assets/lab.txt >docs/assets/lab.svg`` draws the lab. Lines that start with
``$ `` are shown as commands. The picture is SVG: it scales, needs no font of its own, and has the text as its
description for screen readers.
"""

from __future__ import annotations

import sys
from xml.sax.saxutils import escape

COLUMN = 8.4
LINE = 20
MARGIN = 20
BAR = 36

BACKGROUND, FRAME, TEXT, COMMAND, PROMPT, DIM = (
    "#0f1720",
    "#1b2733",
    "#d5dde5",
    "#ffffff",
    "#5ecb8b",
    "#8899aa",
)


def draw(text: str, title: str = "groundwork.platform") -> str:
    """The SVG document for ``text``."""
    lines = text.expandtabs().rstrip("\n").split("\n")
    columns = max(map(len, lines))
    width = round(columns * COLUMN + 2 * MARGIN)
    height = len(lines) * LINE + BAR + 2 * MARGIN - LINE // 2
    rows = "\n".join(_row(line, BAR + MARGIN + number * LINE) for number, line in enumerate(lines))
    buttons = "".join(
        f'<circle cx="{MARGIN + offset}" cy="{BAR // 2}" r="6" fill="{DIM}" opacity="0.5"/>'
        for offset in (0, 20, 40)
    )
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"
 role="img">
<title>{escape(title)}</title>
<desc>{escape(text.strip())}</desc>
<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}"/>
<path d="M0 {BAR}V8a8 8 0 0 1 8-8H{width - 8}a8 8 0 0 1 8 8v{BAR - 8}z" fill="{FRAME}"/>
{buttons}
<text x="{width / 2:g}" y="{BAR / 2 + 4:g}" fill="{DIM}" text-anchor="middle"
 font-family="sans-serif" font-size="12">{escape(title)}</text>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
 font-size="14" xml:space="preserve">
{rows}
</g>
</svg>
"""


def _row(line: str, y: int) -> str:
    if not line.strip():
        return ""
    # The length is stated, so that columns stay aligned whichever monospace font a reader has.
    length = f'textLength="{len(line) * COLUMN:g}" lengthAdjust="spacingAndGlyphs"'
    if line.startswith("$ "):
        content = f'<tspan fill="{PROMPT}">$</tspan> {escape(line[2:])}'
        return f'<text x="{MARGIN}" y="{y}" fill="{COMMAND}" {length}>{content}</text>'
    return f'<text x="{MARGIN}" y="{y}" fill="{TEXT}" {length}>{escape(line)}</text>'


if __name__ == "__main__":
    sys.stdout.write(draw(sys.stdin.read()))
