# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A step: one change with what makes it, and where in the order of all it belongs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional

from ..plan import CREATE, DELETE, MASK, UPDATE, Change
from .context import Context
from .model import INSTANCE, Node
from .sections.base import Difference, Row, Section

# Order of the whole: groups from the top, then projects, then what is in them, then what ends something.
STRUCTURE, NARROWING, CONTENT, CLOSING = range(4)

_SECRET = re.compile(
    r"pass(word|phrase)|secret|token|(private|api|access|secret|encryption)_key|import_url|dsn"
)


@dataclass(frozen=True)
class Step:
    """``run`` makes the change; it is called at most once."""

    node: Node
    change: Change
    phase: int
    run: Callable[[], None]
    section: Optional[Section] = None
    difference: Optional[Difference] = None


def title(node: Node, section: str = "", key: str = "") -> str:
    """How a plan calls something: ``acme/web labels bug``."""
    return " ".join(part for part in (node.path or INSTANCE, section, key) if part)


def shown_settings(settings: Mapping[str, Any]) -> Dict[str, Any]:
    """Settings as they may be printed: passwords, keys and addresses that can carry a login are masked."""
    return {
        name: MASK if isinstance(value, str) and value and _SECRET.search(name) else value
        for name, value in settings.items()
    }


def section_steps(context: Context, node: Node, section: Section, actual: Dict[str, Row]) -> List[Step]:
    """The steps of one section of one node."""
    steps = []
    for difference in section.differences(context, node, actual):
        before, after = section.shown(context, node, difference)
        kind = CREATE if difference.actual is None else DELETE if difference.wanted is None else UPDATE
        change = Change(kind, title(node, section.name, difference.key), before, after)
        steps.append(
            Step(
                node,
                change,
                CONTENT,
                lambda difference=difference: section.apply(context, node, difference),  # type: ignore[misc]
                section,
                difference,
            )
        )
    return steps
