# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines while a run goes on, and the table at its end."""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, Optional

from .plan import Step

READY = "ready"
UNCHANGED = "unchanged"
REMOVED = "removed"
FAILED = "failed"
BLOCKED = "not started"
UNAVAILABLE = "no chart source"

_MARKS = {"create": "+", "update": "~", "delete": "-"}


def step_line(step: Step, version: str) -> str:
    """``+ traefik 41.3.0: is not there``."""
    name = f"{step.item} {version}".strip()
    return f"{_MARKS[step.kind]} {name}: {', '.join(step.reasons)}"


def done_line(item: str, removed: bool, seconds: float) -> str:
    """``traefik: ready in 3.2 s``."""
    return f"{item}: {'removed' if removed else 'ready'} in {seconds:.1f} s"


def entry(
    state: str, version: str = "", seconds: Optional[float] = None, reason: str = ""
) -> Dict[str, object]:
    """What the result tells of one item."""
    found: Dict[str, object] = {"state": state, "version": version}
    if seconds is not None:
        found["seconds"] = round(seconds, 1)
    if reason:
        found["reason"] = reason
    return found


def table(addons: Mapping[str, Mapping[str, object]]) -> List[str]:
    """One line for each item that is not unchanged, and how many of those there are."""
    told = {name: found for name, found in addons.items() if found["state"] != UNCHANGED}
    if not told:
        return []
    widths = (_width(told), _width(str(found.get("version", "")) for found in told.values()))
    lines = [
        f"{name:<{widths[0]}}  {found.get('version', '')!s:<{widths[1]}}  {found['state']!s:<15}"
        f"{_seconds(found)}".rstrip()
        for name, found in told.items()
    ]
    rest = len(addons) - len(told)
    return [*lines, *([f"{rest} unchanged"] if rest else [])]


def _seconds(found: Mapping[str, object]) -> str:
    return f"  {found['seconds']:6.1f} s" if "seconds" in found else ""


def _width(texts: Iterable[str]) -> int:
    return max(map(len, texts), default=0)
