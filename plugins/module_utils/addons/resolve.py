# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addons a selection comes to, what each waits for, and why a selection can't be."""

from __future__ import annotations

import difflib
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from .model import AddonError, Entry

Graph = Dict[str, Tuple[str, ...]]
SELECTION = "k8s_addons_selection"


def resolve(selection: Sequence[str], entries: Mapping[str, Entry]) -> Graph:
    """The selected addons, each with those selected ones that have to be ready before it, in such an order.

    A need for a capability is one for all selected addons that provide it. AddonError has a line for every
    unknown name, missing need, conflict and cycle, with the path that leads to it.
    """
    wrong = list(_unknown(selection, entries))
    if wrong:
        raise AddonError(wrong)
    chosen = {name: entries[name] for name in selection}
    wrong.extend(_missing(chosen, entries))
    wrong.extend(_conflicts(chosen))
    if wrong:
        raise AddonError(wrong)
    graph = {
        name: tuple(
            sorted(
                {
                    other.id
                    for need in entry.needs
                    for other in chosen.values()
                    if need in other.offers() and other.id != name
                }
            )
        )
        for name, entry in chosen.items()
    }
    return ordered(graph)


def ordered(graph: Mapping[str, Iterable[str]]) -> Graph:
    """The same graph, each after what it needs; names in order where nothing else decides."""
    result: Graph = {}
    left = {name: tuple(needs) for name, needs in sorted(graph.items())}
    while left:
        ready = [name for name, needs in left.items() if all(need not in left for need in needs)]
        if not ready:
            path = _cycle(left)
            raise AddonError([f"{SELECTION} has a cycle: {' -> '.join(path)}"])
        for name in ready:
            result[name] = left.pop(name)
    return result


def _unknown(selection: Sequence[str], entries: Mapping[str, Entry]) -> Iterable[str]:
    for name in selection:
        if name not in entries:
            near = difflib.get_close_matches(name, entries, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"{SELECTION} has {name}: no catalog has an addon of this name{hint}"
        elif entries[name].retired:
            yield f"{SELECTION} has {name}, which is retired: {entries[name].fate()}"
    for name in sorted({name for name in selection if list(selection).count(name) > 1}):
        yield f"{SELECTION} has {name} twice"


def _missing(chosen: Mapping[str, Entry], entries: Mapping[str, Entry]) -> Iterable[str]:
    offered = {capability for entry in chosen.values() for capability in entry.offers()}
    told = set()
    for name, entry in chosen.items():
        for need in entry.needs:
            for path in _paths(need, (name,), offered, entries):
                # Each thing that is missing is told once for each addon of the selection that leads to it.
                if (name, path[-1]) in told:
                    continue
                told.add((name, path[-1]))
                providers = sorted(other.id for other in _providers(path[-1], entries))
                how = f"select {' or '.join(providers)}" if providers else "no catalog has one"
                yield (
                    f"{SELECTION} has {name}, which needs {' -> '.join(path)}, but nothing selected "
                    f"provides {path[-1]}: {how}"
                )


def _paths(
    need: str, path: Tuple[str, ...], offered: Iterable[str], entries: Mapping[str, Entry]
) -> Iterable[Tuple[str, ...]]:
    """The need if it is missing, and what is missing for the one addon that could provide it."""
    if need in offered or need in path:
        return
    here = (*path, need)
    yield here
    providers = _providers(need, entries)
    if len(providers) == 1:
        for further in providers[0].needs:
            yield from _paths(further, here, offered, entries)


def _providers(need: str, entries: Mapping[str, Entry]) -> List[Entry]:
    return [entry for entry in entries.values() if need in entry.offers() and not entry.retired]


def _conflicts(chosen: Mapping[str, Entry]) -> Iterable[str]:
    told = set()
    for name, entry in chosen.items():
        for other in chosen.values():
            common = sorted(set(entry.conflicts) & set(other.offers()))
            if other.id != name and common and frozenset((name, other.id)) not in told:
                told.add(frozenset((name, other.id)))
                what = "" if common[0] == other.id else f", which provides {common[0]}"
                yield f"{SELECTION} has {name} and {other.id}{what}: they can't be in the same cluster"


def _cycle(left: Mapping[str, Tuple[str, ...]]) -> List[str]:
    """One cycle of a graph in which every node needs another one of it, closed: its first is its last."""
    path = [min(left)]
    while True:
        following = min(need for need in left[path[-1]] if need in left)
        if following in path:
            return [*path[path.index(following) :], following]
        path.append(following)
