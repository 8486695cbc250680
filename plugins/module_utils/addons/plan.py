# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done to each item, and why: from what should be, what we noted, and what Helm noted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Optional, Tuple

from ..plan import CREATE, DELETE, UPDATE, Change
from .desired import Item
from .inventory import READY, Record, Release, State
from .model import AddonError
from .resolve import ordered


@dataclass(frozen=True)
class Step:
    """kind: ``create``, ``update``, ``delete``. chart_digest: empty where the file is to be brought first."""

    kind: str
    item: str
    reasons: Tuple[str, ...]
    chart_digest: str = ""

    def change(self, item: Optional[Item], record: Optional[Record]) -> Change:
        """The step as every module tells it."""
        before = {"version": record.version} if record is not None else None
        after = {"version": item.entry.version()} if item is not None and self.kind != DELETE else None
        why = ", ".join(self.reasons)
        return Change(
            self.kind,
            self.item,
            {**before, "reason": why} if before is not None and after is None else before,
            {**after, "reason": why} if after is not None else None,
        )


def chart_digest(item: Item, record: Optional[Record]) -> str:
    """The digest that the item's file has to have: the lock's, or the one seen first for the same version."""
    if not item.fetched:
        return ""
    if item.locked:
        return item.locked
    same = record is not None and (record.version, record.source) == (
        item.entry.version(),
        item.entry.source(),
    )
    return record.chart_digest if record is not None and same else ""


def decide(
    item: Item, chart: str, wanted: str, record: Optional[Record], release: Optional[Release]
) -> Optional[Step]:
    """The step for one item, ``None`` where nothing is to be done. wanted: its digest, with ``chart``'s."""
    if record is None:
        if item.released and release is not None:
            return Step(UPDATE, item.id, ("adopts a release that somebody else made",), chart)
        return Step(CREATE, item.id, ("is not there",), chart)
    reasons: List[str] = []
    if record.state != READY:
        reasons.append(f"the last run left it {record.state}")
    if item.released:
        if release is None:
            return Step(CREATE, item.id, tuple(reasons) or ("its release is gone",), chart)
        reasons.extend(_about_release(record, release, wanted))
    if record.version != item.entry.version() and item.is_addon:
        reasons.append(f"version {record.version or 'none'} -> {item.entry.version()}")
    elif record.digest != wanted and not reasons:
        reasons.append("values or objects differ")
    return Step(UPDATE, item.id, tuple(reasons), chart) if reasons else None


def _about_release(record: Record, release: Release, wanted: str) -> Iterable[str]:
    if release.pending:
        yield f"its release is {release.status}: a run was interrupted"
    elif release.status != "deployed":
        yield f"its release is {release.status}"
    if release.revision != record.revision and record.state == READY:
        yield f"revision {release.revision} was made by somebody else, ours is {record.revision}"
    elif release.digest != wanted and record.digest == wanted and not release.pending:
        yield "its release has another digest"


def surplus(items: Mapping[str, Item], state: State) -> Dict[str, Tuple[str, ...]]:
    """Items that we made and that are selected no more, each with those that have to go before it."""
    left = {name: record for name, record in state.records.items() if name not in items}
    graph: Dict[str, Tuple[str, ...]] = {
        name: tuple(sorted(other for other, record in left.items() if name in record.needs)) for name in left
    }
    try:
        return ordered(graph)
    except AddonError:
        # Records of different times may need each other; what is to go can go all the same.
        earlier: Dict[str, Tuple[str, ...]] = {}
        for name in sorted(graph):
            earlier[name] = tuple(need for need in graph[name] if need in earlier)
        return ordered(earlier)


def schedule(
    applied: Iterable[str],
    items: Mapping[str, Item],
    removed: Mapping[str, Tuple[str, ...]],
    first: Mapping[str, Tuple[str, ...]],
) -> Dict[str, Tuple[str, ...]]:
    """One graph for both: what is selected no more goes last, but for what ``first`` names.

    first: for an item that is to go, those that conflict with it and so wait until it is gone.
    """
    waiting = tuple(applied)
    graph = {name: tuple(need for need in items[name].needs if need in waiting) for name in waiting}
    for name, others in first.items():
        for other in others:
            if other in graph:
                graph[other] = (*graph[other], name)
    early = _with_dependents(first, removed)
    for name, needs in removed.items():
        graph[name] = needs if name in early else (*needs, *waiting)
    return graph


def _with_dependents(first: Mapping[str, object], removed: Mapping[str, Tuple[str, ...]]) -> List[str]:
    """What goes early, and what has to go before that."""
    found: List[str] = []
    queue = list(first)
    while queue:
        name = queue.pop()
        if name not in found:
            found.append(name)
            queue.extend(removed.get(name, ()))
    return found
