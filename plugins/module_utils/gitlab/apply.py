# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a plan out: in order, side by side where nothing waits for anything, told step by step."""

from __future__ import annotations

import threading
from itertools import groupby
from typing import Callable, Dict, List, Mapping, Sequence, Set, Tuple

from ..plan import Change
from .client import ApiError
from .context import Context
from .model import GROUP, INSTANCE, PROJECT, Node
from .read import section_rows, wanted_sections
from .sections.files import Files
from .steps import CLOSING, CONTENT, NARROWING, STRUCTURE, Step, section_steps
from .structure import closing_order

Say = Callable[[str], None]


def _made(step: Step) -> bool:
    return step.phase == STRUCTURE and not step.node.row


def _first_commit(step: Step) -> bool:
    return isinstance(step.section, Files) and bool(step.node.row.get("empty_repo"))


class Applier:
    """What fails stops the group or project that it is about and what is below it, nothing else."""

    def __init__(self, context: Context, say: Say) -> None:
        self._context = context
        self._say = say
        self._lock = threading.Lock()
        self._failed: Set[str] = set()
        self.applied: List[Change] = []
        self.failures: List[Dict[str, str]] = []
        self.pending: List[Change] = []

    def run(self, steps: Sequence[Step]) -> None:
        """All steps: structure from the top down, then contents, then ends."""
        structure = [step for step in steps if step.phase == STRUCTURE]
        # The first commit of an empty repository makes GitLab protect the branch by itself.
        fresh = [step.node for step in steps if _made(step) or _first_commit(step)]
        structure.sort(
            key=lambda step: (step.node.kind != GROUP, step.node.depth if step.node.kind == GROUP else 0)
        )
        for _level, level in groupby(
            structure, key=lambda step: (step.node.kind, step.node.depth * (step.node.kind == GROUP))
        ):
            self._side_by_side(list(level))
        # A group can only be made narrower when nothing in it is wider any more, so from the bottom up.
        for step in sorted((one for one in steps if one.phase == NARROWING), key=lambda one: -one.node.depth):
            self._sequence(step.node, [step])
        content = [step for step in steps if step.phase == CONTENT]
        # The instance first, then groups: what projects inherit is there before they are worked on.
        for kind in (INSTANCE, GROUP, PROJECT):
            self._contents(
                [step for step in content if step.node.kind == kind],
                [node for node in fresh if node.kind == kind],
            )
        for step in closing_order([step for step in steps if step.phase == CLOSING]):
            self._sequence(step.node, [step])

    def _side_by_side(self, steps: List[Step]) -> None:
        by_node: Dict[str, List[Step]] = {}
        for step in steps:
            by_node.setdefault(step.node.path, []).append(step)
        self._context.client.map(lambda todo: self._sequence(todo[0].node, todo), by_node.values())

    def _contents(self, steps: Sequence[Step], fresh: Sequence[Node]) -> None:
        todo: Dict[str, Tuple[Node, List[Step]]] = {node.path: (node, []) for node in fresh}
        new = set(todo)
        for step in steps:
            todo.setdefault(step.node.path, (step.node, []))[1].append(step)

        def work(pair: Tuple[Node, List[Step]]) -> None:
            node, its = pair
            if node.path not in new:
                self._sequence(node, its)
            elif not self._hindered(node, its):
                self._fresh(node)

        self._context.client.map(work, todo.values())

    def _fresh(self, node: Node) -> None:
        """What was made a moment ago has things of its own already, so it is compared once more."""
        for section in wanted_sections(self._context, node):
            try:
                steps = section_steps(
                    self._context, node, section, section_rows(self._context, node, section)
                )
            except ApiError as error:
                self._fail(node, f"{node.path} {section.name}", str(error))
                return
            self._sequence(node, steps)
            if self._hindered(node, []):
                return

    def _hindered(self, node: Node, steps: Sequence[Step]) -> bool:
        with self._lock:
            hindered = any(
                path in self._failed for path in (node.path, *(above.path for above in node.ancestors()))
            )
            if hindered:
                self.pending.extend(step.change for step in steps)
        return hindered

    def _sequence(self, node: Node, steps: List[Step]) -> None:
        """The steps of one node, in order; files of one node go in one commit."""
        position = 0
        while position < len(steps):
            if self._hindered(node, steps[position:]):
                return
            batch = [steps[position]]
            section = batch[0].section
            if isinstance(section, Files):
                batch += [step for step in steps[position + 1 :] if step.section is section]
            try:
                if isinstance(section, Files):
                    section.commit(
                        self._context, node, [step.difference for step in batch if step.difference]
                    )
                else:
                    batch[0].run()
            except (ApiError, OSError) as error:
                self._fail(node, f"{batch[0].change.kind} {batch[0].change.key}", str(error))
                with self._lock:
                    self.pending.extend(step.change for step in steps[position + 1 :])
                return
            with self._lock:
                self.applied.extend(step.change for step in batch)
            for step in batch:
                self._say(f"{step.change.kind} {step.change.key}")
            position += len(batch)

    def _fail(self, node: Node, what: str, reason: str) -> None:
        with self._lock:
            self._failed.add(node.path)
            self.failures.append({"object": node.path or INSTANCE, "change": what, "reason": reason})
        self._say(f"FAILED {what}: {reason}")

    def outcome(self) -> Mapping[str, object]:
        """What a result tells where something failed."""
        return {
            "applied": [change.public() for change in self.applied],
            "failures": self.failures,
            "pending": [change.public() for change in self.pending],
        }
