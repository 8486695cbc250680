# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ready-set scheduling: each item starts as soon as what it needs is done, some at a time."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field
from typing import Callable, Dict, FrozenSet, List, Mapping, Optional, Set, Tuple

Work = Callable[[str, Callable[[str], None]], None]


@dataclass(frozen=True)
class Event:
    """kind: ``start``, ``say``, ``done``, ``failed``, ``blocked``. text: a line, or why."""

    kind: str
    item: str
    text: str = ""
    error: Optional[BaseException] = field(default=None, compare=False)


def ready(
    graph: Mapping[str, Tuple[str, ...]], done: FrozenSet[str], busy: FrozenSet[str], lost: Mapping[str, str]
) -> Tuple[List[str], Dict[str, str]]:
    """The items that can start now, and those that never will, each with the item that it waits for.

    lost: items that failed or are blocked already. Needs outside of the graph count as done.
    """
    startable: List[str] = []
    blocked: Dict[str, str] = {}
    for item, needs in graph.items():
        if item in done or item in busy or item in lost or item in blocked:
            continue
        broken = next((need for need in needs if need in lost or need in blocked), None)
        if broken is not None:
            blocked[item] = broken
        elif all(need in done or need not in graph for need in needs):
            startable.append(item)
    return startable, blocked


def run(
    graph: Mapping[str, Tuple[str, ...]],
    work: Work,
    workers: int,
    tell: Callable[[Event], None],
    stopped: Callable[[], str] = lambda: "",
) -> Dict[str, Event]:
    """Work through a graph without cycles; the last event of each item.

    ``tell`` is called by the calling thread only, as things happen. An item that fails blocks what needs it,
    and nothing else. Nothing starts any more once ``stopped`` says why; the rest is blocked then.
    """
    events: queue.Queue[Event] = queue.Queue()
    outcome: Dict[str, Event] = {}
    busy: Set[str] = set()

    def worker(item: str) -> None:
        try:
            work(item, lambda text: events.put(Event("say", item, text)))
        except BaseException as error:  # pylint: disable=broad-except  # it is told where the run ends
            events.put(Event("failed", item, str(error), error))
        else:
            events.put(Event("done", item))

    def settle(event: Event) -> None:
        outcome[event.item] = event
        tell(event)

    while True:
        lost = {name: event.text for name, event in outcome.items() if event.kind != "done"}
        done = frozenset(name for name, event in outcome.items() if event.kind == "done")
        startable, blocked = ready(graph, done, frozenset(busy), lost)
        for item, need in blocked.items():
            settle(Event("blocked", item, f"{need} is not there"))
        if blocked:
            continue
        why = stopped() if startable else ""
        for item in startable if why else ():
            settle(Event("blocked", item, why))
        if why:
            continue
        for item in startable[: max(0, workers - len(busy))]:
            busy.add(item)
            tell(Event("start", item))
            # Daemons: a run that is interrupted does not hang on what it waits for.
            threading.Thread(target=worker, args=(item,), daemon=True).start()
        if not busy:
            # Nothing is left of a graph without cycles; of another one it is not passed over in silence.
            for item in graph:
                if item not in outcome:
                    settle(Event("blocked", item, "it waits for something that waits for it"))
            return outcome
        event = events.get()
        if event.kind == "say":
            tell(event)
        else:
            busy.discard(event.item)
            settle(event)
